//! A whole configuration of Envoy: the shipped one, with these servers.

use super::servers;
use crate::place::Place;
use crate::source::Source;
use crate::yaml::{self, scalar};

/// What all renderings have the shape of.
const TEMPLATE: &str = include_str!("../../../../envoy/gateway.yaml");
/// Above it Envoy answers itself; the template's own value.
const BUFFER: usize = 4_194_304;

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

/// The text of an Envoy configuration, with comments.
///
/// # Errors
/// The template does not have the shape that is expected: a bug.
pub(crate) fn render(
    source: &Source,
    places: &[Place],
    options: &Options,
) -> Result<String, String> {
    let text = template()?;
    let text = replace(
        &text,
        "address: 127.0.0.1, port_value: 9901",
        &format!("address: 127.0.0.1, port_value: {}", options.admin_port),
    )?;
    let listen = format!(
        "address: {}, port_value: {}",
        scalar_address(&options.address),
        options.port
    );
    let text = replace(&text, "address: 127.0.0.1, port_value: 10000", &listen)?;
    let text = replace(
        &text,
        "target/wasm32-wasip1/release/mcp_gateway.wasm",
        &scalar(&options.wasm),
    )?;
    let buffer = servers::buffer(source);
    let text = replace(
        &text,
        &format!("limit_bytes: {BUFFER}"),
        &format!("limit_bytes: {buffer}"),
    )?;
    let text = match servers::keys(source) {
        Some(name) => {
            let runtime = "                  runtime: envoy.wasm.runtime.v8\n";
            let with = format!(
                "{runtime}                  environment_variables: {{ host_env_keys: [{}] }}\n",
                scalar(name)
            );
            replace(&text, runtime, &with)?
        }
        None => text,
    };
    let value = format!(
        "                  value:\n{}",
        yaml::block(&source.tree, 20)
    );
    let text = replace_block(
        &text,
        "                  value:\n                    servers:",
        "          # For filters after this one",
        &value,
    )?;
    let clusters: String = clusters(places, options).into_iter().collect();
    let (text, _) = text
        .split_once("  clusters:\n")
        .ok_or("no clusters in the template")?;
    Ok(format!("{text}  clusters:\n{clusters}"))
}

/// The template without what it says of its own servers.
fn template() -> Result<String, String> {
    let (_, rest) = TEMPLATE
        .split_once("\nadmin:\n")
        .ok_or("no admin in the template")?;
    Ok(format!(
        "# Made by `mcp-gateway render`: MCP servers behind one endpoint.\nadmin:\n{rest}"
    ))
}

/// Each cluster once, in the order of the servers.
fn clusters(places: &[Place], options: &Options) -> Vec<String> {
    let mut seen = Vec::new();
    let mut texts = Vec::new();
    for place in places {
        if !seen.contains(&&place.cluster) {
            seen.push(&place.cluster);
            texts.push(cluster(place, options));
        }
    }
    texts
}

fn cluster(place: &Place, options: &Options) -> String {
    let name = scalar(&place.cluster);
    let kind = match place.address() {
        Some(_) => "    type: STATIC\n    connect_timeout: 1s\n",
        // Few servers listen on IPv6 where their name has both.
        None => {
            "    type: STRICT_DNS\n    dns_lookup_family: V4_PREFERRED\n    connect_timeout: 5s\n"
        }
    };
    let host = scalar_address(&place.host);
    let port = place.port;
    let tls = if place.tls {
        tls(place, options)
    } else {
        String::new()
    };
    format!(
        "  - name: {name}
{kind}{tls}    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: {host}, port_value: {port} }} }} }}
"
    )
}

/// The server's certificate has to be one for its host, by an authority of the
/// system's; HTTP/2 where it offers that.
fn tls(place: &Place, options: &Options) -> String {
    let host = scalar_address(&place.host);
    let ca = scalar(&options.ca_file);
    let (sni, san) = match place.address() {
        Some(_) => (String::new(), "IP_ADDRESS"),
        None => (format!("        sni: {host}\n"), "DNS"),
    };
    format!(
        "    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        auto_config: {{}}
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
{sni}        common_tls_context:
          validation_context:
            trusted_ca: {{ filename: {ca} }}
            match_typed_subject_alt_names:
            - {{ san_type: {san}, matcher: {{ exact: {host} }} }}
"
    )
}

/// An address is text to YAML, whatever it looks like.
fn scalar_address(text: &str) -> String {
    let dotted =
        text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.matches('.').count() == 3;
    if dotted {
        text.to_owned()
    } else {
        scalar(text)
    }
}

/// Replaces the one place where `from` stands.
fn replace(text: &str, from: &str, to: &str) -> Result<String, String> {
    match text.matches(from).count() {
        1 => Ok(text.replacen(from, to, 1)),
        places => Err(format!("{places} places of {from:?} in the template")),
    }
}

/// Replaces everything from `start` up to before `end`.
fn replace_block(text: &str, start: &str, end: &str, to: &str) -> Result<String, String> {
    let (before, rest) = text
        .split_once(start)
        .ok_or_else(|| format!("no {start:?} in the template"))?;
    let (_, after) = rest
        .split_once(end)
        .ok_or_else(|| format!("no {end:?} in the template"))?;
    Ok(format!("{before}{to}{end}{after}"))
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

    fn rendered(text: &str, options: &Options) -> Value {
        let source = source::read(text).unwrap();
        let places = place::places(&source).unwrap();
        let text = render(&source, &places, options).unwrap();
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
        assert_eq!(made, tree::documents(TEMPLATE).unwrap()[0].value());
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
