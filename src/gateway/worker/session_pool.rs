//! The gateway's own sessions with legacy servers, for modern clients. Each worker has its own
//! pool, with one session for each server and each caller (see `session.identity`). Several
//! requests may use a session at the same time.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Server, ServerId};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::Scope;
use crate::gateway::worker::remembered::Remembered;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::client_capabilities::ClientCapabilities;
use crate::memory::HeldBytes;

/// How long a session may be unused before the gateway ends it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long after an answer in a session the gateway uses the session without a check whether the
/// server still has it.
const CONFIRMED_FOR: Duration = Duration::from_secs(1);
/// The idle timeout after a newer configuration has replaced this one.
const RETIRED_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most sessions that a worker keeps.
const MOST_SESSIONS: usize = 1024;
/// The most sessions that are checked in one step.
const MOST_IN_STEP: usize = 64;

/// The key of a session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The fingerprint of the server's configuration.
    server: [u8; 32],
    /// The caller's identity; `None` where all callers share one session.
    identity: Option<String>,
    /// The client's capabilities, without those that the protocol does not define.
    capabilities: ClientCapabilities,
    /// The digest of the client's headers that the server gets.
    scope: Option<Scope>,
}

impl PoolKey {
    /// The key of sessions with `server`, for a caller with this `identity` and these
    /// `capabilities`. `scope` is the digest of the caller's headers that the server gets: callers
    /// with other headers have another key, even if they share a session otherwise. `None` where a
    /// session serves one request only: the caller has no identity, and the configuration does not
    /// set `shareSession`.
    pub fn new(
        server: &Server,
        identity: Option<&str>,
        capabilities: ClientCapabilities,
        scope: Option<Scope>,
    ) -> Option<Self> {
        let identity = if server.share_session {
            None
        } else {
            Some(identity?.to_owned())
        };
        Some(Self {
            server: server.fingerprint,
            identity,
            capabilities,
            scope,
        })
    }
}

impl PoolKey {
    /// About how many bytes of memory it takes up.
    fn size(&self) -> usize {
        let identity = self.identity.as_ref().map_or(0, String::len);
        identity.saturating_add(size_of::<Self>())
    }
}

/// `Debug` does not show the identity, which may come from a header.
impl fmt::Debug for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolKey").finish_non_exhaustive()
    }
}

/// A session of the gateway that a request uses.
#[derive(Clone)]
pub struct SessionLease {
    /// The server.
    pub server: ServerId,
    /// The key of the session in the pool; `None` where it serves this request only.
    pub key: Option<PoolKey>,
    /// The session.
    pub session: Rc<UpstreamSession>,
    /// The server's capabilities.
    pub capabilities: ServerCapabilities,
    /// The client's headers that servers get. They are kept only as long as the request.
    pub headers: CallerHeaders,
}

/// `Debug` does not show the identity, which may be a credential. It shows the names of headers
/// only.
impl fmt::Debug for SessionLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLease")
            .field("server", &self.server)
            .field("session", &self.session)
            .field("capabilities", &self.capabilities)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// A session and its server.
pub type ServerSessionId = (ServerId, Rc<UpstreamSession>);

struct PooledSession {
    server: ServerId,
    session: Rc<UpstreamSession>,
    capabilities: ServerCapabilities,
    used: Duration,
    /// When the server last answered in the session; `None` where it has failed since then, and may
    /// have forgotten the session.
    confirmed: Option<Duration>,
    _memory: HeldBytes,
}

impl PooledSession {
    /// Whether no request uses the session. A request that uses it has a reference to it.
    fn is_free(&self) -> bool {
        Rc::strong_count(&self.session) == 1
    }
}

/// How sure the gateway is that a server still has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionTrust {
    /// The server answered in it a moment ago.
    Confirmed,
    /// The server's last answer in it was good, but not a moment ago.
    Unconfirmed,
    /// The server's last answer in it was a failure.
    Doubted,
}

/// A session of the pool.
pub struct ReusableSession {
    /// The session.
    pub session: Rc<UpstreamSession>,
    /// The server's capabilities.
    pub capabilities: ServerCapabilities,
    /// How sure the gateway is that the server still has it.
    pub trust: SessionTrust,
}

