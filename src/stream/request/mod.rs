//! The request, up to the point where a message is understood.

pub(in crate::stream) mod rights;

use std::rc::Rc;

use crate::config::AttributeSource;
use crate::gateway::worker::Worker;
use crate::http::cors::Cors;
use crate::http::protected_resource::{self, ProtectedResource, RequestedResource};
use crate::http::{Headers, Reply, media_type};
use crate::mcp::era::Era;
use crate::mcp::message::ParseError;
use crate::mcp::standard_headers::{self, Demand};
use crate::mcp::{Invalid, Message, json};
use crate::policy::Refusal;
use crate::policy::attributes::Attributes;
use crate::policy::claim::Claim;
use crate::policy::era_check;
use crate::policy::export::{self, Export};
use crate::policy::traffic::{self, Class, TrafficMode};
use crate::stream::gateway::session::Client;
use crate::stream::outcome::{count, shown};
use crate::stream::{BufferedRequest, Effect, Endpoint, HostFacts, Phase, Stream};

/// A message that was understood, and what it came in.
#[derive(Clone, Copy)]
pub(in crate::stream) struct IncomingMessage<'a> {
    pub(in crate::stream) message: &'a Message<'a>,
    pub(in crate::stream) client: &'a Client,
    pub(in crate::stream) headers: &'a Headers,
    pub(in crate::stream) known: &'a Rc<HostFacts>,
    pub(in crate::stream) trailers: bool,
}

impl Stream {
    pub(in crate::stream) fn request_headers(
        &mut self,
        (headers, known): (Headers, Rc<HostFacts>),
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
        let config = Rc::clone(&self.config);
        let is_endpoint = config.endpoints.contains(path);
        let oauth = config.oauth.as_ref().map(|oauth| &oauth.resource);
        let described = protected_resource::described(path).filter(|resource| {
            resource.is_empty()
                || config.endpoints.contains(resource)
                || oauth.is_some_and(|oauth| oauth.is_at(resource))
        });
        if !is_endpoint && described.is_none() {
            return effects;
        }
        self.endpoint = Some(Endpoint {
            origin: headers.text("origin").map(str::to_owned),
            asked: oauth.map(|_| RequestedResource::of(&headers)),
            id: None,
            is_grpc: headers
                .text("content-type")
                .is_some_and(|value| value.starts_with("application/grpc")),
            is_metadata: described.is_some(),
        });
        if let Some(answer) = self.cors_answer(&headers) {
            effects.extend(answer);
            return effects;
        }
        if let (Some(oauth), Some(described)) = (oauth, described) {
            effects.extend(self.metadata(oauth, &headers, described));
            return effects;
        }
        if !is_endpoint || self.config.traffic_mode == TrafficMode::Noop {
            return effects;
        }
        match self.classify(&headers, !end) {
            Class::Unread => effects.extend(self.listen_unread(&headers, &known)),
            Class::Refused(refusal) => effects.extend(self.refuse(&refusal, None)),
            Class::Message => effects.extend(self.message((headers, known), end, worker)),
        }
        effects
    }

    /// The metadata of the resource at `described`.
    fn metadata(
        &mut self,
        resource: &ProtectedResource,
        headers: &Headers,
        described: &[u8],
    ) -> Vec<Effect> {
        if !matches!(headers.get(":method"), Some(b"GET" | b"HEAD")) {
            return self.refuse(&Refusal::HttpMethod("GET, HEAD, OPTIONS"), None);
        }
        match self
            .asked()
            .and_then(|asked| resource.metadata(asked, described))
        {
            // Envoy leaves out the body of an answer to HEAD. It says what this
            // client asked, so nobody may keep it for another.
            Some(document) => self.reply(
                Reply::json(200, document, "mcp_protected_resource")
                    .with("cache-control", "no-store"),
            ),
            None => self.refuse(&Refusal::Host, None),
        }
    }

