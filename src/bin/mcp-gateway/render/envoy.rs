//! Renders a complete Envoy configuration for the servers of a file.

use crate::config_file::ConfigFile;
use crate::envoy_config::{self, Cluster, EnvoySettings};
use crate::kubernetes::buffer_limit;
use crate::syntax::yaml;
use crate::upstream::Upstream;
use crate::variables::environment;

/// The note about a file without `cors`. Without a list of origins, every web page that a user
/// visits could call the tools of a gateway on the user's machine (MCP 2026-07-28, "Transports",
/// security warning).
const ONLY_OWN_MACHINE: &str =
    "# Only web pages of this machine may call. Add the origins of other web pages here.";
const OWN_MACHINE: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// The options of an Envoy configuration, in addition to the servers.
#[derive(Debug, Clone)]
pub(crate) struct EnvoyOptions {
    /// The address and the port of the endpoint.
    pub(crate) address: String,
    /// The origins whose pages may call, in addition to those of this machine, if a file has no
    /// `cors`.
    pub(crate) allow_origins: Vec<String>,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    /// The path of the filter on the machine of Envoy.
    pub(crate) wasm: String,
    /// The certificates of the authorities that Envoy trusts for https:// servers.
    pub(crate) ca_file: String,
}

/// Renders an Envoy configuration, with the comments of the shipped one.
///
/// # Errors
/// The shipped configuration has an unexpected shape, which is a bug.
pub(crate) fn render(
    file: &ConfigFile,
    upstreams: &[Upstream],
    options: &EnvoyOptions,
) -> Result<String, String> {
    let mut config = yaml::block(&file.tree).map_err(|error| error.to_string())?;
    if file.config.cors.is_none() {
        let own = OWN_MACHINE.iter().copied();
        let origins: Vec<&str> = own
            .chain(options.allow_origins.iter().map(|it| &**it))
            .collect();
        let origins = yaml::flow(&origins).map_err(|error| error.to_string())?;
        config.push_str(&format!(
            "{ONLY_OWN_MACHINE}\ncors: {{ allowOrigins: {origins} }}\n"
        ));
    }
    let variables = environment::variables(&file.tree).into_iter();
    envoy_config::text(&EnvoySettings {
        address: options.address.clone(),
        port: options.port,
        admin_port: options.admin_port,
        wasm: options.wasm.clone(),
        buffer_limit: buffer_limit(&file.config),
        variables: variables.map(|it| it.name.to_owned()).collect(),
        before: Vec::new(),
        local_replies: Vec::new(),
        config,
        clusters: upstreams
            .iter()
            .map(|it| cluster(it, &options.ca_file))
            .collect(),
    })
}

