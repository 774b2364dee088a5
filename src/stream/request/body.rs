//! A request whose body the filter reads.

use std::rc::Rc;
use std::time::Duration;

use crate::config::{AttributeSource, Config};
use crate::http::{Headers, media_type};
use crate::mcp::message::ParseError;
use crate::mcp::{Invalid, Message, json};
use crate::memory::{self, HeldBytes, OVERHEAD};
use crate::policy::Refusal;
use crate::policy::attributes::Attributes;
use crate::policy::claim::Claim;
use crate::policy::export::{Export, LONGEST};
use crate::policy::refusal::NOT_HELD;
use crate::stream::context::StreamContext;
use crate::stream::effects::{count_message, export};
use crate::stream::event::{Effect, HostFacts};
use crate::stream::gateway;
use crate::stream::phase::{Phase, Transition};
use crate::stream::request::admission::Admission;
use crate::stream::request::body_hold::BodyHold;
use crate::stream::request::classify::trusts_headers;
use crate::stream::request::refused::refuse_message;
use crate::stream::request::{authorization, era_of, is_strict, policy};

/// How long a waiting request may take until the first byte of its body arrives. If Envoy does not
/// hold requests as configured, no byte ever arrives.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The data of a request while its body arrives.
pub(in crate::stream) struct BufferedRequest {
    pub(in crate::stream) headers: Headers,
    pub(in crate::stream) facts: Rc<HostFacts>,
    /// The values that later filters got from the headers. The body must confirm them.
    pub(in crate::stream) claim: Option<Claim>,
    /// The refusal of the request. The filter only reads the body for the id, which the error
    /// contains.
    refusal: Option<Refusal>,
    /// The memory that the request takes up.
    memory: HeldBytes,
}

/// The longest body of a refused request that the filter reads, in bytes. For a longer body, the
/// error has no id.
const LONGEST_REFUSED: usize = 65536;

/// The length of the body in bytes, according to the headers.
fn announced_size(headers: &Headers) -> usize {
    let length = headers.text("content-length");
    let length = length.and_then(|length| length.parse().ok());
    length.unwrap_or(0)
}

impl BufferedRequest {
    /// Starts to read the body, unless the headers are enough. `end` is `true` if there is no body.
    pub(in crate::stream) fn start(
        cx: &mut StreamContext<'_>,
        headers: Headers,
        facts: Rc<HostFacts>,
        end: bool,
    ) -> Transition {
        let config = cx.config;
        let mut effects: Vec<Effect> = authorization::prepare_filtering(config)
            .into_iter()
            .collect();
        let claim = trusts_headers(config)
            .then(|| Claim::of(&headers))
            .flatten();
        if let Some(claim) = &claim {
            match export_claim(config, claim) {
                Ok(exported) => effects.extend(exported),
                Err(refusal) => return Transition::refuse(config, &refusal, None),
            }
            if config.attribute_source == AttributeSource::Headers {
                return Transition::release(effects);
            }
        }
        let mut admission = Admission::of(config, &headers);
        if admission != Admission::Accepted {
            // Before the filter refuses a request, it frees what it can learn again.
            cx.worker.forget_kept();
            admission = Admission::of(config, &headers);
        }
        let refusal = match admission {
            Admission::Accepted => None,
            Admission::ReadOnly => Some(Refusal::Memory),
            Admission::Refused => return Transition::refuse(config, &Refusal::Memory, None),
        };
        let announced = announced_size(&headers);
        let request = Self::new(headers, facts, claim, refusal);
        let transition = match request.refused_by_size(config, announced) {
            Some(refused) => refused,
            None if end => request.on_end(cx, b"", false),
            None => Transition::stay(Phase::Buffering(request)),
        };
        transition.after(effects)
    }

