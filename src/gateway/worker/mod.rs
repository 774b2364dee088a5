//! The state that the streams of one Envoy worker share. It ends with the worker's VM.

pub mod calls;
pub mod failed_servers;
pub mod known_pins;
pub mod known_servers;
pub mod logged_collisions;
pub mod opened_sessions;
pub mod outbox;
pub mod page_cache;
pub mod param_annotations;
mod probe;
pub mod remembered;
pub mod request_servers;
pub mod session_pool;
pub mod tool_views;

use std::cell::OnceCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, ServerId, ServerPins};
use crate::gateway::session::Session;
use crate::gateway::session::joined::JoinedServers;
use crate::gateway::session::kept_ids::KeptIds;
use crate::gateway::session::sealed::SessionSealer;
use crate::gateway::store::Store;
use crate::gateway::upstream::call::{Call, CallResponse};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::page_key::FirstPageKeys;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::calls::{Calls, Delivery, DispatchId};
use crate::gateway::worker::failed_servers::FailedServers;
use crate::gateway::worker::known_pins::KnownPins;
use crate::gateway::worker::known_servers::KnownServers;
use crate::gateway::worker::logged_collisions::LoggedCollisions;
use crate::gateway::worker::opened_sessions::OpenedSessions;
use crate::gateway::worker::outbox::Outbox;
use crate::gateway::worker::page_cache::PageCache;
use crate::gateway::worker::param_annotations::ParamAnnotations;
use crate::gateway::worker::request_servers::RequestServers;
use crate::gateway::worker::session_pool::{ServerSessionId, SessionLease, SessionPool};
use crate::gateway::worker::tool_views::LearntViews;
use crate::mcp::list::ListKind;
use crate::memory;
use crate::seal::{self, Keys};

/// How often a worker searches for idle sessions.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A digest of the client's headers that a server gets. Equal headers have equal digests. Only this
/// worker can use it.
pub type Scope = [u8; 32];

/// The state of one worker.
pub struct Worker {
    clock: fn() -> Duration,
    random: fn(&mut [u8]),
    store: Rc<dyn Store>,
    /// A random number in the id of each request, so that the ids of workers differ.
    id_prefix: u64,
    last_request: u64,
    /// The secret key with which scopes are made.
    scope_key: OnceCell<[u8; 32]>,
    /// When the worker last searched for idle sessions.
    idle_check: Duration,
    /// The name of this plugin in its VM.
    pub plugin: String,
    /// The calls of all streams.
    pub calls: Calls,
    /// The calls to make for which no stream waits.
    pub outbox: Outbox,
    /// What the worker knows about the servers.
    pub servers: KnownServers,
    /// What the worker knows about pinned tools.
    pub pins: KnownPins,
    /// The lists with malformed entries that the worker has logged already.
    pub malformed_lists: HashSet<(ServerId, ListKind)>,
    /// The servers that failed a moment ago.
    pub failed: FailedServers,
    /// Lines for the log.
    pub notices: Vec<(log::Level, String)>,
    /// The collisions of names that the worker has logged.
    pub collisions: LoggedCollisions,
    /// The names that some clients and models refuse, and that the worker has logged.
    pub unfit_names: LoggedCollisions,
    /// What lists say about tools with a `tools.override`.
    pub tool_views: LearntViews,
    /// The pages of lists that the worker keeps.
    pub pages: PageCache,
    /// The keys of the pages that the worker searched for last.
    pub first_page_keys: FirstPageKeys,
    /// The gateway's own sessions.
    pub pool: SessionPool,
    /// Sessions to be ended, of servers that the endpoint of the request does not have.
    left_sessions: Vec<ServerSessionId>,
    /// The servers that have joined sessions of clients.
    pub joined: JoinedServers,
    /// The servers that got clients' requests.
    pub requests: RequestServers,
    /// Which arguments servers want in headers, too.
    pub param_annotations: ParamAnnotations,
    /// Makes and opens the ids of clients' sessions; `None` before
    /// [`Worker::configure`].
    pub sealing: Option<SessionSealer>,
    /// The sessions of clients that `sealing` has opened.
    opened: OpenedSessions,
    /// Whether the worker has logged that a session is too long for its id.
    pub is_long_session_logged: bool,
}

