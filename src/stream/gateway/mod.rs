//! Gateway mode: the gateway answers a client's message itself, asks several servers for the
//! answer, or forwards the message to one server.

mod continuation;
pub(in crate::stream) mod fanout;
mod forward;
mod initialize;
mod legacy;
pub(in crate::stream) mod listening;
mod lookup;
mod modern;
mod notification;
mod param_headers;
mod pins;
mod route;
mod session;
mod short_names;
mod tasks;
mod tool_search;
mod views;

use std::rc::Rc;

use crate::gateway::session::{Session, SessionPart};
use crate::http::{Headers, Reply};
use crate::mcp::era::Era;
use crate::mcp::message::Params;
use crate::mcp::{Message, jsonrpc, param_header};
use crate::policy::attributes::Attributes;
use crate::policy::{Refusal, Status};
use crate::stream::context::GatewayContext;
use crate::stream::effects::count_and_export;
use crate::stream::event::{Effect, HostFacts};
use crate::stream::phase::Transition;
use crate::stream::request::body::BufferedRequest;
use crate::stream::request::{authorization, era_of};

/// A message of a client, and the data of its HTTP request.
struct IncomingMessage<'a> {
    message: &'a Message<'a>,
    /// The attributes of the message for policies and access logs.
    attributes: Attributes<'a>,
    client: Client,
    /// The headers of the HTTP request.
    headers: &'a Headers,
    facts: &'a Rc<HostFacts>,
    /// The HTTP request has trailers.
    has_trailers: bool,
    /// The message is not the one that the client sent, see [`Rewritten`].
    rewritten: Option<Rc<Rewritten>>,
}

/// A mark that the gateway has replaced the client's message with another one. The body of the HTTP
/// request still has the client's message.
struct Rewritten {
    /// The headers that repeat arguments of the call: names and values. `None` where the arguments,
    /// and so these headers, are those of the client.
    param_headers: Option<Vec<(String, String)>>,
}

impl Rewritten {
    /// Replaces the client's headers that repeat arguments with those of this message. Only modern
    /// servers get such headers. `headers` are the client's.
    fn change_headers(&self, headers: &Headers, to_modern: bool) -> Vec<Effect> {
        let Some(param_headers) = &self.param_headers else {
            return Vec::new();
        };
        let names = headers.names();
        let of_client = names.filter(|name| name.starts_with(param_header::PREFIX));
        let removed = of_client.map(|name| Effect::RemoveRequestHeader(name.to_owned()));
        let added = param_headers.iter().filter(|_| to_modern).cloned();
        let added = added.map(|(name, value)| Effect::AddRequestHeader(name, value));
        removed.chain(added).collect()
    }
}

/// The client that sent a message.
#[derive(Clone)]
enum Client {
    /// A modern client: each message has all data that the server needs.
    Modern,
    /// A legacy client, in this session.
    Legacy(Rc<Session>),
}

impl Client {
    fn era(&self) -> Era {
        match self {
            Self::Modern => Era::Modern,
            Self::Legacy(_) => Era::Legacy,
        }
    }

    /// The same client, with the servers that have joined its session since then.
    fn with_joined(&self, cx: &GatewayContext<'_>) -> Self {
        match self {
            Self::Legacy(session) if session.parts.contains(&SessionPart::Absent) => {
                let mut session = Session::clone(session);
                cx.worker.joined.add_to(&mut session, &cx.gateway.servers);
                Self::Legacy(Rc::new(session))
            }
            client => client.clone(),
        }
    }

    /// The refusal of a method that the gateway does not have. A legacy client gets it with status
    /// 200: it would read a 404 as the end of its session.
    fn unknown_method(&self, method: &str) -> Refusal {
        Refusal::UnknownMethod {
            method: method.to_owned(),
            modern: matches!(self, Self::Modern),
        }
    }
}

/// Handles a message after the filter has read it.
///
/// # Errors
/// The gateway refuses the message.
pub(in crate::stream) fn on_message(
    cx: &mut GatewayContext<'_>,
    request: &BufferedRequest,
    message: &Message<'_>,
    has_trailers: bool,
) -> Result<Transition, Refusal> {
    let headers = &request.headers;
    let era = era_of(cx.config, message, headers)?;
    let mut incoming = IncomingMessage {
        message,
        attributes: Attributes::of(message, headers, &cx.config.rules)?,
        client: Client::Modern,
        headers,
        facts: &request.facts,
        has_trailers,
        rewritten: None,
    };
    if let Some(waits) = short_names::ask_first(cx, &mut incoming, era)? {
        return Ok(waits);
    }
    dispatch(cx, incoming, era)
}

/// Handles a message that has the full name of its tool.
///
/// # Errors
/// The gateway refuses the message.
fn dispatch(
    cx: &mut GatewayContext<'_>,
    incoming: IncomingMessage<'_>,
    era: Era,
) -> Result<Transition, Refusal> {
    let (message, facts) = (incoming.message, incoming.facts);
    // This check comes before the gateway looks up any name: a caller must not learn whether a tool
    // exists that it may not use.
    if !tasks::decides_right(message) && tool_search::called(cx, message).is_none() {
        authorization::authorize(cx.config, message, facts)?;
    }
    match era {
        Era::Modern => modern::on_message(cx, incoming),
        Era::Legacy => legacy::on_message(cx, incoming),
    }
}

/// Answers a message without any server.
///
/// # Errors
/// The attributes of the message cannot be exported.
fn answer_here(
    cx: &GatewayContext<'_>,
    attributes: &Attributes<'_>,
    reply: Reply,
) -> Result<Transition, Refusal> {
    let effects = count_and_export(cx.config, attributes)?;
    Ok(Transition::reply(reply).after(effects))
}

/// The JSON-RPC response to the request `id` with an empty result.
fn empty_result(id: &str) -> Reply {
    let body = jsonrpc::result(id, 2, |out| out.extend_from_slice(b"{}"));
    Reply::json(200, body, Status::Ok.as_str())
}

/// The answer to a message that has no response (MCP 2025-11-25, "Sending
/// Messages to the Server").
fn accepted() -> Reply {
    Reply::empty(202, Status::Ok.as_str())
}

/// Whether a list request is for another page than the first. The gateway's own lists have only one
/// page.
fn has_cursor(params: &Params<'_>) -> bool {
    params.get("cursor").is_some_and(|cursor| cursor != "null")
}
