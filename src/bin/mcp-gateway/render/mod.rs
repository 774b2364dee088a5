//! Renders what a target needs to serve the servers of a file.

mod context;
pub(crate) mod envoy;
mod template;

use serde::Serialize;

use self::context::ManifestContext;
use self::envoy::EnvoyOptions;
use crate::config_file::ConfigFile;
use crate::upstream::Upstream;

/// Where the gateway is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RenderTarget {
    /// Envoy alone: one configuration file
    Envoy,
    /// Envoy Gateway in Kubernetes
    EnvoyGateway,
    /// Istio's ingress gateway in Kubernetes
    Istio,
    /// Envoy alone in Kubernetes: a Deployment, a Service and a ConfigMap
    Kustomize,
}

/// What manifests need besides the servers.
pub(crate) struct ManifestOptions {
    pub(crate) namespace: String,
    /// The image with the filter.
    pub(crate) image: String,
    /// The port of the endpoint.
    pub(crate) port: u16,
}

/// The name of a file and its text.
pub(crate) type RenderedFile = (&'static str, String);

/// The name of a file and the template that it is rendered from.
type Template = (&'static str, &'static str);

/// The templates of some files, which are in one directory.
macro_rules! templates {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("templates/", $folder, "/", $file, ".j2")))),+]
    };
}

const KUSTOMIZATION: &str = include_str!("templates/kubernetes/kustomization.yaml.j2");

impl RenderTarget {
    /// The templates of the manifests, in the order in which a user reads them.
    fn templates(self) -> &'static [Template] {
        match self {
            Self::Envoy => &[],
            Self::EnvoyGateway => templates!(
                "envoy_gateway": "gateway.yaml", "backends.yaml", "routes.yaml",
                "extension.yaml", "hold.yaml"
            ),
            Self::Istio => {
                templates!("istio": "gateway.yaml", "servers.yaml", "routes.yaml", "filter.yaml")
            }
            Self::Kustomize => templates!("kubernetes": "deployment.yaml"),
        }
    }
}

/// The files for `target`, in the order in which a user reads them.
///
/// # Errors
/// A template is wrong, which is a bug.
pub(crate) fn files(
    target: RenderTarget,
    file: &ConfigFile,
    upstreams: &[Upstream],
    envoy_options: &EnvoyOptions,
    manifest_options: &ManifestOptions,
) -> Result<Vec<RenderedFile>, String> {
    if target == RenderTarget::Envoy {
        let text = envoy::render(file, upstreams, envoy_options)?;
        return Ok(vec![("envoy.yaml", text)]);
    }
    let mut files = manifests(target, file, upstreams, manifest_options)?;
    let mut kustomization = Kustomization {
        namespace: &manifest_options.namespace,
        resources: files.iter().map(|(name, _)| *name).collect(),
        config_map_files: &[],
    };
    if target == RenderTarget::Kustomize {
        let options = EnvoyOptions {
            address: "0.0.0.0".to_owned(),
            is_on_own_machine: false,
            wasm: "/filter/plugin.wasm".to_owned(),
            ..envoy_options.clone()
        };
        let text = envoy::render(file, upstreams, &options)?;
        files.insert(0, ("envoy.yaml", text));
        kustomization.config_map_files = &["envoy.yaml"];
    }
    let text = template::render(KUSTOMIZATION, &kustomization)?;
    files.push(("kustomization.yaml", text));
    Ok(files)
}

/// The values for the template of `kustomization.yaml`.
#[derive(Serialize)]
struct Kustomization<'a> {
    namespace: &'a str,
    resources: Vec<&'static str>,
    config_map_files: &'static [&'static str],
}

