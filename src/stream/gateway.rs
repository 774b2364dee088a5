//! A message that was understood, in gateway mode: answered here, asked of
//! servers, or routed to one.

use std::borrow::Cow;
use std::rc::Rc;

use super::asking::Purpose;
use super::outcome::shown;
use super::request::Incoming;
use super::{Effect, Stream};
use crate::gateway::call::{Caller, Question};
use crate::gateway::forwarding;
use crate::gateway::kind::Kind;
use crate::gateway::worker::Worker;
use crate::http::{Headers, Reply};
use crate::mcp::{self, Message, header_value, json, method};
use crate::policy::attributes::Attributes;
use crate::policy::era::Era;
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};

impl Stream {
    pub(super) fn gateway_message(
        &mut self,
        request: &Incoming<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let config = Rc::clone(&self.config);
        let Some(gateway) = &config.gateway else {
            return Ok(Vec::new());
        };
        let Incoming {
            message,
            era,
            headers,
            ..
        } = *request;
        let attributes = Attributes::of(message, headers, &config.rules)?;
        let (id, params) = match message {
            Message::Response { .. } => return Err(Refusal::UnexpectedResponse),
            // Without sessions there is no server that it concerns.
            Message::Notification { .. } => {
                return self.answered(&attributes, Reply::empty(202, Status::Ok.as_str()));
            }
            Message::Request { id, params, .. } => (*id, params),
        };
        let question = match (message.method(), era) {
            (method::PING, Era::Legacy) => return self.answered(&attributes, answer(id, b"{}")),
            (_, Era::Legacy) => return Err(Refusal::Version(legacy_version(message, headers))),
            (removed, Era::Modern) if method::is_legacy_only(removed) => {
                return self.aimless(gateway, request, attributes);
            }
            (method::SERVER_DISCOVER, Era::Modern) => Question::Discover,
            (name, Era::Modern) => match Kind::of(name) {
                Some(kind) => Question::List(kind),
                None => return self.find_server(gateway, request, attributes, worker),
            },
        };
        if params.get("cursor").is_some_and(|cursor| cursor != "null") {
            return Err(Refusal::Cursor);
        }
        let caller = Caller::of(&params.meta, forwarding::traced(headers))?;
        let mut effects: Vec<Effect> = self.counted(&attributes).into_iter().collect();
        effects.extend(shown(Export::of(&attributes, self.config.storage)?));
        let places: Vec<usize> = (0..gateway.servers.len()).collect();
        let purpose = Purpose::Answer { id: id.to_owned() };
        effects.extend(self.ask(question, &places, caller, purpose, worker));
        Ok(effects)
    }

    /// Answers here; access logs see what the message was about.
    fn answered(
        &mut self,
        attributes: &Attributes<'_>,
        reply: Reply,
    ) -> Result<Vec<Effect>, Refusal> {
        let mut effects: Vec<Effect> = self.counted(attributes).into_iter().collect();
        effects.extend(shown(Export::of(attributes, self.config.storage)?));
        effects.extend(self.reply(reply));
        Ok(effects)
    }
}

/// A JSON-RPC response with `result`, the JSON text of one.
pub(super) fn answer(id: &str, result: &[u8]) -> Reply {
    let mut body = Vec::with_capacity(result.len().saturating_add(id.len()).saturating_add(40));
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#","result":"#);
    body.extend_from_slice(result);
    body.push(b'}');
    Reply::json(200, body, Status::Ok.as_str())
}

/// The version that a legacy client asks for.
fn legacy_version(message: &Message<'_>, headers: &Headers) -> String {
    let initialize = message
        .params()
        .and_then(|params| params.get("protocolVersion"));
    let by_body = initialize.and_then(json::string);
    let by_header = || {
        headers
            .get(mcp::PROTOCOL_VERSION_HEADER)
            .and_then(header_value::decode)
    };
    // Without a header it is the version that had none (MCP 2025-06-18, transports).
    by_body
        .or_else(by_header)
        .map_or_else(|| "2025-03-26".to_owned(), Cow::into_owned)
}
