//! A message that was understood, in gateway mode: answered here, asked of
//! servers, or routed to one.

pub(in crate::stream) mod fanout;
pub(in crate::stream) mod legacy;
pub(in crate::stream) mod listening;
pub(in crate::stream) mod routing;
pub(in crate::stream) mod sending;
pub(in crate::stream) mod session;

use std::rc::Rc;

use crate::config::Gateway;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::worker::Worker;
use crate::http::Reply;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::mcp::message::Content;
use crate::mcp::{Message, method};
use crate::policy::attributes::Attributes;
use crate::policy::{Refusal, Status};
use crate::stream::gateway::fanout::Continuation;
use crate::stream::gateway::legacy::has_cursor;
use crate::stream::gateway::routing::no_method;
use crate::stream::gateway::session::Client;
use crate::stream::request::IncomingMessage;
use crate::stream::{BufferedRequest, Effect, Stream};

impl Stream {
    pub(in crate::stream) fn gateway_message(
        &mut self,
        message: &Message<'_>,
        reading: &BufferedRequest,
        trailers: bool,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let config = Rc::clone(&self.config);
        let Some(gateway) = &config.gateway else {
            return Ok(Vec::new());
        };
        let headers = &reading.headers;
        let era = self.era(message, headers)?;
        let attributes = Attributes::of(message, headers, &config.rules)?;
        // Before any look-up: what is denied is denied whether it is there or not.
        self.permit(message, &reading.known)?;
        let request = IncomingMessage {
            message,
            client: &Client::Modern,
            headers,
            known: &reading.known,
            trailers,
        };
        match era {
            Era::Modern => self.modern_message(gateway, &request, attributes, worker),
            Era::Legacy => self.legacy_message(gateway, request, attributes, worker),
        }
    }

    fn modern_message(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let (id, params) = match &request.message.content {
            Content::Response { .. } => return Err(Refusal::UnexpectedResponse),
            // Without sessions there is no server that it concerns.
            Content::Notification { .. } => {
                return self.answered(&attributes, Reply::empty(202, Status::Ok.as_str()));
            }
            Content::Request { id, params, .. } => (*id, params),
        };
        let operation = match request.message.method() {
            removed if method::is_legacy_only(removed) => {
                return Err(no_method(request));
            }
            method::SERVER_DISCOVER => Operation::Discover,
            name => match ListKind::of(name) {
                Some(kind) => Operation::List(kind),
                None => return self.find_server(gateway, request, attributes, worker),
            },
        };
        if has_cursor(params) {
            return Err(Refusal::Cursor);
        }
        let id = id.to_owned();
        let places = gateway.server_ids();
        let requester = self.requester(gateway, request, &places)?;
        let mut effects = self.noted(&attributes)?;
        effects.extend(self.ask(
            operation,
            &places,
            requester,
            Continuation::answer(id, request),
            worker,
        ));
        Ok(effects)
    }

    /// Answers here; access logs see what the message was about.
    pub(in crate::stream) fn answered(
        &mut self,
        attributes: &Attributes<'_>,
        reply: Reply,
    ) -> Result<Vec<Effect>, Refusal> {
        let mut effects = self.noted(attributes)?;
        effects.extend(self.reply(reply));
        Ok(effects)
    }
}

/// A JSON-RPC response with `result`, the JSON text of one.
pub(in crate::stream) fn answer(id: &str, result: &[u8]) -> Reply {
    let mut body = Vec::with_capacity(result.len().saturating_add(id.len()).saturating_add(40));
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#","result":"#);
    body.extend_from_slice(result);
    body.push(b'}');
    Reply::json(200, body, Status::Ok.as_str())
}
