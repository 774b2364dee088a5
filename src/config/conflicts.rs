//! Checks for fields that exclude each other, and for fields that have no effect.

use super::cors::CorsSpec;
use super::gateway::ListCache;
use super::modes::{AttributeSource, SwitchSpec, TrafficModeSpec};
use super::servers::Protocol;
use super::{ConfigError, ConfigSpec};

/// Checks that no two fields of `spec` exclude each other.
///
/// # Errors
/// Two fields exclude each other.
pub(super) fn check(spec: &ConfigSpec) -> Result<(), ConfigError> {
    if spec.paths.is_some() && spec.endpoints.is_some() {
        return refused(
            "endpoints",
            "cannot be used with paths: give each path its own entry in endpoints, and remove paths",
        );
    }
    without_hold(spec)?;
    without_body(spec)
}

/// Checks that each field of `spec` has an effect. This check must come last: the error about a
/// wrong value is more useful.
///
/// # Errors
/// A field has no effect.
pub(super) fn check_effects(spec: &ConfigSpec) -> Result<(), ConfigError> {
    if spec.servers.is_empty() {
        without_servers(spec)
    } else {
        with_servers(spec)
    }
}

/// Checks the fields that need `servers`.
fn without_servers(spec: &ConfigSpec) -> Result<(), ConfigError> {
    // With CORS, an instance before authentication lists these headers as headers that browsers may
    // send.
    let is_in_cors = spec.cors.as_ref().is_some_and(CorsSpec::uses_passthrough);
    let gateway_only = [
        ("endpoints", spec.endpoints.is_some()),
        ("prefixMode", spec.prefix_mode.is_some()),
        ("rewriteAuthority", spec.rewrite_authority.is_some()),
        ("failureMode", spec.failure_mode.is_some()),
        ("failedServerTtl", spec.failed_server_ttl.is_some()),
        (
            "passthroughHeaders",
            spec.passthrough_headers.is_some() && !is_in_cors,
        ),
        ("listCache", spec.list_cache.is_some()),
        ("maxListPages", spec.max_list_pages.is_some()),
        ("maxListBytes", spec.max_list_bytes.is_some()),
        ("serverInfo", spec.server_info.is_some()),
        ("session", spec.session.is_some()),
        ("names", spec.names.is_some()),
        ("pins", spec.pins.is_some()),
        ("toolSearch", spec.tool_search.is_some()),
    ];
    match gateway_only.into_iter().find(|(_, is_given)| *is_given) {
        Some((path, _)) => refused(
            path,
            "has no effect without servers: remove it, or add servers",
        ),
        None => Ok(()),
    }
}

/// Checks the fields that have no effect in gateway mode, or at a server.
fn with_servers(spec: &ConfigSpec) -> Result<(), ConfigError> {
    for (path, switch) in propagation(spec) {
        if switch.0 {
            return refused(
                path,
                "has no effect with servers: the gateway does not change the trace headers; remove it",
            );
        }
    }
    let is_kept = spec.list_cache.unwrap_or_default() == ListCache::Hints;
    for (at, server) in spec.servers.iter().enumerate() {
        if server.list_ttl.is_some() && !is_kept {
            return refused(
                &format!("servers[{at}].listTtl"),
                "has no effect with listCache: OFF: remove one of them",
            );
        }
        if server.share_session && server.protocol == Protocol::Modern {
            return refused(
                &format!("servers[{at}].shareSession"),
                "has no effect with protocol: MODERN, which has no sessions: remove one of them",
            );
        }
    }
    Ok(())
}

fn propagation(spec: &ConfigSpec) -> [(&'static str, SwitchSpec); 2] {
    [
        ("propagateTraceContext", spec.propagate_trace_context),
        ("propagateBaggage", spec.propagate_baggage),
    ]
}

/// Checks that no field needs the headers to wait, if `holdRequestHeaders` is `false`.
fn without_hold(spec: &ConfigSpec) -> Result<(), ConfigError> {
    if spec.hold_request_headers {
        return Ok(());
    }
    if !spec.servers.is_empty() {
        return refused(
            "holdRequestHeaders",
            "false cannot be used with servers, because the gateway finds the server of a request in its body: set it to true",
        );
    }
    for (path, switch) in propagation(spec) {
        if switch.0 {
            return refused(
                path,
                "needs holdRequestHeaders: without it the headers have left the filter before the body is read",
            );
        }
    }
    Ok(())
}

/// Checks that the filter reads the body, if a field needs it.
fn without_body(spec: &ConfigSpec) -> Result<(), ConfigError> {
    let Some(needs_body) = spec.needs_body() else {
        return Ok(());
    };
    let why = |mode| {
        format!("{mode} does not read the body, but {needs_body} needs it: remove one of them")
    };
    if spec.attribute_source == AttributeSource::Headers {
        return refused("attributeSource", &why("HEADERS"));
    }
    match spec.traffic_mode {
        Some(TrafficModeSpec::Noop) => refused("trafficMode", &why("NOOP")),
        Some(TrafficModeSpec::PassThrough) => refused(
            "trafficMode",
            &format!(
                "PASS_THROUGH lets requests pass unread, which {needs_body} does not allow: remove it, or set REJECT_NO_MCP"
            ),
        ),
        Some(TrafficModeSpec::RejectNoMcp) | None => Ok(()),
    }
}

fn refused(path: &str, reason: &str) -> Result<(), ConfigError> {
    Err(ConfigError::new(path, reason))
}
