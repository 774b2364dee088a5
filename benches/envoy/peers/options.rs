//! The options of this benchmark.

use std::path::PathBuf;

use super::parts::Part;

/// Where the other gateways are on this machine. A gateway without a path is left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerOptions {
    /// Envoy AI Gateway.
    pub(crate) aigw: Option<PathBuf>,
    /// The iterations with which `aigw` derives the keys of its sessions. Without it, `aigw` has its
    /// own default.
    pub(crate) aigw_iterations: Option<usize>,
    /// The broker and router of Kuadrant's MCP gateway, which is one program.
    pub(crate) kuadrant_broker: Option<PathBuf>,
    pub(crate) agentgateway: Option<PathBuf>,
    /// Each of these parts is left out of what `render` writes, in a variant of its own.
    pub(crate) without: Vec<Part>,
}

impl PeerOptions {
    pub(crate) fn has_peers(&self) -> bool {
        self.aigw.is_some() || self.kuadrant_broker.is_some() || self.agentgateway.is_some()
    }
}

/// The part of `--help` about these options.
pub(crate) const USAGE: &str =
    "  --aigw PATH         peers: Envoy AI Gateway, started with `aigw run`
  --aigw-iterations N peers: with which aigw derives the keys of sessions (default: its own)
  --kuadrant-broker PATH
                      peers: mcp-broker-router of Kuadrant's mcp-gateway, behind ENVOY
  --agentgateway PATH peers: agentgateway, started with `agentgateway -f`
                      The configurations of these three are written after their
                      documentation and source. They were not tried with the programs.
  --without PART,…    peers: also what `render` writes without this part: access-log,
                      local-replies, metadata, paths, retries, cors; all: each of them in
                      a variant of its own; together: all of them at once";
