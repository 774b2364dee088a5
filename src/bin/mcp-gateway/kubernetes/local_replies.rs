//! Envoy's own answers, in a form that MCP clients can read.

use mcp_gateway::http::protected_resource::{ResourceIdentifier, WELL_KNOWN};
use mcp_gateway::mcp::jsonrpc;
use serde_json::{Value, json};

use super::filter::FilterConfig;
use super::model::{Authentication, WantedGateway};

const CEL_FILTER: &str =
    "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";

/// The response flags of a server that fails while its answer is under way. Envoy's own answer then
/// passes no filter.
const BROKEN_OFF: [&str; 9] = ["DT", "LR", "SI", "UC", "UF", "UMSDR", "UPE", "UR", "UT"];

/// The `local_reply_config` of Envoy's HTTP connection manager. It makes JSON-RPC errors of the
/// answers to a failure of a server, and of those of jwt_authn, if it is used.
pub(super) fn config(gateway: &WantedGateway, filter: &FilterConfig) -> Value {
    let mut mappers = challenges(gateway, filter);
    let flags = json!({"response_flag_filter": {"flags": BROKEN_OFF}});
    let is_known = cel("'wasm.mcp.id' in filter_state");
    let id = "%FILTER_STATE(wasm.mcp.id:PLAIN)%";
    let message = "server %FILTER_STATE(wasm.mcp.server:PLAIN)% did not finish its answer";
    mappers.push(json!({
        "filter": {"and_filter": {"filters": [flags, is_known]}},
        "body_format_override": json_rpc(id, jsonrpc::INTERNAL_ERROR, message),
    }));
    json!({"mappers": mappers})
}

/// The mappers for the answers of jwt_authn; empty if it is not used.
pub(super) fn challenges(gateway: &WantedGateway, filter: &FilterConfig) -> Vec<Value> {
    match gateway.authentication {
        Authentication::Jwt(_) => challenge(filter).into_iter().collect(),
        Authentication::Anonymous => Vec::new(),
    }
}

/// The answer of jwt_authn to a client without a valid token: it says where the client finds the
/// authorization servers. `None` if the filter has no such metadata.
fn challenge(filter: &FilterConfig) -> Option<Value> {
    let resource = &filter.parsed.oauth.as_ref()?.resource;
    let location = match &resource.identifier {
        ResourceIdentifier::Absolute { metadata_url, .. } => metadata_url.replace('%', "%%"),
        ResourceIdentifier::Relative(_) => {
            format!("%REQ(X-FORWARDED-PROTO)%://%REQ(:AUTHORITY)%{WELL_KNOWN}%PATH(NQ)%")
        }
    };
    let mut value = format!(
        "Bearer error=\"invalid_token\", error_description=\"a valid access token is required\", \
         resource_metadata=\"{location}\""
    );
    if !resource.scope.is_empty() {
        let scope = resource.scope.replace('%', "%%");
        value.push_str(&format!(", scope=\"{scope}\""));
    }
    let mut is_challenge = "response.code_details.startsWith('jwt_authn_access_denied')".to_owned();
    if let Some(paths) = filter.paths() {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| format!("'{}'", path.replace('\'', "\\'")))
            .collect();
        is_challenge.push_str(&format!(" && request.url_path in [{}]", paths.join(", ")));
    }
    Some(json!({
        "filter": cel(&is_challenge),
        // Envoy answers 403 to a token for another audience.
        "status_code": 401,
        "headers_to_add": [{
            "header": {"key": "www-authenticate", "value": value},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }],
        "body_format_override": json_rpc("null", 401, "Unauthorized"),
    }))
}

fn cel(expression: &str) -> Value {
    json!({"extension_filter": {
        "name": "cel",
        "typed_config": {"@type": CEL_FILTER, "expression": expression},
    }})
}

/// A JSON-RPC error. `id` is JSON, or a command of Envoy that gives JSON.
fn json_rpc(id: &str, code: i64, message: &str) -> Value {
    let text = jsonrpc::error(Some(id), code, message, None);
    json!({
        "content_type": "application/json",
        "text_format_source": {"inline_string": String::from_utf8_lossy(&text)},
    })
}