    /// Refuses a request because of its headers. The error should have the id of the request, so
    /// the filter reads the body first if the request can wait. `end` is `true` if there is no
    /// body.
    pub(in crate::stream) fn refuse_with_id(
        config: &Config,
        headers: Headers,
        facts: Rc<HostFacts>,
        refusal: Refusal,
        end: bool,
    ) -> Transition {
        let waits_for_id = matches!(
            refusal,
            Refusal::ContentType | Refusal::Accept(_) | Refusal::TokenMissing
        );
        let has_id = headers.get(":method") == Some(b"POST") && !media_type::is_encoded(&headers);
        let is_read = waits_for_id && has_id && config.hold && !end;
        if !is_read || Admission::of(config, &headers) != Admission::Accepted {
            return Transition::refuse(config, &refusal, None);
        }
        let announced = announced_size(&headers);
        let request = Self::new(headers, facts, None, Some(refusal));
        request
            .refused_by_size(config, announced)
            .unwrap_or_else(|| Transition::stay(Phase::Buffering(request)))
    }

    fn new(
        headers: Headers,
        facts: Rc<HostFacts>,
        claim: Option<Claim>,
        refusal: Option<Refusal>,
    ) -> Box<Self> {
        Box::new(Self {
            memory: HeldBytes::new(headers.size().saturating_add(OVERHEAD)),
            headers,
            facts,
            claim,
            refusal,
        })
    }

    /// A part of the body arrived. The body has `size` bytes so far.
    pub(in crate::stream) fn on_body_part(
        mut self: Box<Self>,
        config: &Config,
        size: usize,
    ) -> Transition {
        self.grow(size);
        self.refused_by_size(config, size)
            .unwrap_or_else(|| Transition::stay(Phase::Buffering(self)))
    }

    /// Counts the memory of a body of `size` bytes.
    fn grow(&mut self, size: usize) {
        let headers = self.headers.size().saturating_add(OVERHEAD);
        self.memory.set(headers.saturating_add(size));
    }

    /// Refuses the request if a body of `size` bytes is too large. The body may become longer.
    fn refused_by_size(&self, config: &Config, size: usize) -> Option<Transition> {
        if let Some(refusal) = &self.refusal {
            return (size > LONGEST_REFUSED).then(|| Transition::refuse(config, refusal, None));
        }
        if memory::is_short_for(size) {
            return Some(Transition::refuse(config, &Refusal::Memory, None));
        }
        let limit = config.max_request_body_size.filter(|limit| size > *limit)?;
        Some(self.refuse_unread(config, &Refusal::BodyTooLarge(limit), None))
    }

    /// The whole body arrived. `has_trailers` says whether trailers did, too.
    pub(in crate::stream) fn on_end(
        mut self: Box<Self>,
        cx: &mut StreamContext<'_>,
        body: &[u8],
        has_trailers: bool,
    ) -> Transition {
        let config = cx.config;
        if let Some(refusal) = &self.refusal {
            let refuse = |id: Option<&str>| {
                Transition::refuse(config, refusal, id.filter(|id| is_bounded(id)))
            };
            return match (Message::parse(body), refusal) {
                (Ok(message), Refusal::Memory) if message.id().is_none_or(is_bounded) => {
                    let era = era_of(config, &message, &self.headers).ok();
                    let understood = (&message, &self.headers);
                    refuse_message((config, cx.gateway()), refusal, understood, era, None)
                }
                // The headers do not say that the body is a message.
                (Ok(message), _) => refuse(message.id()),
                (Err(error), _) => refuse(error.id),
            };
        }
        self.grow(body.len());
        if let Some(refused) = self.refused_by_size(config, body.len()) {
            return refused;
        }
        let request = self;
        if request.headers.get(":method") != Some(b"POST")
            && let Some(mut cx) = cx.in_gateway()
        {
            return gateway::listening::on_request(&mut cx, &request, body, has_trailers);
        }
        let message = match parse(config, body) {
            Ok(message) => message,
            Err(error) => {
                let id = error.id.filter(|id| is_bounded(id));
                return request.refuse_unread(config, &Refusal::Body(error.why), id);
            }
        };
        if !message.id().is_none_or(is_bounded) {
            // The error does not repeat the id, since the answer to the client must be short, too.
            let refusal = Refusal::TooLong("id", LONGEST);
            return Transition::refuse(config, &refusal, None);
        }
        if let Some(endpoint) = cx.endpoint {
            endpoint.set_request_id(message.id());
        }
        let handled = match cx.in_gateway() {
            Some(mut cx) => gateway::on_message(&mut cx, &request, &message, has_trailers),
            None => policy::on_message(config, &request, &message),
        };
        handled.unwrap_or_else(|refusal| {
            let era = era_of(config, &message, &request.headers).ok();
            let understood = (&message, &request.headers);
            refuse_message((config, cx.gateway()), &refusal, understood, era, None)
        })
    }

