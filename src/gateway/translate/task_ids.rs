//! Finds the ids of tasks in the messages of a server and of a client, and makes the edits that
//! replace them: with the client's ids, or with the server's. Only strings are ids.

use std::time::Duration;

use crate::gateway::session::server_mark::ServerMark;
use crate::gateway::session::task_id::TaskOwner;
use crate::gateway::translate::ids::values;
use crate::gateway::translate::server_message::{MessageKind, ServerMessage};
use crate::mcp::json::edit::Edit;
use crate::mcp::{Message, RELATED_TASK_KEY, json};

const TASK_ID: &str = "taskId";
const STATUS: &str = "notifications/tasks/status";
const TASKS: &str = "notifications/tasks";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// The most bytes of all client ids in one message. The limit is needed because a server can name
/// very many tasks in few bytes.
const MOST_BYTES: usize = 8_388_608;

/// Makes the ids that a client gets for tasks of one server, in the answer to one request.
pub struct TaskAliases {
    /// The caller that sent the request.
    pub owner: TaskOwner,
    /// The mark of the server.
    pub server: ServerMark,
    /// The tool that the request calls. New tasks belong to this tool.
    pub tool: Option<String>,
    /// Whether the gateway must know the tool of a task: `authorization` is configured.
    pub needs_tool: bool,
    /// When new ids expire, in time since 1970.
    pub until: Duration,
    /// The tasks that the request names: the server's id and the client's id of each.
    pub named: Vec<(String, String)>,
    /// The result of the request is a task.
    pub is_about_task: bool,
}

impl TaskAliases {
    /// The client's id of the task that the server calls `upstream_id`; `None` where the gateway
    /// must know the tool that made the task, but does not.
    fn alias(&self, upstream_id: &str) -> Option<String> {
        let mut named = self.named.iter();
        if let Some((_, alias)) = named.find(|(id, _)| id == upstream_id) {
            return Some(alias.clone());
        }
        let tool = self.tool.as_deref().filter(|_| self.needs_tool);
        if tool.is_none() && self.needs_tool {
            return None;
        }
        let owner = &self.owner;
        owner.make(self.server, tool, upstream_id, self.until)
    }

    /// The edits that write the client's ids of tasks into a server's `message`. `None` where
    /// `message` is a notification about a task whose tool the gateway does not know: the client
    /// must not get it.
    pub(super) fn edits(&self, message: &ServerMessage<'_>) -> Option<Vec<Edit>> {
        let (mut edits, mut bytes) = (Vec::new(), 0_usize);
        // Most messages do not mention a task.
        if !message.text.contains(TASK_ID) {
            return Some(edits);
        }
        for text in self.ids(message) {
            let Some(id) = json::string(text) else {
                continue;
            };
            let alias = (bytes <= MOST_BYTES).then(|| self.alias(&id)).flatten();
            match alias {
                Some(alias) => {
                    bytes = bytes.saturating_add(alias.len());
                    edits.extend(Edit::replace(message.text, text, json::quoted(&alias)));
                }
                None if matches!(message.kind, MessageKind::Notification(_)) => return None,
                // The client cannot use the server's own id, since it has no tag.
                None => {}
            }
        }
        Some(edits)
    }

    /// The JSON texts of the ids of tasks in `message`.
    fn ids<'a>(&self, message: &ServerMessage<'a>) -> Vec<&'a str> {
        let contents = &message.contents;
        let mut holders = values(&values(contents, "_meta"), RELATED_TASK_KEY);
        let mut ids = Vec::new();
        match &message.kind {
            MessageKind::Response => {
                holders.extend(values(contents, "task"));
                for list in values(contents, "tasks") {
                    let _ = json::elements(list, |task| holders.push(task));
                }
                let types = values(contents, "resultType");
                if self.is_about_task || types.contains(&r#""task""#) {
                    holders.extend(contents);
                }
            }
            MessageKind::Notification(method) => match method.as_ref() {
                STATUS | TASKS => holders.extend(contents),
                ACKNOWLEDGED => {
                    let subscriptions = values(contents, "notifications");
                    for list in values(&subscriptions, "taskIds") {
                        let _ = json::elements(list, |id| ids.push(id));
                    }
                }
                _ => {}
            },
            // The client has this task, and the server has its id from the client.
            MessageKind::Request(_) | MessageKind::Error => {}
        }
        ids.extend(values(&holders, TASK_ID));
        ids
    }
}

/// The JSON text of the task id in the `_meta` of a client's message; `None` where the message
/// belongs to no task.
pub fn related_task<'a>(message: &Message<'a>) -> Option<&'a str> {
    let related = match message.params() {
        Some(params) => params.meta.related_task?,
        None => {
            let results = values(&[message.text], "result");
            values(&values(&results, "_meta"), RELATED_TASK_KEY).pop()?
        }
    };
    values(&[related], TASK_ID).pop()
}

/// Whether a client's `subscriptions/listen` is about tasks and nothing else.
pub fn is_about_tasks_only(message: &Message<'_>) -> bool {
    let params = message.params();
    let filter = params.and_then(|params| params.get("notifications"));
    let (mut has_tasks, mut has_others) = (false, false);
    let shape = filter.map(|filter| {
        json::members(filter, |name, value| match name.as_ref() {
            "taskIds" => has_tasks = value != "null",
            // The client does not ask for this kind of notification.
            _ if matches!(value, "false" | "null" | "[]") => {}
            _ => has_others = true,
        })
    });
    matches!(shape, Some(Ok(json::Shape::Object { unique: true }))) && has_tasks && !has_others
}

/// The JSON texts of the ids of the tasks that a client's `subscriptions/listen` names.
pub fn listened_tasks<'a>(message: &Message<'a>) -> Vec<&'a str> {
    let mut ids = Vec::new();
    let filter = message
        .params()
        .and_then(|params| params.get("notifications"));
    for list in filter.map_or_else(Vec::new, |filter| json::values(filter, "taskIds")) {
        let _ = json::elements(list, |id| ids.push(id));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UriPrefix;
    use crate::gateway::translate::resource_uris::ResultShape;
    use crate::seal::Keys;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_server_names_shortly_does_not_become_very_long() {
        let aliases = TaskAliases {
            owner: TaskOwner {
                keys: Keys::new(vec![[1; 32]]).unwrap(),
                endpoint: b"/mcp".to_vec(),
                identity: None,
            },
            server: ServerMark::from_bytes([0; ServerMark::LENGTH]),
            tool: Some("t".repeat(8000)),
            needs_tool: true,
            until: Duration::from_secs(1),
            named: Vec::new(),
            is_about_task: false,
        };
        let tasks = vec![r#"{"taskId":""}"#; 10_000].join(",");
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tasks":[{tasks}]}}}}"#);
        let message = ServerMessage::read(&text, ResultShape::Other, &UriPrefix::NONE).unwrap();
        let edits = aliases.edits(&message).unwrap();
        let changed = message.edited(edits).unwrap();
        assert!(changed.len() < 9_000_000, "{}", changed.len());
    }
}
