//! `controller` and `crds`: run the gateway in Kubernetes, as MCPGateway and MCPServer objects
//! describe it.
//!
//! Watches write the state of the cluster into a `store`. The function `plan` computes the wanted
//! objects, statuses and events from this state only. The `reconciler` writes the difference.

mod asking;
mod difference;
mod events;
mod kinds;
mod lease;
mod metrics;
mod name;
mod pages;
mod plan;
mod reader;
mod reconciler;
mod snapshot;
mod store;
mod watch;
mod watched;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use kube::Client;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use self::asking::Asking;
use self::events::Events;
use self::lease::Leadership;
use self::metrics::ControllerMetrics;
use self::plan::PlanSettings;
use self::reconciler::Reconciler;
use self::store::KnownCluster;
use self::watched::KINDS;
use self::writer::Writer;

/// The image with the filter of this version.
const IMAGE: &str = concat!("ghcr.io/example/mcp-gateway:", env!("CARGO_PKG_VERSION"));

/// The options of `controller`.
#[derive(clap::Args)]
pub(crate) struct ControllerArguments {
    /// What serves the endpoints of MCPGateways
    #[arg(long, value_enum, default_value_t = ControllerTarget::Gateway)]
    target: ControllerTarget,
    /// The image with the filter, for MCPGateways without `image`
    #[arg(long, default_value = IMAGE)]
    image: String,
    /// The namespace in which Envoy Gateway runs proxies; empty if each proxy runs in the
    /// namespace of its Gateway
    #[arg(long, value_name = "NAMESPACE", default_value = "envoy-gateway-system")]
    envoy_gateway_namespace: String,
    /// The address of /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = ":8081", value_parser = pages::address)]
    health_address: SocketAddr,
    /// The address of /metrics
    #[arg(long, value_name = "ADDRESS", default_value = ":8082", value_parser = pages::address)]
    metrics_address: SocketAddr,
    /// The namespace of the Lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// The name of the Lease; the replica that holds it writes
    #[arg(long, value_name = "NAME", default_value = "mcp-gateway-controller")]
    lease: String,
    /// The name of this replica [default: a random one]
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env = true)]
    identity: Option<String>,
    /// Runs without a Lease: there must be no other replica
    #[arg(long)]
    no_leader_election: bool,
    /// Does not ask the servers whether they are up
    #[arg(long)]
    no_probe: bool,
    /// Refuses servers at localhost and at other addresses that each pod has for itself, such as the
    /// admin interface of Envoy
    #[arg(long)]
    refuse_local_servers: bool,
    /// What the log has: a level, or levels for parts, as in info,kube=debug
    #[arg(long, value_name = "FILTER", env = "LOG_LEVEL", default_value = "info")]
    log_level: String,
}

/// What serves the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ControllerTarget {
    /// The Gateways that MCPGateways name, of Envoy Gateway or Istio
    Gateway,
    /// Envoy alone: a Deployment for each MCPGateway
    Standalone,
}

/// The definitions of the kinds, as YAML documents.
///
/// # Errors
/// They cannot be written, which is a bug.
pub(crate) fn crds() -> Result<String, String> {
    let crds = kinds::crds().map_err(|error| error.to_string())?;
    let texts: Result<Vec<String>, String> = crds.iter().map(|(_, crd)| kinds::yaml(crd)).collect();
    Ok(texts?.join("---\n"))
}

/// The reference of the kinds in Markdown.
///
/// # Errors
/// It cannot be written, which is a bug.
pub(crate) fn reference() -> Result<String, String> {
    kinds::reference().map_err(|error| error.to_string())
}

impl ControllerArguments {
    /// Runs the controller until a signal ends it.
    ///
    /// # Errors
    /// The cluster cannot be reached, or an address is taken.
    pub(crate) fn run(self) -> Result<(), String> {
        let filter = EnvFilter::try_new(&self.log_level)
            .map_err(|error| format!("--log-level {:?}: {error}", self.log_level))?;
        tracing_subscriber::fmt()
            .json()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let result = runtime.block_on(self.control());
        // Watches and HTTP servers end with the process.
        runtime.shutdown_background();
        result
    }

    async fn control(self) -> Result<(), String> {
        // The program is built with ring as the only TLS provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_default()
            .await
            .map_err(|error| format!("the cluster cannot be reached: {error}"))?;
        let store = Arc::new(KnownCluster::default());
        let metrics = Arc::new(ControllerMetrics::new());
        serve(self.health_address, pages::health(Arc::clone(&store))).await?;
        serve(self.metrics_address, pages::metrics(Arc::clone(&metrics))).await?;
        for kind in KINDS {
            let (store, metrics) = (Arc::clone(&store), Arc::clone(&metrics));
            tokio::spawn(watch::follow(client.clone(), kind, store, metrics));
        }
        let identity = self.identity.clone().unwrap_or_else(random_identity);
        let mut leadership = if self.no_leader_election {
            Leadership::alone()
        } else {
            Leadership::by_lease(client.clone(), &self.namespace, &self.lease, &identity).await?
        };
        info!(identity, version = env!("CARGO_PKG_VERSION"), "started");
        let mut reconciler = Reconciler {
            settings: PlanSettings {
                is_standalone: self.target == ControllerTarget::Standalone,
                image: self.image,
                proxy_namespace: self.envoy_gateway_namespace,
                asks: !self.no_probe,
                refuses_local_servers: self.refuse_local_servers,
            },
            writer: Writer::new(client.clone(), Arc::clone(&metrics)),
            events: Events::new(client.clone(), identity),
            asking: Asking::new(Arc::clone(&store)),
            client,
            store,
            metrics,
            read_at: None,
        };
        reconciler.run(&mut leadership, stopped()).await;
        leadership.end().await;
        info!("ended");
        Ok(())
    }
}

/// Serves `pages` at `address`.
///
/// # Errors
/// The address cannot be used.
async fn serve(address: SocketAddr, pages: Router) -> Result<(), String> {
    let listener = pages::listen(address).await?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            error!(%address, %error, "cannot serve any more");
        }
    });
    Ok(())
}

/// Waits for a signal to end the process.
async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// A name for a replica without a configured name.
fn random_identity() -> String {
    let number = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    format!("mcp-gateway-{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args as _;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_definitions_in_deploy_are_those_of_the_types() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/crds");
        for (name, crd) in kinds::crds().unwrap() {
            let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
            let text = kinds::yaml(&crd).unwrap();
            assert!(
                committed == text,
                "deploy/crds/{name} is not what the types say; write it with: mcp-gateway crds"
            );
        }
    }

    #[test]
    fn the_reference_in_docs_is_that_of_the_types() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/kinds.md");
        assert!(
            fs::read_to_string(page).unwrap_or_default() == reference().unwrap(),
            "docs/reference/kinds.md is not what `mcp-gateway crds --reference` prints"
        );
    }

    #[test]
    fn the_page_has_a_row_for_each_option_and_no_other() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operate/controller.md");
        let page = fs::read_to_string(page).unwrap();
        let row = |line: &str| Some(line.strip_prefix("| `--")?.split_once('`')?.0.to_owned());
        let rows: Vec<String> = page.lines().filter_map(row).collect();
        let command = ControllerArguments::augment_args(clap::Command::new("controller"));
        let options = command.get_arguments().filter_map(|it| it.get_long());
        assert_eq!(rows, options.collect::<Vec<_>>());
    }
}
