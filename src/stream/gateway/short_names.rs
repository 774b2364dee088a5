//! Names of tools that clients and models refuse (`names`): reported, or shortened. A call
//! by a shortened name becomes one by the whole name before anything is decided about it,
//! and before any filter sees it.

use crate::config::{NameRule, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::routing::names;
use crate::gateway::routing::target::Target;
use crate::mcp::era::Era;
use crate::mcp::json::edit;
use crate::mcp::list::ListKind;
use crate::mcp::{Message, method};
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::event::Effect;
use crate::stream::gateway::continuation::Continuation;
use crate::stream::gateway::fanout::suspend;
use crate::stream::gateway::session::{find_session, required_identity};
use crate::stream::gateway::{Client, IncomingMessage};
use crate::stream::phase::Transition;

/// The rule of the configuration; `None` where it has none.
fn rule<'c>(cx: &GatewayContext<'c>) -> Option<&'c NameRule> {
    let mut servers = cx.gateway.servers.iter();
    servers.find_map(|server| server.names.as_deref())
}

/// Where `request` calls a tool by what may be a shortened name: asks the servers for their
/// lists, of which one may have it. `None` where it has another name, or where the client
/// may send no such request.
///
/// # Errors
/// The request lacks what a server must get.
pub(super) fn ask_first(
    cx: &mut GatewayContext<'_>,
    request: &mut IncomingMessage<'_>,
    era: Era,
) -> Result<Option<Transition>, Refusal> {
    let Some(rule) = rule(cx).filter(|rule| rule.shortens) else {
        return Ok(None);
    };
    if request.message.method() != method::TOOLS_CALL {
        return Ok(None);
    }
    let Some(name) = request
        .message
        .name()
        .filter(|name| rule.may_be_short(name))
    else {
        return Ok(None);
    };
    let kind = ListKind::Tools;
    let servers = cx.gateway.servers.iter().filter(|server| {
        rule.may_have_prefix(&name, server.prefix(kind))
            || names::upstream_name(server, kind, &name).is_some()
    });
    let servers: Vec<ServerId> = servers.map(|server| server.id).collect();
    // Who has no session, or no identity, gets the error for that.
    let client = match era {
        Era::Modern => required_identity(cx.gateway, request.headers, request.facts)
            .ok()
            .map(|_| Client::Modern),
        Era::Legacy => find_session(cx, request.headers, request.facts)
            .ok()
            .map(Client::Legacy),
    };
    let Some(client) = client.filter(|_| !servers.is_empty()) else {
        return Ok(None);
    };
    request.client = client;
    let operation = Operation::List(kind);
    suspend(cx, request, operation, &servers, Continuation::ResolveName).map(Some)
}

/// The lists are read: the text of the request by the whole name of its tool. `None` where
/// it has that already, or no list has the tool.
///
/// # Errors
/// A server that may have the tool failed.
pub(super) fn with_whole_name(
    cx: &GatewayContext<'_>,
    fanout: &Fanout,
    message: &Message<'_>,
) -> Result<Option<String>, Refusal> {
    let target = Target::of(message).map_err(|_| Refusal::Internal)?;
    match fanout.tool_shown_as(&target.name, cx.gateway)? {
        Some(name) if name != target.name => {
            let text = edit::apply(message.text, vec![target.rename(&name)]);
            String::from_utf8(text)
                .map(Some)
                .map_err(|_| Refusal::Internal)
        }
        _ => Ok(None),
    }
}

/// Counts the names in a merged list that do not fit, and logs each once.
pub(super) fn report(cx: &mut GatewayContext<'_>, fanout: &Fanout) -> Vec<Effect> {
    let mut effects = Vec::new();
    let Some(rule) = rule(cx).filter(|rule| !rule.shortens) else {
        return effects;
    };
    let mut unfit = 0_u64;
    for (id, list) in fanout.tool_lists() {
        for entry in list.entries() {
            if entry.is_shadowed || rule.fits(&entry.name) {
                continue;
            }
            unfit = unfit.saturating_add(1);
            if cx
                .worker
                .unfit_names
                .is_new(ListKind::Tools, &entry.name, id)
            {
                effects.push(Effect::Log(log::Level::Warn, line(cx, id, &entry.name)));
            }
        }
    }
    if unfit > 0 {
        effects.push(Effect::Count(cx.config.metrics.unfit_names, unfit));
    }
    effects
}

/// A line for the log, with the start of a long name.
fn line(cx: &GatewayContext<'_>, server: ServerId, name: &str) -> String {
    const LONGEST_NAME: usize = 256;
    let server = cx.gateway.server(server).map_or("?", |it| &it.name);
    let name: String = name.chars().take(LONGEST_NAME).collect();
    format!(
        "the name {name:?} of a tool of server {server} does not fit names.maxLength and names.charset: some models refuse it"
    )
}
