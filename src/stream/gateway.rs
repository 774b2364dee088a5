//! A message that was understood, in gateway mode: answered here, asked of all
//! servers, or routed to one.

use std::rc::Rc;
use std::time::Duration;

use super::request::{Incoming, count, shown};
use super::{Effect, Phase, Stream};
use crate::config::Gateway;
use crate::gateway::call::{Call, CallId, Caller, Response};
use crate::gateway::failure::Failure;
use crate::gateway::fanout::{Fanout, Question};
use crate::gateway::route::Route;
use crate::gateway::{forwarding, names};
use crate::http::{Headers, Reply};
use crate::mcp::{self, Invalid, Message, header_value, json, method};
use crate::policy::attributes::{Attributes, Chosen};
use crate::policy::era::Era;
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};
use crate::worker::Worker;

impl Stream {
    pub(super) fn gateway_message(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let Incoming {
            message,
            era,
            headers,
            ..
        } = *request;
        let (id, params) = match message {
            Message::Response { .. } => return Err(Refusal::UnexpectedResponse),
            // Without sessions there is no server that it concerns.
            Message::Notification { .. } => {
                return self.answered(&attributes, Reply::empty(202, Status::Ok.as_str()));
            }
            Message::Request { id, params, .. } => (*id, params),
        };
        let question = match (message.method(), era) {
            (method::PING, Era::Modern) => {
                return self.answered(&attributes, answer(id, br#"{"resultType":"complete"}"#));
            }
            (method::PING, Era::Legacy) => return self.answered(&attributes, answer(id, b"{}")),
            (_, Era::Legacy) => return Err(Refusal::Version(legacy_version(message, headers))),
            (method::TOOLS_CALL, Era::Modern) => return self.route(gateway, request, attributes),
            (method::SERVER_DISCOVER, Era::Modern) => Question::Discover,
            (method::TOOLS_LIST, Era::Modern) => Question::Tools,
            (unknown, Era::Modern) => {
                return Err(Refusal::UnknownMethod {
                    method: unknown.to_owned(),
                    modern: true,
                });
            }
        };
        if params.get("cursor").is_some_and(|cursor| cursor != "null") {
            return Err(Refusal::Cursor);
        }
        let caller = Caller::of(&params.meta, forwarding::traced(headers))?;
        let mut effects: Vec<Effect> = self.counted(&attributes).into_iter().collect();
        effects.extend(shown(Export::of(&attributes, self.config.storage)?));
        let (fanout, calls) = Fanout::start(question, caller, gateway, worker);
        self.phase = Phase::Asking {
            fanout,
            id: id.to_owned(),
            since: worker.now(),
        };
        effects.extend(calls.into_iter().flat_map(|call| self.called(call)));
        Ok(effects)
    }

    /// Makes a call, and counts it.
    fn called(&self, call: Call) -> Vec<Effect> {
        let server = self.config.metrics.server(call.server);
        let mut effects: Vec<Effect> = count(server.map(|server| server.calls), 1)
            .into_iter()
            .collect();
        effects.push(Effect::Call(call));
        effects
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

    pub(super) fn call_done(
        &mut self,
        call: CallId,
        response: &Response,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let config = Rc::clone(&self.config);
        let (Some(gateway), Phase::Asking { fanout, .. }) = (&config.gateway, &mut self.phase)
        else {
            return Vec::new();
        };
        if let Some(next) = fanout.answered(call, response, gateway, worker) {
            return self.called(next);
        }
        if !fanout.is_done() {
            return Vec::new();
        }
        let Phase::Asking {
            mut fanout,
            id,
            since,
        } = std::mem::replace(&mut self.phase, Phase::Answered)
        else {
            return Vec::new();
        };
        fanout.bound(gateway);
        let mut effects = news(&fanout, gateway, worker);
        effects.extend(self.measured(&fanout, gateway, since, worker));
        let outcome = fanout.outcome(gateway);
        if !outcome.left_out.is_empty() {
            // Their names are servers' words, which stay out of the log.
            let line = format!(
                "{} tools left out: their names are taken",
                outcome.left_out.len()
            );
            effects.push(Effect::Log(log::Level::Debug, line));
            let left_out = u64::try_from(outcome.left_out.len()).unwrap_or(u64::MAX);
            effects.extend(count(Some(self.config.metrics.collisions), left_out));
        }
        match outcome.result {
            Ok(result) => effects.extend(self.reply(answer(&id, &result))),
            Err(refusal) => effects.extend(self.refuse(&refusal, Some(&id))),
        }
        effects
    }

    /// Counts who failed, and how long it took.
    fn measured(
        &self,
        fanout: &Fanout,
        gateway: &Gateway,
        since: Duration,
        worker: &Worker,
    ) -> Vec<Effect> {
        let took = worker.now().saturating_sub(since).as_millis();
        let metrics = &self.config.metrics;
        let mut effects: Vec<Effect> = count(
            Some(metrics.fanout),
            u64::try_from(took).unwrap_or(u64::MAX),
        )
        .into_iter()
        .collect();
        for (at, (_, failure)) in fanout.states(gateway).into_iter().enumerate() {
            let (Some(failure), Some(server)) = (failure, metrics.server(at)) else {
                continue;
            };
            effects.extend(count(Some(server.failures), 1));
            if *failure == Failure::TimedOut {
                effects.extend(count(Some(server.timeouts), 1));
            }
        }
        effects
    }

    /// Hands a call over to Envoy's router, for the server that it names.
    fn route(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        mut attributes: Attributes<'_>,
    ) -> Result<Vec<Effect>, Refusal> {
        const NAMELESS: Refusal = Refusal::NameMissing("name");
        let Incoming {
            message,
            headers,
            body,
            ..
        } = *request;
        let name = message.name().ok_or(NAMELESS)?;
        let (server, own) = names::resolve(&gateway.servers, &name)
            .ok_or_else(|| Refusal::UnknownName("tool", name.clone().into_owned()))?;
        let text = std::str::from_utf8(body)
            .map_err(|error| Refusal::Body(Invalid::NotJson(error.to_string())))?;
        let route =
            Route::new(server, own, text, message.params().ok_or(NAMELESS)?).ok_or(NAMELESS)?;
        let set = route.headers(message.method(), attributes.protocol_version.as_deref());
        attributes.route(
            Chosen {
                server: server.name.clone(),
                cluster: server.cluster.clone(),
            },
            own,
        );
        let mut effects: Vec<Effect> = forwarding::removed(headers)
            .into_iter()
            .map(Effect::RemoveRequestHeader)
            .collect();
        effects.extend(
            set.into_iter()
                .map(|(name, value)| Effect::SetRequestHeader(name, value)),
        );
        if let Some(body) = route.body {
            // The length is known now; two ways to frame a body are one too many.
            effects.push(Effect::RemoveRequestHeader("transfer-encoding".to_owned()));
            effects.push(Effect::ReplaceRequestBody(body));
        }
        effects.extend(self.counted(&attributes));
        effects.extend(shown(Export::of(&attributes, self.config.storage)?));
        effects.push(Effect::ClearRouteCache);
        self.phase = Phase::Released;
        Ok(effects)
    }
}

/// A JSON-RPC response with `result`, the JSON text of one.
fn answer(id: &str, result: &[u8]) -> Reply {
    let mut body = Vec::with_capacity(result.len().saturating_add(id.len()).saturating_add(40));
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#","result":"#);
    body.extend_from_slice(result);
    body.push(b'}');
    Reply::json(200, body, Status::Ok.as_str())
}

/// One log line for each server that started or stopped failing.
fn news(fanout: &Fanout, gateway: &Gateway, worker: &mut Worker) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (name, failure) in fanout.states(gateway) {
        if !worker.note(name, failure.is_some()) {
            continue;
        }
        effects.push(match failure {
            Some(failure) => Effect::Log(
                log::Level::Warn,
                format!("server {name} {}", failure.for_log()),
            ),
            None => Effect::Log(log::Level::Info, format!("server {name} answers again")),
        });
    }
    effects
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
        .map_or_else(|| "2025-03-26".to_owned(), std::borrow::Cow::into_owned)
}