fn cluster(upstream: &Upstream, ca_file: &str) -> Cluster {
    let cluster = Cluster::new(&upstream.cluster, &upstream.host, upstream.port);
    if upstream.tls {
        cluster.with_tls(&upstream.host, ca_file)
    } else {
        cluster
    }
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

    const SHIPPED: &str = include_str!("../../../../envoy/gateway.yaml");

    fn options() -> EnvoyOptions {
        EnvoyOptions {
            address: "127.0.0.1".into(),
            allow_origins: Vec::new(),
            port: 10000,
            admin_port: 9901,
            wasm: "target/wasm32-wasip1/release/mcp_gateway.wasm".into(),
            ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
        }
    }

    fn rendered_text(servers: &str, options: &EnvoyOptions) -> String {
        let file = config_file::read(
            servers,
            &ReadOptions::new(Path::new("-"), Placeholders::Keep),
        )
        .unwrap();
        let upstreams = upstream::all(&file).unwrap();
        render(&file, &upstreams, options).unwrap()
    }

    fn rendered(servers: &str, options: &EnvoyOptions) -> Value {
        let text = rendered_text(servers, options);
        tree::documents(&text).unwrap_or_else(|it| panic!("{it:?}: {text}"))[0].value()
    }

    fn filter(config: &mut Value) -> &mut Value {
        &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
            ["http_filters"][0]["typed_config"]["config"]
    }

    #[test]
    fn the_servers_of_the_shipped_configuration_make_it_again() {
        let servers = "servers:\n- { name: weather, url: http://127.0.0.1:9001/mcp }\n- { name: calendar, url: http://127.0.0.1:9002/mcp }\ncors: { allowOrigins: [\"https://app.example.com\"] }\n";
        let mut made = rendered(servers, &options());
        // In the shipped configuration, only the clusters have addresses.
        for server in filter(&mut made)["configuration"]["value"]["servers"]
            .as_array_mut()
            .unwrap()
        {
            server.as_object_mut().unwrap().remove("url").unwrap();
        }
        assert_eq!(made, tree::documents(SHIPPED).unwrap()[0].value());
    }

    #[test]
    fn the_comments_of_the_shipped_configuration_are_kept() {
        let servers = "servers:\n- { name: a, url: https://a.example/mcp }\n";
        let text = rendered_text(servers, &options());
        let (_, shipped) = SHIPPED.split_once("\nadmin:").unwrap();
        let is_comment = |line: &&str| line.trim_start().starts_with('#');
        let comments: Vec<&str> = shipped.lines().filter(is_comment).collect();
        assert!(comments.len() > 5, "{comments:?}");
        let kept = text.lines().skip(1).filter(is_comment);
        let mut kept: Vec<&str> = kept.collect();
        kept.retain(|line| line.trim() != ONLY_OWN_MACHINE);
        assert_eq!(kept, comments);
    }

    #[test]
    fn only_pages_of_the_own_machine_may_call_where_the_file_has_no_cors() {
        let origins = |cors: &str| {
            let options = EnvoyOptions {
                allow_origins: vec!["https://a.example".to_owned()],
                ..options()
            };
            let servers = format!("servers:\n- {{ name: a, url: 'http://a.example/mcp' }}\n{cors}");
            filter(&mut rendered(&servers, &options))["configuration"]["value"]["cors"].clone()
        };
        let own = [&OWN_MACHINE[..], &["https://a.example"]].concat();
        assert_eq!(origins(""), json!({"allowOrigins": own}));
        assert_eq!(origins("cors: {}\n"), json!({}));
    }

    #[test]
    fn each_option_is_in_its_place() {
        let text = "servers:\n- { name: 'a', url: 'https://mcp.example.com/mcp', hostname: x.example.com }\n- { name: b, cluster: c_1, url: 'http://localhost:1/mcp' }\n- { name: c, cluster: c_1, url: 'http://localhost:1/other' }\n- { name: d, url: 'https://[::1]:2/mcp' }\n- { name: e, enabled: false }\nmaxRequestBodySize: 8000000\nsession: { keysFromEnv: NOT_SET_ANYWHERE }\n";
        let text = text.replace(
            "name: e,",
            "name: e, headers: [{ name: x-key, value_from_env: KEY_OF_E }],",
        );
        let options = EnvoyOptions {
            address: "::".into(),
            allow_origins: Vec::new(),
            port: 8080,
            admin_port: 1,
            wasm: "/a b.wasm".into(),
            ca_file: "/ca.crt".into(),
        };
        let mut made = rendered(&text, &options);
        let listener = &made["static_resources"]["listeners"][0];
        assert_eq!(
            listener["address"]["socket_address"],
            json!({"address": "::", "port_value": 8080})
        );
        assert_eq!(
            listener["per_connection_buffer_limit_bytes"],
            json!(16_000_000)
        );
        assert_eq!(
            made["admin"]["address"]["socket_address"]["port_value"],
            json!(1)
        );
        let clusters = made["static_resources"]["clusters"].clone();
        let names: Vec<_> = clusters
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (&it["name"], &it["type"]))
            .collect();
        assert_eq!(
            json!(names),
            json!([["a", "STRICT_DNS"], ["c_1", "STRICT_DNS"], ["d", "STATIC"]])
        );
        let tls = &clusters[0]["transport_socket"]["typed_config"];
        assert_eq!(tls["sni"], json!("mcp.example.com"));
        let validation = &tls["common_tls_context"]["validation_context"];
        assert_eq!(validation["trusted_ca"]["filename"], json!("/ca.crt"));
        assert_eq!(
            validation["match_typed_subject_alt_names"],
            json!([{"san_type": "DNS", "matcher": {"exact": "mcp.example.com"}}])
        );
        assert_eq!(
            clusters[2]["transport_socket"]["typed_config"]["sni"],
            Value::Null
        );
        let vm = &filter(&mut made)["vm_config"];
        assert_eq!(vm["code"]["local"]["filename"], json!("/a b.wasm"));
        assert_eq!(
            vm["environment_variables"],
            json!({"host_env_keys": ["NOT_SET_ANYWHERE", "KEY_OF_E"]})
        );
    }
}