impl Worker {
    /// A worker. `clock` gives the time since 1970 and may jump; `random` fills a slice with secure
    /// random bytes; all workers share `store`.
    pub fn new(clock: fn() -> Duration, random: fn(&mut [u8]), store: Box<dyn Store>) -> Self {
        let mut prefix = [0; 8];
        random(&mut prefix);
        let store: Rc<dyn Store> = Rc::from(store);
        Self {
            clock,
            random,
            id_prefix: u64::from_be_bytes(prefix),
            last_request: 0,
            scope_key: OnceCell::new(),
            idle_check: Duration::ZERO,
            plugin: String::new(),
            calls: Calls::default(),
            outbox: Outbox::default(),
            servers: KnownServers::default(),
            pins: KnownPins::default(),
            malformed_lists: HashSet::new(),
            failed: FailedServers::default(),
            notices: Vec::new(),
            collisions: LoggedCollisions::default(),
            unfit_names: LoggedCollisions::default(),
            tool_views: LearntViews::default(),
            pages: PageCache::new(Rc::clone(&store)),
            first_page_keys: FirstPageKeys::default(),
            pool: SessionPool::default(),
            left_sessions: Vec::new(),
            joined: JoinedServers::new(Rc::clone(&store)),
            requests: RequestServers::new(Rc::clone(&store)),
            param_annotations: ParamAnnotations::new(Rc::clone(&store)),
            sealing: None,
            opened: OpenedSessions::default(),
            is_long_session_logged: false,
            store,
        }
    }

    /// Takes the keys of sessions from the configuration. If the configuration has none, all
    /// workers of this process share one key. Gives `true` if this worker made that key. A part of
    /// `held_bytes` is for data that the worker keeps between requests.
    pub fn configure(&mut self, gateway: &Gateway, held_bytes: usize) -> bool {
        const KEY: &str = "mcp-gateway.session-key";
        let sessions = &gateway.sessions;
        // The kept data must leave enough memory for requests.
        let most_kept = held_bytes.checked_div(8).unwrap_or(0);
        self.pages.limit_bytes(most_kept);
        self.servers.limit_bytes(most_kept);
        self.opened.limit_bytes(most_kept);
        self.opened.clear();
        let mut is_made = false;
        let keys = sessions.keys.clone().or_else(|| {
            let kept = || <[u8; 32]>::try_from(self.store.get(KEY)?).ok();
            let key = kept().or_else(|| {
                is_made = true;
                self.store.set(KEY, &self.random::<32>());
                kept()
            });
            Keys::new(vec![key?])
        });
        // If other replicas have the key, a session must be complete in its id.
        let is_own_key = sessions.keys.is_none();
        let kept = is_own_key.then(|| KeptIds::new(Rc::clone(&self.store)));
        self.sealing =
            keys.map(|keys| SessionSealer::new(keys, sessions.ttl, &gateway.servers).keeping(kept));
        is_made
    }

    /// The client's session with the id `text`, see [`SessionSealer::open`].
    pub fn open_session(
        &mut self,
        text: &str,
        endpoint: &[u8],
        identity: Option<&str>,
    ) -> Option<Rc<Session>> {
        let now = self.now();
        let sealer = self.sealing.as_ref()?;
        self.opened.open(sealer, text, endpoint, identity, now)
    }

    /// Secure random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    /// The digest of these headers of a client; `None` where there are none. It is made with a
    /// secret key of this worker, so that nobody can find the headers by trying values.
    pub fn scope(&self, passed: &[(String, String)]) -> Option<Scope> {
        if passed.is_empty() {
            return None;
        }
        let key = self.scope_key.get_or_init(|| self.random());
        let fields = passed.iter();
        let fields = fields.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let parts: Vec<&[u8]> = std::iter::once(&key[..]).chain(fields).collect();
        Some(seal::digest(&parts))
    }

    /// Whether to report `what` about a pinned tool, see [`KnownPins::is_new`].
    pub fn is_pin_news(&mut self, pins: &ServerPins, what: &str, own: &str) -> bool {
        let (store, plugin) = (&*self.store, &self.plugin);
        self.pins.is_new(store, plugin, pins, what, own)
    }

    /// Time since 1970.
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// A JSON-RPC id for a request of the gateway: `gw-<random>-<n>`.
    pub fn next_id(&mut self) -> String {
        self.last_request = self.last_request.wrapping_add(1);
        format!("gw-{:016x}-{}", self.id_prefix, self.last_request)
    }

    /// Takes the response to a call. Gives the answer for each stream that waits. `gateway` has all
    /// servers, not only those of an endpoint.
    pub fn done(
        &mut self,
        job: DispatchId,
        response: &CallResponse,
        gateway: &Gateway,
    ) -> Vec<Delivery> {
        let now = self.now();
        let Some((call, since)) = self.calls.call(job) else {
            return Vec::new();
        };
        let answer = if *response == CallResponse::Reset && is_timeout(&call, since, now) {
            CallResult::Failed(Failure::TimedOut)
        } else if memory::is_short_for(response.size()) {
            CallResult::Failed(Failure::Memory)
        } else {
            let spoken = self.servers.modern_versions;
            let (answer, cacheable) = match gateway.with_view(call.view) {
                Some(gateway) => call.answer(response, gateway, spoken),
                None => (CallResult::Failed(Failure::NoCluster), None),
            };
            if let Some(page) = cacheable {
                self.pages
                    .keep(page.key, &page.page, &page.text, now, page.ttl);
            }
            answer
        };
        self.outbox.done(job, &call, response, now);
        let deliveries = self.calls.done(job, &answer, now);
        if call.is_probe() {
            self.learn(&call, &answer, gateway);
        }
        if let (CallResult::Opened(_, session), true) = (&answer, deliveries.is_empty()) {
            // The stream that needed the session is over.
            let passed = gateway.server(call.server);
            let passed = passed.map_or_else(Vec::new, |server| call.passed(server));
            self.end_session(gateway, call.server, session, &passed);
        }
        deliveries
    }

