//! A message that was understood, in gateway mode: answered here, asked of all
//! servers, or routed to one.

use super::request::{shown, shown_status};
use super::{Effect, Phase, Stream};
use crate::config::Gateway;
use crate::gateway::call::{CallId, Caller, Response};
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
        message: &Message<'_>,
        era: Era,
        attributes: Attributes<'_>,
        headers: &Headers,
        body: &[u8],
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let (id, params) = match message {
            Message::Response { .. } => return Err(Refusal::UnexpectedResponse),
            Message::Notification { .. } => {
                // Without sessions there is no server that it concerns.
                let mut effects = shown(Export::of(&attributes, self.config.storage)?);
                effects.extend(self.reply(Reply::empty(202, Status::Ok.as_str())));
                return Ok(effects);
            }
            Message::Request { id, params, .. } => (id.get(), params),
        };
        if message.method() == method::PING {
            let mut effects = shown(Export::of(&attributes, self.config.storage)?);
            let result: &[u8] = if era == Era::Modern {
                br#"{"resultType":"complete"}"#
            } else {
                b"{}"
            };
            effects.extend(self.reply(answer(id, result)));
            return Ok(effects);
        }
        if era == Era::Legacy {
            return Err(Refusal::Version(legacy_version(message, headers)));
        }
        let question = match message.method() {
            method::SERVER_DISCOVER => Question::Discover,
            method::TOOLS_LIST => Question::Tools,
            method::TOOLS_CALL => return self.route(message, attributes, headers, body),
            unknown => {
                return Err(Refusal::UnknownMethod {
                    method: unknown.to_owned(),
                    modern: true,
                });
            }
        };
        let caller = Caller::of(&params.meta, forwarding::traced(headers))
            .ok_or(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))?;
        let mut effects = shown(Export::of(&attributes, self.config.storage)?);
        effects.extend(self.ask(question, caller, id, worker));
        Ok(effects)
    }

    fn ask(
        &mut self,
        question: Question,
        caller: Caller,
        id: &str,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let Some(gateway) = &self.config.gateway else {
            return Vec::new();
        };
        let (fanout, calls) = Fanout::start(question, caller, gateway, worker);
        self.phase = Phase::Asking {
            fanout,
            id: id.to_owned(),
        };
        calls.into_iter().map(Effect::Call).collect()
    }

    pub(super) fn call_done(
        &mut self,
        call: CallId,
        response: &Response,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let config = self.config.clone();
        let (Some(gateway), Phase::Asking { fanout, .. }) = (&config.gateway, &mut self.phase)
        else {
            return Vec::new();
        };
        if let Some(next) = fanout.answered(call, response, gateway, worker) {
            return vec![Effect::Call(next)];
        }
        if !fanout.is_done() {
            return Vec::new();
        }
        let Phase::Asking { fanout, id } = std::mem::replace(&mut self.phase, Phase::Answered)
        else {
            return Vec::new();
        };
        let mut effects = news(&fanout, gateway, worker);
        let outcome = fanout.outcome(gateway);
        if !outcome.collisions.is_empty() {
            effects.push(Effect::Log(
                log::Level::Debug,
                format!("names in several lists: {}", outcome.collisions.join(", ")),
            ));
        }
        effects.extend(match outcome.result {
            Ok(result) => self.reply(answer(&id, &result)),
            Err(refusal) => {
                let mut effects = shown_status(refusal.status(), config.storage);
                effects.extend(self.reply(refusal.reply(Some(&id))));
                effects
            }
        });
        effects
    }

    /// Hands a call over to Envoy's router, for the server that it names.
    fn route(
        &mut self,
        message: &Message<'_>,
        mut attributes: Attributes<'_>,
        headers: &Headers,
        body: &[u8],
    ) -> Result<Vec<Effect>, Refusal> {
        let config = self.config.clone();
        let (Some(gateway), Some(params)) = (&config.gateway, message.params()) else {
            return Err(Refusal::NameMissing("name"));
        };
        let name = message.name().ok_or(Refusal::NameMissing("name"))?;
        let (server, own) = names::resolve(&gateway.servers, &name)
            .ok_or_else(|| Refusal::UnknownName("tool", name.clone().into_owned()))?;
        let body = std::str::from_utf8(body)
            .map_err(|error| Refusal::Body(Invalid::NotJson(error.to_string())))?;
        let route = Route::new(server, own, body, params).ok_or(Refusal::NameMissing("name"))?;
        let version = attributes.protocol_version.clone();
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
        let set = route.headers(message.method(), version.as_deref());
        effects.extend(
            set.into_iter()
                .map(|(name, value)| Effect::SetRequestHeader(name, value)),
        );
        if let Some(body) = route.body {
            // The length is known now; two ways to frame a body are one too many.
            effects.push(Effect::RemoveRequestHeader("transfer-encoding".to_owned()));
            effects.push(Effect::ReplaceRequestBody(body));
        }
        effects.extend(shown(Export::of(&attributes, config.storage)?));
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
    let by_body = initialize.and_then(|version| json::string(version.get()));
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
