//! The gateway's own sessions with legacy servers, for modern clients. Each worker
//! has its own pool: one session for each server and each caller (see
//! `session.identity`), used by any number of requests at once.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Server, ServerId};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::Scope;
use crate::mcp::capabilities::ServerCapabilities;

/// A session that was not used for so long is ended.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// For so long after an answer in a session, the gateway does not check whether the
/// server still has the session.
const CONFIRMED_FOR: Duration = Duration::from_secs(1);
/// A worker keeps so many sessions.
const MOST_SESSIONS: usize = 1024;

/// What tells sessions apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The fingerprint of the server's configuration.
    server: [u8; 32],
    /// The caller's identity; `None` where all callers share one session.
    identity: Option<String>,
    /// The JSON text of the client's capabilities.
    capabilities: String,
    /// Which of the client's headers the server gets.
    scope: Option<Scope>,
}

impl PoolKey {
    /// The key for sessions with `server`, of a caller with this `identity` and
    /// these `capabilities`, whose forwarded headers are `scope`. Callers with
    /// other headers have another key, even if they share a session otherwise.
    /// `None` where a session serves one request only: the caller has no identity,
    /// and the configuration does not say `shareSession`.
    pub fn new(
        server: &Server,
        identity: Option<&str>,
        capabilities: &str,
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
            capabilities: capabilities.to_owned(),
            scope,
        })
    }
}

/// Without the identity, which may come from a header.
impl fmt::Debug for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolKey").finish_non_exhaustive()
    }
}

/// A session of the gateway's that a request uses.
#[derive(Clone)]
pub struct SessionLease {
    /// The server.
    pub server: ServerId,
    /// Its key in the pool; `None` where it serves this request only.
    pub key: Option<PoolKey>,
    /// The session.
    pub session: Rc<UpstreamSession>,
    /// The server's capabilities.
    pub capabilities: ServerCapabilities,
    /// The forwarded headers of the client. They are kept only as long as the
    /// request.
    pub headers: CallerHeaders,
}

/// Without the identity, which may be a credential; of headers their names.
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

#[derive(Debug)]
struct PooledSession {
    server: ServerId,
    session: Rc<UpstreamSession>,
    capabilities: ServerCapabilities,
    used: Duration,
    /// When the server last answered in it; `None` where it failed since, and may have
    /// forgotten it.
    confirmed: Option<Duration>,
}

/// Whether a server still has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionTrust {
    /// The server answered in it a moment ago.
    Confirmed,
    /// The server answered in it last time.
    Unconfirmed,
    /// The server failed in it last time.
    Doubted,
}

/// A session of the pool.
#[derive(Debug)]
pub struct ReusableSession {
    /// The session.
    pub session: Rc<UpstreamSession>,
    /// The server's capabilities.
    pub capabilities: ServerCapabilities,
    /// Whether the server still has it.
    pub trust: SessionTrust,
}

/// The sessions of one worker.
#[derive(Debug, Default)]
pub struct SessionPool {
    kept: HashMap<PoolKey, PooledSession>,
    /// Sessions that were given up, with their servers. They end when the requests that
    /// use them are over.
    retired: Vec<(ServerId, Rc<UpstreamSession>)>,
}

