//! The HTTP pages for the cluster: the health of the controller, and its metrics.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::ControllerMetrics;
use super::store::KnownCluster;

/// The content type that Prometheus expects.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads an address to listen on. `:8081` means port 8081 of all addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let all = text.strip_prefix(':').and_then(|port| port.parse().ok());
    let all = all.map(|port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    all.or_else(|| text.parse().ok())
        .ok_or_else(|| "must be an address with a port, such as :8081 or 127.0.0.1:8081".to_owned())
}

/// Listens on `address`. If the machine has no IPv6, all addresses means those of IPv4.
///
/// # Errors
/// The address is taken, or cannot be used.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && let Ok(listener) = TcpListener::bind(("0.0.0.0", address.port())).await
    {
        return Ok(listener);
    }
    Err(format!("cannot listen at {address}: {error}"))
}

/// `/healthz`: the process runs. `/readyz`: it knows all objects.
pub(super) fn health(store: Arc<KnownCluster>) -> Router {
    let ready = async move || {
        let missing = store.missing();
        if missing.is_empty() {
            return (StatusCode::OK, "ok\n".to_owned());
        }
        let missing = missing.join(", ");
        let reason = format!("these kinds have not been listed yet: {missing}\n");
        (StatusCode::SERVICE_UNAVAILABLE, reason)
    };
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
}

/// `/metrics`.
pub(super) fn metrics(metrics: Arc<ControllerMetrics>) -> Router {
    let text = async move || {
        let kind = [(header::CONTENT_TYPE, OPEN_METRICS)];
        (kind, metrics.text()).into_response()
    };
    Router::new().route("/metrics", get(text))
}
