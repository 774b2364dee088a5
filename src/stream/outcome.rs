//! How a request ends here, and what is counted and shown of it.

use super::{Effect, Phase, Stream};
use crate::gateway::routing::forwarding::HeaderMutation;
use crate::http::Reply;
use crate::metrics::Metric;
use crate::policy::attributes::Attributes;
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};

impl Stream {
    /// Counts a message that was understood.
    pub(super) fn counted(&self, attributes: &Attributes<'_>) -> Option<Effect> {
        let group = self.config.rules.group(&attributes.method);
        count(self.config.metrics.requests(group), 1)
    }

    /// Counts a message that was understood, and shows what it is about.
    ///
    /// # Errors
    /// It cannot be shown.
    pub(super) fn noted(&self, attributes: &Attributes<'_>) -> Result<Vec<Effect>, Refusal> {
        let mut effects: Vec<Effect> = self.counted(attributes).into_iter().collect();
        effects.extend(shown(Export::of(attributes, self.config.storage)?));
        Ok(effects)
    }

    /// Answers with `refusal`; later filters never see the request, and access
    /// logs see why.
    pub(super) fn refuse(&mut self, refusal: &Refusal, id: Option<&str>) -> Vec<Effect> {
        let rejected = count(self.config.metrics.rejected(refusal.status()), 1);
        let mut effects: Vec<Effect> = rejected.into_iter().collect();
        if refusal.status() == Status::Session {
            effects.extend(count(Some(self.config.metrics.sessions_rejected), 1));
        }
        if refusal.status() == Status::Denied {
            effects.extend(count(Some(self.config.metrics.denied), 1));
        }
        effects.extend(shown(Export::status(refusal.status(), self.config.storage)));
        effects.extend(self.reply(refusal.reply(id)));
        effects
    }

    pub(super) fn reply(&mut self, reply: Reply) -> Vec<Effect> {
        self.phase = Phase::Answered;
        vec![Effect::Reply(reply)]
    }
}

/// The effect that adds to a metric, where there is one.
pub(super) fn count(metric: Option<Metric>, value: u64) -> Option<Effect> {
    metric.map(|metric| Effect::Count(metric, value))
}

/// The effects that show `export` to later filters and access logs.
pub(super) fn shown(export: Export) -> impl Iterator<Item = Effect> {
    let state = export
        .state
        .into_iter()
        .map(|(key, value)| Effect::SetState(key, value));
    let headers = export
        .headers
        .into_iter()
        .map(|(name, value)| Effect::SetRequestHeader(name, value));
    state.chain(headers)
}

/// The effects that leave a server what it gets of a client's headers.
pub(super) fn forwarded(routed: HeaderMutation) -> impl Iterator<Item = Effect> {
    let removed = routed.removed.into_iter().map(Effect::RemoveRequestHeader);
    let added = routed.added.into_iter();
    removed.chain(added.map(|(name, value)| Effect::AddRequestHeader(name, value)))
}
