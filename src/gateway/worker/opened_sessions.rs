//! The sessions of clients that this worker has opened. A client sends the same session id with
//! each request, and to decrypt it takes longer than to find it here.

use std::rc::Rc;
use std::time::Duration;

use crate::gateway::session::Session;
use crate::gateway::session::sealed::{OpenedSession, SessionSealer};
use crate::gateway::worker::remembered::Remembered;
use crate::memory::HeldBytes;

/// The most sessions that are remembered.
const MOST: usize = 1024;
/// The most memory of these sessions, in bytes.
const MOST_BYTES: usize = 4_194_304;

/// The sessions that one worker has opened with one [`SessionSealer`].
pub struct OpenedSessions(Remembered<String, OpenedBefore>);

/// A session, and the data that the result of opening it depends on.
struct OpenedBefore {
    endpoint: Vec<u8>,
    identity: Option<String>,
    opened: OpenedSession,
    _memory: HeldBytes,
}

impl Default for OpenedSessions {
    fn default() -> Self {
        Self(Remembered::new(MOST, Some(MOST_BYTES)))
    }
}

impl OpenedSessions {
    /// From now on, keeps at most this many bytes.
    pub fn limit_bytes(&mut self, most: usize) {
        self.0.limit_bytes(most.min(MOST_BYTES));
    }

    /// Forgets all sessions. To be called when the sealer changes.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The same as [`SessionSealer::open`] of `sealer`.
    pub fn open(
        &mut self,
        sealer: &SessionSealer,
        text: &str,
        endpoint: &[u8],
        identity: Option<&str>,
        now: Duration,
    ) -> Option<Rc<Session>> {
        if let Some(before) = self.0.get(text)
            && before.endpoint == endpoint
            && before.identity.as_deref() == identity
            && before.opened.until > now
        {
            return Some(Rc::clone(&before.opened.session));
        }
        let opened = sealer.open(text, endpoint, identity, now)?;
        let session = Rc::clone(&opened.session);
        let sizes = [
            text.len(),
            endpoint.len(),
            identity.map_or(0, str::len),
            session.size(),
        ];
        let bytes = sizes.into_iter().fold(0, usize::saturating_add);
        let before = OpenedBefore {
            endpoint: endpoint.to_vec(),
            identity: identity.map(str::to_owned),
            opened,
            _memory: HeldBytes::new(bytes),
        };
        self.0.insert(text.to_owned(), before, bytes);
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::session::{SessionPart, id};
    use crate::seal::NONCE;
    use crate::seal::tests::keys;
    use wasm_bindgen_test::wasm_bindgen_test;

    const NOW: Duration = Duration::from_secs(1_790_000_000);
    const TTL: Duration = Duration::from_secs(60);

    fn sealer(key: u8) -> SessionSealer {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        SessionSealer::new(keys(&[key]), TTL, &config.gateway.unwrap().servers)
    }

    /// A session that `sealer` sealed at `/mcp` for `identity`, and its text.
    fn sealed(sealer: &SessionSealer, first: u8, identity: Option<&str>) -> (Session, String) {
        let nonce = [first; NONCE];
        let session = Session {
            id: id(&nonce),
            version: "2025-11-25",
            capabilities: "{}".into(),
            info: None,
            parts: vec![SessionPart::Absent],
            joined: Vec::new(),
        };
        let text = sealer.seal(&session, nonce, b"/mcp", identity, NOW);
        (session, text.unwrap())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_remembered_opens_as_the_sealer_opens_it() {
        let sealer = sealer(1);
        let mut sessions = OpenedSessions::default();
        let (mine, free) = (sealed(&sealer, 1, Some("me")), sealed(&sealer, 2, None));
        // Twice, so that the second time each session is known.
        for _ in 0..2 {
            for (session, text) in [&mine, &free] {
                for endpoint in ["/mcp", "/mcp?x", "/other", ""] {
                    for identity in [Some("me"), Some("you"), Some(""), None] {
                        for at in [NOW, NOW + TTL, NOW + TTL * 2, NOW - TTL] {
                            let endpoint = endpoint.as_bytes();
                            let expected = sealer.open(text, endpoint, identity, at);
                            let expected = expected.map(|opened| opened.session);
                            let found = sessions.open(&sealer, text, endpoint, identity, at);
                            assert_eq!(found, expected);
                            assert!(found.is_none_or(|found| *found == *session));
                        }
                    }
                }
            }
        }
        assert_eq!(sessions.0.count(), 2);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn another_text_opens_nothing_and_is_not_remembered() {
        let sealer = sealer(1);
        let mut sessions = OpenedSessions::default();
        let (_, text) = sealed(&sealer, 1, None);
        assert!(sessions.open(&sealer, &text, b"/mcp", None, NOW).is_some());
        for other in [&text[1..], &text[..text.len() - 1], "", &format!("{text}A")] {
            assert_eq!(sessions.open(&sealer, other, b"/mcp", None, NOW), None);
        }
        assert_eq!(sessions.0.count(), 1);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn memory_is_bounded_and_freed() {
        let (sealer, before) = (sealer(1), crate::memory::held());
        let mut sessions = OpenedSessions::default();
        sessions.limit_bytes(10_000);
        for first in 0..200 {
            let (_, text) = sealed(&sealer, first, None);
            assert!(sessions.open(&sealer, &text, b"/mcp", None, NOW).is_some());
        }
        let count = sessions.0.count();
        assert!(0 < count && count < 100, "{count}");
        assert!(crate::memory::held() > before);
        sessions.clear();
        assert_eq!(crate::memory::held(), before);
    }
}