fn manifests(
    target: RenderTarget,
    file: &ConfigFile,
    upstreams: &[Upstream],
    options: &ManifestOptions,
) -> Result<Vec<RenderedFile>, String> {
    let context = ManifestContext::new(target, file, upstreams, options)?;
    let mut files = Vec::new();
    for (name, template) in target.templates() {
        let text = template::render(template, &context)?;
        // Istio knows the Services of the cluster, so servers.yaml may be empty.
        if !text.is_empty() {
            files.push((*name, text));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file;
    use crate::config_file::ReadOptions;
    use crate::syntax::tree;
    use crate::upstream;
    use crate::variables::placeholder::Placeholders;
    use serde_json::{Value, json};
    use std::path::Path;

    const SERVERS: &str = "servers:\n- { name: weather, url: 'http://weather.mcp.svc.cluster.local:8080/mcp' }\n- { name: git_hub, url: 'https://mcp.example.com/v1/mcp', toolPrefix: '' }\n- { name: old, url: 'http://10.0.0.7:81/mcp', cluster: mine, headers: [{ name: x-key, valueFromEnv: KEY_OF_OLD }, { name: x-too, valueFromEnv: KEY_OF_OLD }] }\nsession: { keysFromEnv: NOT_SET_ANYWHERE }\n";

    /// The variables of [`SERVERS`] as Kubernetes gives them to Envoy.
    fn variables() -> Value {
        let secret = |name, key| json!({"secretKeyRef": {"name": name, "key": key}});
        json!([
            {"name": "NOT_SET_ANYWHERE", "valueFrom": secret("mcp-session-keys", "keys")},
            {"name": "KEY_OF_OLD", "valueFrom": secret("mcp-server-headers", "KEY_OF_OLD")},
        ])
    }

    /// The documents of all files.
    fn rendered(target: RenderTarget) -> Vec<Value> {
        let file = config_file::read(
            SERVERS,
            &ReadOptions::new(Path::new("-"), Placeholders::Keep),
        )
        .unwrap();
        let upstreams = upstream::all(&file).unwrap();
        let envoy_options = EnvoyOptions {
            address: "127.0.0.1".into(),
            is_on_own_machine: true,
            allow_origins: Vec::new(),
            port: 8080,
            admin_port: 9901,
            wasm: "x.wasm".into(),
            ca_file: "/ca.crt".into(),
        };
        let manifest_options = ManifestOptions {
            namespace: "tools".into(),
            image: "registry.example/mcp:1".into(),
            port: 8080,
        };
        let files = files(target, &file, &upstreams, &envoy_options, &manifest_options).unwrap();
        let documents = files.iter().flat_map(|(name, text)| {
            tree::documents(text)
                .unwrap_or_else(|it| panic!("{name}:{}: {}\n{text}", it.line, it.reason))
        });
        documents.map(|it| it.value()).collect()
    }

    fn of<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
        let found = documents
            .iter()
            .find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    #[test]
    fn envoy_gateway_has_a_route_and_a_backend_for_each_server() {
        let all = rendered(RenderTarget::EnvoyGateway);
        let route = &of(&all, "HTTPRoute", "git-hub")["spec"]["rules"][0];
        assert_eq!(
            route["matches"][0]["headers"],
            json!([{"name": "x-mcp-servername", "value": "git_hub"}])
        );
        assert_eq!(route["backendRefs"][0]["name"], "git-hub");
        assert_eq!(
            of(&all, "Backend", "git-hub")["spec"]["endpoints"],
            json!([{"fqdn": {"hostname": "mcp.example.com", "port": 443}}])
        );
        assert_eq!(
            of(&all, "Backend", "old")["spec"]["endpoints"],
            json!([{"ip": {"address": "10.0.0.7", "port": 81}}])
        );
        assert_eq!(
            of(&all, "BackendTLSPolicy", "git-hub")["spec"]["validation"]["hostname"],
            "mcp.example.com"
        );
        assert_eq!(
            all.iter()
                .filter(|it| it["kind"] == "BackendTLSPolicy")
                .count(),
            1
        );
        let retry = &of(&all, "BackendTrafficPolicy", "mcp")["spec"]["retry"];
        let triggers = json!(["connect-failure", "refused-stream"]);
        assert_eq!(
            retry,
            &json!({"numRetries": 1, "retryOn": {"triggers": triggers}})
        );
        let wasm = &of(&all, "EnvoyExtensionPolicy", "mcp-gateway")["spec"]["wasm"][0];
        assert_eq!(
            wasm["env"]["hostKeys"],
            json!(["NOT_SET_ANYWHERE", "KEY_OF_OLD"])
        );
        let proxy = &of(&all, "EnvoyProxy", "mcp")["spec"]["provider"]["kubernetes"];
        assert_eq!(proxy["envoyDeployment"]["container"]["env"], variables());
        let clusters: Vec<_> = wasm["config"]["servers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["cluster"])
            .collect();
        assert_eq!(
            json!(clusters),
            json!([
                "httproute/tools/weather/rule/0",
                "httproute/tools/git-hub/rule/0",
                "httproute/tools/old/rule/0"
            ])
        );
        assert_eq!(
            of(&all, "EnvoyPatchPolicy", "mcp-gateway-hold")["spec"]["jsonPatches"][0]["name"],
            "tools/mcp/http"
        );
    }

    #[test]
    fn istio_has_an_entry_and_tls_for_servers_outside_of_the_cluster() {
        let all = rendered(RenderTarget::Istio);
        let entries: Vec<_> = all
            .iter()
            .filter(|it| it["kind"] == "ServiceEntry")
            .map(|it| &it["spec"]["hosts"][0])
            .collect();
        assert_eq!(
            json!(entries),
            json!(["mcp.example.com", "old.mcp.internal"])
        );
        assert_eq!(
            of(&all, "DestinationRule", "mcp-git-hub")["spec"]["trafficPolicy"]["tls"],
            json!({"mode": "SIMPLE", "sni": "mcp.example.com"})
        );
        let routes = &of(&all, "VirtualService", "mcp")["spec"]["http"];
        assert_eq!(routes.as_array().unwrap().len(), 4);
        assert_eq!(
            routes[0]["match"],
            json!([{"headers": {"x-mcp-servername": {"exact": "weather"}}}])
        );
        let filter = &of(&all, "EnvoyFilter", "mcp-gateway")["spec"]["configPatches"][0]["patch"]["value"]
            ["typed_config"]["config"];
        assert_eq!(
            filter["vm_config"]["environment_variables"],
            json!({"host_env_keys": ["NOT_SET_ANYWHERE", "KEY_OF_OLD"]})
        );
        let text = filter["configuration"]["value"].as_str().unwrap();
        let config: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            config["servers"][0]["cluster"],
            "outbound|8080||weather.mcp.svc.cluster.local"
        );
        assert_eq!(
            config["servers"][2]["cluster"],
            "outbound|81||old.mcp.internal"
        );
    }

    #[test]
    fn kustomize_has_envoy_and_its_configuration() {
        let all = rendered(RenderTarget::Kustomize);
        let pod = &of(&all, "Deployment", "mcp-gateway")["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["env"], variables());
        let envoy = all
            .iter()
            .find(|it| it.get("static_resources").is_some())
            .unwrap();
        let address = &envoy["static_resources"]["listeners"][0]["address"]["socket_address"];
        assert_eq!(address, &json!({"address": "0.0.0.0", "port_value": 8080}));
        assert_eq!(
            all.last().unwrap()["configMapGenerator"][0]["files"],
            json!(["envoy.yaml"])
        );
    }
}
