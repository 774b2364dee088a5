//! Envoy's configuration, with the filter in a file of its own, which changes while Envoy runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::faulty;
use super::servers::Server;
use crate::{Result, config};

const FILTER: &str = "mcp_gateway";

/// The counter of the files that Envoy has accepted.
pub(super) const ACCEPTED: &str =
    "extension_config_discovery.http_filter.mcp_gateway.config_reload";

pub(super) struct Configuration {
    files: TempDir,
    wasm: PathBuf,
    written: usize,
    vms: usize,
}

impl Configuration {
    /// Writes the first file of the filter.
    pub(super) fn new(wasm: &Path) -> Result<Self> {
        let files = tempfile::Builder::new()
            .prefix("mcp-gateway-soak-")
            .tempdir()?;
        let mut new = Self {
            files,
            wasm: wasm.to_owned(),
            written: 0,
            vms: 0,
        };
        new.change()?;
        Ok(new)
    }

    /// How many files Envoy has got.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Another configuration of the filter, in the same VMs.
    pub(super) fn change(&mut self) -> Result<()> {
        self.written += 1;
        let filter = json!({
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": FILTER,
                "typed_config": self.filter()?,
            }],
        });
        // Envoy reads the file when another one is moved to its place.
        let new = self.files.path().join("new.json");
        fs::write(&new, filter.to_string())?;
        Ok(fs::rename(new, self.file())?)
    }

    /// Another configuration of the filter, and new VMs for it.
    pub(super) fn change_vms(&mut self) -> Result<()> {
        self.vms += 1;
        self.change()
    }

    pub(super) fn bootstrap(&self, faulty: SocketAddr, honest: &[SocketAddr]) -> Value {
        let names = Server::ALL.iter().map(|server| server.name().to_owned());
        let mut clusters: Vec<_> = names.zip(honest.iter().copied()).collect();
        clusters.push((faulty::NAME.to_owned(), faulty));
        let filter = json!({
            "name": FILTER,
            "config_discovery": {
                "config_source": {
                    "resource_api_version": "V3",
                    "path_config_source": { "path": self.file() },
                },
                "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            },
        });
        let filters = [filter, config::router()];
        let mut bootstrap = config::assemble(&clusters, &filters, &config::gateway_host());
        bootstrap["node"] = json!({ "id": "soak", "cluster": "soak" });
        bootstrap
    }

    fn file(&self) -> PathBuf {
        self.files.path().join("filter.json")
    }

    fn filter(&self) -> Result<Value> {
        let mut servers: Vec<Value> = Server::ALL.iter().map(|server| honest(*server)).collect();
        // Lists wait for this server, so not for long.
        servers.push(json!({ "name": faulty::NAME, "timeout": "200ms", "shareSession": true }));
        let settings = json!({
            "servers": servers,
            "failedServerTtl": "2s",
            // Without it, new VMs would not know the sessions of the old ones.
            "session": { "keys": ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="] },
            "cors": { "allowOrigins": [format!("https://{}.example.com", self.written)] },
        });
        let filters = config::our_filters(&self.wasm, settings)?;
        let mut filter = filters
            .first()
            .ok_or("no filter in the configuration")?
            .clone();
        let vm = &mut filter["typed_config"]["config"]["vm_config"];
        vm["vm_id"] = format!("soak-{}", self.vms).into();
        Ok(filter["typed_config"].take())
    }
}

fn honest(server: Server) -> Value {
    let mut settings = json!({ "name": server.name(), "timeout": "20s" });
    if server == Server::Legacy {
        settings["protocol"] = "LEGACY".into();
        settings["shareSession"] = true.into();
    } else {
        settings["protocol"] = "MODERN".into();
    }
    settings
}
