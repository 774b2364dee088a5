//! A request that went to a server, and what comes back: how the messages
//! change on their way between a client and a server of either era.

use std::rc::Rc;

use crate::config::{Config, Gateway, Server, ServerId};
use crate::gateway::routing::forwarding;
use crate::gateway::session::alias::{self, AliasKind};
use crate::gateway::translate::filtered_list::FilteredList;
use crate::gateway::translate::ids;
use crate::gateway::translate::pooled_request::PooledRequest;
use crate::gateway::translate::request::{self, ModernMeta};
use crate::gateway::translate::result::{self, Unbridgeable};
use crate::gateway::translate::server_message::{
    self, MessageKind, ResultShape, ServerMessage, UnreadableMessage,
};
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::json::edit::Edit;
use crate::mcp::list::ListKind;
use crate::mcp::{Message, json, method};
use crate::policy::authorization::Principal;
use crate::seal::Keys;

/// What becomes of a request's messages.
#[derive(Debug)]
pub struct Translation {
    /// The JSON text of the request's id, as the client knows it.
    pub id: String,
    asked: ResultShape,
    /// What the server's URIs start with for clients; empty for nothing.
    uri_prefix: String,
    /// The server got credentials of the caller's.
    pub has_credentials: bool,
    between: EraPair,
}

#[derive(Debug)]
enum EraPair {
    /// A modern client and a modern server.
    Modern,
    /// A legacy client and a legacy server.
    Legacy(SessionAliases),
    /// A legacy client and a modern server.
    ToModern,
    /// A modern client and a legacy server.
    ToLegacy(Box<PooledRequest>),
    /// Any client and any server, in policy mode: lists are cut.
    Listed(FilteredList),
}

/// What names of a server's are made others with, in a client's session.
#[derive(Debug)]
pub struct SessionAliases {
    /// What they are tagged with.
    pub keys: Keys,
    /// The session.
    pub session: [u8; 16],
    /// The server.
    pub server: ServerId,
    /// The server's name.
    pub server_name: String,
    /// Whether the server has given its part of the session an id.
    pub has_session: bool,
    /// What was sent.
    pub sent: Sent,
}

/// What a legacy client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// A request, whose answer ends the exchange.
    Request,
    /// The answer to a server's request, which has none.
    Response,
    /// A GET: nothing that has an answer.
    Nothing,
}

/// What becomes of a message of the server's.
#[derive(Debug, PartialEq, Eq)]
pub enum Translated {
    /// It goes on.
    On {
        /// The message, where it is changed.
        text: Option<Vec<u8>>,
        /// It is the answer to the request.
        answers: bool,
        /// It is a JSON-RPC error.
        is_error: bool,
    },
    /// It is not for the client; the server is told this of it.
    Kept(Option<Vec<u8>>),
    /// It cannot be said in the version of the client.
    NotInVersion,
}

impl Translation {
    /// Of a modern client and a modern server.
    pub fn modern(server: &Server, message: &Message<'_>) -> Self {
        Self::new(server, message, EraPair::Modern)
    }

    /// Of a legacy client and a legacy server.
    pub fn legacy(server: &Server, message: Option<&Message<'_>>, names: SessionAliases) -> Self {
        let between = EraPair::Legacy(names);
        match message {
            Some(message) => Self::new(server, message, between),
            None => Self {
                id: "null".to_owned(),
                // What is resumed may have asked anything.
                asked: ResultShape::Unknown,
                uri_prefix: server.uri_prefix.clone(),
                has_credentials: forwarding::passes_credentials(server),
                between,
            },
        }
    }

    /// Of a legacy client, who says `meta`, and a modern server; with the edits
    /// that make the request one for that. `None` where there is no such request.
    pub fn to_modern(
        server: &Server,
        message: &Message<'_>,
        meta: ModernMeta<'_>,
    ) -> Option<(Self, Vec<Edit>)> {
        let name = message.method();
        if method::is_legacy_only(name) || is_task(name) {
            return None;
        }
        let edits = request::to_modern(message, meta)?;
        Some((Self::new(server, message, EraPair::ToModern), edits))
    }