/// The sessions of one worker, in the order in which they were last used.
pub struct SessionPool {
    kept: Remembered<Rc<PoolKey>, PooledSession>,
    /// Sessions that the gateway has given up. They end when the requests that use them are over.
    given_up: Vec<PooledSession>,
    idle_timeout: Duration,
}

impl Default for SessionPool {
    fn default() -> Self {
        Self {
            kept: Remembered::new(MOST_SESSIONS, None),
            given_up: Vec::new(),
            idle_timeout: IDLE_TIMEOUT,
        }
    }
}

/// What happened with a session that a request gave back.
pub struct GivenBack {
    /// The pool keeps the session: for later requests, or until no request uses it.
    pub is_kept: bool,
    /// The session that was removed to make space. The caller has to end it.
    pub removed: Option<ServerSessionId>,
}

impl SessionPool {
    /// The session under `key`, used at `now`.
    pub fn get(&mut self, key: &PoolKey, now: Duration) -> Option<ReusableSession> {
        self.kept.renew(key);
        let kept = self.kept.get_mut(key)?;
        kept.used = now;
        Some(ReusableSession {
            session: Rc::clone(&kept.session),
            capabilities: kept.capabilities,
            trust: match kept.confirmed.map(|confirmed| now.checked_sub(confirmed)) {
                None => SessionTrust::Doubted,
                Some(Some(age)) if age < CONFIRMED_FOR => SessionTrust::Confirmed,
                Some(_) => SessionTrust::Unconfirmed,
            },
        })
    }

    /// Keeps a session, used until `now`, for later requests. The pool does not keep it if it
    /// served one request only, if another session has the key, or if all sessions of a full pool
    /// are in use.
    pub fn give_back(&mut self, lease: &SessionLease, now: Duration) -> GivenBack {
        let not_kept = GivenBack {
            is_kept: false,
            removed: None,
        };
        let Some(key) = &lease.key else {
            return not_kept;
        };
        let mut given_up = self.given_up.iter();
        if given_up.any(|it| Rc::ptr_eq(&it.session, &lease.session)) {
            // The session ends when no request uses it any more.
            return GivenBack {
                is_kept: true,
                ..not_kept
            };
        }
        if let Some(kept) = self.kept.get_mut(key) {
            let is_kept = Rc::ptr_eq(&kept.session, &lease.session);
            if is_kept {
                kept.used = now;
                self.kept.renew(key);
            }
            return GivenBack {
                is_kept,
                ..not_kept
            };
        }
        let removed = if self.kept.is_full() {
            let Some(removed) = self.remove_oldest() else {
                return not_kept;
            };
            Some(removed)
        } else {
            None
        };
        let kept = PooledSession {
            server: lease.server,
            session: Rc::clone(&lease.session),
            capabilities: lease.capabilities,
            used: now,
            confirmed: Some(now),
            _memory: HeldBytes::new(key.size().saturating_add(lease.session.size())),
        };
        self.kept.insert(Rc::new(key.clone()), kept, 0);
        GivenBack {
            is_kept: true,
            removed,
        }
    }

    /// Removes the session that no request has used for the longest time.
    fn remove_oldest(&mut self) -> Option<ServerSessionId> {
        let oldest = self.kept.oldest().take(MOST_IN_STEP);
        let mut free = oldest.filter(|(_, kept)| kept.is_free());
        let key = free.next().map(|(key, _)| Rc::clone(key))?;
        drop(free);
        let removed = self.kept.remove(&key)?;
        Some((removed.server, removed.session))
    }

    /// Gives up a session that the server may have forgotten, so that no other request gets it.
    /// Requests that use it go on, since the server may still answer them.
    pub fn give_up(&mut self, key: &PoolKey, session: &Rc<UpstreamSession>) {
        let kept = self.kept.get(key);
        if kept.is_some_and(|kept| Rc::ptr_eq(&kept.session, session))
            && let Some(kept) = self.kept.remove(key)
        {
            self.given_up.push(kept);
        }
    }

