//! A whole configuration of Envoy: the shipped one, with these servers.

use serde::Serialize;

use super::context::{ServerContext, buffer_limit, session_keys_variable};
use super::template;
use crate::place::Place;
use crate::source::Source;
use crate::yaml;

/// The configuration that is shipped. It has other servers.
const SHIPPED: &str = include_str!("../../../../envoy/gateway.yaml");
const CLUSTERS: &str = include_str!("templates/clusters.yaml.j2");

/// What else goes into a configuration of Envoy.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where the endpoint is: an address and a port.
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    /// The path of the filter, as Envoy finds it.
    pub(crate) wasm: String,
    /// The certificates that servers' ones are checked against.
    pub(crate) ca_file: String,
}

/// The text of an Envoy configuration, with the comments of the shipped one.
///
/// # Errors
/// The shipped configuration does not have the expected shape: a bug.
pub(crate) fn render(
    source: &Source,
    places: &[Place],
    options: &Options,
) -> Result<String, String> {
    let address = flow(&options.address)?;
    let config = yaml::block(&source.tree).map_err(|error| error.to_string())?;
    let mut text = Text::shipped()?;
    text.replace(
        "port_value: 9901",
        &format!("port_value: {}", options.admin_port),
    )?;
    text.replace(
        "address: 127.0.0.1, port_value: 10000",
        &format!("address: {address}, port_value: {}", options.port),
    )?;
    text.replace(
        "per_connection_buffer_limit_bytes: 4194304",
        &format!(
            "per_connection_buffer_limit_bytes: {}",
            buffer_limit(source)
        ),
    )?;
    text.replace(
        "target/wasm32-wasip1/release/mcp_gateway.wasm",
        &flow(&options.wasm)?,
    )?;
    if let Some(name) = session_keys_variable(source) {
        let runtime = "                  runtime: envoy.wasm.runtime.v8\n";
        let name = flow(&name)?;
        text.replace(
            runtime,
            &format!(
                "{runtime}                  environment_variables: {{ host_env_keys: [{name}] }}\n"
            ),
        )?;
    }
    text.replace_between(
        "                  value:\n",
        "          # For filters after this one",
        &indented(&config, 20),
    )?;
    text.replace_rest("  clusters:\n", &clusters(places, &options.ca_file)?)?;
    Ok(text.0)
}

fn flow(value: &impl Serialize) -> Result<String, String> {
    yaml::flow(value).map_err(|error| error.to_string())
}

/// Each cluster once, in the order of the servers.
fn clusters(places: &[Place], ca_file: &str) -> Result<String, String> {
    #[derive(Serialize)]
    struct Clusters<'a> {
        servers: Vec<ServerContext<'a>>,
        ca_file: &'a str,
    }

    let is_first = |at: usize, place: &Place| {
        let mut before = places.iter().take(at);
        before.all(|other| other.cluster != place.cluster)
    };
    let servers = places.iter().enumerate();
    let servers = servers.filter(|(at, place)| is_first(*at, place));
    let servers = servers.map(|(_, place)| ServerContext::new(place));
    let context = Clusters {
        servers: servers.collect(),
        ca_file,
    };
    template::render(CLUSTERS, &context)
}

fn indented(text: &str, spaces: usize) -> String {
    let lines = text.lines();
    lines
        .map(|line| format!("{:spaces$}{line}\n", ""))
        .collect()
}

/// The text of a configuration, changed at places that stand in it once.
struct Text(String);

impl Text {
    /// The shipped configuration, under another heading.
    fn shipped() -> Result<Self, String> {
        let mut text = Self(SHIPPED.to_owned());
        let (_, rest) = text.split("\nadmin:")?;
        let heading = "# Made by `mcp-gateway render`: MCP servers behind one endpoint.";
        text.0 = format!("{heading}\nadmin:{rest}");
        Ok(text)
    }

    fn replace(&mut self, from: &str, to: &str) -> Result<(), String> {
        let (before, after) = self.split(from)?;
        self.0 = format!("{before}{to}{after}");
        Ok(())
    }

    /// Replaces what stands between `start` and `end`.
    fn replace_between(&mut self, start: &str, end: &str, to: &str) -> Result<(), String> {
        let (before, _) = self.split(start)?;
        let (_, after) = self.split(end)?;
        self.0 = format!("{before}{start}{to}{end}{after}");
        Ok(())
    }

    /// Replaces everything after `start`.
    fn replace_rest(&mut self, start: &str, to: &str) -> Result<(), String> {
        let (before, _) = self.split(start)?;
        self.0 = format!("{before}{start}{to}");
        Ok(())
    }

    /// What stands before and after `text`.
    fn split(&self, text: &str) -> Result<(&str, &str), String> {
        match self.0.split_once(text) {
            Some((before, after)) if !after.contains(text) => Ok((before, after)),
            _ => Err(format!(
                "a bug: {text:?} has to be once in envoy/gateway.yaml"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{place, source, tree};
    use serde_json::{Value, json};

    fn options() -> Options {
        Options {
            address: "127.0.0.1".into(),
            port: 10000,
            admin_port: 9901,
            wasm: "target/wasm32-wasip1/release/mcp_gateway.wasm".into(),
            ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
        }
    }

    fn rendered_text(servers: &str, options: &Options) -> String {
        let source = source::read(servers).unwrap();
        let places = place::places(&source).unwrap();
        render(&source, &places, options).unwrap()
    }

    fn rendered(servers: &str, options: &Options) -> Value {
        let text = rendered_text(servers, options);
        tree::documents(&text).unwrap_or_else(|it| panic!("{it:?}: {text}"))[0].value()
    }

    fn filter(config: &mut Value) -> &mut Value {
        &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
            ["http_filters"][0]["typed_config"]["config"]
    }

    #[test]
    fn its_own_servers_make_the_shipped_configuration() {
        let servers = "servers:\n- { name: weather, url: http://127.0.0.1:9001/mcp }\n- { name: calendar, url: http://127.0.0.1:9002/mcp }\ncors: {}\n";
        let mut made = rendered(servers, &options());
        // The shipped one says by its clusters alone where they are.
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
        assert_eq!(kept.collect::<Vec<_>>(), comments);
    }

    #[test]
    fn what_is_asked_for_is_where_it_belongs() {
        let text = "servers:\n- { name: 'a', url: 'https://mcp.example.com/mcp', hostname: x.example.com }\n- { name: b, cluster: c_1, url: 'http://localhost:1/mcp' }\n- { name: c, cluster: c_1, url: 'http://localhost:1/other' }\n- { name: d, url: 'https://[::1]:2/mcp' }\n- { name: e, enabled: false }\nmaxRequestBodySize: 8000000\nsession: { keysFromEnv: HOME }\n";
        // Not to be a key; but it is there, so that its absence is no warning.
        let text = text.replace("HOME", "NOT_SET_ANYWHERE");
        let options = Options {
            address: "::".into(),
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
            json!({"host_env_keys": ["NOT_SET_ANYWHERE"]})
        );
    }
}
