//! Turns the text of a file into the configuration that Envoy gets.

use std::net::SocketAddr;

use mcp_gateway::config::Config;

use super::local_file;
use super::parts::{EnvoyParts, RunParts};
use super::stdio::StdioServers;
use crate::config_file::stdio_server::StdioServer;
use crate::config_file::{self, ReadOptions};
use crate::problem::Problem;
use crate::render::envoy::{EnvoyOptions, render};
use crate::syntax::tree::{self, Node};
use crate::upstream;
use crate::variables::environment;

/// A valid file, ready for Envoy.
pub(super) struct Prepared {
    pub(super) config: Config,
    pub(super) parts: EnvoyParts,
    pub(super) warnings: Vec<Problem>,
    /// The servers that must be started first.
    pub(super) stdio: Vec<StdioServer>,
}

/// The settings that do not change while a gateway runs.
pub(super) struct Preparation {
    /// The address of the gateway, as the user has given it.
    pub(super) own: SocketAddr,
    /// The endpoint of another gateway that serves the same file, if one runs.
    pub(super) running: Option<String>,
    pub(super) read_options: ReadOptions,
    pub(super) envoy_options: EnvoyOptions,
    pub(super) run_parts: RunParts,
}

impl Preparation {
    /// Reads and checks `text`, and makes an Envoy configuration of it. `stdio` has the addresses
    /// of the servers that this program starts.
    ///
    /// # Errors
    /// All errors in `text`, and variables that it names but that are not set.
    pub(super) fn prepare(
        &self,
        text: &str,
        stdio: &StdioServers,
    ) -> Result<Prepared, Vec<Problem>> {
        let file = config_file::read(text, &self.read_options)?;
        let missing = environment::missing(&file.tree);
        if !missing.is_empty() {
            // Envoy runs on this machine, so the variables must be set here.
            return Err(missing);
        }
        let file = file.changed(|file| {
            local_file::give_bridges(file, |name| stdio.url(name));
            local_file::remove_gateway(file, self.own, self.running.as_deref());
            local_file::name_clusters_by_address(file);
        })?;
        if let Some(problem) = local_file::without_others(&file) {
            return Err(vec![problem]);
        }
        let upstreams = upstream::all(&file)?;
        let bug = |reason: String| vec![Problem::new(0, "", reason)];
        let rendered = render(&file, &upstreams, &self.envoy_options).map_err(bug)?;
        let documents = tree::documents(&rendered).map_err(|error| bug(error.reason))?;
        let envoy_config = documents.first().map(Node::value).unwrap_or_default();
        let parts = EnvoyParts::new(envoy_config, &self.run_parts)
            .ok_or_else(|| bug("a bug: envoy/gateway.yaml has an unexpected shape".to_owned()))?;
        Ok(Prepared {
            config: file.config,
            parts,
            warnings: file.warnings,
            stdio: file.stdio,
        })
    }
}
