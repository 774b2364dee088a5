//! The files of a running Envoy: a bootstrap that stays, and filter and clusters
//! that it reads again whenever they are replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

const FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// A whole configuration, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parts {
    pub(crate) bootstrap: Value,
    pub(crate) filter: Value,
    pub(crate) clusters: Vec<Value>,
}

/// Takes the filter's configuration and the clusters out of `config`, which is
/// a rendered one, to be read from these files.
pub(crate) fn split(mut config: Value, filter: &str, clusters: &str) -> Option<Parts> {
    let resources = config.get_mut("static_resources")?;
    let taken = resources.as_object_mut()?.remove("clusters")?;
    let manager = resources.pointer_mut("/listeners/0/filter_chains/0/filters/0/typed_config")?;
    let first = manager.pointer_mut("/http_filters/0")?.as_object_mut()?;
    let typed = first.remove("typed_config")?;
    let name = first.get("name")?.clone();
    let from =
        |path: &str| json!({"resource_api_version": "V3", "path_config_source": {"path": path}});
    first.insert(
        "config_discovery".to_owned(),
        json!({"config_source": from(filter), "type_urls": [FILTER]}),
    );
    let top = config.as_object_mut()?;
    top.insert(
        "node".to_owned(),
        json!({"id": "mcp-gateway", "cluster": "mcp-gateway"}),
    );
    top.insert(
        "dynamic_resources".to_owned(),
        json!({"cds_config": from(clusters)}),
    );
    let filter = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": typed,
    });
    let mut clusters = Vec::new();
    for cluster in taken.as_array()? {
        let mut cluster = cluster.clone();
        let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
        cluster
            .as_object_mut()?
            .insert("@type".to_owned(), kind.into());
        clusters.push(cluster);
    }
    Some(Parts {
        bootstrap: config,
        filter,
        clusters,
    })
}

/// Where the files are, and the sockets beside them.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Envoy's admin interface.
    pub(crate) fn admin(&self) -> PathBuf {
        self.file("admin.sock")
    }

    /// A listener that leads to each server as it is, past the filter.
    pub(crate) fn direct(&self) -> PathBuf {
        self.file("direct.sock")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.file("envoy.log")
    }

    /// A rendered configuration for this folder: with sockets that nobody else
    /// can open, for asking Envoy and the servers.
    pub(crate) fn parts(&self, config: Value) -> Option<Parts> {
        let text = |path: PathBuf| path.to_str().map(str::to_owned);
        let mut parts = split(
            config,
            &text(self.file("filter.json"))?,
            &text(self.file("clusters.json"))?,
        )?;
        let socket = |path: String| json!({"pipe": {"path": path, "mode": 0o600}});
        let admin = json!({"address": socket(text(self.admin())?)});
        let top = parts.bootstrap.as_object_mut()?;
        top.insert("admin".to_owned(), admin);
        let route = json!({
            "match": {"prefix": "/", "headers": [{"name": "x-cluster", "present_match": true}]},
            "route": {"cluster_header": "x-cluster", "timeout": "10s"},
        });
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "direct",
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }],
            "route_config": {"virtual_hosts": [{
                "name": "direct",
                "domains": ["*"],
                "request_headers_to_remove": ["x-cluster", "x-forwarded-proto"],
                "routes": [route],
            }]},
        });
        let direct = json!({
            "name": "direct",
            "address": socket(text(self.direct())?),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }]}],
        });
        let listeners = parts.bootstrap.pointer_mut("/static_resources/listeners")?;
        listeners.as_array_mut()?.push(direct);
        Some(parts)
    }

    pub(crate) fn write_bootstrap(&self, bootstrap: &Value) -> io::Result<()> {
        fs::write(self.file("envoy.json"), bootstrap.to_string())
    }

    pub(crate) fn write_filter(&self, filter: &Value) -> io::Result<()> {
        self.replace("filter.json", &json!({"resources": [filter]}))
    }

    pub(crate) fn write_clusters(&self, clusters: &[Value]) -> io::Result<()> {
        self.replace("clusters.json", &json!({"resources": clusters}))
    }

    /// Envoy reads a file when another one is moved there: never half of one.
    fn replace(&self, name: &str, content: &Value) -> io::Result<()> {
        let new = self.file(&format!("{name}.new"));
        fs::write(&new, content.to_string())?;
        fs::rename(new, self.file(name))
    }
}

/// All of `new`, and those of `old` whose names are not among them: requests
/// are still under way there.
pub(crate) fn both(old: &[Value], new: &[Value]) -> Vec<Value> {
    let gone = old
        .iter()
        .filter(|old| !new.iter().any(|new| new.get("name") == old.get("name")));
    new.iter().chain(gone).cloned().collect()
}

/// For messages: the path as it was given.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn shipped(name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("envoy")
            .join(name);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        tree::documents(&text).unwrap()[0].value()
    }

    #[test]
    fn the_shipped_files_for_reloading_are_the_shipped_configuration_taken_apart() {
        let parts = split(
            shipped("gateway.yaml"),
            "envoy/reload/filter.yaml",
            "envoy/reload/clusters.yaml",
        )
        .unwrap();
        assert_eq!(shipped("reload/envoy.yaml"), parts.bootstrap);
        assert_eq!(
            shipped("reload/filter.yaml"),
            json!({"resources": [parts.filter]})
        );
        assert_eq!(
            shipped("reload/clusters.yaml"),
            json!({"resources": parts.clusters})
        );
    }

    #[test]
    fn a_cluster_that_goes_stays_beside_the_new_ones() {
        let (a, b, c) = (
            json!({"name": "a"}),
            json!({"name": "b"}),
            json!({"name": "a", "x": 1}),
        );
        assert_eq!(both(&[a, b.clone()], std::slice::from_ref(&c)), [c, b]);
    }
}
