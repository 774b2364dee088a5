//! The gateway's own sessions with legacy servers, for clients that have none.
//! PooledSession by worker, one for each server and each caller that a configured
//! identity tells apart; used by any number of requests at once.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Server, ServerId};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::Scope;
use crate::mcp::capabilities::ServerCapabilities;

/// A session that was not used for so long is ended.
const IDLE: Duration = Duration::from_secs(300);
/// A session that its server has answered in is taken to be there for so long.
const SURE: Duration = Duration::from_secs(1);
/// Sessions that a worker keeps.
const MOST: usize = 1024;

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// What names the server and all that is sent to it.
    server: [u8; 32],
    /// The identity of the caller, where sessions are not for all.
    identity: Option<String>,
    /// The JSON text of the client's capabilities.
    capabilities: String,
    /// What of the client's headers goes on to the server.
    scope: Option<Scope>,
}

impl PoolKey {
    /// The key for sessions with `server`, of a caller with these `capabilities`
    /// and this `identity`, of whose headers this goes on; that tells apart also
    /// callers who share. `None` where a session serves one request only:
    /// nothing tells callers apart, and the server is not said to be one for all.
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

/// A session of the gateway's that a request is done with.
#[derive(Debug, Clone)]
pub struct SessionLease {
    /// The server.
    pub server: ServerId,
    /// Under which it is kept, if it is.
    pub key: Option<PoolKey>,
    /// The session.
    pub link: Rc<UpstreamSession>,
    /// What the server can do.
    pub offers: ServerCapabilities,
    /// What of the client's headers goes on, while the request is there: it is
    /// kept no longer.
    pub headers: CallerHeaders,
}

#[derive(Debug)]
struct PooledSession {
    server: ServerId,
    link: Rc<UpstreamSession>,
    offers: ServerCapabilities,
    used: Duration,
    /// When its server answered in it last.
    heard: Duration,
}

/// A session to be used.
#[derive(Debug)]
pub struct ReusableSession {
    /// The session.
    pub link: Rc<UpstreamSession>,
    /// What its server can do.
    pub offers: ServerCapabilities,
    /// Its server has answered in it just now.
    pub is_sure: bool,
}

/// The sessions of one worker.
#[derive(Debug, Default)]
pub struct SessionPool {
    kept: HashMap<PoolKey, PooledSession>,
}

impl SessionPool {
    /// The session under `key`, used at `now`.
    pub fn get(&mut self, key: &PoolKey, now: Duration) -> Option<ReusableSession> {
        let kept = self.kept.get_mut(key)?;
        kept.used = now;
        Some(ReusableSession {
            link: Rc::clone(&kept.link),
            offers: kept.offers,
            is_sure: now.checked_sub(kept.heard).is_some_and(|age| age < SURE),
        })
    }

    /// Keeps a session for the requests to come. `false` where it is not kept:
    /// it was for one request, or there is another.
    pub fn put(&mut self, held: &SessionLease, now: Duration) -> bool {
        let Some(key) = &held.key else {
            return false;
        };
        if let Some(kept) = self.kept.get_mut(key) {
            let is_it = Rc::ptr_eq(&kept.link, &held.link);
            if is_it {
                kept.used = now;
            }
            return is_it;
        }
        let kept = PooledSession {
            server: held.server,
            link: Rc::clone(&held.link),
            offers: held.offers,
            used: now,
            heard: now,
        };
        self.kept.insert(key.clone(), kept);
        true
    }

    /// The server has forgotten it.
    pub fn drop(&mut self, key: &PoolKey, link: &Rc<UpstreamSession>) {
        if self
            .kept
            .get(key)
            .is_some_and(|kept| Rc::ptr_eq(&kept.link, link))
        {
            self.kept.remove(key);
        }
    }

    /// Its server has answered in it at `now`; or has failed in it, at no time,
    /// and may have forgotten it.
    pub fn heard(&mut self, held: &SessionLease, now: Option<Duration>) {
        let kept = held.key.as_ref().and_then(|key| self.kept.get_mut(key));
        if let Some(kept) = kept.filter(|kept| Rc::ptr_eq(&kept.link, &held.link)) {
            kept.heard = now.unwrap_or_default();
        }
    }

