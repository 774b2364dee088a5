//! JSON-RPC messages between the gateway and a process, with their values unchanged.

use std::collections::BTreeMap;

use mcp_gateway::mcp::{LOG_LEVEL_KEY, jsonrpc};
use serde_json::value::RawValue;

/// The members of an object, with the texts of their values: the bridge changes only ids and
/// tokens.
type RawObject = BTreeMap<String, Box<RawValue>>;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A JSON-RPC 2.0 message.
#[derive(Clone)]
pub(super) struct WireMessage {
    members: RawObject,
    pub(super) kind: WireKind,
}

#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum WireKind {
    /// A request for this method. It has an id.
    Request(String),
    /// A notification of this method.
    Notification(String),
    Response,
}

impl WireMessage {
    /// Reads a message; `None` if `text` is not a message.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let members: RawObject = serde_json::from_str(text).ok()?;
        let has_id = members.get("id").is_some_and(|id| id.get() != "null");
        let kind = match members.get("method") {
            Some(method) => {
                let method = serde_json::from_str(method.get()).ok()?;
                if has_id {
                    WireKind::Request(method)
                } else {
                    WireKind::Notification(method)
                }
            }
            None if members.contains_key("result") || members.contains_key("error") => {
                WireKind::Response
            }
            None => return None,
        };
        Some(Self { members, kind })
    }

    /// The messages of a line: one, or a batch of MCP 2025-03-26. None if it has no message.
    pub(super) fn of_line(line: &str) -> Vec<Self> {
        // Some systems start their output with a byte order mark.
        let line = line.trim_start_matches('\u{feff}');
        if let Some(message) = Self::parse(line) {
            return vec![message];
        }
        let batch: Vec<Box<RawValue>> = serde_json::from_str(line).unwrap_or_default();
        let messages = batch.iter().filter_map(|it| Self::parse(it.get()));
        messages.collect()
    }

    /// An error that answers the request with this id.
    pub(super) fn error(id: Option<&str>, code: i64, message: &str) -> String {
        String::from_utf8(jsonrpc::error(id, code, message, None)).unwrap_or_default()
    }

    /// The message as one line of JSON.
    pub(super) fn line(&self) -> String {
        let text = serde_json::to_string(&self.members).unwrap_or_default();
        // Line feeds in JSON text are only white space between values.
        text.replace(['\n', '\r'], " ")
    }

    pub(super) fn is_response(&self) -> bool {
        self.kind == WireKind::Response
    }

    /// Whether it is a response with a result.
    pub(super) fn is_result(&self) -> bool {
        self.is_response() && self.members.contains_key("result")
    }

    /// The id as JSON.
    pub(super) fn id(&self) -> Option<&str> {
        self.members.get("id").map(|id| id.get())
    }

    pub(super) fn set_id(&mut self, id: &str) {
        set(&mut self.members, "id", id);
    }

    /// Whether a modern request wants the server's log messages.
    pub(super) fn wants_logs(&self) -> bool {
        let meta = self.params().and_then(|params| member(params, "_meta"));
        meta.is_some_and(|meta| member(&meta, LOG_LEVEL_KEY).is_some())
    }

    /// The progress token of a request, as JSON.
    pub(super) fn progress_token(&self) -> Option<String> {
        member(&member(self.params()?, "_meta")?, "progressToken")
    }

    pub(super) fn set_progress_token(&mut self, token: &str) {
        self.change("params", &["_meta"], "progressToken", token);
    }

    /// The progress token of a progress notification, as JSON.
    pub(super) fn progress_of(&self) -> Option<String> {
        self.parameter_of("notifications/progress", "progressToken")
    }

    pub(super) fn set_progress_of(&mut self, token: &str) {
        self.change("params", &[], "progressToken", token);
    }

    /// The id of the request that a notification cancels, as JSON.
    pub(super) fn cancels(&self) -> Option<String> {
        self.parameter_of("notifications/cancelled", "requestId")
    }

    pub(super) fn set_cancels(&mut self, id: &str) {
        self.change("params", &[], "requestId", id);
    }

    /// The id of the `subscriptions/listen` request to which a notification belongs, as JSON (MCP
    /// 2026-07-28, "Subscriptions").
    pub(super) fn subscription(&self) -> Option<String> {
        let meta = match self.kind {
            WireKind::Response => member(self.members.get("result")?.get(), "_meta")?,
            _ => member(self.params()?, "_meta")?,
        };
        member(&meta, SUBSCRIPTION)
    }

    pub(super) fn set_subscription(&mut self, id: &str) {
        let inside = match self.kind {
            WireKind::Response => "result",
            _ => "params",
        };
        self.change(inside, &["_meta"], SUBSCRIPTION, id);
    }

    fn params(&self) -> Option<&str> {
        Some(self.members.get("params")?.get())
    }

    /// The parameter `name`, as JSON, of a notification with this method.
    fn parameter_of(&self, method: &str, name: &str) -> Option<String> {
        match &self.kind {
            WireKind::Notification(own) if own == method => member(self.params()?, name),
            _ => None,
        }
    }

    /// Sets the member `name` of the object at `path` in the member `inside`, if there is
    /// such an object.
    fn change(&mut self, inside: &str, path: &[&str], name: &str, value: &str) {
        let object = self.members.get(inside);
        if let Some(changed) = object.and_then(|it| changed(it.get(), path, name, value)) {
            set(&mut self.members, inside, &changed);
        }
    }
}

