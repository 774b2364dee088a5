//! Decides whether there is enough memory to accept a new request (`memory.heldBytes`).

use crate::config::Config;
use crate::http::Headers;
use crate::mcp;
use crate::memory;

/// How far above the limit the filter still reads requests that it is going to refuse, in bytes.
const RESERVE: usize = 33_554_432;

/// Whether there is memory for a new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) enum Admission {
    /// There is enough memory.
    Accepted,
    /// There is not enough memory. The filter still reads the request, since the error must contain
    /// its id: a legacy client would end its whole session after an error without an id.
    ReadOnly,
    /// There is not enough memory, and the filter does not read the request.
    Refused,
}

impl Admission {
    /// Decides for a request with these headers.
    pub(in crate::stream) fn of(config: &Config, headers: &Headers) -> Self {
        let (held, most) = (memory::held(), config.held_bytes);
        if held < most {
            return Self::Accepted;
        }
        let has_reserve = held.saturating_sub(most) < RESERVE;
        let is_post = headers.get(":method") == Some(b"POST");
        if has_reserve && is_post && headers.get(mcp::SESSION_HEADER).is_some() {
            Self::ReadOnly
        } else {
            Self::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::time::Duration;

    use crate::gateway::store::NoStore;
    use crate::gateway::upstream::server_description::ServerDescription;
    use crate::gateway::worker::Worker;
    use crate::gateway::worker::calls::StreamId;
    use crate::mcp::version;
    use crate::memory::HeldBytes;
    use crate::stream::{Effect, Event, HostFacts, Stream};
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_remembered_goes_before_a_request_is_refused() {
        let config = r#"{"servers":[{"name":"a"}],"memory":{"heldBytes":1000000}}"#;
        let config = Rc::new(Config::parse(config.as_bytes()).unwrap());
        let mut worker = Worker::new(
            || Duration::from_secs(1000),
            |bytes| bytes.fill(1),
            Box::new(NoStore),
        );
        worker.configure(config.gateway.as_ref().unwrap(), config.held_bytes);
        let text = "x".repeat(60_000);
        let said = format!(
            r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{}},"instructions":"{text}"}}"#
        );
        let said = ServerDescription::read_discover(&said, version::MODERN).unwrap();
        let now = worker.now();
        let known = &mut worker.servers;
        known.remember_description(("a", None), Rc::new(said), now);
        let mut others = HeldBytes::new(950_000);
        let mut status = || {
            let mut stream = Stream::new(StreamId(1), Rc::clone(&config));
            let headers = [
                (":method", "POST"),
                (":path", "/mcp"),
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
            ];
            let event = Event::RequestHeaders {
                headers: Headers::from_pairs(headers),
                end: false,
                known: HostFacts::default(),
            };
            let step = stream.on(event, &mut worker);
            step.effects.into_iter().find_map(|effect| match effect {
                Effect::Reply(reply) => Some(reply.status),
                _ => None,
            })
        };
        assert_eq!(status(), None);
        others.set(1_000_000);
        assert_eq!(status(), Some(503));
        drop(others);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_short_requests_in_a_session_are_read_when_memory_is_used_up() {
        let config = Config::parse(br#"{"memory":{"heldBytes":1000}}"#).unwrap();
        let of = |method, session: Option<&str>| {
            let session = session.map(|id| ("mcp-session-id", id));
            let pairs = [(":method", method)].into_iter().chain(session);
            Admission::of(&config, &Headers::from_pairs(pairs))
        };
        let mut held = HeldBytes::new(999);
        assert_eq!(of("POST", None), Admission::Accepted);
        held.set(1000);
        assert_eq!(of("POST", None), Admission::Refused);
        assert_eq!(of("GET", Some("s")), Admission::Refused);
        let read = of("POST", Some("s"));
        assert_eq!(read, Admission::ReadOnly);
        held.set(1000 + RESERVE);
        assert_eq!(of("POST", Some("s")), Admission::Refused);
        drop(held);
        assert_eq!(of("POST", None), Admission::Accepted);
    }
}
