//! Effects that several handlers need: counting, exporting, header changes.

use super::event::Effect;
use crate::config::{Config, ServerId};
use crate::gateway::routing::forwarding::HeaderMutation;
use crate::gateway::upstream::failure::Failure;
use crate::metrics::Metric;
use crate::policy::attributes::Attributes;
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};

/// Adds to a metric, where there is one.
pub(in crate::stream) fn count(metric: Option<Metric>, value: u64) -> Option<Effect> {
    metric.map(|metric| Effect::Count(metric, value))
}

/// Counts a message that was accepted, by the group of its method.
pub(in crate::stream) fn count_message(
    config: &Config,
    attributes: &Attributes<'_>,
) -> Option<Effect> {
    let group = config.rules.group(&attributes.method);
    count(config.metrics.requests(group), 1)
}

/// Counts a request to this server.
pub(in crate::stream) fn count_call(config: &Config, server: ServerId) -> Option<Effect> {
    let server = config.server_metrics(server);
    count(server.map(|server| server.calls), 1)
}

/// Counts a question for a list of this server.
pub(in crate::stream) fn count_list(config: &Config, server: ServerId) -> Option<Effect> {
    let server = config.server_metrics(server);
    count(server.map(|server| server.lists), 1)
}

/// Counts that this server failed, where the failure is the server's fault.
pub(in crate::stream) fn count_failure(
    config: &Config,
    server: ServerId,
    failure: &Failure,
) -> Vec<Effect> {
    let server = config.server_metrics(server);
    let Some(server) = server.filter(|_| failure.is_servers()) else {
        return Vec::new();
    };
    let mut effects = vec![Effect::Count(server.failures, 1)];
    if *failure == Failure::TimedOut {
        effects.push(Effect::Count(server.timeouts, 1));
    }
    effects
}

/// Counts a message that was accepted, and exports its attributes to later
/// filters and access logs.
///
/// # Errors
/// An attribute cannot be exported.
pub(in crate::stream) fn count_and_export(
    config: &Config,
    attributes: &Attributes<'_>,
) -> Result<Vec<Effect>, Refusal> {
    let mut effects: Vec<Effect> = count_message(config, attributes).into_iter().collect();
    effects.extend(export(Export::of(attributes, config.storage)?));
    Ok(effects)
}

/// Gives `export` to later filters and access logs.
pub(in crate::stream) fn export(export: Export) -> impl Iterator<Item = Effect> {
    let state = export.state.into_iter();
    let state = state.map(|(key, value)| Effect::SetState(key, value));
    state.chain(set_request_headers(export.headers))
}

/// Counts a refusal, and exports its reason.
pub(in crate::stream) fn note_refusal(config: &Config, refusal: &Refusal) -> Vec<Effect> {
    let metrics = &config.metrics;
    let status = refusal.status();
    let special = match status {
        Status::Session => Some(metrics.sessions_rejected),
        Status::Denied => Some(metrics.denied),
        _ => None,
    };
    let mut effects = Vec::new();
    effects.extend(count(metrics.rejected(status), 1));
    effects.extend(count(special, 1));
    effects.extend(export(Export::status(status, config.storage)));
    effects
}

/// Sets each of these headers of the request.
pub(in crate::stream) fn set_request_headers(
    headers: impl IntoIterator<Item = (&'static str, impl Into<String>)>,
) -> impl Iterator<Item = Effect> {
    let headers = headers.into_iter();
    headers.map(|(name, value)| Effect::SetRequestHeader(name, value.into()))
}

/// Makes the headers of a client's request those that a server gets.
pub(in crate::stream) fn change_request_headers(
    mutation: HeaderMutation,
) -> impl Iterator<Item = Effect> {
    let removed = mutation.removed.into_iter();
    let removed = removed.map(Effect::RemoveRequestHeader);
    let added = mutation.added.into_iter();
    removed.chain(added.map(|(name, value)| Effect::AddRequestHeader(name, value)))
}
