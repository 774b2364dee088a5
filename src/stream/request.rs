//! The request, up to the point where a message is understood.

use std::rc::Rc;

use super::gateway::Incoming;
use super::{Effect, Endpoint, Phase, Stream};
use crate::http::cors::Cors;
use crate::http::{Headers, Reply};
use crate::mcp::{Invalid, Message};
use crate::policy::attributes::Attributes;
use crate::policy::export::{self, Export};
use crate::policy::traffic::{self, Class, TrafficMode};
use crate::policy::{Refusal, era};
use crate::worker::Worker;

impl Stream {
    pub(super) fn request_headers(
        &mut self,
        headers: Headers,
        end: bool,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        // Before anything else and whatever the path: what later filters trust
        // must not come from the client.
        let forged = export::HEADERS
            .iter()
            .filter(|name| headers.get(name).is_some());
        let mut effects: Vec<Effect> = forged
            .map(|name| Effect::RemoveRequestHeader((*name).to_owned()))
            .collect();
        if !effects.is_empty() {
            // The route may have been selected by one of them.
            effects.push(Effect::ClearRouteCache);
        }
        self.phase = Phase::Released;
        let path = headers.get(":path").unwrap_or_default();
        if !self.config.endpoints.contains(path) {
            return effects;
        }
        self.endpoint = Some(Endpoint {
            origin: headers.text("origin").map(str::to_owned),
        });
        if let Some(answer) = self.cors_answer(&headers) {
            effects.extend(answer);
            return effects;
        }
        if self.config.traffic_mode == TrafficMode::Noop {
            return effects;
        }
        match self.classify(&headers, !end) {
            Class::Unread => {}
            Class::Refused(refusal) => effects.extend(self.refuse(&refusal, None)),
            Class::Message => {
                let announced = headers
                    .text("content-length")
                    .and_then(|length| length.parse().ok());
                self.phase = Phase::Reading(headers);
                effects.extend(self.request_body(announced.unwrap_or(0)));
                if end && self.is_reading() {
                    effects.extend(self.request_end(b"", false, worker));
                }
            }
        }
        effects
    }

    /// The answer that CORS demands instead of any other.
    fn cors_answer(&mut self, headers: &Headers) -> Option<Vec<Effect>> {
        let cors = self.config.cors.as_ref()?;
        if !cors.allows(headers) {
            return Some(self.refuse(&Refusal::Origin, None));
        }
        if !Cors::is_preflight(headers) {
            return None;
        }
        let reply = cors.preflight(headers);
        Some(self.reply(reply))
    }

    fn classify(&self, headers: &Headers, has_body: bool) -> Class {
        if self.config.gateway.is_some() && headers.get(":method") != Some(b"POST") {
            let allow = if self.config.cors.is_some() {
                "POST, OPTIONS"
            } else {
                "POST"
            };
            return Class::Refused(Refusal::HttpMethod(allow));
        }
        traffic::classify(headers, has_body, self.is_strict())
    }

    /// Whether only MCP may pass.
    fn is_strict(&self) -> bool {
        self.config.traffic_mode == TrafficMode::RejectNoMcp
    }

    /// A body of at least `size` bytes: too long a one is not waited for.
    pub(super) fn request_body(&mut self, size: usize) -> Vec<Effect> {
        match self.config.max_request_body_size {
            Some(limit) if self.is_reading() && size > limit => {
                self.not_understood(&Refusal::BodyTooLarge(limit), None)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn request_end(
        &mut self,
        body: &[u8],
        trailers: bool,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let effects = self.request_body(body.len());
        let Phase::Reading(headers) = &mut self.phase else {
            return effects;
        };
        let headers = std::mem::take(headers);
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(error) => {
                let refusal = Refusal::Body(error.why);
                return self.not_understood(&refusal, error.id);
            }
        };
        match self.understood(&message, &headers, body, worker) {
            Ok(mut effects) => {
                // A server has no more business with a client's trailers than
                // with its headers; and nobody here has read them.
                if trailers
                    && self.config.gateway.is_some()
                    && matches!(self.phase, Phase::Released)
                {
                    effects.push(Effect::RemoveRequestTrailers);
                }
                effects
            }
            Err(refusal) => self.refuse(&refusal, message.id()),
        }
    }

    fn understood(
        &mut self,
        message: &Message<'_>,
        headers: &Headers,
        body: &[u8],
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let era = era::check(headers, message, self.is_strict())?;
        let attributes = Attributes::of(message, headers)?;
        let config = Rc::clone(&self.config);
        if let Some(gateway) = &config.gateway {
            let request = Incoming {
                message,
                era,
                headers,
                body,
            };
            return self.gateway_message(gateway, &request, attributes, worker);
        }
        let mut effects = shown(Export::of(&attributes, config.storage)?);
        if config.clear_route_cache {
            effects.push(Effect::ClearRouteCache);
        }
        self.phase = Phase::Released;
        Ok(effects)
    }

    /// What could not be read is refused where only MCP may pass, and passes
    /// marked otherwise; except that nothing passes that readers disagree on.
    fn not_understood(&mut self, refusal: &Refusal, id: Option<&str>) -> Vec<Effect> {
        if self.is_strict() || matches!(refusal, Refusal::Body(Invalid::DuplicateKey(_))) {
            return self.refuse(refusal, id);
        }
        self.phase = Phase::Released;
        shown(Export::status(refusal.status(), self.config.storage))
    }

    /// Answers with `refusal`; later filters never see the request, and access
    /// logs see why.
    pub(super) fn refuse(&mut self, refusal: &Refusal, id: Option<&str>) -> Vec<Effect> {
        let mut effects = shown(Export::status(refusal.status(), self.config.storage));
        effects.extend(self.reply(refusal.reply(id)));
        effects
    }

    pub(super) fn reply(&mut self, reply: Reply) -> Vec<Effect> {
        self.phase = Phase::Answered;
        vec![Effect::Reply(reply)]
    }
}

/// The effects that show `export` to later filters and access logs.
pub(super) fn shown(export: Export) -> Vec<Effect> {
    let state = export
        .state
        .into_iter()
        .map(|(key, value)| Effect::SetState(key, value));
    let headers = export
        .headers
        .into_iter()
        .map(|(name, value)| Effect::SetRequestHeader(name, value));
    state.chain(headers).collect()
}
