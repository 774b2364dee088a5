//! What the streams of one Envoy worker share: clock, request ids, calls under
//! way, pages, and what is known of servers. Nothing here outlives the worker's
//! VM.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use super::answer::Answer;
use super::call::{Question, Response};
use super::calls::{Calls, Delivery, JobId};
use super::discover::Discovered;
use super::failure::Failure;
use super::kind::Kind;
use super::pages::{Pages, Store};
use crate::config::Gateway;

/// For how long a server's capabilities are taken to be what it last said.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// How much of that is remembered: for each server and each kind of client.
const KNOWN: usize = 1024;

/// The state of one worker.
#[derive(Debug)]
pub struct Worker {
    clock: fn() -> Duration,
    random: u64,
    requests: u64,
    failing: HashSet<String>,
    /// By server and by the capabilities of the client that asked.
    known: HashMap<(String, String), (Duration, Rc<Discovered>)>,
    /// The lists that were last for one caller only.
    private: HashSet<(usize, Kind)>,
    /// What names this plugin among those of its VM.
    pub plugin: String,
    /// The calls of all streams.
    pub calls: Calls,
    /// The pages that are kept.
    pub pages: Pages,
}

impl Worker {
    /// A worker with this `clock`, which may jump; `random` makes its ids its
    /// own; `store` is what all workers share.
    pub fn new(clock: fn() -> Duration, random: u64, store: Box<dyn Store>) -> Self {
        Self {
            clock,
            random,
            requests: 0,
            failing: HashSet::new(),
            known: HashMap::new(),
            private: HashSet::new(),
            plugin: String::new(),
            calls: Calls::default(),
            pages: Pages::new(store),
        }
    }

    /// Time since some fixed point.
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// A JSON-RPC id for a request of the gateway's: `gw-<random>-<n>`.
    pub fn next_id(&mut self) -> String {
        self.requests = self.requests.wrapping_add(1);
        format!("gw-{:016x}-{}", self.random, self.requests)
    }

    /// Takes the response to a call: which streams are told what.
    pub fn done(&mut self, job: JobId, response: &Response, gateway: &Gateway) -> Vec<Delivery> {
        let now = self.now();
        let Some((call, since)) = self.calls.call(job) else {
            return Vec::new();
        };
        // Envoy tells a timeout as such only before the headers of the response,
        // and its clock is another.
        let slack = call.timeout.checked_div(20).unwrap_or_default();
        let in_time = now.saturating_sub(since) < call.timeout.saturating_sub(slack);
        let answer = match response {
            Response::Reset if !in_time => Answer::Failed(Failure::TimedOut),
            response => call.answer(response, gateway, &mut self.pages, now),
        };
        if let (Answer::Page { page, .. }, Question::List(kind)) = (&answer, call.question) {
            let list = (call.server, kind);
            if page.freshness.public {
                self.private.remove(&list);
            } else {
                self.private.insert(list);
            }
        }
        self.calls.done(job, &answer)
    }

    /// Whether it is worth waiting for another's answer to this list of the
    /// server at this place: not where the last one was that one's own.
    pub fn is_shared(&self, server: usize, kind: Kind) -> bool {
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

    /// What `server` said of itself to a client with these `capabilities`, unless
    /// that was long ago.
    pub fn known(&self, server: &str, capabilities: &str) -> Option<Rc<Discovered>> {
        let key = (server.to_owned(), capabilities.to_owned());
        let (since, discovered) = self.known.get(&key)?;
        // A clock that was set back makes it old, too.
        let age = self.now().checked_sub(*since)?;
        (age < KNOWN_FOR).then(|| Rc::clone(discovered))
    }

    /// Remembers what `server` says of itself to such clients.
    pub fn learn(&mut self, server: &str, capabilities: &str, discovered: Rc<Discovered>) {
        let now = self.now();
        if self.known.len() >= KNOWN {
            // Clients make up their capabilities.
            self.known.clear();
        }
        let key = (server.to_owned(), capabilities.to_owned());
        self.known.insert(key, (now, discovered));
    }

    /// It behaves differently: it is to be asked again.
    pub fn forget(&mut self, server: &str) {
        self.known.retain(|(known, _), _| known != server);
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
        Worker::new(|| CLOCK.get(), 0xab, Box::new(Nothing))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn ids_are_the_workers_own_and_never_the_same() {
        let mut worker = worker();
        assert_eq!(worker.next_id(), "gw-00000000000000ab-1");
        assert_eq!(worker.next_id(), "gw-00000000000000ab-2");
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
        let discovered = || Rc::new(Discovered::read(result).unwrap());
        assert!(worker.known("a", "{}").is_none());
        CLOCK.set(Duration::from_secs(1000));
        worker.learn("a", "{}", discovered());
        for (second, known) in [(1000, true), (1059, true), (1060, false), (999, false)] {
            CLOCK.set(Duration::from_secs(second));
            assert_eq!(worker.known("a", "{}").is_some(), known, "{second}");
        }
        CLOCK.set(Duration::from_secs(1000));
        assert!(worker.known("a", "{\"x\":{}}").is_none());
        worker.forget("a");
        assert!(worker.known("a", "{}").is_none());
    }
}
