//! A legacy client's session: how it begins, who it is with, how it ends (MCP
//! 2025-11-25, "Session management"). All of it is in the id that the client
//! keeps; nothing is kept here.

use std::borrow::Cow;
use std::rc::Rc;

use crate::config::{Gateway, Identity, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::{CallerIdentity, Operation, Requester};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::session::{self, Session};
use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::worker::Worker;
use crate::http::{Headers, Reply};
use crate::mcp::{self, version};
use crate::policy::attributes::Attributes;
use crate::policy::{Refusal, Status};
use crate::stream::gateway::fanout::Continuation;
use crate::stream::outcome::count;
use crate::stream::request::IncomingMessage;
use crate::stream::{Effect, Stream};

/// Who sent a request, as far as the gateway has to know.
#[derive(Debug, Clone)]
pub(in crate::stream) enum Client {
    /// A modern one: the request says it all.
    Modern,
    /// A legacy one, in this session.
    Legacy(Rc<Session>),
}

impl Stream {
    /// Who asks the servers at these `places`, by the client's request.
    pub(in crate::stream) fn requester(
        &self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        places: &[ServerId],
    ) -> Result<Requester, Refusal> {
        let carried = CallerHeaders::of(request.headers, gateway, places)?;
        Ok(match request.client {
            Client::Modern => {
                let meta = request.message.params().map(|params| &params.meta);
                Requester {
                    caller: ClientContext::of(
                        meta.unwrap_or(&mcp::message::Meta::default()),
                        carried,
                    )?,
                    parts: Vec::new(),
                    who: who(gateway, request.headers, request.known.identity.as_deref()),
                }
            }
            Client::Legacy(session) => in_session(session, carried),
        })
    }

    /// The session that a request is in.
    ///
    /// # Errors
    /// It names none, or one that is not this client's, not of this gateway's,
    /// or over.
    pub(in crate::stream) fn session(
        &self,
        gateway: &Gateway,
        headers: &Headers,
        metadata: Option<&str>,
        worker: &Worker,
    ) -> Result<Rc<Session>, Refusal> {
        let identity = identity(gateway, headers, metadata)?;
        let mut ids = headers.all(mcp::SESSION_HEADER);
        let id = match (ids.next(), ids.next()) {
            (None, _) => return Err(Refusal::SessionMissing),
            (Some(id), None) => std::str::from_utf8(id).ok(),
            (Some(_), Some(_)) => None,
        };
        let path = headers.get(":path").unwrap_or_default();
        let session = id
            .and_then(|id| {
                let sealing = worker.sealing.as_ref()?;
                sealing.open(id, path, identity.as_deref(), worker.now())
            })
            .ok_or(Refusal::SessionUnknown)?;
        // Without the header it is the version that had none; a client that has
        // negotiated another knows what it has.
        let claimed = headers.all(mcp::PROTOCOL_VERSION_HEADER);
        for claimed in claimed {
            let claimed = String::from_utf8_lossy(claimed);
            if version::legacy(claimed.trim()).is_none() {
                return Err(Refusal::SessionVersion(
                    claimed.into_owned(),
                    session.version,
                ));
            }
        }
        Ok(Rc::new(session))
    }

    /// `initialize`: the servers are asked what they can do.
    pub(in crate::stream) fn initialize(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: &Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let IncomingMessage {
            message,
            headers,
            known,
            ..
        } = *request;
        let identity = identity(gateway, headers, known.identity.as_deref())?;
        let nothing = mcp::message::Params::default();
        let params = message.params().unwrap_or(&nothing);
        let places = gateway.server_ids();
        let carried = CallerHeaders::of(headers, gateway, &places)?;
        let requester = Requester {
            caller: ClientContext::of_initialize(params, carried)?,
            parts: Vec::new(),
            who: CallerIdentity::Anyone,
        };
        let mut effects = self.noted(attributes)?;
        let continuation = Continuation::Begin(Initialization {
            id: message.id().unwrap_or("null").to_owned(),
            path: headers.get(":path").unwrap_or_default().to_vec(),
            identity,
        });
        effects.extend(self.ask(
            Operation::Discover,
            &places,
            requester,
            continuation,
            worker,
        ));
        Ok(effects)
    }

    /// The servers have said what they can do: the session begins.
    pub(in crate::stream) fn begun(
        &mut self,
        gateway: &Gateway,
        greeted: Fanout,
        beginning: &Initialization,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        if let Some(refusal) = greeted.refused(gateway) {
            greeted.given_up(gateway, worker);
            return self.refuse(&refusal, Some(&beginning.id));
        }
        let parts = greeted.parts(gateway);
        let version = greeted.version(&parts);
        let caller = greeted.caller().clone();
        let nonce = worker.random();
        let session = Session {
            id: session::id(&nonce),
            version,
            capabilities: caller.capabilities,
            info: caller.info,
            parts,
        };
        let id = worker.sealing.as_ref().and_then(|sealing| {
            let identity = beginning.identity.as_deref();
            sealing.seal(&session, nonce, &beginning.path, identity, worker.now())
        });
        let Some(id) = id else {
            greeted.given_up(gateway, worker);
            return self.refuse(&Refusal::Internal, Some(&beginning.id));
        };
        let mut effects: Vec<Effect> = Vec::new();
        effects.extend(count(Some(self.config.metrics.sessions_created), 1));
        let body = match greeted.outcome(&beginning.id, gateway, None).response {
            Ok(body) => body,
            Err(refusal) => return self.refuse(&refusal, Some(&beginning.id)),
        };
        let answer = Reply::json(200, body, Status::Ok.as_str());
        effects.extend(self.reply(answer.with(mcp::SESSION_HEADER, id)));
        effects
    }

    /// DELETE: the session is over, on every server.
    pub(in crate::stream) fn end_session(
        &mut self,
        gateway: &Gateway,
        headers: &Headers,
        metadata: Option<&str>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let session = self.session(gateway, headers, metadata, worker)?;
        let places = gateway.server_ids();
        let carried = CallerHeaders::of(headers, gateway, &places)?;
        let requester = in_session(&session, carried);
        Ok(self.ask(
            Operation::End,
            &places,
            requester,
            Continuation::Ended,
            worker,
        ))
    }

    /// Tells a notification to the legacy servers of the session: to the one at
    /// this place, or to all.
    ///
    /// # Errors
    /// What one of them must get of the headers is not there.
    pub(in crate::stream) fn tell(
        &self,
        gateway: &Gateway,
        session: &Session,
        to: Option<ServerId>,
        message: &[u8],
        headers: &Headers,
        worker: &mut Worker,
    ) -> Result<(), Refusal> {
        let servers = gateway.servers.iter();
        let told: Vec<_> = servers
            .filter(|server| to.is_none_or(|to| to == server.id))
            .filter_map(|server| Some((server, session.part(server.id)?.link()?)))
            .collect();
        let places: Vec<ServerId> = told.iter().map(|(server, _)| server.id).collect();
        let carried = CallerHeaders::of(headers, gateway, &places)?;
        for (server, link) in told {
            let call = Call::tell(server, &link, message.to_vec(), &carried);
            worker.outbox.push(call);
        }
        Ok(())
    }
}

/// The client whose `session` it is asks.
fn in_session(session: &Session, carried: CallerHeaders) -> Requester {
    Requester {
        caller: session.client_context(carried),
        parts: session.parts.clone(),
        who: CallerIdentity::Anyone,
    }
}

/// What is left to do of `initialize` when the servers have answered.
#[derive(Debug)]
pub(in crate::stream) struct Initialization {
    /// The JSON text of the request's id.
    pub(in crate::stream) id: String,
    path: Vec<u8>,
    identity: Option<String>,
}

/// What tells callers apart, where that is configured.
///
/// # Errors
/// The request does not say who sent it, or says it twice.
fn identity<'h>(
    gateway: &Gateway,
    headers: &'h Headers,
    metadata: Option<&'h str>,
) -> Result<Option<String>, Refusal> {
    match who(gateway, headers, metadata) {
        CallerIdentity::Anyone => Ok(None),
        CallerIdentity::Known(identity) => Ok(Some(identity)),
        CallerIdentity::Nobody => Err(Refusal::Identity),
    }
}

fn who(gateway: &Gateway, headers: &Headers, metadata: Option<&str>) -> CallerIdentity {
    let said: Option<Cow<'_, str>> = match &gateway.sessions.identity {
        None => return CallerIdentity::Anyone,
        Some(Identity::Metadata { .. }) => metadata.map(Cow::Borrowed),
        Some(Identity::Header(name)) => {
            let mut values = headers.all(name);
            match (values.next(), values.next()) {
                (Some(value), None) => std::str::from_utf8(value).ok().map(Cow::Borrowed),
                _ => None,
            }
        }
    };
    // Envoy does not say of metadata which type it has: what is no text, or
    // several, has bytes that are none.
    let is_name = |said: &Cow<'_, str>| !said.trim().is_empty() && !said.contains(char::is_control);
    match said.filter(is_name) {
        Some(said) => CallerIdentity::Known(said.into_owned()),
        None => CallerIdentity::Nobody,
    }
}

/// What a client is told when its session is over.
pub(in crate::stream) fn ended() -> Reply {
    Reply::empty(200, Status::Ok.as_str())
}
