//! What a request is about, as later filters get to see it.

use std::borrow::Cow;

use super::extract::{self, Extracted};
use super::{Refusal, Status};
use crate::http::Headers;
use crate::mcp::method::{self, Subject};
use crate::mcp::{self, Message, header_value, json};

/// The attributes of one message.
#[derive(Debug)]
pub struct Attributes<'a> {
    /// Always [`Status::Ok`] here; a refused message shows its status alone.
    pub status: Status,
    /// The JSON-RPC method, [`method::RESPONSE`] for a response.
    pub method: Cow<'a, str>,
    /// The id's JSON text.
    pub id: Option<&'a str>,
    /// What the method is about, as the client named it.
    pub name: Option<Cow<'a, str>>,
    /// The same as the server knows it, with what it is.
    pub subject: Option<(Subject, Cow<'a, str>)>,
    /// The protocol version, from `_meta` or the header.
    pub protocol_version: Option<Cow<'a, str>>,
    /// The parameters that policies look at.
    pub params: Option<Extracted<'a>>,
    /// The server that was chosen, in gateway mode.
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

impl<'a> Attributes<'a> {
    /// Reads the attributes of `message`; servers know names as clients do
    /// until [`Attributes::route`] says otherwise.
    ///
    /// # Errors
    /// What policies read cannot be read in one way only.
    pub fn of(message: &'a Message<'a>, headers: &'a Headers) -> Result<Self, Refusal> {
        let method = message.method();
        let params = message.params();
        let name = match method::name_param(method).and_then(|param| params?.get(param)) {
            // A string that is no Unicode is a name that a server could act on.
            Some(raw) if raw.get().starts_with('"') => {
                Some(json::string(raw.get()).ok_or(Refusal::NotExportable("params"))?)
            }
            _ => None,
        };
        let by_meta = params.and_then(|params| json::string(params.meta.protocol_version?.get()));
        let by_header = || {
            headers
                .get(mcp::PROTOCOL_VERSION_HEADER)
                .and_then(header_value::decode)
        };
        Ok(Self {
            status: Status::Ok,
            method: Cow::Borrowed(method),
            id: message.id().map(json::RawValue::get),
            subject: method::subject(method).zip(name.clone()),
            name,
            protocol_version: by_meta.or_else(by_header),
            params: match params {
                Some(params) => extract::extract(params, method::extraction(method))?,
                None => None,
            },
            server: None,
        })
    }

    /// The request goes to `server`, which knows its subject as `own`.
    pub fn route(&mut self, server: Chosen, own: &str) {
        self.server = Some(server);
        if let Some((_, name)) = &mut self.subject {
            *name = Cow::Owned(own.to_owned());
        }
    }
}
