//! The command `render`.

use std::path::{Path, PathBuf};

use super::envoy::{self, EnvoyOptions};
use super::manifests::{self, KUSTOMIZATION};
use super::wanted::{self, ManifestOptions};
use super::{RenderTarget, RenderedFile};
use crate::authentication::AuthenticationArguments;
use crate::config_file::{ConfigFile, stdio_server};
use crate::kubernetes::model::{Authentication, Platform};
use crate::problem::{self, Problem, Severity};
use crate::upstream::{self, Upstream};
use crate::variables::placeholder::Placeholders;
use crate::{ExitError, ListenArguments, NamingArguments, print, read, write};

const NO_CALLERS: &str = "nothing says who may call the tools: add --jwt-issuer URL, \
     --jwt-audience AUDIENCE and --jwks-uri URL, so that only who has a token may; or \
     --anonymous, if everyone who reaches the endpoint may";

/// The options of `render`.
#[derive(clap::Args)]
pub(crate) struct RenderArguments {
    /// The file with the servers, or - for stdin
    file: PathBuf,
    /// What will run the configuration
    #[arg(long, value_enum, value_name = "envoy|envoy-gateway|istio|standalone")]
    target: RenderTarget,
    #[command(flatten)]
    naming: NamingArguments,
    /// The folder for the files, or - for stdout
    #[arg(short, long, value_name = "DIR", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    listen: ListenArguments,
    /// The path of the filter, where Envoy runs
    #[arg(
        long,
        value_name = "PATH",
        default_value = "target/wasm32-wasip1/release/mcp_gateway.wasm"
    )]
    wasm: String,
    /// The certificates of the authorities that Envoy trusts for https:// servers
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    ca_file: String,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// The options that are for Kubernetes.
#[derive(clap::Args)]
#[command(next_help_heading = "Options for Kubernetes")]
struct ClusterArguments {
    /// The image with the filter
    #[arg(long, default_value = "ghcr.io/example/mcp-gateway:0.1.0")]
    image: String,
    /// The namespace of the gateway
    #[arg(long, default_value = "mcp")]
    namespace: String,
    /// The class of the Gateway [default: eg for Envoy Gateway, istio for Istio]
    #[arg(long, value_name = "CLASS")]
    gateway_class: Option<String>,
    /// The ConfigMap with the authorities (ca.crt) that are trusted for https:// servers, in
    /// the namespace of the gateway or of the Service [default: those of the system]
    #[arg(long, value_name = "NAME")]
    ca_config_map: Option<String>,
    #[command(flatten)]
    authentication: AuthenticationArguments,
}

impl RenderArguments {
    /// Renders the file, and prints or writes the result.
    ///
    /// # Errors
    /// The file has errors, which the user has seen, or the files cannot be written.
    pub(crate) fn run(&self) -> Result<(), ExitError> {
        let file = read(&self.file, &self.naming, Placeholders::Keep)?;
        if !file.stdio.is_empty() {
            let problems = stdio_server::not_rendered(&file);
            problem::print(&self.file, &problems, Severity::Error);
            return Err(ExitError::InvalidFile);
        }
        let upstreams = upstream::all(&file).map_err(|problems| {
            problem::print(&self.file, &problems, Severity::Error);
            ExitError::InvalidFile
        })?;
        let files = self.files(&file, &upstreams)?;
        if self.output.as_os_str() != "-" {
            return Ok(write(&self.output, &files)?);
        }
        // A kustomization.yaml refers to other files, so it is useless on stdout.
        let shown = files.iter().filter(|(name, _)| *name != KUSTOMIZATION);
        let texts: Vec<&str> = shown.map(|(_, text)| &**text).collect();
        Ok(print(&texts.join("---\n"))?)
    }

    /// The files for the target, in the order in which a user reads them.
    fn files(
        &self,
        file: &ConfigFile,
        upstreams: &[Upstream],
    ) -> Result<Vec<RenderedFile>, String> {
        let platform = match self.target {
            RenderTarget::Envoy => return self.envoy(file, upstreams),
            RenderTarget::EnvoyGateway => Platform::EnvoyGateway,
            RenderTarget::Istio => Platform::Istio,
            RenderTarget::Standalone => Platform::Standalone,
        };
        let options = ManifestOptions {
            platform,
            namespace: self.cluster.namespace.clone(),
            image: self.cluster.image.clone(),
            port: self.listen.port,
            authentication: self.cluster.authentication.read()?.ok_or(NO_CALLERS)?,
            authorities: self.cluster.ca_config_map.clone(),
        };
        let gateway = wanted::gateway(file, upstreams, options)?;
        manifests::files(&gateway, self.cluster.gateway_class.as_deref())
    }

    fn envoy(
        &self,
        file: &ConfigFile,
        upstreams: &[Upstream],
    ) -> Result<Vec<RenderedFile>, String> {
        let authentication = self.cluster.authentication.read()?;
        if matches!(authentication, Some(Authentication::Jwt(_))) {
            let reason = "--jwt-issuer is for Kubernetes: for Envoy, add jwt_authn to its \
                          configuration, before the filter";
            return Err(reason.to_owned());
        }
        let options = EnvoyOptions {
            address: self.listen.address.to_string(),
            allow_origins: Vec::new(),
            port: self.listen.port,
            admin_port: 9901,
            wasm: self.wasm.clone(),
            ca_file: self.ca_file.clone(),
        };
        let text = envoy::render(file, upstreams, &options)?;
        // Envoy says only that the path is invalid.
        if !Path::new(&self.wasm).exists() {
            let missing = Problem::new(0, "--wasm", format!("there is no {} here", self.wasm));
            let fix = "--wasm PATH, the path of mcp_gateway.wasm where Envoy runs; releases have this file";
            problem::print(&self.file, &[missing.fix(fix)], Severity::Warning);
        }
        Ok(vec![("envoy.yaml", text)])
    }
}
