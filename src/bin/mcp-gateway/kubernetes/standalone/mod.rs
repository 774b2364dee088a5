//! The objects for Envoy without a control plane.

mod envoy;
mod workload;

use super::filter::FilterConfig;
use super::model::WantedGateway;
use super::object::Object;

/// The objects for `gateway`.
///
/// # Errors
/// The filter refuses its configuration.
pub(super) fn objects(gateway: &WantedGateway) -> Result<Vec<Object>, String> {
    let filter = FilterConfig::new(
        gateway,
        |server| server.name.clone(),
        envoy::NOWHERE_CLUSTER,
    )?;
    let envoy = envoy::config(gateway, &filter)?;
    Ok(workload::objects(gateway, &envoy))
}