impl SessionPool {
    /// The session under `key`, used at `now`.
    pub fn get(&mut self, key: &PoolKey, now: Duration) -> Option<ReusableSession> {
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

    /// Keeps a session, used until `now`, for the requests to come. `false` where it
    /// is not kept: it served one request only, or another one is under the key.
    pub fn give_back(&mut self, lease: &SessionLease, now: Duration) -> bool {
        let Some(key) = &lease.key else {
            return false;
        };
        let mut retired = self.retired.iter();
        if retired.any(|(_, session)| Rc::ptr_eq(session, &lease.session)) {
            // It ends when nobody uses it any longer.
            return true;
        }
        if let Some(kept) = self.kept.get_mut(key) {
            let is_it = Rc::ptr_eq(&kept.session, &lease.session);
            if is_it {
                kept.used = now;
            }
            return is_it;
        }
        let kept = PooledSession {
            server: lease.server,
            session: Rc::clone(&lease.session),
            capabilities: lease.capabilities,
            used: now,
            confirmed: Some(now),
        };
        self.kept.insert(key.clone(), kept);
        true
    }

    /// Gives up a session that the server may have forgotten: no other request gets it.
    /// Those that use it go on, since the server may still answer them.
    pub fn retire(&mut self, key: &PoolKey, session: &Rc<UpstreamSession>) {
        let kept = self.kept.get(key);
        if kept.is_some_and(|kept| Rc::ptr_eq(&kept.session, session))
            && let Some(kept) = self.kept.remove(key)
        {
            self.retired.push((kept.server, kept.session));
        }
    }

    /// The server answered in this session at `now`.
    pub fn confirm(&mut self, lease: &SessionLease, now: Duration) {
        if let Some(kept) = self.leased(lease) {
            kept.confirmed = Some(now);
        }
    }

    /// The server failed in this session, and may have forgotten it.
    pub fn doubt(&mut self, lease: &SessionLease) {
        if let Some(kept) = self.leased(lease) {
            kept.confirmed = None;
        }
    }

    fn leased(&mut self, lease: &SessionLease) -> Option<&mut PooledSession> {
        let kept = self.kept.get_mut(lease.key.as_ref()?)?;
        Rc::ptr_eq(&kept.session, &lease.session).then_some(kept)
    }

    /// Removes the sessions that were given up or are idle at `now`, and the longest unused ones
    /// where there are too many. They are to be ended.
    pub fn remove_idle(&mut self, now: Duration) -> Vec<(ServerId, Rc<UpstreamSession>)> {
        let mut removed = Vec::new();
        self.retired.retain(|(server, session)| {
            let is_used = Rc::strong_count(session) > 1;
            if !is_used {
                removed.push((*server, Rc::clone(session)));
            }
            is_used
        });
        // A request that uses it holds a reference, too.
        let is_free = |kept: &PooledSession| Rc::strong_count(&kept.session) == 1;
        let is_idle =
            |kept: &PooledSession| is_free(kept) && now.saturating_sub(kept.used) >= IDLE_TIMEOUT;
        self.kept.retain(|_, kept| {
            let is_over = is_idle(kept);
            if is_over {
                removed.push((kept.server, Rc::clone(&kept.session)));
            }
            !is_over
        });
        while self.kept.len() > MOST_SESSIONS {
            let free = self.kept.iter().filter(|(_, kept)| is_free(kept));
            let oldest = free.min_by_key(|(_, kept)| kept.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            let kept = self.kept.remove(&key);
            removed.extend(kept.map(|kept| (kept.server, kept.session)));
        }
        removed
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
        assert_eq!(PoolKey::new(&own, None, "{}", None), None);
        let ada = PoolKey::new(&own, Some("ada"), "{}", None);
        assert!(ada.is_some());
        assert_ne!(ada, PoolKey::new(&own, Some("bob"), "{}", None));
        assert_ne!(
            ada,
            PoolKey::new(&own, Some("ada"), r#"{"roots":{}}"#, None)
        );
        let all = PoolKey::new(&shared, None, "{}", None);
        assert!(all.is_some());
        assert_eq!(all, PoolKey::new(&shared, Some("ada"), "{}", None));
        // Nobody uses a session that was opened with another's credentials.
        for (server, identity) in [(&own, Some("ada")), (&shared, None)] {
            let keys = [None, Some([1; 32]), Some([2; 32])]
                .map(|scope| PoolKey::new(server, identity, "{}", scope).unwrap());
            assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        }
        assert_eq!(PoolKey::new(&own, None, "{}", Some([1; 32])), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_session_is_kept_and_others_are_to_be_ended() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
        let (mut pool, first, second) = (SessionPool::default(), held(&key), held(&key));
        assert!(pool.give_back(&first, at(1)));
        assert!(!pool.give_back(&second, at(1)), "another is kept");
        assert!(pool.give_back(&first, at(1)), "it is that one");
        let once = SessionLease { key: None, ..first };
        assert!(!pool.give_back(&once, at(1)), "it was for one request");
        pool.retire(&key, &second.session);
        assert!(pool.get(&key, at(1)).is_some());
        pool.retire(&key, &once.session);
        assert!(pool.get(&key, at(1)).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_that_is_given_up_ends_when_its_last_request_is_over() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
        let (mut pool, first) = (SessionPool::default(), held(&key));
        pool.give_back(&first, at(1));
        let second = SessionLease {
            session: pool.get(&key, at(1)).unwrap().session,
            ..first.clone()
        };
        pool.retire(&key, &first.session);
        assert!(pool.get(&key, at(2)).is_none(), "no other request gets it");
        assert!(pool.give_back(&first, at(2)), "it must not end now");
        assert!(pool.get(&key, at(2)).is_none(), "and does not come back");
        drop(first);
        assert!(pool.remove_idle(at(20)).is_empty(), "the second uses it");
        assert!(pool.give_back(&second, at(21)));
        drop(second);
        assert_eq!(pool.remove_idle(at(30)).len(), 1);
        assert!(pool.remove_idle(at(40)).is_empty());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_is_confirmed_for_a_second_after_an_answer_and_ends_when_idle() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
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
    fn of_too_many_those_are_given_up_that_were_used_longest_ago() {
        let server = server("");
        let key =
            |number: u64| PoolKey::new(&server, Some(&number.to_string()), "{}", None).unwrap();
        let mut pool = SessionPool::default();
        for number in 0..1026 {
            pool.give_back(&held(&key(number)), Duration::from_millis(number));
        }
        assert_eq!(pool.remove_idle(at(1)).len(), 2);
        assert!(pool.get(&key(1), at(1)).is_none());
        assert!(pool.get(&key(2), at(1)).is_some());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_in_use_is_not_ended() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.give_back(&held, at(0));
        let used = pool.get(&key, at(1)).unwrap();
        // A call of six minutes is under way in it.
        assert!(pool.remove_idle(at(361)).is_empty(), "it is in use");
        drop(used);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clock_set_back_ends_the_confirmation() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
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
        let key = PoolKey::new(&gateway.servers[0], Some("id-secret"), "{}", None).unwrap();
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
