//! Finds the server that gets a request, by the tool, prompt or resource that the request names.

use crate::config::{Server, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::routing::names;
use crate::gateway::routing::target::{Target, Untargeted};
use crate::mcp::list::{ListKind, Naming};
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::continuation::Continuation;
use crate::stream::gateway::fanout::suspend;
use crate::stream::gateway::pins::route_if_pinned;
use crate::stream::gateway::route::{NamedTarget, route_to_server};
use crate::stream::gateway::{tasks, tool_search};
use crate::stream::phase::Transition;

/// A search for a name in the lists of several servers.
pub(super) struct NameLookup {
    /// The kind of list to read.
    kind: ListKind,
    /// The servers whose prefix is the start of the name.
    servers: Vec<ServerId>,
    /// The kinds of list to read next, one after the other, if the name is not in the lists of
    /// `kind`.
    otherwise: &'static [ListKind],
    /// The server that gets the request if no list has the name.
    unlisted: Option<ServerId>,
}

/// Routes a request to the server that has what the request names, or to one of the gateway's own
/// tools.
///
/// # Errors
/// No server has it.
pub(super) fn find_server(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    match tool_search::called(cx, request.message) {
        Some(_) => tool_search::start(cx, &request),
        None => look_up(cx, request),
    }
}

/// Routes a request to the server that has what the request names. If the name starts with the
/// prefixes of several servers, the gateway reads their lists first.
///
/// # Errors
/// No server has it.
pub(super) fn look_up(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    let Some(target) = target_of(&request)? else {
        // The method is about nothing that servers list. If there is one server, it gets the
        // request. If there are several, the server of the task that the request is about gets it.
        let server = match cx.gateway.single_server() {
            Some(server) => server,
            None => tasks::server_of(cx, &request)?,
        };
        tasks::check(cx, &request, server)?;
        return route_to_server(cx, request, server, None);
    };
    let servers = &cx.gateway.servers;
    let owners = names::possible_owners(servers, target.kind, &target.name);
    match owners.as_slice() {
        [] => Err(unknown_name(&target)),
        [server] if names::has_longest_prefix(servers, server, target.kind, &target.name) => {
            let named = NamedTarget::of(server, &target)?;
            route_if_pinned(cx, request, server, &named)
        }
        _ => NameLookup::new(target.kind, &owners).start(cx, &request),
    }
}

impl NameLookup {
    /// A search for a name of this kind in the lists of its possible `owners`.
    fn new(kind: ListKind, owners: &[&Server]) -> Self {
        let unlisted = match kind.naming() {
            Naming::Prefixed => None,
            // A server may have resources and skills that it does not list.
            Naming::Uri | Naming::UriTemplate => names::longest_prefix_owner(owners, kind),
        };
        Self {
            kind,
            servers: owners.iter().map(|server| server.id).collect(),
            otherwise: kind.otherwise(),
            unlisted: unlisted.map(|server| server.id),
        }
    }

    /// Reads the lists.
    fn start(
        self,
        cx: &mut GatewayContext<'_>,
        request: &IncomingMessage<'_>,
    ) -> Result<Transition, Refusal> {
        let servers = self.servers.clone();
        let operation = Operation::List(self.kind);
        suspend(cx, request, operation, &servers, |request| {
            Continuation::FindServer(request, self)
        })
    }

    /// The lists are complete: the request goes to the server that has the name.
    ///
    /// # Errors
    /// No server has it, or a server that may have it failed.
    pub(super) fn finish(
        self,
        cx: &mut GatewayContext<'_>,
        lists: &Fanout,
        request: IncomingMessage<'_>,
    ) -> Result<Transition, Refusal> {
        let target = target_of(&request)?.ok_or(Refusal::NameMissing("name"))?;
        let unlisted = self.unlisted.and_then(|id| cx.gateway.server(id));
        let listed = lists.owner(self.kind, &target.name, cx.gateway, unlisted)?;
        let listed = listed.and_then(|id| cx.gateway.server(id));
        let server = match (listed, self.otherwise) {
            // If no server has the extension for skills, the gateway asks no server for them.
            (None, [kind, rest @ ..]) if !kind.is_extension() || lists.has(*kind) => {
                let next = Self {
                    kind: *kind,
                    otherwise: rest,
                    ..self
                };
                return next.start(cx, &request);
            }
            (server, _) => server.or(unlisted),
        };
        let server = server.ok_or_else(|| unknown_name(&target))?;
        let target = NamedTarget::of(server, &target)?;
        route_if_pinned(cx, request, server, &target)
    }
}

/// The tool, prompt or resource that the request names; `None` where its method names nothing that
/// servers list.
///
/// # Errors
/// The name is missing.
pub(super) fn target_of<'a>(request: &IncomingMessage<'a>) -> Result<Option<Target<'a>>, Refusal> {
    match Target::of(request.message) {
        Ok(target) => Ok(Some(target)),
        Err(Untargeted::Member(member)) => Err(Refusal::NameMissing(member)),
        Err(Untargeted::Method) => Ok(None),
    }
}

/// The refusal of a method that no server can answer.
pub(super) fn unknown_method(request: &IncomingMessage<'_>) -> Refusal {
    request.client.unknown_method(request.message.method())
}

/// The refusal of a name that no server has.
pub(super) fn unknown_name(target: &Target<'_>) -> Refusal {
    // For clients, what a template stands for is a resource.
    let kind = match target.kind {
        ListKind::Templates => ListKind::Resources,
        kind => kind,
    };
    Refusal::UnknownName(kind, target.name.clone().into_owned())
}
