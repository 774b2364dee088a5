//! The servers of a case and the configuration of our filter for them, for other benchmarks.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::cases::{self, Case, Era, Lists};
use super::{envoys, servers};
use crate::Result;
use crate::client::Message;
use crate::upstream::Upstream;

/// Running servers; dropping it ends them.
pub(crate) struct Stand {
    case: Case,
    /// Each endpoint has servers of its own, as many as the case has.
    endpoints: usize,
    upstreams: Vec<Upstream>,
}

impl Stand {
    /// Servers of this era, for legacy clients.
    pub(crate) async fn sessions(servers: usize, server: Era) -> Result<Self> {
        let case = cases::chosen(&["legacy-call".to_owned()])?.pop();
        let case = case.ok_or("no case")?;
        let case = Case {
            servers,
            server,
            ..case
        };
        Self::start(case, 1).await
    }

    /// As many endpoints as `lists`, each with a list as in the case `name`.
    pub(crate) async fn kept_lists(name: &str, lists: usize) -> Result<Self> {
        let case = cases::chosen(&[name.to_owned()])?.pop();
        let case = case.filter(|case| case.lists == Lists::Kept);
        let case = case.ok_or_else(|| format!("{name} is no case of kept lists"))?;
        Self::start(case, lists).await
    }

    async fn start(case: Case, endpoints: usize) -> Result<Self> {
        let mut upstreams = Vec::new();
        for _ in 0..case.servers * endpoints {
            upstreams.push(Upstream::start(servers::answers(&case), Duration::ZERO).await?);
        }
        Ok(Self {
            case,
            endpoints,
            upstreams,
        })
    }

    /// The bootstrap of our filter, which keeps lists or not.
    pub(crate) fn bootstrap(&self, wasm: &Path, keeps_lists: bool) -> Result<Value> {
        let addresses: Vec<SocketAddr> = self.upstreams.iter().map(Upstream::address).collect();
        let endpoints: Vec<Value> = (0..self.endpoints)
            .map(|endpoint| {
                let first = endpoint * self.case.servers;
                let servers = first..first + self.case.servers;
                let servers: Vec<String> = servers.map(servers::name).collect();
                json!({ "path": path(endpoint), "servers": servers })
            })
            .collect();
        let cache = if keeps_lists { "HINTS" } else { "OFF" };
        let mut settings = envoys::settings(addresses.len());
        settings["endpoints"] = endpoints.into();
        settings["listCache"] = cache.into();
        envoys::ours_with(&addresses, settings, wasm)
    }

    /// The request of the case, for each endpoint.
    pub(crate) fn messages(&self) -> Result<Vec<Message>> {
        let message = servers::message(&self.case)?;
        let endpoints = 0..self.endpoints;
        Ok(endpoints
            .map(|endpoint| message.clone().at(path(endpoint)))
            .collect())
    }

    /// Whether this is the right answer of one endpoint.
    pub(crate) fn check(&self, answer: &[u8]) -> Result<()> {
        servers::check(&self.case, self.case.servers, answer)
    }
}

/// The path of an endpoint. The first one has the usual path.
fn path(endpoint: usize) -> String {
    match endpoint {
        0 => "/mcp".to_owned(),
        _ => format!("/mcp{endpoint}"),
    }
}
