//! Decides by the headers of a request to an endpoint whether the filter reads it, passes it
//! unread, or refuses it.

use crate::config::{AttributeSource, Config, Gateway};
use crate::http::{Headers, media_type};
use crate::policy::Refusal;
use crate::policy::claim::Claim;
use crate::policy::traffic::{self, Class};
use crate::stream::gateway::listening;
use crate::stream::request::is_strict;

/// The class of a request with these headers. `gateway` is the gateway of its endpoint.
pub(in crate::stream) fn classify(
    config: &Config,
    gateway: Option<&Gateway>,
    headers: &Headers,
    has_body: bool,
) -> Class {
    if is_strict(config) && traffic::is_upgrade(headers) {
        return Class::Refused(Refusal::Upgrade);
    }
    if let Some(gateway) = gateway
        && let Some(refusal) = listening::refuse_method(config, gateway, headers)
    {
        return Class::Refused(refusal);
    }
    match traffic::classify(headers, has_body, is_strict(config)) {
        // Later filters trust these headers, so the body must confirm them.
        Class::Unread if is_trusted_post(config, headers) => {
            if has_body {
                Class::Refused(Refusal::ContentType)
            } else {
                Class::Message
            }
        }
        Class::Refused(Refusal::HttpMethod(_)) if config.cors.is_some() => {
            Class::Refused(Refusal::HttpMethod("GET, POST, DELETE, OPTIONS"))
        }
        // In gateway mode, the filter handles GET and DELETE, which are about a session.
        Class::Unread if gateway.is_some() => Class::Message,
        class => class,
    }
}

/// Whether the request is a POST of JSON whose headers later filters trust.
fn is_trusted_post(config: &Config, headers: &Headers) -> bool {
    headers.get(":method") == Some(b"POST")
        && media_type::is_json(headers)
        && config.attribute_source == AttributeSource::Verify
        && trusts_headers(config)
        && Claim::of(headers).is_some()
}

/// Whether later filters get values of the headers before the filter has read the body.
pub(in crate::stream) fn trusts_headers(config: &Config) -> bool {
    match config.attribute_source {
        AttributeSource::Body => false,
        AttributeSource::Verify => !config.hold,
        AttributeSource::Headers => true,
    }
}