    /// Of a modern client and a legacy server, in a session of the gateway's,
    /// where the request has the string `id`; with the edits that make it one
    /// for that. `None` where `body` is not that of `message`.
    pub fn to_legacy(
        server: &Server,
        message: &Message<'_>,
        id: &str,
        (gateway, held): (&Gateway, Option<SessionLease>),
    ) -> Option<(Self, Vec<Edit>)> {
        let name = message.method();
        let id = json::quoted(id);
        let legacy = request::to_legacy(message, &id, &id)?;
        let meta = message.params().map(|params| &params.meta);
        let bridge = PooledRequest {
            token: legacy
                .progress_token
                .map(|theirs| (id.clone(), theirs.to_owned())),
            id,
            logs: meta.is_some_and(|meta| meta.log_level.is_some()),
            hints: name == method::RESOURCES_READ,
            server_info: gateway.server_info.clone(),
            held,
        };
        let between = EraPair::ToLegacy(Box::new(bridge));
        Some((Self::new(server, message, between), legacy.edits))
    }

    /// Of a list in policy mode, which shows what a caller with these `rights` may
    /// use: `list` is its kind, and the JSON text of the request's id. Without one
    /// it is a stream in which a list may come.
    pub fn listed(config: Rc<Config>, rights: Principal, list: Option<(ListKind, String)>) -> Self {
        let (kind, id) = list.map_or((None, None), |(kind, id)| (Some(kind), Some(id)));
        let listed = FilteredList {
            config,
            rights,
            kind,
        };
        Self {
            id: id.unwrap_or_else(|| "null".to_owned()),
            asked: ResultShape::Other,
            uri_prefix: String::new(),
            has_credentials: false,
            between: EraPair::Listed(listed),
        }
    }

    fn new(server: &Server, message: &Message<'_>, between: EraPair) -> Self {
        Self {
            id: message.id().unwrap_or("null").to_owned(),
            asked: ResultShape::by(message.method()),
            uri_prefix: server.uri_prefix.clone(),
            has_credentials: forwarding::passes_credentials(server),
            between,
        }
    }

    /// Whether an answer of the server's has to be looked into.
    pub fn reads(&self) -> bool {
        !matches!(self.between, EraPair::Modern) || !self.uri_prefix.is_empty()
    }

    /// Whether the answer ends the exchange, and one without is none.
    pub fn wants_answer(&self) -> bool {
        self.sent() == Sent::Request
    }

    /// What was sent.
    pub fn sent(&self) -> Sent {
        match &self.between {
            EraPair::Legacy(names) => names.sent,
            EraPair::Listed(FilteredList { kind: None, .. }) => Sent::Nothing,
            _ => Sent::Request,
        }
    }

    /// Whether the server may have forgotten the session: it says so by 404.
    pub fn has_session(&self) -> bool {
        match &self.between {
            EraPair::Legacy(names) => names.has_session,
            EraPair::ToLegacy(bridge) => bridge.link().is_some_and(|link| link.session.is_some()),
            EraPair::Modern | EraPair::ToModern | EraPair::Listed(_) => false,
        }
    }

    /// What 401 or 403 means from the server.
    pub fn refused(&self, status: u16) -> Failure {
        if self.has_credentials {
            Failure::RefusedCaller(status)
        } else {
            Failure::Refused
        }
    }

    /// Whether the server is none of a gateway's.
    pub fn is_policys(&self) -> bool {
        matches!(self.between, EraPair::Listed(_))
    }

    /// Whether the session, if there is one, is the gateway's own.
    pub fn is_bridged(&self) -> bool {
        matches!(self.between, EraPair::ToLegacy(_))
    }

    /// The HTTP status of a JSON-RPC error that came with `status`. To a legacy
    /// client 404 says that its session is over.
    pub fn status(&self, status: u16) -> u16 {
        match self.between {
            EraPair::ToModern => 200,
            _ => status,
        }
    }

    /// The id that an event of the server's has for the client; without one it
    /// cannot be resumed.
    pub fn event_id(&self, id: &str) -> Option<String> {
        match &self.between {
            EraPair::Modern | EraPair::Listed(_) => Some(id.to_owned()),
            EraPair::Legacy(names) => Some(names.alias(AliasKind::Event, id)),
            EraPair::ToModern | EraPair::ToLegacy(_) => None,
        }
    }

