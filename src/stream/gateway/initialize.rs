//! `initialize`: how the session of a legacy client begins (MCP 2025-11-25,
//! "Lifecycle").

use crate::config::{Gateway, LONGEST_SESSION_ID, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::{CallerIdentity, Operation, Requester};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::session::sealed::SealError;
use crate::gateway::session::{self, Session};
use crate::gateway::upstream::client_context::ClientContext;
use crate::http::Reply;
use crate::mcp;
use crate::mcp::message::Params;
use crate::policy::Refusal;
use crate::policy::Status;
use crate::stream::context::GatewayContext;
use crate::stream::effects::count_and_export;
use crate::stream::event::Effect;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::continuation::Continuation;
use crate::stream::gateway::fanout::start_fanout;
use crate::stream::gateway::session::required_identity;
use crate::stream::phase::Transition;

/// An `initialize` request that waits for the servers' answers.
pub(super) struct Initialization {
    /// The JSON text of the request's id.
    id: String,
    /// The name or path of the endpoint, which the session is bound to.
    endpoint: Vec<u8>,
    /// The identity of the caller, which the session is bound to.
    identity: Option<String>,
}

impl Initialization {
    /// Asks all servers for their capabilities.
    ///
    /// # Errors
    /// The request lacks an identity, or a header that a server must get.
    pub(super) fn start(
        cx: &mut GatewayContext<'_>,
        request: &IncomingMessage<'_>,
        id: &str,
        params: &Params<'_>,
    ) -> Result<Transition, Refusal> {
        let headers = request.headers;
        let identity = required_identity(cx.gateway, headers, request.facts)?;
        let servers = cx.gateway.server_ids();
        let carried = CallerHeaders::of(headers, cx.gateway, &servers)?;
        let requester = Requester {
            caller: ClientContext::of_initialize(params, carried)?,
            session: None,
            who: CallerIdentity::Anyone,
        };
        let effects = count_and_export(cx.config, &request.attributes)?;
        let path = headers.get(":path").unwrap_or_default();
        let continuation = Continuation::StartSession(Self {
            id: id.to_owned(),
            endpoint: cx.gateway.binding(path).to_vec(),
            identity,
        });
        let fanout = start_fanout(cx, Operation::Discover, &servers, requester, continuation);
        Ok(fanout.after(effects))
    }

    /// About how many bytes of memory it takes up.
    pub(super) fn size(&self) -> usize {
        let identity = self.identity.as_ref().map_or(0, String::len);
        let id = self.id.len().saturating_add(self.endpoint.len());
        id.saturating_add(identity)
    }

    /// The servers have answered, so the client gets its session.
    pub(super) fn finish(self, cx: &mut GatewayContext<'_>, greeted: Fanout) -> Transition {
        let refuse = |refusal: &Refusal| Transition::refuse(cx.config, refusal, Some(&self.id));
        if let Some(refusal) = greeted.refused(cx.gateway) {
            greeted.given_up(cx.gateway, cx.worker);
            return refuse(&refusal);
        }
        let session = match self.seal_session(cx, &greeted) {
            Ok(session) => session,
            Err(error) => {
                greeted.given_up(cx.gateway, cx.worker);
                return refuse_session(cx, error, &self.id);
            }
        };
        match greeted.outcome(&self.id, cx.gateway, None).response {
            Ok(body) => {
                let reply = Reply::json(200, body, Status::Ok.as_str());
                let reply = reply.with(mcp::SESSION_HEADER, session);
                let created = Effect::Count(cx.config.metrics.sessions_created, 1);
                Transition::reply(reply).after(vec![created])
            }
            Err(refusal) => refuse(&refusal),
        }
    }

    /// The `Mcp-Session-Id` of the new session.
    fn seal_session(&self, cx: &GatewayContext<'_>, greeted: &Fanout) -> Result<String, SealError> {
        let parts = greeted.parts(cx.gateway);
        let caller = greeted.caller();
        let nonce = cx.worker.random();
        let session = Session {
            id: session::id(&nonce),
            version: greeted.version(&parts),
            capabilities: caller.capabilities.json.clone(),
            info: caller.info.clone(),
            parts,
            joined: Vec::new(),
        };
        let identity = self.identity.as_deref();
        let sealing = cx.worker.sealing.as_ref().ok_or(SealError::Invalid)?;
        sealing.seal(&session, nonce, &self.endpoint, identity, cx.worker.now())
    }
}

/// Refuses an `initialize` with this `id`, since its session cannot be sealed. The log says so only
/// once, because every client gets the same answer.
fn refuse_session(cx: &mut GatewayContext<'_>, error: SealError, id: &str) -> Transition {
    let SealError::TooLong { server, length } = error else {
        return Transition::refuse(cx.config, &Refusal::Internal, Some(id));
    };
    let sentence = too_long(cx.gateway, server, length);
    let mut effects = Vec::new();
    if !std::mem::replace(&mut cx.worker.is_long_session_logged, true) {
        let line = format!("initialize is refused: {sentence}");
        effects.push(Effect::Log(log::Level::Warn, line));
    }
    let refusal = Refusal::Servers(vec![sentence]);
    Transition::refuse(cx.config, &refusal, Some(id)).after(effects)
}

/// Explains why a session is too long, and what the operator can do. `server` gave the longest
/// session id, which has this `length` in bytes.
fn too_long(gateway: &Gateway, server: Option<ServerId>, length: usize) -> String {
    let longest = LONGEST_SESSION_ID;
    let Some(server) = server.and_then(|id| gateway.server(id)) else {
        return format!(
            "the session has more than {longest} bytes: configure fewer servers for this endpoint"
        );
    };
    let name = &server.name;
    if gateway.sessions.keys.is_some() {
        format!(
            "server {name} gave a session id of {length} bytes: with session.keys a session id of the gateway holds those of all servers in at most {longest} bytes; let {name} give shorter ones, or remove session.keys if one Envoy serves all clients"
        )
    } else {
        format!(
            "server {name} gave a session id of {length} bytes: the session ids of all servers are too long to be kept; let {name} give shorter ones"
        )
    }
}
