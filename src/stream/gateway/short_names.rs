//! Names of tools that some clients and models refuse (`names`): the gateway reports or shortens
//! them. A call with a shortened name gets the full name before the gateway makes any decision
//! about it, and before any later filter sees it.

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

/// The configured rule for names; `None` where there is none.
fn rule<'c>(cx: &GatewayContext<'c>) -> Option<&'c NameRule> {
    let mut servers = cx.gateway.servers.iter();
    servers.find_map(|server| server.names.as_deref())
}

/// If `request` calls a tool by a name that may be a shortened one, asks the servers that may have
/// the tool for their lists. `None` for any other name, and where the client may not send such a
/// request.
///
/// # Errors
/// The request lacks a header or an identity that a server must get.
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
    // A client without a session or an identity gets the error for that later.
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

/// The text of the request with the full name of its tool, after the lists were read. `None` where
/// the request has the full name already, or where no list has the tool.
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

/// Counts the names in a merged list that are too long or have refused characters, and logs each
/// one once.
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

/// A line for the log. A long name is cut.
fn line(cx: &GatewayContext<'_>, server: ServerId, name: &str) -> String {
    const LONGEST_NAME: usize = 256;
    let server = cx.gateway.server(server).map_or("?", |it| &it.name);
    let name: String = name.chars().take(LONGEST_NAME).collect();
    format!(
        "the name {name:?} of a tool of server {server} does not fit names.maxLength and names.charset, and some models refuse it: use a shorter toolPrefix, or set names.action to SHORTEN"
    )
}