    /// The gateway's own session, which it takes back; what to tell the server
    /// of a request that it has not answered.
    pub fn release(&mut self, answered: bool) -> Option<(SessionLease, Option<Vec<u8>>)> {
        let EraPair::ToLegacy(bridge) = &mut self.between else {
            return None;
        };
        let cancelled = || {
            format!(
                r#"{{"jsonrpc":"2.0","method":"{}","params":{{"requestId":{},"reason":"the client is gone"}}}}"#,
                method::CANCELLED,
                bridge.id
            )
        };
        let told = (!answered).then(|| cancelled().into_bytes());
        bridge.held.take().map(|held| (held, told))
    }

    /// The server knows the gateway's own session no longer: it is not given back.
    pub fn forgotten(&mut self) -> Option<SessionLease> {
        match &mut self.between {
            EraPair::ToLegacy(bridge) => bridge.held.take(),
            _ => None,
        }
    }

    /// The gateway's own session.
    pub fn held(&self) -> Option<&SessionLease> {
        match &self.between {
            EraPair::ToLegacy(bridge) => bridge.held.as_ref(),
            _ => None,
        }
    }

    /// Takes a message of the server's.
    ///
    /// # Errors
    /// It is none that every client reads the same way.
    pub fn pass(&self, text: &str) -> Result<Translated, UnreadableMessage> {
        let read = match server_message::message(text, self.asked, &self.uri_prefix) {
            // Whose stream it is, is not known.
            Err(UnreadableMessage::NotJson(_)) if self.is_policys() && !self.wants_answer() => {
                return Ok(Translated::On {
                    text: None,
                    answers: false,
                    is_error: false,
                });
            }
            read => read?,
        };
        match &self.between {
            EraPair::Modern => Ok(self.on(read, Vec::new())),
            EraPair::Legacy(names) => {
                let edits = ids::aliased(&read, |own| names.alias(AliasKind::Request, own));
                Ok(self.on(read, edits))
            }
            EraPair::ToModern => match (&read.kind, result::to_legacy(&read)) {
                // A modern server asks nothing.
                (MessageKind::Request(_), _) => Ok(Translated::Kept(None)),
                (_, Ok(edits)) => Ok(self.on(read, edits)),
                (_, Err(Unbridgeable::Incomplete)) => Ok(Translated::NotInVersion),
                (_, Err(Unbridgeable::NoObject)) => Err(UnreadableMessage::NotOneMessage),
            },
            EraPair::ToLegacy(bridge) => bridge.pass(read, &self.id),
            EraPair::Listed(listed) => {
                let is_response = matches!(read.kind, MessageKind::Response);
                let passed = self.on(read, Vec::new());
                let cut = is_response.then(|| listed.cut(text)).transpose()?.flatten();
                Ok(match passed {
                    Translated::On {
                        answers, is_error, ..
                    } => Translated::On {
                        text: cut,
                        answers,
                        is_error,
                    },
                    other => other,
                })
            }
        }
    }

    fn on(&self, read: ServerMessage<'_>, mut edits: Vec<Edit>) -> Translated {
        let is_error = matches!(read.kind, MessageKind::Error);
        // An error may be one without an id: the server could not read the request.
        let is_nameless = is_error && matches!(read.id, None | Some("null"));
        // With another status a client would not wait for one that names it.
        if let (true, EraPair::ToModern, Some(id)) = (is_nameless, &self.between, read.id) {
            edits.extend(Edit::replace(read.text, id, self.id.as_str()));
        }
        Translated::On {
            answers: self.wants_answer() && (is_nameless || read.answers(&self.id)),
            is_error,
            text: read.edited(edits),
        }
    }
}

impl SessionAliases {
    fn alias(&self, named: AliasKind, own: &str) -> String {
        let server = (self.server, self.server_name.as_str());
        alias::make(&self.keys, named, &self.session, server, own)
    }
}

/// Tasks of the two eras have nothing but their name in common.
fn is_task(name: &str) -> bool {
    name.starts_with("tasks/")
}
