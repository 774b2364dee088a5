//! Fields that exclude each other.

use super::modes::{AttributeSource, TrafficModeSpec};
use super::{ConfigError, ConfigSpec};

/// Checks that no two fields of `spec` exclude each other.
///
/// # Errors
/// Two do.
pub(super) fn check(spec: &ConfigSpec) -> Result<(), ConfigError> {
    without_hold(spec)?;
    without_body(spec)?;
    if spec.servers.is_empty() && spec.session.is_some() {
        return refused("session", "needs servers: only a gateway has sessions");
    }
    Ok(())
}

/// What needs the headers held.
fn without_hold(spec: &ConfigSpec) -> Result<(), ConfigError> {
    if spec.hold_request_headers {
        return Ok(());
    }
    if !spec.servers.is_empty() {
        return refused(
            "holdRequestHeaders",
            "false cannot go with servers: the gateway finds the server of a request in its body",
        );
    }
    for (path, switch) in [
        ("propagateTraceContext", spec.propagate_trace_context),
        ("propagateBaggage", spec.propagate_baggage),
    ] {
        if switch.0 {
            return refused(
                path,
                "needs holdRequestHeaders: without it the headers have left the filter before the body is read",
            );
        }
    }
    Ok(())
}

/// What needs the body read.
fn without_body(spec: &ConfigSpec) -> Result<(), ConfigError> {
    let needs_body = if !spec.servers.is_empty() {
        "servers"
    } else if spec.authorization.is_some() {
        "authorization"
    } else {
        return Ok(());
    };
    let why = |mode| format!("{mode} reads no body, which {needs_body} needs: remove one of them");
    if spec.attribute_source == AttributeSource::Headers {
        return refused("attributeSource", &why("HEADERS"));
    }
    if spec.traffic_mode == TrafficModeSpec::Noop {
        return refused("trafficMode", &why("NOOP"));
    }
    Ok(())
}

fn refused(path: &str, reason: &str) -> Result<(), ConfigError> {
    Err(ConfigError::new(path, reason))
}

/// A warning if messages pass that `authorization` does not see.
pub(super) fn warning(spec: &ConfigSpec) -> Option<String> {
    let is_undecided = spec.authorization.is_some()
        && spec.servers.is_empty()
        && spec.traffic_mode == TrafficModeSpec::PassThrough;
    is_undecided.then(|| {
        "authorization: with trafficMode PASS_THROUGH, requests that are not read as MCP pass without a decision; REJECT_NO_MCP refuses them"
            .to_owned()
    })
}
