//! The request: from its headers to an accepted message.

pub(in crate::stream) mod admission;
pub(in crate::stream) mod authorization;
pub(in crate::stream) mod body;
pub(in crate::stream) mod body_hold;
pub(in crate::stream) mod classify;
pub(in crate::stream) mod headers;
pub(in crate::stream) mod policy;
pub(in crate::stream) mod refused;

use crate::config::{AttributeSource, Config};
use crate::http::Headers;
use crate::mcp::Message;
use crate::mcp::era::Era;
use crate::policy::traffic::TrafficMode;
use crate::policy::{Refusal, era_check};

/// Whether the filter refuses requests that are not MCP.
fn is_strict(config: &Config) -> bool {
    config.traffic_mode == TrafficMode::RejectNoMcp
}

/// The era of a message.
///
/// # Errors
/// The headers contradict the message.
pub(in crate::stream) fn era_of(
    config: &Config,
    message: &Message<'_>,
    headers: &Headers,
) -> Result<Era, Refusal> {
    match config.attribute_source {
        AttributeSource::Body => era_check::check_body(message, is_strict(config)),
        AttributeSource::Verify if config.gateway.is_some() => {
            era_check::check_for_gateway(headers, message)
        }
        AttributeSource::Verify | AttributeSource::Headers => {
            era_check::check(headers, message, is_strict(config))
        }
    }
}