/// The member `name` of an object, as JSON.
fn member(object: &str, name: &str) -> Option<String> {
    let members: RawObject = serde_json::from_str(object).ok()?;
    Some(members.get(name)?.get().to_owned())
}

/// The object with another value for the member `name` of the object at `path` in it;
/// `None` if there is no such object.
fn changed(object: &str, path: &[&str], name: &str, value: &str) -> Option<String> {
    let mut members: RawObject = serde_json::from_str(object).ok()?;
    match path.split_first() {
        Some((first, rest)) => {
            let inner = changed(members.get(*first)?.get(), rest, name, value)?;
            set(&mut members, first, &inner);
        }
        None => set(&mut members, name, value),
    }
    serde_json::to_string(&members).ok()
}

/// Sets the member `name`; `value` is JSON.
fn set(members: &mut RawObject, name: &str, value: &str) {
    if let Ok(value) = RawValue::from_string(value.to_owned()) {
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_message_is_told_apart() {
        let request = |method: &str| WireKind::Request(method.into());
        for (text, kind) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
                Some(request("ping")),
            ),
            (
                r#"{"id":"a","method":"a\/b","params":{}}"#,
                Some(request("a/b")),
            ),
            (
                r#"{"method":"notifications/x"}"#,
                Some(WireKind::Notification("notifications/x".into())),
            ),
            (
                r#"{"id":null,"method":"n"}"#,
                Some(WireKind::Notification("n".into())),
            ),
            (r#"{"id":1,"result":{}}"#, Some(WireKind::Response)),
            (
                r#"{"id":1,"error":{"code":1,"message":""}}"#,
                Some(WireKind::Response),
            ),
            (r#"{"id":1}"#, None),
            (r#"{"id":1,"method":2}"#, None),
            ("[]", None),
            ("listening on port 1", None),
            ("", None),
        ] {
            assert_eq!(WireMessage::parse(text).map(|it| it.kind), kind, "{text}");
        }
    }

    #[test]
    fn a_line_has_a_message_or_a_batch() {
        for (line, count) in [
            (r#"{"id":1,"result":{}}"#, 1),
            ("\u{feff}{\"id\":1,\"result\":{}}\r\n", 1),
            (r#"[{"method":"a"}, 1, {"id":1,"result":{}}]"#, 2),
            ("[]", 0),
            ("[1] ready", 0),
            ("", 0),
        ] {
            assert_eq!(WireMessage::of_line(line).len(), count, "{line}");
        }
    }

    #[test]
    fn only_what_is_set_changes() {
        let text = "{\"id\":1.0,\n\"method\":\"tools/call\",\"params\":{\"_meta\":{\"progressToken\":\"a\",\"x\":1.10},\"arguments\":{\"n\":12345678901234567890123}}}";
        let mut message = WireMessage::parse(text).unwrap();
        assert_eq!(message.id(), Some("1.0"));
        assert_eq!(message.progress_token().as_deref(), Some("\"a\""));
        message.set_id("7");
        message.set_progress_token("8");
        assert_eq!(
            message.line(),
            r#"{"id":7,"method":"tools/call","params":{"_meta":{"progressToken":8,"x":1.10},"arguments":{"n":12345678901234567890123}}}"#
        );
        let mut cancelled = WireMessage::parse(
            r#"{"method":"notifications/cancelled","params":{"requestId":"x"}}"#,
        )
        .unwrap();
        assert_eq!(cancelled.cancels().as_deref(), Some("\"x\""));
        cancelled.set_cancels("3");
        assert_eq!(cancelled.cancels().as_deref(), Some("3"));
        assert_eq!(cancelled.progress_of(), None);
    }

    #[test]
    fn the_id_of_a_subscription_is_in_notifications_and_in_the_result() {
        for (text, expected) in [
            (
                r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#,
                r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"b"}}}"#,
            ),
            (
                r#"{"id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#,
                r#"{"id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":"b"}}}"#,
            ),
        ] {
            let mut message = WireMessage::parse(text).unwrap();
            assert_eq!(message.subscription().as_deref(), Some("1"));
            message.set_subscription("\"b\"");
            assert_eq!(message.line(), expected);
        }
    }
}
