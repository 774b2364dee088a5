//! The attributes of a message that later filters see.

use std::borrow::Cow;

use super::Refusal;
use super::access;
use super::claim::Claim;
use super::extract::{self, Extracted};
use super::rules::{Paths, Rules};
use crate::http::Headers;
use crate::mcp::message::Params;
use crate::mcp::method::{self, Subject};
use crate::mcp::{self, Invalid, Message, header_value, json};

/// The attributes of one message.
pub struct Attributes<'a> {
    /// The JSON-RPC method, [`method::RESPONSE`] for a response.
    pub method: Cow<'a, str>,
    /// The id's JSON text.
    pub id: Option<&'a str>,
    /// The name of the thing that the method is about, as the client sent it.
    pub name: Option<Cow<'a, str>>,
    /// The kind of that thing, and the name by which the server knows it.
    pub subject: Option<(Subject, Cow<'a, str>)>,
    /// The protocol version, from `_meta` or the header.
    pub protocol_version: Option<Cow<'a, str>>,
    /// The extracted parameters.
    pub params: Option<Extracted<'a>>,
    /// The key and the group of the method, if `groupMetadataKey` is set.
    pub group: Option<(&'a str, &'a str)>,
    /// The server that the request goes to, in gateway mode.
    pub server: Option<Chosen>,
}

/// The server that a request goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name in the configuration.
    pub server: String,
    /// Its Envoy cluster.
    pub cluster: String,
}

impl Chosen {
    /// The server of this name, in this cluster.
    pub fn of(server: &str, cluster: &str) -> Self {
        Self {
            server: server.to_owned(),
            cluster: cluster.to_owned(),
        }
    }
}

impl<'a> Attributes<'a> {
    /// Reads the attributes of `message`. Until [`Attributes::route`], the server's
    /// name is the client's.
    ///
    /// # Errors
    /// Two readers could read a value of it differently, or it cannot be exported.
    pub fn of(
        message: &'a Message<'a>,
        headers: &'a Headers,
        rules: &'a Rules,
    ) -> Result<Self, Refusal> {
        let method = message.method();
        let params = message.params();
        let id = message.id();
        if extract::ends_early(method) {
            return Err(Refusal::NotExportable("method"));
        }
        if !id.is_none_or(json::is_finite) {
            return Err(Refusal::NotFinite("id"));
        }
        let name = name_of(message)?;
        let by_meta = params.and_then(|params| json::string(params.meta.protocol_version?));
        let by_header = || {
            headers
                .get(mcp::PROTOCOL_VERSION_HEADER)
                .and_then(header_value::decode)
        };
        Ok(Self {
            method: Cow::Borrowed(method),
            id,
            subject: method::subject(method).zip(name.clone()),
            name,
            protocol_version: by_meta.or_else(by_header),
            params: match params {
                Some(params) => extracted(params, rules.paths(method))?,
                None => None,
            },
            group: rules.shown_group(method),
            server: None,
        })
    }

    /// Only some attributes of `message`: its method, its id, and its name unless two readers could
    /// read different names.
    pub fn of_method(message: &'a Message<'a>, rules: &'a Rules) -> Self {
        let method = message.method();
        let name = name_of(message).ok().flatten();
        Self {
            method: Cow::Borrowed(method),
            id: message.id().filter(|id| json::is_finite(id)),
            subject: method::subject(method).zip(name.clone()),
            name,
            protocol_version: None,
            params: None,
            group: rules.shown_group(method),
            server: None,
        }
    }

    /// The attributes that a modern request claims in its headers, before its body
    /// is read.
    ///
    /// # Errors
    /// It claims the URI of a resource that is not in normal form, or a text that some servers read
    /// differently.
    pub fn claimed(claim: &'a Claim, rules: &'a Rules) -> Result<Self, Refusal> {
        let method = claim.method.as_str();
        // If the method has no name, a body cannot confirm one.
        let param = method::name_param(method).zip(claim.name.as_deref().map(Cow::Borrowed));
        let name = param.as_ref().map(|(_, name)| name.clone());
        let subject = method::subject(method).zip(name.clone());
        for (what, text) in [("method", Some(method)), ("name", name.as_deref())] {
            if text.is_some_and(extract::ends_early) {
                return Err(Refusal::NotExportable(what));
            }
        }
        if let Some((Subject::Resource, uri)) = &subject {
            access::check_uri(method, uri)?;
        }
        Ok(Self {
            method: Cow::Borrowed(method),
            id: None,
            subject,
            name,
            protocol_version: Some(Cow::Borrowed(&claim.protocol_version)),
            params: param.map(|(param, name)| {
                Extracted::Object(vec![(Cow::Borrowed(param), Extracted::Text(name))])
            }),
            group: rules.shown_group(method),
            server: None,
        })
    }

    /// Sets the server, and the name `own` by which it knows the subject.
    pub fn route(&mut self, server: Chosen, own: Option<&str>) {
        self.server = Some(server);
        if let (Some((_, name)), Some(own)) = (&mut self.subject, own) {
            *name = Cow::Owned(own.to_owned());
        }
    }
}

/// The name of the thing that `message` is about, if it has one.
fn name_of<'a>(message: &'a Message<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    match (method::subject_param(message.method()), message.params()) {
        (Some(param), Some(params)) => name(params, param),
        _ => Ok(None),
    }
}

/// The member `param`, if it is a string.
pub(super) fn name<'a>(params: &Params<'a>, param: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    if params.has_lookalike(param) {
        return Err(Refusal::Body(Invalid::DuplicateKey("params")));
    }
    match params.get(param) {
        // If policies cannot read it, a server could still act on it.
        Some(raw) if raw.starts_with('"') => extract::text(raw)
            .map(Some)
            .ok_or(Refusal::NotExportable("params")),
        _ => Ok(None),
    }
}

fn extracted<'a>(params: &Params<'a>, paths: Paths<'_>) -> Result<Option<Extracted<'a>>, Refusal> {
    match paths {
        Paths::BuiltIn(paths) => extract::extract(params, paths),
        Paths::Configured(paths) => extract::extract(params, paths),
    }
}