    /// Remembers that the server answered in this session at `now`.
    pub fn confirm(&mut self, lease: &SessionLease, now: Duration) {
        if let Some(kept) = self.leased(lease) {
            kept.confirmed = Some(now);
        }
    }

    /// Remembers that the server failed in this session, and may have forgotten it.
    pub fn doubt(&mut self, lease: &SessionLease) {
        if let Some(kept) = self.leased(lease) {
            kept.confirmed = None;
        }
    }

    fn leased(&mut self, lease: &SessionLease) -> Option<&mut PooledSession> {
        let kept = self.kept.get_mut(lease.key.as_ref()?)?;
        Rc::ptr_eq(&kept.session, &lease.session).then_some(kept)
    }

    /// Removes sessions that are idle at `now` or were given up. The caller has to end them. One
    /// call checks the oldest sessions only. If [`has_idle`](Self::has_idle) is `true` afterwards,
    /// there are more.
    pub fn remove_idle(&mut self, now: Duration) -> Vec<ServerSessionId> {
        let oldest = self.kept.oldest().take(MOST_IN_STEP);
        let idle = oldest.filter(|(_, kept)| self.is_idle(kept, now));
        let idle: Vec<_> = idle
            .map(|(key, kept)| (Rc::clone(key), kept.is_free()))
            .collect();
        let mut removed = Vec::new();
        removed.extend(self.remove_given_up());
        for (key, is_free) in idle {
            if is_free {
                let kept = self.kept.remove(&key);
                removed.extend(kept.map(|kept| (kept.server, kept.session)));
            } else if let Some(kept) = self.kept.get_mut(&key) {
                kept.used = now;
                self.kept.renew(&key);
            }
        }
        removed
    }

    /// Whether a session is idle at `now`.
    pub fn has_idle(&self, now: Duration) -> bool {
        let oldest = self.kept.oldest().next();
        oldest.is_some_and(|(_, kept)| self.is_idle(kept, now))
    }

    fn is_idle(&self, kept: &PooledSession, now: Duration) -> bool {
        now.saturating_sub(kept.used) >= self.idle_timeout
    }

    /// A newer configuration has replaced the one of this pool, so only older requests use it.
    /// Removes the sessions that no request uses, and the caller has to end them. The other
    /// sessions have a short idle timeout from now on.
    pub fn retire(&mut self) -> Vec<ServerSessionId> {
        self.idle_timeout = RETIRED_IDLE_TIMEOUT;
        let free = self.kept.oldest().filter(|(_, kept)| kept.is_free());
        let free: Vec<_> = free.map(|(key, _)| Rc::clone(key)).collect();
        let removed = free.iter().filter_map(|key| self.kept.remove(key));
        let mut removed: Vec<_> = removed.map(|kept| (kept.server, kept.session)).collect();
        removed.extend(self.remove_given_up());
        removed
    }