    /// Takes the response to a call that was made with an older configuration. The configuration of
    /// this worker has no servers.
    pub fn left_call_done(&mut self, job: DispatchId, response: &CallResponse) {
        let now = self.now();
        if let Some((call, _)) = self.calls.call(job) {
            self.outbox.done(job, &call, response, now);
            self.calls.done(job, &CallResult::Done, now);
        }
    }

    /// Ends a session with `server`. `passed` are the passed-through headers of the session's
    /// client. If the endpoint of this `gateway` does not have the server,
    /// [`Worker::end_idle_sessions`] ends the session later.
    pub fn end_session(
        &mut self,
        gateway: &Gateway,
        server: ServerId,
        session: &UpstreamSession,
        passed: &[(String, String)],
    ) {
        if session.id.is_none() {
            return;
        }
        match gateway.server(server) {
            Some(server) => self.outbox.push(Call::end(server, session, passed)),
            None if gateway.endpoint.is_some() => {
                self.left_sessions.push((server, Rc::new(session.clone())));
            }
            None => {}
        }
    }

    /// Takes the calls out of the outbox. The caller has to send them now.
    pub fn dispatch_outbox(&mut self) -> Vec<(DispatchId, Rc<Call>)> {
        // Without messages, this avoids the host call for the clock.
        if self.outbox.is_empty() {
            return Vec::new();
        }
        let now = self.now();
        self.outbox.dispatch(&mut self.calls, now)
    }

    /// A request does not need a session of the gateway any more. The gateway keeps the session for
    /// other requests, or ends it.
    pub fn release(&mut self, lease: &SessionLease, gateway: &Gateway) {
        let now = self.now();
        let given_back = self.pool.give_back(lease, now);
        if let Some((server, session)) = given_back.removed {
            self.end_session(gateway, server, &session, &[]);
        }
        if !given_back.is_kept {
            let passed = lease.headers.passthrough_headers(lease.server);
            self.end_session(gateway, lease.server, &lease.session, passed);
        }
    }

    /// Forgets the kept data that the worker can learn again.
    pub fn forget_kept(&mut self) {
        self.pages.clear();
        self.servers.forget_descriptions();
        self.pins.forget_lists();
        self.opened.clear();
    }

    /// A newer configuration has replaced the one of this worker. This worker goes on for as long
    /// as its requests, and forgets what it can learn again. Gives the calls that end those of the
    /// gateway's sessions that no request uses.
    pub fn retire(&mut self, gateway: &Gateway) -> Vec<Rc<Call>> {
        self.forget_kept();
        let mut sessions = self.pool.retire();
        sessions.append(&mut self.left_sessions);
        let sessions = sessions.into_iter();
        let named = sessions.filter(|(_, session)| session.id.is_some());
        let ends = named.filter_map(|(server, session)| {
            let server = gateway.server(server)?;
            Some(Rc::new(Call::end(server, &session, &[])))
        });
        ends.collect()
    }

    /// This worker ends, and its calls end with it. Gives the calls that end the gateway's
    /// sessions.
    pub fn close(&mut self, gateway: &Gateway) -> Vec<Rc<Call>> {
        let mut ends = self.retire(gateway);
        ends.extend(self.outbox.take_ends());
        ends
    }

    /// Ends some of the gateway's sessions that no request has used for a while. Tries again to end
    /// the sessions that servers failed to end. `gateway` has all servers, not only those of an
    /// endpoint.
    pub fn end_idle_sessions(&mut self, gateway: &Gateway) {
        for (server, session) in std::mem::take(&mut self.left_sessions) {
            self.end_session(gateway, server, &session, &[]);
        }
        let now = self.now();
        let age = now.checked_sub(self.idle_check);
        if age.is_some_and(|age| age < IDLE_CHECK_INTERVAL) {
            return;
        }
        // If there are more idle sessions, the next step ends them.
        let idle = self.pool.remove_idle(now);
        if !self.pool.has_idle(now) {
            self.idle_check = now;
            self.outbox.retry(now);
        }
        for (server, session) in idle {
            // The client is gone, and the gateway keeps no headers of clients.
            self.end_session(gateway, server, &session, &[]);
        }
    }
}

