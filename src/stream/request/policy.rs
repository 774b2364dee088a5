//! Policy mode: handles a message for the only upstream, without a gateway.

use std::rc::Rc;

use crate::config::Config;
use crate::mcp::Message;
use crate::mcp::standard_headers::{self, Demand};
use crate::policy::Refusal;
use crate::policy::attributes::Attributes;
use crate::policy::export::Export;
use crate::stream::effects::{count_message, export, set_request_headers};
use crate::stream::event::Effect;
use crate::stream::phase::Transition;
use crate::stream::request::body::BufferedRequest;
use crate::stream::request::{authorization, era_of};

/// Lets a message go on.
///
/// # Errors
/// The headers contradict the message, the caller may not send it, or its attributes cannot be
/// exported.
pub(in crate::stream) fn on_message(
    config: &Rc<Config>,
    request: &BufferedRequest,
    message: &Message<'_>,
) -> Result<Transition, Refusal> {
    let headers = &request.headers;
    let is_claimed = request.claim.is_some();
    let era = era_of(config, message, headers)?;
    if is_claimed {
        standard_headers::check(headers, message, Demand::Complete).map_err(Refusal::Mirror)?;
    }
    authorization::authorize(config, message, &request.facts)?;
    let attributes = Attributes::of(message, headers, &config.rules)?;
    let mut effects = export_attributes(config, &attributes, config.hold)?;
    if !is_claimed {
        effects.extend(count_message(config, &attributes));
    }
    if config.hold {
        effects.extend(propagate_trace(config, message));
    }
    let Some(routed) = authorization::filter_list(config, message, era, &request.facts) else {
        return Ok(Transition::release(effects));
    };
    effects.extend(config.hold.then(authorization::refuse_compression));
    Ok(Transition::routed(effects, routed))
}

/// Exports the attributes to later filters. With `in_headers`, it also sets request headers, which
/// is possible only until the headers go on.
///
/// # Errors
/// An attribute cannot be exported.
pub(in crate::stream) fn export_attributes(
    config: &Config,
    attributes: &Attributes<'_>,
    in_headers: bool,
) -> Result<Vec<Effect>, Refusal> {
    let mut exported = Export::of(attributes, config.storage)?;
    if !in_headers {
        exported.headers.clear();
    }
    let mut effects = Vec::with_capacity(16);
    effects.extend(export(exported));
    if in_headers && config.clear_route_cache {
        effects.push(Effect::ClearRouteCache);
    }
    Ok(effects)
}

/// Copies the trace context of the message into the headers.
fn propagate_trace(config: &Config, message: &Message<'_>) -> Vec<Effect> {
    let Some(params) = message.params() else {
        return Vec::new();
    };
    let trace = config.propagation.headers(&params.meta);
    let removed = trace.removed.into_iter();
    removed
        .map(|name| Effect::RemoveRequestHeader(name.to_owned()))
        .chain(set_request_headers(trace.set))
        .collect()
}
