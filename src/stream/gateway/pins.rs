//! Checks that called tools have their pinned definitions.

use crate::config::{PinPolicy, Server, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::upstream::tool_pins::PinVerdict;
use crate::mcp::list::ListKind;
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::event::Effect;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::continuation::{Continuation, SuspendedRequest};
use crate::stream::gateway::fanout::start_fanout;
use crate::stream::gateway::lookup::{target_of, unknown_name};
use crate::stream::gateway::route::{NamedTarget, route_to_server};
use crate::stream::gateway::session::requester_for;
use crate::stream::phase::Transition;

/// Routes a request to `server`, if the pins of the server allow it. If the worker has no recent
/// list of the server, it reads the list first.
///
/// # Errors
/// The tool has changed, or the request cannot go to this server.
pub(super) fn route_if_pinned(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
    server: &Server,
    named: &NamedTarget<'_>,
) -> Result<Transition, Refusal> {
    let pins = server
        .pins
        .as_ref()
        .filter(|pins| named.target.kind == ListKind::Tools && pins.policy != PinPolicy::Warn);
    let Some(pins) = pins else {
        return route_to_server(cx, request, server, Some(named));
    };
    let own = &*named.upstream_name;
    if pins.policy == PinPolicy::Hide && pins.place(own).is_none() {
        return Err(unknown_name(named.target));
    }
    let servers = [server.id];
    let requester = requester_for(cx, &request, &servers)?;
    let key = requester.pinned_list_key(server, cx.worker);
    if let Some(verdict) = cx.worker.pins.verdict(&key, pins, own, cx.worker.now()) {
        check(verdict, pins.policy, named)?;
        return route_to_server(cx, request, server, Some(named));
    }
    let continuation = Continuation::CheckPins(SuspendedRequest::of(&request), server.id);
    let operation = Operation::List(ListKind::Tools);
    Ok(start_fanout(
        cx,
        operation,
        &servers,
        requester,
        continuation,
    ))
}

/// Continues after the list of `server` was read: routes the request, if the pins of the server
/// allow it.
///
/// # Errors
/// The list failed, or the tool has changed, or the request cannot go to this server.
pub(super) fn route_to_listed(
    cx: &mut GatewayContext<'_>,
    list: &Fanout,
    request: IncomingMessage<'_>,
    server: ServerId,
) -> Result<Transition, Refusal> {
    if let Some(refusal) = list.refused(cx.gateway) {
        return Err(refusal);
    }
    let target = target_of(&request)?.ok_or(Refusal::NameMissing("name"))?;
    let mut lists = list.checked_pins(cx.gateway).into_iter();
    let checked = lists.find(|it| it.server.id == server);
    // Without a list the gateway cannot check the tool.
    let checked = checked.ok_or(Refusal::Internal)?;
    let named = NamedTarget::of(checked.server, &target)?;
    let verdict = checked.verdicts.verdict(checked.pins, &named.upstream_name);
    check(verdict, checked.pins.policy, &named)?;
    route_to_server(cx, request, checked.server, Some(&named))
}

fn check(verdict: PinVerdict, policy: PinPolicy, named: &NamedTarget<'_>) -> Result<(), Refusal> {
    match (verdict, policy) {
        (PinVerdict::AsPinned, _) | (_, PinPolicy::Warn) => Ok(()),
        (PinVerdict::Changed, PinPolicy::Deny) => Err(Refusal::ToolChanged),
        _ => Err(unknown_name(named.target)),
    }
}

/// Compares the lists that `fanout` has read with the pins, and remembers the results. Counts the
/// tools that have changed, and logs each one once.
pub(super) fn report(cx: &mut GatewayContext<'_>, fanout: &Fanout) -> Vec<Effect> {
    let mut effects = Vec::new();
    for list in fanout.checked_pins(cx.gateway) {
        let (server, pins) = (list.server, list.pins);
        let key = fanout.pinned_list_key(server, cx.worker);
        let now = cx.worker.now();
        cx.worker.pins.remember(key, list.verdicts, now);
        let consequence = match pins.policy {
            PinPolicy::Warn => "but lists show it and calls go to the server",
            PinPolicy::Hide => "so it is hidden",
            PinPolicy::Deny => "so calls of it are refused",
        };
        for own in list.news.changed {
            if cx.worker.is_pin_news(pins, "changed", own) {
                effects.push(Effect::Count(cx.config.metrics.pins_changed, 1));
                let why = match pins.place(own) {
                    Some(_) => "has a different definition than the pinned one",
                    None => "has no pin",
                };
                effects.push(warning(server, own, &format!("{why}, {consequence}")));
            }
        }
        for own in list.news.unlisted {
            if cx.worker.is_pin_news(pins, "unlisted", own) {
                effects.push(warning(
                    server,
                    own,
                    "has a pin, but the server does not list it",
                ));
            }
        }
    }
    effects
}

/// A line for the log. The server chose the name and may put anything in it.
fn warning(server: &Server, own: &str, what: &str) -> Effect {
    const LONGEST_NAME: usize = 128;
    let name: String = own.chars().take(LONGEST_NAME).collect();
    let line = format!("server {}: the tool {name:?} {what}", server.name);
    Effect::Log(log::Level::Warn, line)
}
