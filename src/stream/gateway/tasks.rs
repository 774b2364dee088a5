//! Tasks: a client knows them by ids that the gateway makes, which contain the owner of the task.
//! For everything that a client does with a task, it needs the right to call the tool that made the
//! task.

use std::borrow::Cow;

use crate::config::{Server, ServerId};
use crate::gateway::session::SessionPart;
use crate::gateway::session::task_id::{Task, TaskOwner};
use crate::gateway::translate::task_ids::{self, TaskAliases};
use crate::http::Headers;
use crate::mcp::client_capabilities::{TASKS_EXTENSION, declares_extension};
use crate::mcp::era::Era;
use crate::mcp::json::edit::Edit;
use crate::mcp::method::{self, Subject};
use crate::mcp::{Message, json};
use crate::policy::Refusal;
use crate::policy::access::{Access, MOST_SUBSCRIPTIONS};
use crate::stream::context::GatewayContext;
use crate::stream::event::HostFacts;
use crate::stream::gateway::lookup::unknown_method;
use crate::stream::gateway::session::required_identity;
use crate::stream::gateway::{Client, IncomingMessage};

const GET: &str = "tasks/get";
const UPDATE: &str = "tasks/update";
const CANCEL: &str = "tasks/cancel";
const LIST: &str = "tasks/list";

/// The refusal of a request that listens to more tasks than a client may.
const TOO_MANY_TASKS: Refusal =
    Refusal::TooMany("params.notifications.taskIds", MOST_SUBSCRIPTIONS);

/// The tasks that a message of a client is about.
#[derive(Default)]
pub(super) struct TaskReferences {
    /// The server's id of the task that the method is about.
    pub(super) upstream_id: Option<String>,
    /// The edits that write the server's ids of tasks into the message.
    pub(super) edits: Vec<Edit>,
    /// Makes the ids for the client; `None` where the client gets no ids.
    aliases: Option<TaskAliases>,
}

/// Whether the right to send `message` depends on a task that it names. Then [`check`] decides.
pub(super) fn decides_right(message: &Message<'_>) -> bool {
    message.method().starts_with(method::TASKS)
}

/// Of several servers, the one with the tasks that a request is about.
///
/// # Errors
/// The request is about no task, about tasks of more than one server, or about a task that is not
/// the caller's.
pub(super) fn server_of<'c>(
    cx: &GatewayContext<'c>,
    request: &IncomingMessage<'_>,
) -> Result<&'c Server, Refusal> {
    let message = request.message;
    let named = match message.method() {
        GET | UPDATE | CANCEL | method::TASKS_RESULT => vec![task_id(message)?],
        method::LISTEN if task_ids::is_about_tasks_only(message) => {
            task_ids::listened_tasks(message)
        }
        _ => return Err(unknown_method(request)),
    };
    if named.len() > MOST_SUBSCRIPTIONS {
        return Err(TOO_MANY_TASKS);
    }
    let owner = owner(cx, request.headers, request.facts)?;
    let mut found = None;
    for text in named {
        let task = resolve(cx, &owner, text).ok_or_else(|| unknown_task(request))?;
        let server = server_id(cx, &task).and_then(|id| cx.gateway.server(id));
        let server = server.ok_or_else(|| unknown_task(request))?;
        if found
            .replace(server)
            .is_some_and(|other| other.id != server.id)
        {
            // The gateway cannot merge the streams of two servers.
            return Err(unknown_method(request));
        }
    }
    found.ok_or_else(|| unknown_method(request))
}

/// Checks that the tasks that a request to `server` names are the caller's, and that the caller may
/// call the tools that made them.
///
/// # Errors
/// A task is not the caller's, the caller may not call its tool, or the client's version has no
/// such method.
pub(super) fn check(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    server: &Server,
) -> Result<(), Refusal> {
    let is_bridged = match &request.client {
        Client::Modern => cx.worker.servers.era(server) == Some(Era::Legacy),
        Client::Legacy(session) => {
            matches!(session.part(server.id), Some(SessionPart::Modern { .. }))
        }
    };
    let is_removed =
        request.client.era() == Era::Modern && request.message.method() == method::TASKS_RESULT;
    if is_removed {
        return Err(unknown_method(request));
    }
    // The gateway does not translate tasks between the eras, so this server will not get the
    // request.
    if is_bridged {
        return Ok(());
    }
    of_request(cx, request, server).map(drop)
}

/// The tasks that a message to `server` is about.
///
/// # Errors
/// The message names a task that is not the caller's, or the caller may not call the tool that made
/// it.
pub(super) fn of_request(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    server: &Server,
) -> Result<TaskReferences, Refusal> {
    let message = request.message;
    let method = message.method();
    let is_about_task = method.starts_with(method::TASKS);
    let related = task_ids::related_task(message);
    let is_told_ids =
        request.client.era() == Era::Legacy || is_about_task || declares_tasks(message);
    if !is_told_ids && method != method::LISTEN && related.is_none() {
        // Neither the message nor its answer names a task, as in most calls of modern clients.
        return Ok(TaskReferences::default());
    }
    let mut aliases = match aliases(cx, request.headers, request.facts, server) {
        // A caller without an identity has no tasks.
        Err(Refusal::Identity) if !is_about_task => return Ok(TaskReferences::default()),
        aliases => aliases?,
    };
    aliases.is_about_task = is_about_task;
    if method == method::TOOLS_CALL {
        aliases.tool = request.attributes.name.as_deref().map(str::to_owned);
    }
    let named = match method {
        method::LISTEN => task_ids::listened_tasks(message),
        LIST => {
            permit(cx, request, None)?;
            Vec::new()
        }
        _ if is_about_task => vec![task_id(message)?],
        _ => Vec::new(),
    };
    if named.len() > MOST_SUBSCRIPTIONS {
        return Err(TOO_MANY_TASKS);
    }
    let mut found = TaskReferences::default();
    for text in named {
        let task = resolve(cx, &aliases.owner, text);
        let task = task.filter(|task| server_id(cx, task) == Some(server.id));
        let task = task.ok_or_else(|| unknown_task(request))?;
        permit(cx, request, Some(&task))?;
        found.rename(&mut aliases, message, text, &task);
        found.upstream_id = is_about_task.then_some(task.upstream_id);
    }
    if let Some(text) = related
        && let Some(task) = resolve(cx, &aliases.owner, text)
        && server_id(cx, &task) == Some(server.id)
    {
        found.rename(&mut aliases, message, text, &task);
    }
    found.aliases = (is_told_ids || !aliases.named.is_empty()).then_some(aliases);
    Ok(found)
}

