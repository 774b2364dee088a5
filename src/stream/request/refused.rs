//! Refuses a message that the filter has understood.

use crate::config::{Config, Gateway, ServerId};
use crate::gateway::routing::names::{possible_owners, upstream_name};
use crate::gateway::routing::target::Target;
use crate::http::Headers;
use crate::mcp::Message;
use crate::mcp::era::Era;
use crate::policy::Refusal;
use crate::policy::attributes::{Attributes, Chosen};
use crate::policy::export::Export;
use crate::policy::failed_request::FailedRequest;
use crate::stream::effects::export;
use crate::stream::phase::Transition;

/// Refuses `message`, which came with these `headers` from a client of this `era`; `None` where the
/// era is not clear. The access log gets everything that the filter understood: the caller and what
/// it tried. `server` is the server that the request would have gone to, if something else than the
/// name determined it. `gateway` is the gateway of the endpoint.
pub(in crate::stream) fn refuse_message(
    (config, gateway): (&Config, Option<&Gateway>),
    refusal: &Refusal,
    (message, headers): (&Message<'_>, &Headers),
    era: Option<Era>,
    server: Option<ServerId>,
) -> Transition {
    let mut attributes = Attributes::of(message, headers, &config.rules)
        .unwrap_or_else(|_| Attributes::of_method(message, &config.rules));
    if let Some(gateway) = gateway {
        let target = Target::of(message).ok();
        let owners = target.as_ref().map_or_else(Vec::new, |target| {
            possible_owners(&gateway.servers, target.kind, &target.name)
        });
        let sole = match owners.as_slice() {
            [owner] => Some(*owner),
            _ => None,
        };
        if let Some(server) = server.and_then(|id| gateway.server(id)).or(sole) {
            let name = target
                .as_ref()
                .and_then(|target| upstream_name(server, target.kind, &target.name));
            attributes.route(Chosen::of(&server.name, &server.cluster), name.as_deref());
        }
    }
    let request = match era {
        Some(era) => FailedRequest::of(message, era),
        None => FailedRequest::outside_session(message.id()),
    };
    let understood = Export::refused(&attributes, config.storage);
    Transition::refuse_request(config, refusal, request).after(export(understood).collect())
}
