//! The shipped configurations with the ports and paths of a test.

use std::fs;
use std::net::SocketAddr;

use super::setup;

/// The line of `envoy/gateway.yaml` that says which web pages may call the gateway.
pub(crate) const SHIPPED_CORS: &str =
    r#"                    cors: { allowOrigins: ["https://app.example.com"] }"#;

/// The text of an Envoy configuration.
#[derive(Clone)]
pub(crate) struct Bootstrap(String);

impl Bootstrap {
    /// `envoy/envoy.yaml` with this server.
    pub(crate) fn policy(weather: SocketAddr) -> Self {
        Self::shipped("envoy.yaml").server(9001, weather)
    }

    /// `envoy/gateway.yaml` with these servers.
    pub(crate) fn gateway(weather: SocketAddr, calendar: SocketAddr) -> Self {
        Self::shipped("gateway.yaml")
            .server(9001, weather)
            .server(9002, calendar)
    }

    fn shipped(file: &str) -> Self {
        let path = setup::repository().join("envoy").join(file);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let filter = setup::filter();
        let filter = filter.to_str().expect("a path in UTF-8");
        // Envoy chooses free ports, and reports them.
        Self(text)
            .replace("target/wasm32-wasip1/release/mcp_gateway.wasm", filter)
            .replace("port_value: 10000", "port_value: 0")
            .replace("port_value: 9901", "port_value: 0")
            // The access log has the query too, since tests find their requests by the query.
            .replace("%PATH(NQ)%", "%PATH%")
    }

    fn server(self, port: u16, address: SocketAddr) -> Self {
        self.replace(
            &format!("port_value: {port}"),
            &format!("port_value: {}", address.port()),
        )
    }

    /// `envoy/envoy.yaml` with this JSON as the filter's configuration.
    pub(crate) fn configured(self, json: &str) -> Self {
        let json = format!("{}{json}\n", " ".repeat(20));
        self.replace_block("                    {\n", "          # 2. ", &json)
    }

    /// `envoy/gateway.yaml` with this JSON as the filter's configuration, and
    /// these clusters.
    pub(crate) fn servers(json: &str, clusters: &[(&str, SocketAddr)]) -> Self {
        let shipped = Self::shipped("gateway.yaml").replace_block(
            "                  value:\n                    servers:",
            "          # For filters after this one",
            &format!("                  value: {json}\n"),
        );
        let (rest, _) = shipped.0.split_once("  clusters:\n").expect("clusters");
        let cluster = |(name, address): &(&str, SocketAddr)| {
            format!(
                "  - name: {name}\n    type: STATIC\n    connect_timeout: 5s\n    load_assignment:\n      cluster_name: {name}\n      endpoints:\n      - lb_endpoints:\n        - endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }}\n",
                address.ip(),
                address.port()
            )
        };
        let clusters: String = clusters.iter().map(cluster).collect();
        Self(format!("{rest}  clusters:\n{clusters}"))
    }

    /// The same configuration, but Envoy uses HTTP/2 with every server.
    pub(crate) fn http2_servers(self) -> Self {
        let to = "    connect_timeout: 5s\n    typed_extension_protocol_options:\n      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n        explicit_http_config: { http2_protocol_options: {} }\n";
        self.replace_all("    connect_timeout: 5s\n", to)
    }

    /// The same with one more filter, directly before the router.
    pub(crate) fn filter_behind(self, yaml: &str) -> Self {
        let router = "          - name: envoy.filters.http.router";
        self.replace(router, &format!("{yaml}{router}"))
    }

    /// The same with this YAML at its end, where the clusters are.
    pub(crate) fn append(self, yaml: &str) -> Self {
        Self(self.0 + yaml)
    }

    /// The same with these variables in the filter's environment.
    pub(crate) fn environment(self, variables: &[(&str, &str)]) -> Self {
        let runtime = "                  runtime: envoy.wasm.runtime.v8\n";
        let variables: String = variables
            .iter()
            .map(|(name, value)| format!("                      {name}: {value:?}\n"))
            .collect();
        let to = format!(
            "{runtime}                  environment_variables:\n                    key_values:\n{variables}"
        );
        self.replace(runtime, &to)
    }

    /// Replaces `from`, which must occur exactly once.
    pub(crate) fn replace(self, from: &str, to: &str) -> Self {
        let places = self.0.matches(from).count();
        assert_eq!(places, 1, "places of {from:?} in the configuration");
        Self(self.0.replacen(from, to, 1))
    }

    /// Replaces every occurrence of `from`; there must be at least one.
    pub(crate) fn replace_all(self, from: &str, to: &str) -> Self {
        assert!(self.0.contains(from), "no {from:?} in the configuration");
        Self(self.0.replace(from, to))
    }

    /// Replaces everything from `start` up to `end`. `end` itself stays.
    pub(crate) fn replace_block(self, start: &str, end: &str, to: &str) -> Self {
        let from = self.0.find(start);
        let from = from.unwrap_or_else(|| panic!("no {start:?} in the configuration"));
        let size = self.0[from..].find(end);
        let size = size.unwrap_or_else(|| panic!("no {end:?} after {start:?}"));
        let block = self.0[from..from + size].to_owned();
        self.replace(&block, to)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}