    /// A message whose body is to be read, unless its headers are trusted.
    fn message(
        &mut self,
        (headers, known): (Headers, Rc<HostFacts>),
        end: bool,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let config = Rc::clone(&self.config);
        let mut effects: Vec<Effect> = self.unheld().into_iter().collect();
        let claim = if self.believes_headers() {
            Claim::of(&headers)
        } else {
            None
        };
        if let Some(claim) = &claim {
            let attributes = Attributes::claimed(claim, &config.rules);
            match self.show(&attributes, true) {
                Ok(shown) => effects.extend(shown),
                Err(refusal) => return self.refuse(&refusal, None),
            }
            effects.extend(self.counted(&attributes));
            if config.attribute_source == AttributeSource::Headers {
                return effects;
            }
        }
        let announced = headers
            .text("content-length")
            .and_then(|length| length.parse().ok());
        self.phase = Phase::Buffering(BufferedRequest {
            headers,
            known,
            claim,
        });
        effects.extend(self.request_body(announced.unwrap_or(0)));
        if end && self.is_reading() {
            effects.extend(self.request_end(b"", false, worker));
        }
        effects
    }

    /// Whether later filters see what the headers say, before the body is read.
    fn believes_headers(&self) -> bool {
        match self.config.attribute_source {
            AttributeSource::Body => false,
            AttributeSource::Verify => !self.config.hold,
            AttributeSource::Headers => true,
        }
    }

    /// The answer that CORS demands instead of any other.
    fn cors_answer(&mut self, headers: &Headers) -> Option<Vec<Effect>> {
        let cors = self.cors()?;
        if !cors.allows(headers) {
            return Some(self.refuse(&Refusal::Origin, None));
        }
        if !Cors::is_preflight(headers) {
            return None;
        }
        let reply = cors.preflight(headers);
        let preflight = count(Some(self.config.metrics.preflight), 1);
        let mut effects: Vec<Effect> = preflight.into_iter().collect();
        effects.extend(self.reply(reply));
        Some(effects)
    }

    fn classify(&self, headers: &Headers, has_body: bool) -> Class {
        if let Some(gateway) = &self.config.gateway
            && let Some(refusal) = self.unserved(gateway, headers)
        {
            return Class::Refused(refusal);
        }
        match traffic::classify(headers, has_body, self.is_strict()) {
            // Its headers would be believed, so its body must bear them out.
            Class::Unread if self.is_believed_unread(headers) => {
                if has_body {
                    Class::Refused(Refusal::ContentType)
                } else {
                    Class::Message
                }
            }
            Class::Refused(Refusal::HttpMethod(_)) if self.config.cors.is_some() => {
                Class::Refused(Refusal::HttpMethod("GET, POST, DELETE, OPTIONS"))
            }
            // What passes elsewhere is about a session here.
            Class::Unread if self.config.gateway.is_some() => Class::Message,
            class => class,
        }
    }

    /// A POST of JSON that passes without being read, with headers that count.
    fn is_believed_unread(&self, headers: &Headers) -> bool {
        headers.get(":method") == Some(b"POST")
            && media_type::is_json(headers)
            && self.config.attribute_source == AttributeSource::Verify
            && self.believes_headers()
            && Claim::of(headers).is_some()
    }

    /// Whether only MCP may pass.
    fn is_strict(&self) -> bool {
        self.config.traffic_mode == TrafficMode::RejectNoMcp
    }

    /// A body of at least `size` bytes: too long a one is not waited for.
    pub(in crate::stream) fn request_body(&mut self, size: usize) -> Vec<Effect> {
        match self.config.max_request_body_size {
            Some(limit) if self.is_reading() && size > limit => {
                self.not_understood(&Refusal::BodyTooLarge(limit), None)
            }
            _ => Vec::new(),
        }
    }

    pub(in crate::stream) fn request_end(
        &mut self,
        body: &[u8],
        trailers: bool,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let effects = self.request_body(body.len());
        let Phase::Buffering(reading) = &mut self.phase else {
            return effects;
        };
        let reading = std::mem::take(reading);
        let BufferedRequest { headers, claim, .. } = &reading;
        if self.config.gateway.is_some() && headers.get(":method") != Some(b"POST") {
            let answer = self.without_message(&reading, body, worker);
            let mut effects = answer.unwrap_or_else(|refusal| self.refuse(&refusal, None));
            if trailers && self.is_routed() {
                effects.push(Effect::RemoveRequestTrailers);
            }
            return effects;
        }
        let message = match self.parse(body) {
            Ok(message) => message,
            Err(error) => {
                let refusal = Refusal::Body(error.why);
                if claim.is_some() {
                    return self.refuse(&refusal, error.id);
                }
                return self.not_understood(&refusal, error.id);
            }
        };
        if let Some(endpoint) = &mut self.endpoint
            && endpoint.asked.is_some()
        {
            endpoint.id = message.id().map(str::to_owned);
        }
        let understood = if self.config.gateway.is_some() {
            self.gateway_message(&message, &reading, trailers, worker)
        } else {
            self.understood(&message, &reading)
        };
        understood.unwrap_or_else(|refusal| self.refuse(&refusal, message.id()))
    }