/// Whether the time of a call, made at `since`, is over. Envoy reports a timeout as such only
/// before the headers of the response have come, and measures the time with another clock.
fn is_timeout(call: &Call, since: Duration, now: Duration) -> bool {
    let slack = call.timeout.checked_div(20).unwrap_or_default();
    now.saturating_sub(since) >= call.timeout.saturating_sub(slack)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::config::Config;
    use crate::gateway::store::NoStore;
    use crate::gateway::upstream::list_page::ListPage;
    use crate::gateway::upstream::page_key::PageKey;
    use crate::gateway::upstream::server_description::ServerDescription;
    use crate::mcp::version;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn worker() -> Worker {
        Worker::new(
            || Duration::from_secs(1000),
            |bytes| bytes.fill(0xab),
            Box::new(NoStore),
        )
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn all_calls_that_are_left_to_a_worker_without_servers_are_made() {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        let gateway = config.gateway.unwrap();
        let (mut worker, before) = (worker(), memory::held());
        let session = UpstreamSession {
            version: "2025-06-18",
            id: Some("s".into()),
        };
        for _ in 0..100 {
            let end = Call::end(&gateway.servers[0], &session, &[]);
            worker.outbox.push(end);
        }
        let ended = CallResponse::Http {
            status: 200,
            content_type: None,
            session: None,
            body: Vec::new(),
        };
        let mut made = 0;
        loop {
            let calls = worker.dispatch_outbox();
            if calls.is_empty() {
                break;
            }
            made += calls.len();
            for (id, _) in calls {
                worker.left_call_done(id, &ended);
            }
        }
        assert_eq!((made, memory::held()), (100, before));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_with_a_server_of_another_endpoint_is_ended_all_the_same() {
        let config = br#"{"servers":[{"name":"a"},{"name":"b"}],"endpoints":[{"path":"/1","servers":["a"]}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let [a, b] = [0, 1].map(|at| gateway.servers[at].id);
        let session = UpstreamSession {
            version: "2025-06-18",
            id: Some("s".into()),
        };
        let mut worker = worker();
        for server in [a, b] {
            worker.end_session(&gateway.views[0], server, &session, &[]);
        }
        let ended = |worker: &mut Worker| {
            let calls = worker.dispatch_outbox().into_iter();
            calls.map(|(_, call)| call.server).collect::<Vec<_>>()
        };
        assert_eq!(ended(&mut worker), [a]);
        worker.end_idle_sessions(&gateway);
        assert_eq!(ended(&mut worker), [b]);
        worker.end_session(&gateway.views[0], b, &session, &[]);
        assert_eq!(worker.retire(&gateway).len(), 1);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_worker_that_is_replaced_forgets_what_it_can_learn_again() {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        let gateway = config.gateway.unwrap();
        let (mut worker, before) = (worker(), memory::held());
        let result = r#"{"tools":[{"name":"t"}]}"#;
        let page =
            ListPage::parse(ListKind::Tools, &gateway.servers[0], result, usize::MAX).unwrap();
        let (now, ttl) = (worker.now(), Duration::from_secs(60));
        let key = PageKey([1; 32], None);
        worker.pages.keep(key, &Rc::new(page), result, now, ttl);
        let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
        let said = ServerDescription::read_discover(result, version::MODERN).unwrap();
        worker
            .servers
            .remember_description(("a", None), Rc::new(said), now);
        assert!(memory::held() > before);
        assert_eq!(worker.retire(&gateway).len(), 0);
        assert_eq!(memory::held(), before);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn ids_are_the_workers_own_and_never_the_same() {
        let mut worker = worker();
        assert_eq!(worker.next_id(), "gw-abababababababab-1");
        assert_eq!(worker.next_id(), "gw-abababababababab-2");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_scope_is_of_one_list_of_fields_and_of_one_worker() {
        let worker = worker();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let of =
            |fields: &[(&str, &str)]| worker.scope(&fields.iter().map(owned).collect::<Vec<_>>());
        assert_eq!(of(&[]), None);
        let all: [&[(&str, &str)]; 6] = [
            &[("a", "1")],
            &[("a", "")],
            &[("a", "2")],
            &[("b", "1")],
            &[("a", "1"), ("a", "1")],
            &[("a", "1a")],
        ];
        let scopes = all.map(of);
        for (at, scope) in scopes.iter().enumerate() {
            assert!(scope.is_some() && !scopes[..at].contains(scope), "{at}");
        }
        assert_eq!(of(all[0]), scopes[0]);
        let other = Worker::new(
            || Duration::from_secs(1000),
            |bytes| bytes.fill(1),
            Box::new(NoStore),
        );
        assert_ne!(other.scope(&[owned(&("a", "1"))]), scopes[0]);
    }
}
