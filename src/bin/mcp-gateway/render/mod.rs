//! Renders the files that a target needs to serve the servers of a file.

mod arguments;
pub(crate) mod envoy;
mod manifests;
mod wanted;

pub(crate) use self::arguments::RenderArguments;

/// Where the gateway is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RenderTarget {
    /// Envoy alone: one configuration file
    Envoy,
    /// Envoy Gateway in Kubernetes
    EnvoyGateway,
    /// Istio in Kubernetes, with a Gateway of the Gateway API
    Istio,
    /// Envoy alone in Kubernetes: a Deployment, a Service and a ConfigMap
    #[value(alias = "kustomize")]
    Standalone,
}

/// The name of a file and its text.
type RenderedFile = (&'static str, String);
