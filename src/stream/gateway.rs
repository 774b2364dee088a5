//! A message that was understood, in gateway mode: answered here, asked of
//! servers, or routed to one.

use std::rc::Rc;

use super::asking::Purpose;
use super::legacy::has_cursor;
use super::request::Incoming;
use super::routing::no_method;
use super::session::Client;
use super::{Effect, Reading, Stream};
use crate::config::Gateway;
use crate::gateway::fanout::Goal;
use crate::gateway::kind::Kind;
use crate::gateway::worker::Worker;
use crate::http::Reply;
use crate::mcp::{Message, method};
use crate::policy::attributes::Attributes;
use crate::policy::era::Era;
use crate::policy::{Refusal, Status};

impl Stream {
    pub(super) fn gateway_message(
        &mut self,
        message: &Message<'_>,
        reading: &Reading,
        (body, trailers): (&[u8], bool),
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
        let request = Incoming {
            message,
            client: &Client::Modern,
            headers,
            known: &reading.known,
            body,
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
        request: &Incoming<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let (id, params) = match request.message {
            Message::Response { .. } => return Err(Refusal::UnexpectedResponse),
            // Without sessions there is no server that it concerns.
            Message::Notification { .. } => {
                return self.answered(&attributes, Reply::empty(202, Status::Ok.as_str()));
            }
            Message::Request { id, params, .. } => (*id, params),
        };
        let goal = match request.message.method() {
            removed if method::is_legacy_only(removed) => {
                return Err(no_method(request));
            }
            method::SERVER_DISCOVER => Goal::Greet,
            name => match Kind::of(name) {
                Some(kind) => Goal::List(kind),
                None => return self.find_server(gateway, request, attributes, worker),
            },
        };
        if has_cursor(params) {
            return Err(Refusal::Cursor);
        }
        let id = id.to_owned();
        let places: Vec<usize> = (0..gateway.servers.len()).collect();
        let asker = self.asker(gateway, request, &places)?;
        let mut effects = self.noted(&attributes)?;
        effects.extend(self.ask(goal, &places, asker, Purpose::answer(id, request), worker));
        Ok(effects)
    }

    /// Answers here; access logs see what the message was about.
    pub(super) fn answered(
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
pub(super) fn answer(id: &str, result: &[u8]) -> Reply {
    let mut body = Vec::with_capacity(result.len().saturating_add(id.len()).saturating_add(40));
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#","result":"#);
    body.extend_from_slice(result);
    body.push(b'}');
    Reply::json(200, body, Status::Ok.as_str())
}
