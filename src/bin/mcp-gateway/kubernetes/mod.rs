//! The Kubernetes objects that serve a gateway: one function of the wanted state, for `render` and
//! for the controller.

mod address;
mod backend_tls;
pub(crate) mod endpoints;
mod envoy_gateway;
mod filter;
mod istio;
mod local_replies;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod object;
mod routes;
mod standalone;
pub(crate) mod variables;

pub(crate) use self::filter::buffer_limit;
use self::model::{Platform, WantedGateway};
use self::object::Object;
#[cfg(feature = "controller")]
pub(crate) use self::routes::is_path_of_route;

/// The objects that serve `gateway`, in the order in which they are applied: first those of the
/// whole gateway, and among them objects that restrict access before objects that give access; then
/// server by server. The same input gives the same objects.
///
/// The Gateway itself, and Secrets, are not among them.
///
/// # Errors
/// The filter refuses the configuration; the text has the path of the field. Or a bug.
pub(crate) fn objects(gateway: &WantedGateway) -> Result<Vec<Object>, String> {
    match gateway.platform {
        Platform::EnvoyGateway => envoy_gateway::objects(gateway),
        Platform::Istio => istio::objects(gateway),
        Platform::Standalone => standalone::objects(gateway),
    }
}

#[cfg(test)]
mod tests;