    /// Reads the body; with `rejectDuplicateKeys`, down to the last object.
    fn parse<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ParseError<'b>> {
        let parsed = Message::parse(body);
        if !self.config.reject_duplicate_keys
            || matches!(
                &parsed,
                Err(ParseError {
                    why: Invalid::NotJson(_),
                    ..
                })
            )
        {
            return parsed;
        }
        match std::str::from_utf8(body).map(json::unique) {
            Ok(Ok(true)) => parsed,
            _ => {
                let id = parsed.map_or_else(|error| error.id, |message| message.id());
                Err(ParseError {
                    why: Invalid::DuplicateKey("the body, or it is nested too deeply to tell"),
                    id,
                })
            }
        }
    }

    /// The era of a message, which its headers must not contradict.
    pub(in crate::stream) fn era(
        &self,
        message: &Message<'_>,
        headers: &Headers,
    ) -> Result<Era, Refusal> {
        match self.config.attribute_source {
            AttributeSource::Body => era_check::check_body(message, self.is_strict()),
            AttributeSource::Verify if self.config.gateway.is_some() => {
                era_check::check_for_gateway(headers, message)
            }
            AttributeSource::Verify | AttributeSource::Headers => {
                era_check::check(headers, message, self.is_strict())
            }
        }
    }

    fn understood(
        &mut self,
        message: &Message<'_>,
        reading: &BufferedRequest,
    ) -> Result<Vec<Effect>, Refusal> {
        let config = Rc::clone(&self.config);
        let (headers, claimed) = (&reading.headers, reading.claim.is_some());
        self.era(message, headers)?;
        if claimed {
            standard_headers::check(headers, message, Demand::Complete).map_err(Refusal::Mirror)?;
        }
        self.permit(message, &reading.known)?;
        let attributes = Attributes::of(message, headers, &config.rules)?;
        let mut effects = self.show(&attributes, config.hold)?;
        if !claimed {
            effects.extend(self.counted(&attributes));
        }
        if let Some(params) = message.params().filter(|_| config.hold) {
            let trace = config.propagation.headers(&params.meta);
            effects.extend(
                trace
                    .removed
                    .into_iter()
                    .map(|name| Effect::RemoveRequestHeader(name.to_owned())),
            );
            effects.extend(
                trace
                    .set
                    .into_iter()
                    .map(|(name, value)| Effect::SetRequestHeader(name, value)),
            );
        }
        effects.extend(self.lists(message, &reading.known));
        Ok(effects)
    }

    /// Lets the request go on with these attributes; in headers, too, where
    /// those can still be changed.
    fn show(
        &mut self,
        attributes: &Attributes<'_>,
        in_headers: bool,
    ) -> Result<Vec<Effect>, Refusal> {
        let mut export = Export::of(attributes, self.config.storage)?;
        if !in_headers {
            export.headers.clear();
        }
        let mut effects = Vec::with_capacity(16);
        effects.extend(shown(export));
        if in_headers && self.config.clear_route_cache {
            effects.push(Effect::ClearRouteCache);
        }
        self.phase = Phase::Released;
        Ok(effects)
    }

    /// What could not be read is refused where only MCP may pass, and passes
    /// marked otherwise; except that nothing passes that readers disagree on.
    fn not_understood(&mut self, refusal: &Refusal, id: Option<&str>) -> Vec<Effect> {
        let claimed = matches!(
            &self.phase,
            Phase::Buffering(BufferedRequest { claim: Some(_), .. })
        );
        if claimed || self.is_strict() || matches!(refusal, Refusal::Body(Invalid::DuplicateKey(_)))
        {
            return self.refuse(refusal, id);
        }
        self.phase = Phase::Released;
        shown(Export::status(refusal.status(), self.config.storage)).collect()
    }
}
