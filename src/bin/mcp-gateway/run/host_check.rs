//! Only requests to hosts of this machine are allowed.
//!
//! A web page can make a browser resolve the page's own host name to 127.0.0.1 (DNS rebinding). For
//! the browser, such a request has the same origin as the page, so it may have no `Origin`. But its
//! `Host` is still that of the page (MCP 2026-07-28, "Transports", security warning).

use std::net::IpAddr;

use mcp_gateway::http::url::Url;
use mcp_gateway::mcp::jsonrpc;
use serde_json::{Value, json};

/// The hosts of this machine, and the host of each of `origins`, for a gateway at `address`. `None`
/// if other machines can reach the gateway: their names for it are not known.
pub(super) fn hosts(address: IpAddr, origins: &[String]) -> Option<Vec<String>> {
    if !address.is_loopback() {
        return None;
    }
    let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    let own = own.into_iter().chain([address.to_string()]);
    let hosts = origins.iter().filter_map(|origin| {
        // In the origin of a configuration, the port may be `*`.
        let url = Url::parse(origin.strip_suffix(":*").unwrap_or(origin))?;
        Some(url.host().to_owned())
    });
    Some(own.chain(hosts).collect())
}

/// Makes the HTTP connection manager `manager` refuse requests to other hosts, before all other
/// filters. `None` if `manager` does not have the shape of the shipped configuration.
pub(super) fn add(manager: &mut Value, hosts: &[String]) -> Option<()> {
    let filters = manager.get_mut("http_filters")?.as_array_mut()?;
    filters.insert(0, filter(hosts));
    let mappers = manager.pointer_mut("/local_reply_config/mappers")?;
    mappers.as_array_mut()?.insert(0, reply());
    Some(())
}

fn filter(hosts: &[String]) -> Value {
    let hosts: Vec<String> = hosts.iter().map(|host| pattern(host)).collect();
    let regex = format!(
        "(?i)({}|([a-z0-9-]+\\.)+localhost)(:[0-9]+)?",
        hosts.join("|")
    );
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"policies": {"own-hosts": {
                "permissions": [{"header": {
                    "name": ":authority",
                    "string_match": {"safe_regex": {"regex": regex}},
                }}],
                "principals": [{"any": true}],
            }}},
        },
    })
}

/// The host as a regular expression (RE2). `*` stands for one label.
fn pattern(host: &str) -> String {
    let escaped = |c: char| match c {
        '*' => "[a-z0-9-]+".to_owned(),
        c if c.is_ascii_alphanumeric() || c == '-' => c.to_string(),
        c => format!("\\{c}"),
    };
    host.chars().map(escaped).collect()
}

/// The answer to a refused request.
fn reply() -> Value {
    const REASON: &str = "the host name in the header Host does not belong to this machine: use localhost, or start `mcp-gateway run` with --allow-origin and the origin of this host";
    let body = jsonrpc::error(None, jsonrpc::INVALID_REQUEST, REASON, None);
    json!({
        "filter": {"extension_filter": {
            "name": "cel",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": "response.code_details.startsWith('rbac_access_denied')",
            },
        }},
        "body_format_override": {
            "content_type": "application/json",
            // Envoy reads `%` as the start of a command, but this text has none.
            "text_format_source": {"inline_string": String::from_utf8_lossy(&body)},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_are_those_of_this_machine_and_of_the_origins() {
        let origins = [
            "*",
            "https://a.example",
            "http://b.example:8080",
            "http://[::2]",
            "http://*.c.example:*",
        ];
        let origins = origins.map(str::to_owned);
        let hosts = hosts("127.0.0.2".parse().unwrap(), &origins).unwrap();
        assert_eq!(
            hosts,
            [
                "localhost",
                "127.0.0.1",
                "[::1]",
                "127.0.0.2",
                "a.example",
                "b.example",
                "[::2]",
                "*.c.example"
            ]
        );
        assert_eq!(super::hosts("0.0.0.0".parse().unwrap(), &origins), None);
    }

    #[test]
    fn nothing_in_a_host_is_an_operator_but_the_star() {
        assert_eq!(pattern("*.a-b.example"), r"[a-z0-9-]+\.a-b\.example");
        assert_eq!(pattern("[::1]"), r"\[\:\:1\]");
    }
}
