//! Which server a request is for, by what it names.

use crate::config::ServerId;
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::routing::names;
use crate::gateway::routing::target::{Target, Untargeted};
use crate::mcp::list::ListKind;
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::continuation::{Continuation, SuspendedRequest};
use crate::stream::gateway::fanout::start_fanout;
use crate::stream::gateway::route::{NamedTarget, route_to_server};
use crate::stream::gateway::session::requester_for;
use crate::stream::phase::Transition;

/// A search for a name in the lists of several servers.
pub(super) struct NameLookup {
    /// The lists to read.
    kind: ListKind,
    /// The servers whose prefix the name has.
    servers: Vec<ServerId>,
    /// The lists to read if the name is not in these.
    otherwise: Option<ListKind>,
}

/// Routes a request to the server of what it names. If several servers share the
/// prefix of the name, their lists are read first.
///
/// # Errors
/// No server has it.
pub(super) fn find_server(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    let Some(target) = target_of(&request)? else {
        // The method is about nothing that servers list. A single server may know
        // it.
        let Some(server) = cx.gateway.single_server() else {
            return Err(unknown_method(&request));
        };
        return route_to_server(cx, request, server, None);
    };
    let (owners, upstream_name) =
        names::possible_owners(&cx.gateway.servers, target.kind, &target.name);
    match owners.as_slice() {
        [] => Err(unknown_name(&target)),
        [server] => {
            let target = NamedTarget {
                target: &target,
                upstream_name,
            };
            route_to_server(cx, request, server, Some(target))
        }
        _ => {
            // Clients read and complete both resources and what templates stand for.
            let (kind, otherwise) = match target.kind {
                ListKind::Resources => (ListKind::Resources, Some(ListKind::Templates)),
                ListKind::Templates => (ListKind::Templates, Some(ListKind::Resources)),
                kind => (kind, None),
            };
            let lookup = NameLookup {
                kind,
                servers: owners.iter().map(|server| server.id).collect(),
                otherwise,
            };
            lookup.start(cx, &request)
        }
    }
}

impl NameLookup {
    /// Reads the lists.
    fn start(
        self,
        cx: &mut GatewayContext<'_>,
        request: &IncomingMessage<'_>,
    ) -> Result<Transition, Refusal> {
        let servers = self.servers.clone();
        let requester = requester_for(cx, request, &servers)?;
        let operation = Operation::List(self.kind);
        let continuation = Continuation::FindServer(SuspendedRequest::of(request), self);
        Ok(start_fanout(
            cx,
            operation,
            &servers,
            requester,
            continuation,
        ))
    }

    /// The lists are read: the request goes to the server that has the name.
    ///
    /// # Errors
    /// No server has it, or one that may have it failed.
    pub(super) fn finish(
        self,
        cx: &mut GatewayContext<'_>,
        lists: &Fanout,
        request: IncomingMessage<'_>,
    ) -> Result<Transition, Refusal> {
        let target = target_of(&request)?.ok_or(Refusal::NameMissing("name"))?;
        let Some(owner) = lists.owner(self.kind, &target.name, cx.gateway)? else {
            let next = Self {
                kind: self.otherwise.ok_or_else(|| unknown_name(&target))?,
                otherwise: None,
                servers: self.servers,
            };
            return next.start(cx, &request);
        };
        let server = cx.gateway.server(owner).ok_or(Refusal::Internal)?;
        let target = NamedTarget::of(cx.gateway, &target);
        route_to_server(cx, request, server, Some(target))
    }
}

/// What the request names; `None` where its method names nothing that servers list.
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

/// The error for a method that no server can answer.
pub(super) fn unknown_method(request: &IncomingMessage<'_>) -> Refusal {
    request.client.unknown_method(request.message.method())
}

fn unknown_name(target: &Target<'_>) -> Refusal {
    // To clients, what a template stands for is a resource.
    let kind = match target.kind {
        ListKind::Templates => ListKind::Resources,
        kind => kind,
    };
    Refusal::UnknownName(kind, target.name.clone().into_owned())
}
