//! A request that waits for what servers say: for its own answer, or to learn
//! which server it is for.

use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::{Operation, Requester};
use crate::gateway::upstream::call::{Call, CallId};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::http::Reply;
use crate::policy::Status;
use crate::stream::gateway::routing::{NameLookup, SuspendedRequest};
use crate::stream::gateway::session::{Initialization, ended};
use crate::stream::outcome::count;
use crate::stream::request::IncomingMessage;
use crate::stream::{Effect, HostFacts, Phase, Stream};

/// A question under way.
#[derive(Debug)]
pub(in crate::stream) struct FanoutRequest {
    fanout: Fanout,
    continuation: Continuation,
    since: Duration,
}

/// What the question is for.
#[derive(Debug)]
pub(in crate::stream) enum Continuation {
    /// It is the client's own: the JSON text of its id, and what is known of it.
    Answer { id: String, known: Rc<HostFacts> },
    /// The client's session begins.
    Begin(Initialization),
    /// The client's session is over.
    Ended,
    /// Several servers may have what the request is about.
    Lookup(Box<SuspendedRequest>, NameLookup),
    /// The request is for the server at this place, to be spoken to first.
    Open(Box<SuspendedRequest>, ServerId),
}

impl Continuation {
    /// The `request` with this id is to be answered.
    pub(in crate::stream) fn answer(id: String, request: &IncomingMessage<'_>) -> Self {
        let known = Rc::clone(request.known);
        Self::Answer { id, known }
    }
}

impl FanoutRequest {
    /// The client is gone.
    pub(in crate::stream) fn given_up(&self, gateway: &Gateway, worker: &mut Worker) {
        self.fanout.given_up(gateway, worker);
    }
}

impl Stream {
    /// Asks the servers at these `places`.
    pub(in crate::stream) fn ask(
        &mut self,
        operation: Operation,
        places: &[ServerId],
        requester: Requester,
        continuation: Continuation,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let config = Rc::clone(&self.config);
        let Some(gateway) = &config.gateway else {
            return Vec::new();
        };
        worker.end_idle_sessions(gateway);
        let (fanout, calls) = Fanout::start(operation, places, requester, gateway, worker);
        self.phase = Phase::Fanout(FanoutRequest {
            fanout,
            continuation,
            since: worker.now(),
        });
        let mut effects = Vec::new();
        for call in calls {
            effects.extend(self.called(call, worker));
        }
        effects.extend(self.concluded(gateway, worker));
        effects
    }

    /// Makes a call, unless one like it is under way, and counts it.
    fn called(&self, call: Call, worker: &mut Worker) -> Vec<Effect> {
        let Some((job, call)) = worker.calls.ask(self.id, call, worker.now()) else {
            return Vec::new();
        };
        let server = self.config.metrics.server(call.server.index());
        let mut effects: Vec<Effect> = count(server.map(|server| server.calls), 1)
            .into_iter()
            .collect();
        effects.push(Effect::Call(job, call));
        effects
    }

    pub(in crate::stream) fn call_done(
        &mut self,
        call: CallId,
        answer: CallResult,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let config = Rc::clone(&self.config);
        let (Some(gateway), Phase::Fanout(asking)) = (&config.gateway, &mut self.phase) else {
            return Vec::new();
        };
        if let Some(next) = asking.fanout.answered(call, answer, gateway, worker) {
            return self.called(next, worker);
        }
        self.concluded(gateway, worker)
    }

    /// What comes of the question, once all servers have answered or failed.
    fn concluded(&mut self, gateway: &Gateway, worker: &mut Worker) -> Vec<Effect> {
        if !matches!(&self.phase, Phase::Fanout(asking) if asking.fanout.is_done()) {
            return Vec::new();
        }
        let Phase::Fanout(mut asking) = std::mem::replace(&mut self.phase, Phase::Answered) else {
            return Vec::new();
        };
        asking.fanout.bound(gateway);
        let mut effects = news(&asking.fanout, gateway, worker);
        effects.extend(self.measured(&asking, worker));
        let (id, known) = match asking.continuation {
            Continuation::Answer { id, known } => (id, known),
            Continuation::Begin(beginning) => {
                effects.extend(self.begun(gateway, asking.fanout, &beginning, worker));
                return effects;
            }
            Continuation::Ended => {
                effects.extend(self.reply(ended()));
                return effects;
            }
            Continuation::Lookup(held, search) => {
                effects.extend(self.found(gateway, &asking.fanout, (&held, search), worker));
                return effects;
            }
            Continuation::Open(held, at) => {
                effects.extend(self.opened(gateway, &asking.fanout, (&held, at), worker));
                return effects;
            }
        };
        let authorization = self.config.authorization.as_ref();
        let rights = authorization.map(|authorization| (authorization, &known.rights));
        let outcome = asking.fanout.outcome(&id, gateway, rights);
        if outcome.left_out > 0 {
            // Their names are servers' words, which stay out of the log.
            let line = format!(
                "{} entries left out: their names are taken",
                outcome.left_out
            );
            effects.push(Effect::Log(log::Level::Debug, line));
            let left_out = u64::try_from(outcome.left_out).unwrap_or(u64::MAX);
            effects.extend(count(Some(self.config.metrics.collisions), left_out));
        }
        match outcome.response {
            Ok(body) => effects.extend(self.reply(Reply::json(200, body, Status::Ok.as_str()))),
            Err(refusal) => effects.extend(self.refuse(&refusal, Some(&id))),
        }
        effects
    }

    /// Counts who failed, what was kept, and how long it took.
    fn measured(&self, asking: &FanoutRequest, worker: &Worker) -> Vec<Effect> {
        let took = worker.now().saturating_sub(asking.since).as_millis();
        let metrics = &self.config.metrics;
        let (hits, misses) = asking.fanout.cached();
        let mut effects: Vec<Effect> = [
            (metrics.fanout, u64::try_from(took).unwrap_or(u64::MAX)),
            (metrics.cache_hits, hits),
            (metrics.cache_misses, misses),
        ]
        .into_iter()
        .filter(|(metric, value)| *metric == metrics.fanout || *value > 0)
        .map(|(metric, value)| Effect::Count(metric, value))
        .collect();
        for (at, failure) in asking.fanout.states() {
            effects.extend(
                failure
                    .into_iter()
                    .flat_map(|failure| self.failed(at, failure)),
            );
        }
        effects
    }

    /// Counts that the server at this place failed.
    pub(in crate::stream) fn failed(&self, server: ServerId, failure: &Failure) -> Vec<Effect> {
        let Some(server) = self.config.metrics.server(server.index()) else {
            return Vec::new();
        };
        let timeouts = (*failure == Failure::TimedOut).then_some(server.timeouts);
        [Some(server.failures), timeouts]
            .into_iter()
            .filter_map(|metric| count(metric, 1))
            .collect()
    }
}

/// One log line for each server that started or stopped failing.
fn news(fanout: &Fanout, gateway: &Gateway, worker: &mut Worker) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (at, failure) in fanout.states() {
        let Some(server) = gateway.server(at) else {
            continue;
        };
        if !worker.servers.set_failing(&server.name, failure.is_some()) {
            continue;
        }
        effects.push(match failure {
            Some(failure) => Effect::Log(
                log::Level::Warn,
                format!("server {} {}", server.name, failure.for_log()),
            ),
            None => Effect::Log(
                log::Level::Info,
                format!("server {} answers again", server.name),
            ),
        });
    }
    effects
}
