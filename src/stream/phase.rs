//! The phases of a request, and how a handler moves it to the next one.

use super::effects;
use super::event::{Effect, Flow};
use super::gateway::fanout::FanoutRequest;
use super::request::body::BufferedRequest;
use super::response::routed::RoutedRequest;
use crate::config::Config;
use crate::http::Reply;
use crate::policy::Refusal;
use crate::policy::failed_request::FailedRequest;

/// The phase of a request.
#[derive(Default)]
pub(in crate::stream) enum Phase {
    /// The headers of the request have not arrived.
    #[default]
    New,
    /// The rest of the body has not arrived.
    Buffering(Box<BufferedRequest>),
    /// The request waits for the results of calls to servers.
    Fanout(Box<FanoutRequest>),
    /// The request goes through Envoy, and this filter does not read the response.
    Released,
    /// The request went to a server, and this filter reads the response.
    Routed(Box<RoutedRequest>),
    /// This filter has answered the request.
    Answered,
}

impl Phase {
    /// Whether the request goes on. `passes_headers` means that its headers have just arrived, and
    /// that the configuration lets headers pass before the body.
    pub(in crate::stream) fn flow(&self, passes_headers: bool) -> Flow {
        match self {
            Self::Buffering(_) if passes_headers => Flow::Continue,
            Self::New | Self::Released | Self::Routed(_) => Flow::Continue,
            Self::Buffering(_) | Self::Fanout(_) | Self::Answered => Flow::Hold,
        }
    }

    /// The name of the phase, for `Debug`.
    pub(in crate::stream) fn name(&self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Buffering(_) => "Buffering",
            Self::Fanout(_) => "Fanout",
            Self::Released => "Released",
            Self::Routed(_) => "Routed",
            Self::Answered => "Answered",
        }
    }
}

/// The decision of a handler: the effects, and the next phase.
pub(in crate::stream) struct Transition {
    pub(in crate::stream) effects: Vec<Effect>,
    pub(in crate::stream) next: Phase,
}

impl Transition {
    /// Nothing happens.
    pub(in crate::stream) fn stay(phase: Phase) -> Self {
        Self {
            effects: Vec::new(),
            next: phase,
        }
    }

    /// The request goes on after `effects`.
    pub(in crate::stream) fn release(effects: Vec<Effect>) -> Self {
        Self {
            effects,
            next: Phase::Released,
        }
    }

    /// The request goes on after `effects`, and this filter reads the response.
    pub(in crate::stream) fn routed(effects: Vec<Effect>, routed: RoutedRequest) -> Self {
        Self {
            effects,
            next: Phase::Routed(Box::new(routed)),
        }
    }

    /// This filter answers the request.
    pub(in crate::stream) fn reply(reply: Reply) -> Self {
        Self {
            effects: vec![Effect::Reply(reply)],
            next: Phase::Answered,
        }
    }

    /// This filter answers a request that it did not understand with an error. `id` is the JSON
    /// text of the request's id, where it is known. Access logs get the reason.
    #[cold]
    pub(in crate::stream) fn refuse(config: &Config, refusal: &Refusal, id: Option<&str>) -> Self {
        Self::refuse_request(config, refusal, FailedRequest::outside_session(id))
    }

    /// This filter answers `request` with an error. Access logs get the reason.
    #[cold]
    pub(in crate::stream) fn refuse_request(
        config: &Config,
        refusal: &Refusal,
        request: FailedRequest<'_>,
    ) -> Self {
        Self::reply(refusal.reply_to(request)).after(effects::note_refusal(config, refusal))
    }

    /// The same transition, with the `earlier` effects first.
    pub(in crate::stream) fn after(self, mut earlier: Vec<Effect>) -> Self {
        if earlier.is_empty() {
            return self;
        }
        earlier.extend(self.effects);
        Self {
            effects: earlier,
            ..self
        }
    }
}