    /// Removes the sessions that were given up and that no request uses.
    fn remove_given_up(&mut self) -> impl Iterator<Item = ServerSessionId> {
        let free = self.given_up.extract_if(.., |given_up| given_up.is_free());
        free.map(|given_up| (given_up.server, given_up.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn server(rest: &str) -> Server {
        let config = format!(r#"{{"servers":[{{"name":"w"{rest}}}]}}"#);
        let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
        gateway.servers.into_iter().next().unwrap()
    }

    fn held(key: &PoolKey) -> SessionLease {
        let session = UpstreamSession {
            version: "2025-06-18",
            id: Some("s".into()),
        };
        SessionLease {
            server: ServerId::from_index(0).unwrap(),
            key: Some(key.clone()),
            session: Rc::new(session),
            capabilities: ServerCapabilities::TOOLS,
            headers: CallerHeaders::default(),
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn sessions_are_kept_for_known_callers_and_where_all_share_one() {
        let (own, shared) = (server(""), server(r#","shareSession":true"#));
        assert_eq!(
            PoolKey::new(&own, None, ClientCapabilities::NONE, None),
            None
        );
        let ada = PoolKey::new(&own, Some("ada"), ClientCapabilities::NONE, None);
        assert!(ada.is_some());
        assert_ne!(
            ada,
            PoolKey::new(&own, Some("bob"), ClientCapabilities::NONE, None)
        );
        assert_ne!(
            ada,
            PoolKey::new(
                &own,
                Some("ada"),
                ClientCapabilities::read(r#"{"roots":{}}"#).0,
                None
            )
        );
        let all = PoolKey::new(&shared, None, ClientCapabilities::NONE, None);
        assert!(all.is_some());
        assert_eq!(
            all,
            PoolKey::new(&shared, Some("ada"), ClientCapabilities::NONE, None)
        );
        // A request with other credentials does not use the session.
        for (server, identity) in [(&own, Some("ada")), (&shared, None)] {
            let keys = [None, Some([1; 32]), Some([2; 32])].map(|scope| {
                PoolKey::new(server, identity, ClientCapabilities::NONE, scope).unwrap()
            });
            assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        }
        assert_eq!(
            PoolKey::new(&own, None, ClientCapabilities::NONE, Some([1; 32])),
            None
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_session_is_kept_and_others_are_to_be_ended() {
        let key = PoolKey::new(&server(""), Some("ada"), ClientCapabilities::NONE, None).unwrap();
        let (mut pool, first, second) = (SessionPool::default(), held(&key), held(&key));
        assert!(pool.give_back(&first, at(1)).is_kept);
        assert!(!pool.give_back(&second, at(1)).is_kept, "another is kept");
        assert!(pool.give_back(&first, at(1)).is_kept, "it is that one");
        let once = SessionLease { key: None, ..first };
        assert!(
            !pool.give_back(&once, at(1)).is_kept,
            "it was for one request"
        );
        pool.give_up(&key, &second.session);
        assert!(pool.get(&key, at(1)).is_some());
        pool.give_up(&key, &once.session);
        assert!(pool.get(&key, at(1)).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_that_is_given_up_ends_when_its_last_request_is_over() {
        let key = PoolKey::new(&server(""), Some("ada"), ClientCapabilities::NONE, None).unwrap();
        let (mut pool, first) = (SessionPool::default(), held(&key));
        pool.give_back(&first, at(1));
        let second = SessionLease {
            session: pool.get(&key, at(1)).unwrap().session,
            ..first.clone()
        };
        pool.give_up(&key, &first.session);
        assert!(pool.get(&key, at(2)).is_none(), "no other request gets it");
        assert!(pool.give_back(&first, at(2)).is_kept, "it must not end now");
        assert!(pool.get(&key, at(2)).is_none(), "and does not come back");
        drop(first);
        assert!(pool.remove_idle(at(20)).is_empty(), "the second uses it");
        assert!(pool.give_back(&second, at(21)).is_kept);
        drop(second);
        assert_eq!(pool.remove_idle(at(30)).len(), 1);
        assert!(pool.remove_idle(at(40)).is_empty());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_is_confirmed_for_a_second_after_an_answer_and_ends_when_idle() {
        let key = PoolKey::new(&server(""), Some("ada"), ClientCapabilities::NONE, None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.give_back(&held, at(10));
        assert_eq!(
            pool.get(&key, at(10)).unwrap().trust,
            SessionTrust::Confirmed
        );
        assert_ne!(
            pool.get(&key, at(11)).unwrap().trust,
            SessionTrust::Confirmed
        );
        pool.give_back(&held, at(12));
        assert_eq!(
            pool.get(&key, at(12)).unwrap().trust,
            SessionTrust::Unconfirmed,
            "nothing was heard"
        );
        pool.confirm(&held, at(12));
        assert_eq!(
            pool.get(&key, at(12)).unwrap().trust,
            SessionTrust::Confirmed
        );
        pool.doubt(&held);
        assert_eq!(pool.get(&key, at(12)).unwrap().trust, SessionTrust::Doubted);
        assert!(pool.remove_idle(at(311)).is_empty());
        assert!(pool.get(&key, at(311)).is_some(), "which is a use");
        assert!(pool.remove_idle(at(610)).is_empty());
        drop(held);
        assert_eq!(pool.remove_idle(at(611)).len(), 1);
        assert!(pool.get(&key, at(611)).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_pool_never_has_too_many_and_the_one_used_longest_ago_goes() {
        let server = server("");
        let key = |number: u64| {
            let name = number.to_string();
            PoolKey::new(&server, Some(&name), ClientCapabilities::NONE, None).unwrap()
        };
        let mut pool = SessionPool::default();
        for number in 0..5000 {
            // One session is used again and again.
            pool.get(&key(3), Duration::from_millis(number));
            let given = pool.give_back(&held(&key(number)), Duration::from_millis(number));
            assert!(given.is_kept);
            assert_eq!(given.removed.is_some(), number >= 1024, "{number}");
            assert!(pool.kept.count() <= 1024);
        }
        let kept = |pool: &mut SessionPool, number| pool.get(&key(number), at(5)).is_some();
        assert!(kept(&mut pool, 3) && !kept(&mut pool, 2) && kept(&mut pool, 4999));
        assert!(!kept(&mut pool, 3976) && kept(&mut pool, 3977));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_pool_that_is_full_of_sessions_in_use_takes_no_other() {
        let server = server("");
        let key = |number: u64| {
            let name = number.to_string();
            PoolKey::new(&server, Some(&name), ClientCapabilities::NONE, None).unwrap()
        };
        let mut pool = SessionPool::default();
        let leases: Vec<_> = (0..1024).map(|number| held(&key(number))).collect();
        for lease in &leases {
            pool.give_back(lease, at(1));
        }
        let another = pool.give_back(&held(&key(5000)), at(2));
        assert!(!another.is_kept && another.removed.is_none());
        drop(leases);
        let another = pool.give_back(&held(&key(5000)), at(2));
        assert!(another.is_kept && another.removed.is_some());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn idle_sessions_are_removed_in_steps_also_behind_those_in_use() {
        let before = crate::memory::held();
        let server = server("");
        let key = |number: u64| {
            let name = number.to_string();
            PoolKey::new(&server, Some(&name), ClientCapabilities::NONE, None).unwrap()
        };
        let mut pool = SessionPool::default();
        let in_use: Vec<_> = (0..100).map(|number| held(&key(number))).collect();
        for lease in &in_use {
            pool.give_back(lease, at(1));
        }
        for number in 100..300 {
            pool.give_back(&held(&key(number)), at(1));
        }
        let mut steps = Vec::new();
        while pool.has_idle(at(301)) {
            steps.push(pool.remove_idle(at(301)).len());
        }
        assert_eq!(steps, [0, 28, 64, 64, 44]);
        assert_eq!(pool.kept.count(), 100);
        assert_eq!(pool.retire().len(), 0);
        drop(in_use);
        assert_eq!(pool.retire().len(), 100);
        drop(pool);
        assert_eq!(crate::memory::held(), before);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_in_use_is_not_ended() {
        let key = PoolKey::new(&server(""), Some("ada"), ClientCapabilities::NONE, None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.give_back(&held, at(0));
        let used = pool.get(&key, at(1)).unwrap();
        // A call in the session has been under way for six minutes.
        assert!(pool.remove_idle(at(361)).is_empty(), "it is in use");
        drop(used);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clock_set_back_ends_the_confirmation() {
        let key = PoolKey::new(&server(""), Some("ada"), ClientCapabilities::NONE, None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.give_back(&held, at(1000));
        assert_ne!(
            pool.get(&key, at(10)).unwrap().trust,
            SessionTrust::Confirmed
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_output_of_a_lease_has_no_credentials() {
        let config = br#"{"servers":[{"name":"w","passthroughHeaders":["x-key"]}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let key = PoolKey::new(
            &gateway.servers[0],
            Some("id-secret"),
            ClientCapabilities::NONE,
            None,
        )
        .unwrap();
        let headers = crate::http::Headers::from_pairs([("x-key", "header-secret")]);
        let lease = SessionLease {
            headers: CallerHeaders::of(&headers, &gateway, &[gateway.servers[0].id]).unwrap(),
            ..held(&key)
        };
        assert_eq!(lease.headers.passthrough_headers(lease.server).len(), 1);
        let shown = format!("{lease:?} {key:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