    /// No byte of the body arrived within [`BODY_TIMEOUT`].
    pub(in crate::stream) fn on_body_timeout(cx: &mut StreamContext<'_>) -> Transition {
        let known = BodyHold::now();
        match known {
            BodyHold::Works => {
                let refusal = Refusal::BodyTimeout(BODY_TIMEOUT.as_secs());
                Transition::refuse(cx.config, &refusal, None)
            }
            BodyHold::Unknown | BodyHold::Reported => {
                BodyHold::Reported.remember();
                let is_first = known == BodyHold::Unknown;
                let line = || Effect::Log(log::Level::Error, NOT_HELD.to_owned());
                Transition::refuse(cx.config, &Refusal::NotHeld, None)
                    .after(is_first.then(line).into_iter().collect())
            }
        }
    }

    /// Handles a body that is not a message. If only MCP may pass, the request is refused.
    /// Otherwise it passes, and access logs get the reason. The filter always refuses a request if
    /// later filters already trust its headers, or if two readers could understand its body
    /// differently.
    #[cold]
    fn refuse_unread(&self, config: &Config, refusal: &Refusal, id: Option<&str>) -> Transition {
        let is_ambiguous = matches!(refusal, Refusal::Body(Invalid::DuplicateKey(_)));
        if self.claim.is_some() || is_strict(config) || is_ambiguous {
            return Transition::refuse(config, refusal, id);
        }
        let status = Export::status(refusal.status(), config.storage);
        Transition::release(export(status).collect())
    }
}

/// Exports the values of the headers to later filters, and counts the message.
///
/// # Errors
/// The values cannot be exported.
fn export_claim(config: &Config, claim: &Claim) -> Result<Vec<Effect>, Refusal> {
    let attributes = Attributes::claimed(claim, &config.rules)?;
    let mut effects = policy::export_attributes(config, &attributes, true)?;
    effects.extend(count_message(config, &attributes));
    Ok(effects)
}

/// Whether an id is short enough to export it, and to return it to the client.
fn is_bounded(id: &str) -> bool {
    id.len() <= LONGEST
}

/// Reads the body. With `rejectDuplicateKeys`, no object in it may have the same key twice, at any
/// depth.
fn parse<'b>(config: &Config, body: &'b [u8]) -> Result<Message<'b>, ParseError<'b>> {
    let parsed = Message::parse(body);
    let is_json = |error: &ParseError<'_>| !matches!(error.why, Invalid::NotJson(_));
    if !config.reject_duplicate_keys || !parsed.as_ref().map_or_else(is_json, |_| true) {
        return parsed;
    }
    let what = match std::str::from_utf8(body).map(json::unique) {
        Ok(Ok(true)) => return parsed,
        Ok(Ok(false)) => "the body",
        _ => "the body is nested too deeply to check whether it",
    };
    Err(ParseError {
        why: Invalid::DuplicateKey(what),
        id: parsed.map_or_else(|error| error.id, |message| message.id()),
    })
}
