//! The state of a branch towards its server: from an unknown era to requests with or without a
//! session.

use std::rc::Rc;

use crate::gateway::upstream::protocol::{UpstreamProtocol, UpstreamSession};
use crate::gateway::worker::session_pool::{ReusableSession, SessionTrust};

/// The state of a branch towards its server. Only the methods of this type change it.
///
/// ```text
/// Unknown ─▶ Modern ─▶ Offered ─▶ Refused
///    │                    │
///    └─────▶ Closed ──────┴─▶ Open ◀─ Unconfirmed, Doubted
///               ▲                │        │
///               └────────────────┴────────┘ the server has forgotten the session
/// ```
pub(super) struct ServerSession(SessionState);

/// What the gateway knows of the server's era and of its session.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) enum SessionState {
    /// The gateway does not know the era of the server, or which modern versions it supports.
    Unknown,
    /// The server is modern. The gateway sends requests in this version.
    Modern(&'static str),
    /// The server is modern. The gateway sends it `initialize`, since it may support both eras. If
    /// it refuses, the gateway sends requests in this version.
    Offered(&'static str),
    /// The server is modern, and refused `initialize`. The gateway sends requests in this version.
    Refused(&'static str),
    /// The server is a legacy one. It has no session yet.
    Closed,
    /// A session that earlier requests used. The server may have forgotten it.
    Unconfirmed(Rc<UpstreamSession>),
    /// A session in which the server's last answer was a failure. The server may have forgotten it.
    Doubted(Rc<UpstreamSession>),
    /// An open session.
    Open(Rc<UpstreamSession>),
}

impl ServerSession {
    /// The state for a server of unknown era.
    pub(super) fn unknown() -> Self {
        Self(SessionState::Unknown)
    }

    /// The state for a modern server, to which the gateway sends requests in `version`. `None`
    /// where the gateway does not know the server's versions.
    pub(super) fn modern(version: Option<&'static str>) -> Self {
        Self(version.map_or(SessionState::Unknown, SessionState::Modern))
    }

    /// The state for a legacy server without a session.
    pub(super) fn closed() -> Self {
        Self(SessionState::Closed)
    }

    /// The state for a server with this session.
    pub(super) fn open(session: Rc<UpstreamSession>) -> Self {
        Self(SessionState::Open(session))
    }

    /// The gateway offers a modern server a session: it sends `initialize`. A server
    /// in another state gets no offer.
    pub(super) fn offer(&mut self) {
        if let SessionState::Modern(version) = self.0 {
            self.0 = SessionState::Offered(version);
        }
    }

    /// The server refused the session that the gateway offered.
    pub(super) fn refuse(&mut self) {
        if let SessionState::Offered(version) = self.0 {
            self.0 = SessionState::Refused(version);
        }
    }

    /// The server answered `server/discover`. The gateway sends requests in `version`.
    pub(super) fn discovered(&mut self, version: &'static str) {
        self.0 = match self.0 {
            SessionState::Refused(_) => SessionState::Refused(version),
            _ => SessionState::Modern(version),
        };
    }

    /// The server showed that it is a legacy one.
    pub(super) fn legacy(&mut self) {
        self.0 = SessionState::Closed;
    }

    /// The server opened a session.
    pub(super) fn opened(&mut self, session: Rc<UpstreamSession>) {
        self.0 = SessionState::Open(session);
    }

    /// The branch takes a session of the pool.
    pub(super) fn reuse(&mut self, found: ReusableSession) {
        self.0 = match found.trust {
            SessionTrust::Confirmed => SessionState::Open(found.session),
            SessionTrust::Unconfirmed => SessionState::Unconfirmed(found.session),
            SessionTrust::Doubted => SessionState::Doubted(found.session),
        };
    }

    /// The server answered in the session.
    pub(super) fn confirm(&mut self) {
        if let SessionState::Unconfirmed(session) | SessionState::Doubted(session) = &self.0 {
            self.0 = SessionState::Open(Rc::clone(session));
        }
    }

    /// The server has forgotten the session. Gives the session that it had.
    pub(super) fn lose(&mut self) -> Option<Rc<UpstreamSession>> {
        match std::mem::replace(&mut self.0, SessionState::Closed) {
            SessionState::Unconfirmed(session)
            | SessionState::Doubted(session)
            | SessionState::Open(session) => Some(session),
            _ => None,
        }
    }

    /// The state.
    pub(super) fn state(&self) -> &SessionState {
        &self.0
    }

    /// The version of requests without a session.
    pub(super) fn modern_version(&self) -> Option<&'static str> {
        match self.0 {
            SessionState::Modern(version) | SessionState::Refused(version) => Some(version),
            _ => None,
        }
    }

    /// The session, where there is one.
    pub(super) fn session(&self) -> Option<&Rc<UpstreamSession>> {
        match &self.0 {
            SessionState::Unconfirmed(session)
            | SessionState::Doubted(session)
            | SessionState::Open(session) => Some(session),
            _ => None,
        }
    }

    /// Whether the gateway does not know the server's era, or which modern versions it supports.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.0, SessionState::Unknown)
    }

    /// Whether the gateway offers a modern server a session.
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.0, SessionState::Offered(_))
    }

    /// Whether a session has to be opened first.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.0, SessionState::Offered(_) | SessionState::Closed)
    }

    /// Whether the server's last answer in the session was a failure.
    pub(super) fn is_doubted(&self) -> bool {
        matches!(self.0, SessionState::Doubted(_))
    }

    /// The protocol that the gateway speaks with the server, once that is known.
    pub(super) fn protocol(&self) -> Option<UpstreamProtocol> {
        match &self.0 {
            SessionState::Unknown => None,
            SessionState::Modern(version) | SessionState::Refused(version) => {
                Some(UpstreamProtocol::Modern(version))
            }
            SessionState::Offered(_) | SessionState::Closed => Some(UpstreamProtocol::Legacy(None)),
            SessionState::Unconfirmed(session)
            | SessionState::Doubted(session)
            | SessionState::Open(session) => {
                Some(UpstreamProtocol::Legacy(Some(Rc::clone(session))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::SessionState::{
        Closed, Doubted, Modern, Offered, Open, Refused, Unconfirmed, Unknown,
    };
    use super::*;
    use crate::mcp::capabilities::ServerCapabilities;

    const V: &str = "2026-07-28";

    fn session(id: &str) -> Rc<UpstreamSession> {
        Rc::new(UpstreamSession {
            version: "2025-11-25",
            id: Some(id.to_owned()),
        })
    }

    /// All states, in the order of the expectations below.
    fn states() -> [SessionState; 8] {
        let old = || session("old");
        [
            Unknown,
            Modern(V),
            Offered(V),
            Refused(V),
            Closed,
            Unconfirmed(old()),
            Doubted(old()),
            Open(old()),
        ]
    }

    fn check(transition: impl Fn(&mut ServerSession), expected: [SessionState; 8]) {
        for (from, expected) in states().into_iter().zip(expected) {
            let shown = format!("{from:?}");
            let mut session = ServerSession(from);
            transition(&mut session);
            assert_eq!(session.0, expected, "from {shown}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_modern_server_gets_an_offer_and_only_an_offer_is_refused() {
        let mut expected = states();
        expected[1] = Offered(V);
        check(ServerSession::offer, expected);
        let mut expected = states();
        expected[2] = Refused(V);
        check(ServerSession::refuse, expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_that_refused_stays_one_when_it_is_discovered() {
        let new = || Modern("2027-01-01");
        let refused = Refused("2027-01-01");
        let expected = [new(), new(), new(), refused, new(), new(), new(), new()];
        check(|session| session.discovered("2027-01-01"), expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_confirms_a_session_and_opens_none() {
        let old = || Open(session("old"));
        let [unknown, modern, offered, refused, closed, ..] = states();
        let expected = [
            unknown,
            modern,
            offered,
            refused,
            closed,
            old(),
            old(),
            old(),
        ];
        check(ServerSession::confirm, expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_lost_session_is_given_back_and_the_server_has_none() {
        for state in states() {
            let mut session = ServerSession(state);
            let before = session.session().map(Rc::clone);
            assert_eq!(session.lose(), before);
            assert_eq!(session.0, Closed);
            assert!(session.is_closed() && session.session().is_none());
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_state_of_a_reused_session_is_how_far_it_is_trusted() {
        let new = || session("new");
        for (trust, expected) in [
            (SessionTrust::Confirmed, Open(new())),
            (SessionTrust::Unconfirmed, Unconfirmed(new())),
            (SessionTrust::Doubted, Doubted(new())),
        ] {
            let mut session = ServerSession::closed();
            session.reuse(ReusableSession {
                session: new(),
                capabilities: ServerCapabilities::NONE,
                trust,
            });
            assert_eq!(session.0, expected);
        }
    }
}
