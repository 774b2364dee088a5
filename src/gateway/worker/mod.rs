//! What the streams of one Envoy worker share: clock, request ids, calls under
//! way, pages, sessions of the gateway's own, and what is known of servers.
//! Nothing here outlives the worker's VM.

pub mod calls;
pub mod page_cache;
pub mod request_servers;
pub mod session_pool;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, Protocol, Server, ServerId};
use crate::gateway::session::sealed::SessionSealer;
use crate::gateway::upstream::call::{Call, CallResponse, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::discovered::ServerDescription;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::calls::{Calls, Delivery, DispatchId};
use crate::gateway::worker::page_cache::{PageCache, Store};
use crate::gateway::worker::request_servers::RequestServers;
use crate::gateway::worker::session_pool::{SessionLease, SessionPool};
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::seal::{self, Keys};

/// For how long a server's capabilities are taken to be what it last said.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// Calls under way whose answer nobody waits for; more are not made.
const UNAWAITED: usize = 256;

/// How often idle sessions are looked for.
const TIDIED: Duration = Duration::from_secs(10);

/// How much of that is remembered: for each server and each kind of client.
const KNOWN: usize = 1024;

/// Stands for what of a client's headers goes on to a server: equal where that
/// is, and of no use elsewhere.
pub type Scope = [u8; 32];

/// For whom a server has said what it can do: its name, the capabilities of the
/// client, and what of its headers went on.
type For = (String, String, Option<Scope>);

/// The state of one worker.
#[derive(Debug)]
pub struct Worker {
    clock: fn() -> Duration,
    random: fn(&mut [u8]),
    /// What makes its request ids its own.
    prefix: u64,
    store: Rc<dyn Store>,
    last_request: u64,
    failing: HashSet<String>,
    known: HashMap<For, (Duration, Rc<ServerDescription>)>,
    /// What makes scopes this worker's own.
    scopes: OnceCell<[u8; 32]>,
    eras: HashMap<String, Era>,
    /// Modern servers that have refused `initialize`.
    modern_only: HashSet<String>,
    tidied: Duration,
    /// The lists that were last for one caller only.
    private: HashSet<(ServerId, ListKind)>,
    /// What names this plugin among those of its VM.
    pub plugin: String,
    /// The calls of all streams.
    pub calls: Calls,
    /// The pages that are kept.
    pub pages: PageCache,
    /// The gateway's own sessions.
    pub pool: SessionPool,
    /// Where clients' requests went.
    pub requests: RequestServers,
    /// What makes and opens the ids of clients' sessions; once
    /// [configured](Worker::configure).
    pub sealing: Option<SessionSealer>,
    /// Calls to make whose answer nobody waits for.
    pub outbox: Vec<Call>,
}

impl Worker {
    /// A worker with this `clock`, which tells the time since 1970 and may jump;
    /// `random` fills a slice with what nobody can guess; `store` is what all
    /// workers share.
    pub fn new(clock: fn() -> Duration, random: fn(&mut [u8]), store: Box<dyn Store>) -> Self {
        let mut prefix = [0; 8];
        random(&mut prefix);
        let store: Rc<dyn Store> = Rc::from(store);
        Self {
            clock,
            random,
            prefix: u64::from_be_bytes(prefix),
            last_request: 0,
            failing: HashSet::new(),
            known: HashMap::new(),
            scopes: OnceCell::new(),
            eras: HashMap::new(),
            modern_only: HashSet::new(),
            tidied: Duration::ZERO,
            private: HashSet::new(),
            plugin: String::new(),
            calls: Calls::default(),
            requests: RequestServers::new(Rc::clone(&store)),
            pages: PageCache::new(Rc::clone(&store)),
            pool: SessionPool::default(),
            sealing: None,
            store,
            outbox: Vec::new(),
        }
    }

    /// Takes over what the configuration says of sessions. Without a key there,
    /// all workers of this process share one: `true` when this one has made it.
    pub fn configure(&mut self, gateway: &Gateway) -> bool {
        const KEY: &str = "mcp-gateway.session-key";
        let sessions = &gateway.sessions;
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
        self.sealing = keys.map(|keys| SessionSealer::new(keys, sessions.ttl, &gateway.servers));
        is_made
    }

    /// Bytes that nobody can guess.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    /// What stands for these fields of a client's; `None` for none. Nobody who
    /// does not know this worker's key can find the fields by trying.
    pub fn scope(&self, passed: &[(String, String)]) -> Option<Scope> {
        if passed.is_empty() {
            return None;
        }
        let key = self.scopes.get_or_init(|| self.random());
        let fields = passed.iter();
        let fields = fields.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let parts: Vec<&[u8]> = std::iter::once(&key[..]).chain(fields).collect();
        Some(seal::digest(&parts))
    }

    /// Time since 1970.
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// A JSON-RPC id for a request of the gateway's: `gw-<random>-<n>`.
    pub fn next_id(&mut self) -> String {
        self.last_request = self.last_request.wrapping_add(1);
        format!("gw-{:016x}-{}", self.prefix, self.last_request)
    }

    /// Takes the response to a call: which streams are told what.
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
        // Envoy tells a timeout as such only before the headers of the response,
        // and its clock is another.
        let slack = call.timeout.checked_div(20).unwrap_or_default();
        let in_time = now.saturating_sub(since) < call.timeout.saturating_sub(slack);
        let answer = match response {
            CallResponse::Reset if !in_time => CallResult::Failed(Failure::TimedOut),
            response => {
                let (answer, cacheable) = call.answer(response, gateway);
                if let Some(page) = cacheable {
                    self.pages
                        .keep(page.key, (&page.page, &page.text), now, page.ttl);
                }
                answer
            }
        };
        if let (CallResult::Page { page, .. }, UpstreamRequest::List(kind)) =
            (&answer, &call.question)
        {
            let list = (call.server, *kind);
            if page.cache_hints.public {
                self.private.remove(&list);
            } else {
                self.private.insert(list);
            }
        }
        let deliveries = self.calls.done(job, &answer);
        if let (CallResult::Opened(_, link), true) = (&answer, deliveries.is_empty()) {
            // Who wanted it is gone.
            let passed = gateway.server(call.server);
            let passed = passed.map_or_else(Vec::new, |server| call.passed(server));
            self.end(gateway, call.server, link, &passed);
        }
        deliveries
    }

    /// Ends a session with the server at this place, which gets what is `passed`
    /// on of the headers of whose session it is.
    pub fn end(
        &mut self,
        gateway: &Gateway,
        server: ServerId,
        link: &UpstreamSession,
        passed: &[(String, String)],
    ) {
        if let Some(server) = gateway.server(server)
            && link.session.is_some()
        {
            self.outbox.push(Call::end(server, link, passed));
        }
    }

    /// The calls whose answer nobody waits for, to be sent now.
    pub fn posted(&mut self) -> Vec<(DispatchId, Rc<Call>)> {
        // Each event of each stream comes by, and the clock is the host's.
        if self.outbox.is_empty() {
            return Vec::new();
        }
        let now = self.now();
        let mut sent = Vec::new();
        for call in std::mem::take(&mut self.outbox) {
            // A flood of notifications must not take memory and connections away.
            if self.calls.unawaited() < UNAWAITED {
                sent.push(self.calls.send(call, now));
            }
        }
        sent
    }

    /// Whether it is worth waiting for another's answer to this list of the
    /// server at this place: not where the last one was that one's own.
    pub fn is_shared(&self, server: ServerId, kind: ListKind) -> bool {
        !self.private.contains(&(server, kind))
    }

    /// Notes whether `server` is failing; `true` when that is news.
    pub fn note(&mut self, server: &str, failing: bool) -> bool {
        if failing {
            !self.failing.contains(server) && self.failing.insert(server.to_owned())
        } else {
            self.failing.remove(server)
        }
    }

    /// What `server` said of itself to a client with these `capabilities`, of
    /// whose headers this goes on; unless that was long ago.
    pub fn known(
        &self,
        server: &str,
        capabilities: &str,
        scope: Option<Scope>,
    ) -> Option<Rc<ServerDescription>> {
        let key = (server.to_owned(), capabilities.to_owned(), scope);
        let (since, discovered) = self.known.get(&key)?;
        // A clock that was set back makes it old, too.
        let age = self.now().checked_sub(*since)?;
        (age < KNOWN_FOR).then(|| Rc::clone(discovered))
    }

    /// Remembers what `server` says of itself to such clients.
    pub fn learn(
        &mut self,
        (server, capabilities, scope): (&str, &str, Option<Scope>),
        discovered: Rc<ServerDescription>,
    ) {
        let now = self.now();
        if self.known.len() >= KNOWN {
            // Clients make up their capabilities.
            self.known.clear();
        }
        let key = (server.to_owned(), capabilities.to_owned(), scope);
        self.known.insert(key, (now, discovered));
    }

    /// The era of `server`, as it showed itself last.
    pub fn era(&self, server: &str) -> Option<Era> {
        self.eras.get(server).copied()
    }

    /// The era in which `server` is spoken to: as configured, or as it showed
    /// itself last.
    pub fn era_of(&self, server: &Server) -> Option<Era> {
        match server.protocol {
            Protocol::Auto => self.era(&server.name),
            Protocol::Modern => Some(Era::Modern),
            Protocol::Legacy => Some(Era::Legacy),
        }
    }

    /// `server` shows itself to be of this era.
    pub fn is(&mut self, server: &str, era: Era) {
        if self.era(server) != Some(era) {
            self.eras.insert(server.to_owned(), era);
        }
    }

    /// It behaves differently: it is to be asked again.
    pub fn forget(&mut self, server: &str) {
        self.known.retain(|(known, ..), _| known != server);
        self.eras.remove(server);
        self.modern_only.remove(server);
    }

    /// Whether `server`, a modern one, has refused a session.
    pub fn is_modern_only(&self, server: &str) -> bool {
        self.modern_only.contains(server)
    }

    /// `server`, a modern one, refuses sessions.
    pub fn modern_only(&mut self, server: &str) {
        self.modern_only.insert(server.to_owned());
    }

    /// A request is done with a session of the gateway's: it is kept for others,
    /// or ended.
    pub fn release(&mut self, held: &SessionLease, gateway: &Gateway) {
        let now = self.now();
        if !self.pool.put(held, now) {
            let passed = held.headers.passthrough_headers(held.server);
            self.end(gateway, held.server, &held.link, passed);
        }
    }

    /// Ends the sessions of the gateway's that nobody uses any more.
    pub fn tidy(&mut self, gateway: &Gateway) {
        let now = self.now();
        if now.checked_sub(self.tidied).is_some_and(|age| age < TIDIED) {
            return;
        }
        self.tidied = now;
        for (server, link) in self.pool.idle(now) {
            // Whose it was is gone, and nothing of theirs was kept.
            self.end(gateway, server, &link, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[derive(Debug)]
    struct Nothing;

    impl Store for Nothing {
        fn get(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set(&self, _: &str, _: &[u8]) {}
    }

    thread_local! {
        static CLOCK: Cell<Duration> = const { Cell::new(Duration::from_secs(1000)) };
    }

    fn worker() -> Worker {
        Worker::new(|| CLOCK.get(), |bytes| bytes.fill(0xab), Box::new(Nothing))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn ids_are_the_workers_own_and_never_the_same() {
        let mut worker = worker();
        assert_eq!(worker.next_id(), "gw-abababababababab-1");
        assert_eq!(worker.next_id(), "gw-abababababababab-2");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_change_of_a_server_is_news() {
        let mut worker = worker();
        assert!(!worker.note("a", false));
        assert!(worker.note("a", true));
        assert!(!worker.note("a", true));
        assert!(worker.note("a", false));
        assert!(!worker.note("a", false));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_is_known_for_a_minute() {
        let mut worker = worker();
        let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
        let discovered = || Rc::new(ServerDescription::read(result).unwrap());
        assert!(worker.known("a", "{}", None).is_none());
        CLOCK.set(Duration::from_secs(1000));
        worker.learn(("a", "{}", None), discovered());
        for (second, known) in [(1000, true), (1059, true), (1060, false), (999, false)] {
            CLOCK.set(Duration::from_secs(second));
            assert_eq!(worker.known("a", "{}", None).is_some(), known, "{second}");
        }
        CLOCK.set(Duration::from_secs(1000));
        assert!(worker.known("a", "{\"x\":{}}", None).is_none());
        assert!(worker.known("a", "{}", Some([0; 32])).is_none());
        worker.learn(("a", "{}", Some([1; 32])), discovered());
        worker.forget("a");
        for scope in [None, Some([1; 32])] {
            assert!(worker.known("a", "{}", scope).is_none());
        }
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
        let other = Worker::new(|| CLOCK.get(), |bytes| bytes.fill(1), Box::new(Nothing));
        assert_ne!(other.scope(&[owned(&("a", "1"))]), scopes[0]);
    }
}
