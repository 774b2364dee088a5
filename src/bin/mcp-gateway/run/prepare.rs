//! Turns the text of a file into what Envoy runs with.

use mcp_gateway::config::Config;

use super::parts::EnvoyParts;
use super::work_dir::WorkDir;
use crate::config_file::{self, ReadOptions};
use crate::environment;
use crate::problem::Problem;
use crate::render::envoy::{EnvoyOptions, render};
use crate::tree::{self, Node};
use crate::upstream;

/// A valid file, ready for Envoy.
pub(super) struct Prepared {
    pub(super) config: Config,
    pub(super) parts: EnvoyParts,
    pub(super) warnings: Vec<Problem>,
}

/// Reads and checks `text`, and makes an Envoy configuration of it.
///
/// # Errors
/// Everything that is wrong in `text`; or variables that it names are not set.
pub(super) fn prepare(
    text: &str,
    read_options: &ReadOptions,
    work_dir: &WorkDir,
    options: &EnvoyOptions,
) -> Result<Prepared, Vec<Problem>> {
    let file = config_file::read(text, read_options)?;
    let missing = environment::missing(&file.tree);
    if !missing.is_empty() {
        // Envoy runs here, so they have to be set here.
        return Err(missing);
    }
    let upstreams = upstream::all(&file)?;
    let bug = |reason: String| vec![Problem::new(0, "", reason)];
    let rendered = render(&file, &upstreams, options).map_err(bug)?;
    let documents = tree::documents(&rendered).map_err(|error| bug(error.reason))?;
    let envoy_config = documents.first().map(Node::value).unwrap_or_default();
    let parts = EnvoyParts::new(envoy_config, work_dir)
        .ok_or_else(|| bug("a bug: envoy/gateway.yaml has an unexpected shape".to_owned()))?;
    Ok(Prepared {
        config: file.config,
        parts,
        warnings: file.warnings,
    })
}
