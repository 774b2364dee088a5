//! The members that clients use for a server.

use mcp_gateway::config::camel;

use crate::config_file::advice;
use crate::problem::{Findings, Problem};
use crate::syntax::tree::Node;

/// The members that the gateway uses, in lowerCamelCase. Codex has the same ones in snake_case.
const USED: [&str; 25] = [
    "url",
    "serverUrl",
    "httpUrl",
    "type",
    "transport",
    "transportType",
    "headers",
    "httpHeaders",
    "envHttpHeaders",
    "bearerTokenEnvVar",
    "command",
    "args",
    "env",
    "envFile",
    "cwd",
    "disabled",
    "enabled",
    "timeout",
    "includeTools",
    "enabledTools",
    "excludeTools",
    "disabledTools",
    "name",
    "title",
    "description",
];

/// The members that only the client itself uses.
const OF_CLIENT: [&str; 29] = [
    "alwaysAllow",
    "autoApprove",
    "autoApproveTools",
    "category",
    "defaultToolsApprovalMode",
    "dev",
    "displayName",
    "envVars",
    "extensionName",
    "gallery",
    "icon",
    "iconPath",
    "id",
    "isActive",
    "metadata",
    "note",
    "projectPath",
    "required",
    "sandbox",
    "sandboxEnabled",
    "source",
    "startupTimeoutMs",
    "startupTimeoutSec",
    "supportsParallelToolCalls",
    "tags",
    "toolTimeoutSec",
    "tools",
    "trust",
    "version",
];

/// Members about how a client logs in.
const LOGIN: [&str; 7] = [
    "auth",
    "authProviderType",
    "oauth",
    "oauthResource",
    "headersHelper",
    "scopes",
    "targetAudience",
];

/// Warns about the member `name`, if it is neither used nor known.
pub(super) fn check(name: &str, node: &Node, findings: &mut Findings) {
    let name = camel(name);
    let is_comment = name.starts_with(['_', '$', '/', '#']) || name == "comment";
    if is_comment || USED.contains(&&*name) || OF_CLIENT.contains(&&*name) {
        return;
    }
    let mut reason = "is not used".to_owned();
    if LOGIN.contains(&&*name) {
        reason.push_str(": the gateway sends the `headers` of the server, and those headers of clients that `passthroughHeaders` names");
    }
    let mut warning = Problem::new(node.line, &node.path, reason);
    if let Some(meant) = advice::nearest(&name, &USED) {
        warning = warning.fix(format!("write {meant} in place of {name}"));
    }
    findings.warnings.push(warning);
}
