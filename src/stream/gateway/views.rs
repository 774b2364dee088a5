//! Tools that clients see differently than their servers describe them (`tools.override`): what the
//! gateway learns from lists about them, and how it changes calls.

use crate::config::{Server, ToolView};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::routing::names;
use crate::gateway::routing::tool_view::{self, UnusableArguments};
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::mcp::json::edit::Edit;
use crate::mcp::list::ListKind;
use crate::mcp::{Invalid, Message, param_header};
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::event::Effect;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::continuation::Continuation;
use crate::stream::gateway::fanout::suspend;
use crate::stream::gateway::lookup::target_of;
use crate::stream::gateway::pins::route_if_pinned;
use crate::stream::gateway::route::{Destination, NamedTarget};
use crate::stream::phase::Transition;

/// Remembers what the lists of a fan-out say about such tools. Logs each tool that no list has.
pub(super) fn learn(cx: &mut GatewayContext<'_>, fanout: &Fanout) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (id, list) in fanout.tool_lists() {
        let Some(server) = cx.gateway.server(id).filter(|it| !it.tool_views.is_empty()) else {
            continue;
        };
        let mut is_listed = vec![false; server.tool_views.len()];
        // If two entries have the same name, lists show the first one.
        let viewed = list.entries().filter_map(|entry| entry.tool_view.as_ref());
        for viewed in viewed {
            if let Some(is_listed) = is_listed.get_mut(viewed.view)
                && !std::mem::replace(is_listed, true)
            {
                cx.worker
                    .tool_views
                    .is_listed((id, viewed.view), &viewed.headers);
            }
        }
        for ((at, view), is_listed) in server.tool_views.iter().enumerate().zip(is_listed) {
            let is_missing = !is_listed && server.allows(ListKind::Tools, &view.upstream_name);
            if is_missing && cx.worker.tool_views.is_unlisted((id, at)) {
                let line = format!(
                    "server {}: tools.override has the tool {:?}, which is not in the server's list",
                    server.name, view.upstream_name
                );
                effects.push(Effect::Log(log::Level::Warn, line));
            }
        }
    }
    effects
}

/// The tool view of the tool that a call to `server` names, if the view removes parameters.
fn removing<'s>(
    server: &'s Server,
    target: Option<&NamedTarget<'_>>,
) -> Option<(usize, &'s ToolView)> {
    let target = target?;
    let view = names::tool_view_of(server, target.target.kind, &target.upstream_name);
    view.filter(|(_, view)| !view.removed.is_empty())
}

/// A modern server may require headers that repeat removed parameters. If the worker has not learnt
/// them from a list yet, asks for the list of the server first. `None` where the call can go on.
///
/// # Errors
/// The request lacks a header or an identity that a server must get.
pub(super) fn ask_first(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    destination: &Destination<'_>,
    target: Option<&NamedTarget<'_>>,
) -> Result<Option<Transition>, Refusal> {
    let server = destination.server;
    let Some((at, _)) = removing(server, target) else {
        return Ok(None);
    };
    let is_modern = matches!(destination.protocol, UpstreamProtocol::Modern(_));
    if !is_modern || cx.worker.tool_views.headers((server.id, at)).is_some() {
        return Ok(None);
    }
    let operation = Operation::List(ListKind::Tools);
    suspend(cx, request, operation, &[server.id], |request| {
        Continuation::CallViewed(request, server.id)
    })
    .map(Some)
}

/// Continues with the call after the list of the server was read.
///
/// # Errors
/// The server failed.
pub(super) fn call_listed(
    cx: &mut GatewayContext<'_>,
    fanout: &Fanout,
    request: IncomingMessage<'_>,
    server: &Server,
) -> Result<Transition, Refusal> {
    if let Some(refusal) = fanout.refused(cx.gateway) {
        return Err(refusal);
    }
    let target = target_of(&request)?.ok_or(Refusal::NameMissing("name"))?;
    let named = NamedTarget::of(server, &target)?;
    let view = removing(server, Some(&named)).map(|(at, _)| (server.id, at));
    if view.is_some_and(|view| cx.worker.tool_views.headers(view).is_none()) {
        // Without this error the gateway would ask for the list again and again.
        return Err(Refusal::Internal);
    }
    route_if_pinned(cx, request, server, &named)
}

/// The edits that change the arguments of a call according to the view of its tool.
///
/// # Errors
/// The arguments cannot be changed.
pub(super) fn argument_edits(
    server: &Server,
    message: &Message<'_>,
    target: Option<&NamedTarget<'_>>,
) -> Result<Vec<Edit>, Refusal> {
    let (Some((_, view)), Some(params)) = (removing(server, target), message.params()) else {
        return Ok(Vec::new());
    };
    tool_view::argument_edits(view, message.text, params).map_err(|why| match why {
        UnusableArguments::NoObject => Refusal::NotAnObject("params.arguments"),
        UnusableArguments::Ambiguous => Refusal::Body(Invalid::DuplicateKey("params")),
    })
}

/// Gives the headers that repeat arguments the new values of the arguments. Legacy servers do not
/// use such headers, so they get none.
pub(super) fn change_headers(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    server: &Server,
    protocol: &UpstreamProtocol,
    target: Option<&NamedTarget<'_>>,
) -> Vec<Effect> {
    let Some((at, _)) = removing(server, target) else {
        return Vec::new();
    };
    let mut effects = Vec::new();
    if !matches!(protocol, UpstreamProtocol::Modern(_)) {
        let names = request.headers.names();
        let names = names.filter(|name| name.starts_with(param_header::PREFIX));
        effects.extend(names.map(|name| Effect::RemoveRequestHeader(name.to_owned())));
        return effects;
    }
    for header in cx
        .worker
        .tool_views
        .headers((server.id, at))
        .unwrap_or_default()
    {
        effects.push(Effect::RemoveRequestHeader(header.name.clone()));
        let value = header.value.clone();
        effects.extend(value.map(|it| Effect::AddRequestHeader(header.name.clone(), it)));
    }
    effects
}
