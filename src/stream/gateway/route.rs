//! Routes a request to a known server: finds out the protocol version and opens the session if
//! needed.

use std::borrow::Cow;
use std::rc::Rc;

use crate::config::{Server, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::routing::names;
use crate::gateway::routing::target::Target;
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::Worker;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::era::Era;
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::gateway::continuation::Continuation;
use crate::stream::gateway::fanout::suspend;
use crate::stream::gateway::forward::forward_request;
use crate::stream::gateway::lookup::{target_of, unknown_method};
use crate::stream::gateway::{Client, IncomingMessage};
use crate::stream::phase::Transition;

/// The server of a request, and the protocol to use.
pub(super) struct Destination<'s> {
    pub(super) server: &'s Server,
    pub(super) protocol: UpstreamProtocol,
    /// The gateway's own session. The gateway gives it back when the request is over.
    pub(super) lease: Option<SessionLease>,
}

/// The tool, prompt or resource that a request names.
pub(super) struct NamedTarget<'a> {
    /// With the client's name for it.
    pub(super) target: &'a Target<'a>,
    /// The server's own name for it.
    pub(super) upstream_name: Cow<'a, str>,
}

impl<'a> NamedTarget<'a> {
    /// The target with the name that `server` uses for it.
    ///
    /// # Errors
    /// The server has no such name: it is not one of the possible owners.
    pub(super) fn of(server: &'a Server, target: &'a Target<'a>) -> Result<Self, Refusal> {
        let upstream_name = names::upstream_name(server, target.kind, &target.name);
        Ok(Self {
            target,
            upstream_name: upstream_name.ok_or(Refusal::Internal)?,
        })
    }
}

/// Routes a request to `server`. If the gateway does not know the protocol version of the server,
/// or needs a session, it calls the server first.
///
/// # Errors
/// The request cannot go to this server.
pub(super) fn route_to_server(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
    server: &Server,
    target: Option<&NamedTarget<'_>>,
) -> Result<Transition, Refusal> {
    let era = cx.worker.servers.era(server);
    let protocol = match &request.client {
        Client::Legacy(session) => session_protocol(cx.worker, session, server),
        Client::Modern if era == Some(Era::Modern) => {
            let preferred = request.attributes.protocol_version.as_deref();
            let version = cx.worker.servers.modern_version(&server.name, preferred);
            version.map(UpstreamProtocol::Modern)
        }
        Client::Modern => None,
    };
    if let Some(protocol) = protocol {
        let destination = Destination {
            server,
            protocol,
            lease: None,
        };
        return forward_request(cx, request, destination, target);
    }
    let is_modern_client = matches!(request.client, Client::Modern);
    if is_modern_client && era == Some(Era::Legacy) && target.is_none() {
        return Err(unknown_method(&request));
    }
    suspend(cx, &request, Operation::Open, &[server.id], |request| {
        Continuation::RouteTo(request, server.id)
    })
}

/// The protocol of the server in a legacy client's session. `None` where the server has to join the
/// session first, or where the gateway must ask a modern server for its versions.
fn session_protocol(
    worker: &Worker,
    session: &Session,
    server: &Server,
) -> Option<UpstreamProtocol> {
    let part = session.part(server.id)?;
    if let SessionPart::Modern { .. } = part {
        let version = worker.servers.modern_version(&server.name, None);
        return version.map(UpstreamProtocol::Modern);
    }
    Some(UpstreamProtocol::Legacy(Some(Rc::new(part.link()?))))
}

/// Continues after the calls to the server: its protocol version is known, and the gateway has a
/// session if it needs one.
///
/// # Errors
/// The server failed, or cannot answer this request.
pub(super) fn route_to_opened(
    cx: &mut GatewayContext<'_>,
    fanout: &Fanout,
    request: IncomingMessage<'_>,
    server: ServerId,
) -> Result<Transition, Refusal> {
    let server = cx.gateway.server(server).ok_or(Refusal::Internal)?;
    let opened = fanout.opened(cx.gateway);
    let (protocol, lease) = opened.map_err(|failure| failure.refusal(&server.name))?;
    let destination = Destination {
        server,
        protocol,
        lease: lease.clone(),
    };
    let routed = forward_to_opened(cx, request, destination);
    if let (Err(_), Some(lease)) = (&routed, lease) {
        cx.worker.release(&lease, cx.gateway);
    }
    routed
}

fn forward_to_opened(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
    destination: Destination<'_>,
) -> Result<Transition, Refusal> {
    let target = target_of(&request)?;
    // For a modern client and a legacy server, the gateway can translate only methods that name
    // something. It refuses the others here with 404; a legacy server would answer with 200.
    if target.is_none()
        && matches!(request.client, Client::Modern)
        && matches!(destination.protocol, UpstreamProtocol::Legacy(_))
    {
        return Err(unknown_method(&request));
    }
    let target = target.as_ref();
    let target = target.map(|target| NamedTarget::of(destination.server, target));
    let target = target.transpose()?;
    forward_request(cx, request, destination, target.as_ref())
}