/// The refusal of a request about a task that is not the caller's.
fn unknown_task(request: &IncomingMessage<'_>) -> Refusal {
    match request.client.era() {
        Era::Modern if !declares_tasks(request.message) => Refusal::TasksUndeclared,
        _ => Refusal::UnknownTask,
    }
}

/// Whether a modern client declares that it supports tasks. Otherwise servers make none.
fn declares_tasks(message: &Message<'_>) -> bool {
    let params = message.params();
    let capabilities = params.and_then(|params| params.meta.client_capabilities);
    capabilities.is_some_and(|text| declares_extension(text, TASKS_EXTENSION))
}

impl TaskReferences {
    /// Takes out the maker of the client's ids.
    pub(super) fn take_aliases(&mut self) -> Option<TaskAliases> {
        self.aliases.take()
    }

    /// Replaces the client's id of `task`, `text`, with the server's.
    fn rename(
        &mut self,
        aliases: &mut TaskAliases,
        message: &Message<'_>,
        text: &str,
        task: &Task,
    ) {
        let alias = json::string(text).unwrap_or_default().into_owned();
        let quoted = json::quoted(&task.upstream_id);
        self.edits.extend(Edit::replace(message.text, text, quoted));
        aliases.named.push((task.upstream_id.clone(), alias));
    }
}

/// The task that the sender of the request knows by the id with the JSON text `text`.
fn resolve(cx: &GatewayContext<'_>, owner: &TaskOwner, text: &str) -> Option<Task> {
    owner.resolve(&json::string(text)?, cx.worker.now())
}

/// The server that has `task`; `None` where the configuration does not have it.
fn server_id(cx: &GatewayContext<'_>, task: &Task) -> Option<ServerId> {
    cx.worker.sealing.as_ref()?.server(task.server)
}

/// Checks that the caller may use this method for `task`, and may call the tool that made it. A
/// list has tasks of unknown tools, so it is refused.
fn permit(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    task: Option<&Task>,
) -> Result<(), Refusal> {
    let Some(authorization) = &cx.config.authorization else {
        return Ok(());
    };
    let method = request.message.method();
    let Some(tool) = task.and_then(|task| task.tool.as_deref()) else {
        let what = method.to_owned();
        return Err(Refusal::Denied { what, scopes: None });
    };
    // To listen to a task, a caller needs the right to get the task. A rule may deny that to a
    // caller that may call the tool, but cannot allow it to any other caller.
    let method = if method == method::LISTEN {
        GET
    } else {
        method
    };
    let accesses = [method, method::TOOLS_CALL].map(|method| Access {
        method,
        about: Some((Subject::Tool, Cow::Borrowed(tool))),
    });
    authorization.permit(&request.facts.rights, &accesses)
}

/// The JSON text of the id of the task that a `tasks/*` request names.
fn task_id<'a>(message: &Message<'a>) -> Result<&'a str, Refusal> {
    let missing = Refusal::NameMissing("taskId");
    let params = message.params();
    let id = params.and_then(|params| params.get("taskId"));
    let id = id.filter(|id| id.starts_with('"')).ok_or(missing)?;
    if params.is_some_and(|params| params.has_lookalike("taskId")) {
        return Err(Refusal::NameMissing("taskId"));
    }
    Ok(id)
}

/// Makes the ids that the sender of a request gets for tasks of `server`. Its tool and its tasks
/// are not set yet.
///
/// # Errors
/// `session.identity` is configured, and the request has no identity; or the worker has no key of
/// sessions.
pub(super) fn aliases(
    cx: &GatewayContext<'_>,
    headers: &Headers,
    facts: &HostFacts,
    server: &Server,
) -> Result<TaskAliases, Refusal> {
    let sealing = cx.worker.sealing.as_ref().ok_or(Refusal::Internal)?;
    let ttl = cx.gateway.sessions.ttl;
    Ok(TaskAliases {
        owner: owner(cx, headers, facts)?,
        server: sealing.mark(server.id).ok_or(Refusal::Internal)?,
        tool: None,
        needs_tool: cx.config.authorization.is_some(),
        until: cx.worker.now().saturating_add(ttl),
        named: Vec::new(),
        is_about_task: false,
    })
}

/// The data that binds ids of tasks to the sender of a request.
///
/// # Errors
/// See [`aliases`].
fn owner(
    cx: &GatewayContext<'_>,
    headers: &Headers,
    facts: &HostFacts,
) -> Result<TaskOwner, Refusal> {
    let sealing = cx.worker.sealing.as_ref().ok_or(Refusal::Internal)?;
    let path = headers.get(":path").unwrap_or_default();
    Ok(TaskOwner {
        keys: sealing.keys().clone(),
        endpoint: cx.gateway.binding(path).to_vec(),
        identity: required_identity(cx.gateway, headers, facts)?,
    })
}