    /// Gives up the sessions that are idle at `now`, or too many: to be ended,
    /// each with its server's place.
    pub fn idle(&mut self, now: Duration) -> Vec<(ServerId, Rc<UpstreamSession>)> {
        let mut given_up = Vec::new();
        // A request that uses it holds the link, too.
        let is_free = |kept: &PooledSession| Rc::strong_count(&kept.link) == 1;
        let is_idle = |kept: &PooledSession| is_free(kept) && now.saturating_sub(kept.used) >= IDLE;
        self.kept.retain(|_, kept| {
            let is_over = is_idle(kept);
            if is_over {
                given_up.push((kept.server, Rc::clone(&kept.link)));
            }
            !is_over
        });
        while self.kept.len() > MOST {
            let free = self.kept.iter().filter(|(_, kept)| is_free(kept));
            let oldest = free.min_by_key(|(_, kept)| kept.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            let kept = self.kept.remove(&key);
            given_up.extend(kept.map(|kept| (kept.server, kept.link)));
        }
        given_up
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
        let link = UpstreamSession {
            version: "2025-06-18",
            session: Some("s".into()),
        };
        SessionLease {
            server: ServerId::from_index(0).unwrap(),
            key: Some(key.clone()),
            link: Rc::new(link),
            offers: ServerCapabilities::TOOLS,
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
        assert!(pool.put(&first, at(1)));
        assert!(!pool.put(&second, at(1)), "another is kept");
        assert!(pool.put(&first, at(1)), "it is that one");
        let once = SessionLease { key: None, ..first };
        assert!(!pool.put(&once, at(1)), "it was for one request");
        pool.drop(&key, &second.link);
        assert!(pool.get(&key, at(1)).is_some());
        pool.drop(&key, &once.link);
        assert!(pool.get(&key, at(1)).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_is_sure_for_a_second_after_an_answer_and_ends_when_idle() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.put(&held, at(10));
        assert!(pool.get(&key, at(10)).unwrap().is_sure);
        assert!(!pool.get(&key, at(11)).unwrap().is_sure);
        pool.put(&held, at(12));
        assert!(
            !pool.get(&key, at(12)).unwrap().is_sure,
            "nothing was heard"
        );
        pool.heard(&held, Some(at(12)));
        assert!(pool.get(&key, at(12)).unwrap().is_sure);
        pool.heard(&held, None);
        assert!(!pool.get(&key, at(12)).unwrap().is_sure);
        assert!(pool.idle(at(311)).is_empty());
        assert!(pool.get(&key, at(311)).is_some(), "which is a use");
        assert!(pool.idle(at(610)).is_empty());
        drop(held);
        assert_eq!(pool.idle(at(611)).len(), 1);
        assert!(pool.get(&key, at(611)).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn of_too_many_those_are_given_up_that_were_used_longest_ago() {
        let server = server("");
        let key =
            |number: u64| PoolKey::new(&server, Some(&number.to_string()), "{}", None).unwrap();
        let mut pool = SessionPool::default();
        for number in 0..1026 {
            pool.put(&held(&key(number)), Duration::from_millis(number));
        }
        assert_eq!(pool.idle(at(1)).len(), 2);
        assert!(pool.get(&key(1), at(1)).is_none());
        assert!(pool.get(&key(2), at(1)).is_some());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_in_use_is_not_ended() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.put(&held, at(0));
        let used = pool.get(&key, at(1)).unwrap();
        // A call of six minutes is under way in it.
        assert!(pool.idle(at(361)).is_empty(), "it is in use");
        drop(used);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clock_set_back_makes_it_unsure() {
        let key = PoolKey::new(&server(""), Some("ada"), "{}", None).unwrap();
        let (mut pool, held) = (SessionPool::default(), held(&key));
        pool.put(&held, at(1000));
        assert!(!pool.get(&key, at(10)).unwrap().is_sure);
    }
}
