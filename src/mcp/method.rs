//! The methods of MCP: their groups, the parameters that policies see, and the
//! parameter that names the thing that a method is about.
//!
//! Groups and parameters are those of Envoy's own filter `envoy.filters.http.mcp`,
//! so that policies written for it keep their meaning.

use super::list::ListKind;

/// `initialize` (legacy).
pub const INITIALIZE: &str = "initialize";
/// `notifications/initialized` (legacy).
pub const INITIALIZED: &str = "notifications/initialized";
/// `notifications/message`: a log message of a server.
pub const MESSAGE: &str = "notifications/message";
/// `logging/setLevel` (legacy).
pub const SET_LEVEL: &str = "logging/setLevel";
/// `server/discover` (modern).
pub const SERVER_DISCOVER: &str = "server/discover";
/// `ping`.
pub const PING: &str = "ping";
/// `tools/list`.
pub const TOOLS_LIST: &str = "tools/list";
/// `tools/call`.
pub const TOOLS_CALL: &str = "tools/call";
/// `prompts/get`.
pub const PROMPTS_GET: &str = "prompts/get";
/// `resources/read`.
pub const RESOURCES_READ: &str = "resources/read";
/// `resources/subscribe` (legacy).
pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
/// `resources/unsubscribe` (legacy).
pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
/// `prompts/list`.
pub const PROMPTS_LIST: &str = "prompts/list";
/// `resources/list`.
pub const RESOURCES_LIST: &str = "resources/list";
/// `resources/templates/list`.
pub const TEMPLATES_LIST: &str = "resources/templates/list";
/// `skills/list` (SEP-2640).
pub const SKILLS_LIST: &str = "skills/list";
/// `skills/get` (SEP-2640).
pub const SKILLS_GET: &str = "skills/get";
/// `completion/complete`.
pub const COMPLETION: &str = "completion/complete";
/// `subscriptions/listen` (modern).
pub const LISTEN: &str = "subscriptions/listen";
/// `notifications/cancelled`.
pub const CANCELLED: &str = "notifications/cancelled";
/// `notifications/progress`.
pub const PROGRESS: &str = "notifications/progress";
/// The prefix of the methods about tasks.
pub const TASKS: &str = "tasks/";
/// The result of a task.
pub const TASKS_RESULT: &str = "tasks/result";
/// The name that policies see for a response of the client, which has no method.
pub const RESPONSE: &str = "__jsonrpc_response";

/// Whether MCP 2026-07-28 has removed `method`.
pub fn is_legacy_only(method: &str) -> bool {
    matches!(
        method,
        INITIALIZE | PING | SET_LEVEL | RESOURCES_SUBSCRIBE | RESOURCES_UNSUBSCRIBE | TASKS_RESULT
    )
}

/// The kind of thing that a method is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// `tools/call`
    Tool,
    /// `prompts/get`
    Prompt,
    /// `resources/read`, `resources/subscribe`, `resources/unsubscribe`, `skills/get`
    Resource,
}

/// The kind of thing that `method` is about, if it is about one thing.
pub fn subject(method: &str) -> Option<Subject> {
    ListKind::named_by(method).map(ListKind::subject)
}

/// The parameter that the header `Mcp-Name` repeats (MCP 2026-07-28, standard
/// request headers).
pub fn name_param(method: &str) -> Option<&'static str> {
    match method {
        TOOLS_CALL | PROMPTS_GET => Some("name"),
        RESOURCES_READ | RESOURCES_SUBSCRIBE | RESOURCES_UNSUBSCRIBE => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// The parameter that names the thing that `method` is about. `Mcp-Name` does not repeat
/// that of `skills/get`: SEP-2640 does not ask for it, and clients do not send it.
pub fn subject_param(method: &str) -> Option<&'static str> {
    match method {
        SKILLS_GET => Some("uri"),
        _ => name_param(method),
    }
}

/// The groups of methods, as `mcp.requests.<group>` and `groupMetadataKey` name them.
pub const GROUPS: &[&str] = &[
    "lifecycle",
    "tool",
    "resource",
    "prompt",
    "notification",
    "logging",
    "sampling",
    "completion",
    "discovery",
    "subscription",
    "task",
    "unknown",
];

/// The group of `method`.
pub fn group(method: &str) -> &'static str {
    match method {
        INITIALIZE | PING | INITIALIZED => "lifecycle",
        TOOLS_CALL | TOOLS_LIST => "tool",
        RESOURCES_READ
        | RESOURCES_SUBSCRIBE
        | RESOURCES_UNSUBSCRIBE
        | RESOURCES_LIST
        | TEMPLATES_LIST => "resource",
        PROMPTS_GET | PROMPTS_LIST => "prompt",
        SET_LEVEL => "logging",
        "sampling/createMessage" => "sampling",
        COMPLETION => "completion",
        SERVER_DISCOVER => "discovery",
        LISTEN => "subscription",
        _ if method.starts_with(TASKS) => "task",
        _ if method.starts_with("notifications/") => "notification",
        _ => "unknown",
    }
}

/// The parameters that later filters see by default, as paths below `params`.
pub fn extraction(method: &str) -> &'static [&'static [&'static str]] {
    match method {
        TOOLS_CALL | PROMPTS_GET => &[&["name"]],
        RESOURCES_READ | RESOURCES_SUBSCRIBE | RESOURCES_UNSUBSCRIBE | SKILLS_GET => &[&["uri"]],
        "notifications/resources/updated" => &[&["uri"]],
        COMPLETION => &[&["ref"]],
        SET_LEVEL | MESSAGE => &[&["level"]],
        INITIALIZE => &[&["protocolVersion"], &["clientInfo", "name"]],
        CANCELLED => &[&["requestId"]],
        PROGRESS => &[&["progressToken"], &["progress"]],
        "tasks/get" | "tasks/update" | "tasks/cancel" => &[&["taskId"]],
        _ => &[],
    }
}
