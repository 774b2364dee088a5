//! The text of an `Mcp-Session-Id`: a session that is encrypted and authenticated. The client keeps
//! it, and every replica with the key can open it.
//!
//! The encrypted bytes are: when the session ends, in milliseconds since 1970 (eight bytes,
//! big-endian); the owner ([`NO_OWNER`], or [`OWNER`] and a tag of the owner's identity); and the
//! session itself, see [`super::encoding`].
//!
//! The text has at most [`LONGEST_SESSION_ID`] bytes: the client sends it with each request, and
//! proxies in front of the gateway limit headers to 8 KB or less. If the session ids of servers do
//! not fit, this process keeps them ([`KeptIds`]), or else the session cannot begin.

use std::rc::Rc;
use std::time::Duration;

use super::encoding::{Decoder, kept_bytes, longest_ids, push_session, server_session_id};
use super::kept_ids::KeptIds;
use super::server_mark::ServerMark;
use super::version_codes::VERSION_CODES;
use super::{Session, id};
use crate::config::{Endpoints, LONGEST_SESSION_ID, Server, ServerId};
use crate::seal::{Keys, NONCE, TAG};

/// The number of this format. It changes when the meaning of the bytes changes. Then the gateway
/// opens no older session.
const FORMAT: u8 = 2;

/// The longest text that the gateway opens, in bytes. Older gateways sealed longer sessions than
/// this one.
const MAX_OPENED: usize = 49_152;

/// The most bytes that fit into the text: it is base64, and the nonce and the tag of the cipher are
/// part of it.
const MAX_PLAIN: usize = LONGEST_SESSION_ID / 4 * 3 - NONCE - TAG;

/// How many bytes the number of a slot with kept ids has.
const SLOT: usize = 2;

/// The session has no owner: no identity is configured.
const NO_OWNER: u8 = 0;
/// A tag of the owner's identity follows.
const OWNER: u8 = 1;

/// Seals sessions, and opens them.
#[derive(Clone)]
pub struct SessionSealer {
    keys: Keys,
    ttl: Duration,
    /// The mark of each server, in the order of the configuration.
    marks: Vec<ServerMark>,
    /// Keeps the session ids of servers that do not fit; `None` where other replicas have the keys,
    /// too.
    kept: Option<KeptIds>,
}

/// A session that a [`SessionSealer`] has opened.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct OpenedSession {
    /// The session.
    pub session: Rc<Session>,
    /// When the session ends, in time since 1970.
    pub until: Duration,
}

/// Why a session cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// The text would be longer than [`LONGEST_SESSION_ID`] bytes.
    TooLong {
        /// The server with the longest session id; `None` where no server gave a session id.
        server: Option<ServerId>,
        /// The length of this session id, in bytes.
        length: usize,
    },
    /// The session cannot be written: the gateway does not support one of its versions, it does not
    /// have one part for each server, or a session id of a server is empty or not visible ASCII.
    Invalid,
}

impl SessionSealer {
    /// A sealer for sessions with these servers. Each session ends `ttl` after
    /// it began.
    pub fn new(keys: Keys, ttl: Duration, servers: &[Server]) -> Self {
        Self {
            keys,
            ttl,
            marks: servers.iter().map(ServerMark::of).collect(),
            kept: None,
        }
    }

    /// This sealer, with `kept` for the session ids of servers that do not fit.
    pub fn keeping(self, kept: Option<KeptIds>) -> Self {
        Self { kept, ..self }
    }

    /// The keys of the sealer. They also authenticate the aliases of [`super::alias`].
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The mark of this server; `None` where the server is of another configuration.
    pub fn mark(&self, server: ServerId) -> Option<ServerMark> {
        self.marks.get(server.index()).copied()
    }

    /// The server that `mark` stands for, if the configuration still has it.
    pub fn server(&self, mark: ServerMark) -> Option<ServerId> {
        let index = self.marks.iter().position(|known| *known == mark)?;
        ServerId::from_index(index)
    }

    /// Seals `session`, which begins `now` (since 1970) at the request target `endpoint`, and
    /// belongs to `identity` where one is configured. `nonce` is random, and `session.id` is the
    /// [`id`] of `nonce`.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(
        &self,
        session: &Session,
        nonce: [u8; NONCE],
        endpoint: &[u8],
        identity: Option<&str>,
        now: Duration,
    ) -> Result<String, SealError> {
        let whole = self.plain(session, &nonce, identity, now, &[]);
        let plain = whole.ok_or(SealError::Invalid)?;
        let plain = match plain.len().checked_sub(MAX_PLAIN) {
            None | Some(0) => plain,
            Some(excess) => self
                .shortened(session, &nonce, identity, now, excess)
                .ok_or_else(|| too_long(session))?,
        };
        let text = self.keys.seal(nonce, &plain, &associated_data(endpoint));
        text.ok_or(SealError::Invalid)
    }

    /// The bytes to encrypt, without the session ids of the servers `kept`; `None` where the
    /// session cannot be written.
    fn plain(
        &self,
        session: &Session,
        nonce: &[u8; NONCE],
        identity: Option<&str>,
        now: Duration,
        kept: &[ServerId],
    ) -> Option<Vec<u8>> {
        if session.id != id(nonce) || session.parts.len() != self.marks.len() {
            return None;
        }
        let until = now.checked_add(self.ttl)?.as_millis();
        let mut plain = u64::try_from(until).ok()?.to_be_bytes().to_vec();
        match identity {
            None => plain.push(NO_OWNER),
            Some(identity) => {
                plain.push(OWNER);
                plain.extend_from_slice(&self.keys.tag(&owner_parts(identity)));
            }
        }
        push_session(&mut plain, session, &self.marks, VERSION_CODES, kept)?;
        Some(plain)
    }

    /// The bytes to encrypt, for a session that is `excess` bytes too long: this process keeps the
    /// longest session ids of servers. `None` where it cannot keep them, or the rest is still too
    /// long.
    fn shortened(
        &self,
        session: &Session,
        nonce: &[u8; NONCE],
        identity: Option<&str>,
        now: Duration,
        excess: usize,
    ) -> Option<Vec<u8>> {
        let store = self.kept.as_ref()?;
        let kept = longest_ids(session, excess.checked_add(SLOT)?);
        let mut plain = self.plain(session, nonce, identity, now, &kept)?;
        if plain.len().checked_add(SLOT)? > MAX_PLAIN {
            return None;
        }
        let slot = store.keep(&session.id, &kept_bytes(session, &kept)?)?;
        plain.extend_from_slice(&slot.to_be_bytes());
        Some(plain)
    }

    /// The session that was sealed as `text`, with the parts of those servers that the
    /// configuration still has. Gives `None` when `text` was not sealed with one of the keys for
    /// this endpoint and this identity, or when the session has expired at `now`.
    pub fn open(
        &self,
        text: &str,
        endpoint: &[u8],
        identity: Option<&str>,
        now: Duration,
    ) -> Option<OpenedSession> {
        if text.len() > MAX_OPENED {
            return None;
        }
        let opened = self.keys.open(text, &associated_data(endpoint))?;
        let mut decoder = Decoder::new(&opened.plain, VERSION_CODES);
        let until = Duration::from_millis(u64::from_be_bytes(decoder.array()?));
        let is_owner = match (decoder.byte()?, identity) {
            (NO_OWNER, None) => true,
            (OWNER, Some(identity)) => {
                let tag: [u8; TAG] = decoder.array()?;
                self.keys.verifies(&owner_parts(identity), &tag)
            }
            _ => false,
        };
        if !is_owner || until <= now {
            return None;
        }
        let id = id(&opened.nonce);
        let session = decoder.session(id, &self.marks, self.kept.as_ref())?;
        decoder.is_at_end().then(|| OpenedSession {
            session: Rc::new(session),
            until,
        })
    }
}

/// The data that a sealed session is bound to, but does not contain.
fn associated_data(endpoint: &[u8]) -> Vec<u8> {
    [&[FORMAT], Endpoints::path(endpoint)].concat()
}

/// The error for a `session` that is too long.
fn too_long(session: &Session) -> SealError {
    let server = longest_ids(session, 1).first().copied();
    let part = server.and_then(|server| session.part(server));
    let id = part.and_then(server_session_id);
    SealError::TooLong {
        server,
        length: id.map_or(0, str::len),
    }
}

/// The parts that the tag of an owner authenticates.
fn owner_parts(identity: &str) -> [&[u8]; 2] {
    [b"identity", identity.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::super::SessionPart;
    use super::super::version_codes::VersionCodes;
    use super::*;
    use crate::config::Config;
    use crate::mcp::capabilities::ServerCapabilities;
    use crate::mcp::version;
    use crate::seal::tests::{keys, mutations};
    use wasm_bindgen_test::wasm_bindgen_test;

    const NOW: Duration = Duration::from_secs(1_790_000_000);
    const TTL: Duration = Duration::from_secs(60);
    const UUID: &str = "0189af3c-7b1e-4c2d-9e8f-00ff10a0b0c0";

    fn servers(config: &str) -> Vec<Server> {
        let config = format!(r#"{{"servers":[{config}]}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        config.gateway.unwrap().servers
    }

    fn two() -> Vec<Server> {
        servers(r#"{"name":"a"},{"name":"b"}"#)
    }

    fn sealing(servers: &[Server]) -> SessionSealer {
        SessionSealer::new(keys(&[1]), TTL, servers)
    }

    fn nonce(first: u8) -> [u8; NONCE] {
        std::array::from_fn(|at| first.wrapping_add(u8::try_from(at).unwrap()))
    }

    fn legacy(session: Option<&str>) -> SessionPart {
        SessionPart::Legacy {
            offers: ServerCapabilities::TOOLS.union(ServerCapabilities::LOGGING),
            version: "2025-06-18",
            session: session.map(str::to_owned),
        }
    }

    fn session(parts: Vec<SessionPart>) -> Session {
        Session {
            id: id(&nonce(0)),
            version: "2025-11-25",
            capabilities: r#"{"elicitation":{}}"#.into(),
            info: Some(r#"{"name":"ü","version":"1"}"#.into()),
            parts,
            joined: Vec::new(),
        }
    }

    fn with(id: &str) -> Session {
        let offers = ServerCapabilities::RESOURCES;
        session(vec![legacy(Some(id)), SessionPart::Modern { offers }])
    }

    /// The session of a text that was sealed without an identity.
    fn open(sealing: &SessionSealer, text: &str) -> Option<Session> {
        let opened = sealing.open(text, b"/mcp", None, NOW)?;
        Some(Rc::unwrap_or_clone(opened.session))
    }

    fn seal(sealing: &SessionSealer, session: &Session) -> Option<String> {
        sealing.seal(session, nonce(0), b"/mcp", None, NOW).ok()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_sealed_comes_back() {
        let servers = two();
        let sealing = sealing(&servers);
        let offers = ServerCapabilities::NONE;
        for parts in [
            vec![SessionPart::Absent, SessionPart::Absent],
            vec![SessionPart::Modern { offers }, legacy(None)],
            vec![legacy(Some(UUID)), legacy(Some("x"))],
        ] {
            for info in [None, Some("{}".to_owned())] {
                for version in version::LEGACY {
                    let session = Session {
                        version,
                        info: info.clone(),
                        ..session(parts.clone())
                    };
                    let text = seal(&sealing, &session).unwrap();
                    assert_eq!(open(&sealing, &text), Some(session));
                }
            }
        }
        assert_eq!(
            legacy(None).offers(),
            ServerCapabilities::TOOLS.union(ServerCapabilities::LOGGING)
        );
        assert_eq!(SessionPart::Absent.offers(), ServerCapabilities::NONE);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn ids_of_servers_come_back_exactly_and_most_are_short() {
        let servers = two();
        let sealing = sealing(&servers);
        let plain = seal(&sealing, &with("x")).unwrap().len();
        let digits = UUID.replace('-', "");
        let (upper, braced) = (UUID.to_uppercase(), format!("{{{UUID}}}"));
        let shifted = format!("{}-", UUID.replacen('-', "", 1));
        let long = "x".repeat(1024);
        for (id, bytes) in [
            (UUID, Some(16)),
            (&digits, Some(16)),
            (&digits.repeat(2), Some(32)),
            ("00", Some(1)),
            ("0", None),
            ("+f", None),
            ("-", None),
            ("----", None),
            (&digits[1..], None),
            (&upper, None),
            (&digits.to_uppercase(), None),
            (&braced, None),
            (&shifted, None),
            (&UUID[..35], None),
            (&UUID[..20], None),
            (&UUID[..24], None),
            (&format!("-{}", &UUID[..35]), None),
            ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", None),
            (&long, None),
        ] {
            let session = with(id);
            let text = seal(&sealing, &session).unwrap();
            assert_eq!(open(&sealing, &text), Some(session));
            if let Some(bytes) = bytes {
                assert!(text.len() <= plain + bytes * 4 / 3 + 1, "{id}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_cannot_be_written_is_not_sealed() {
        let servers = two();
        let sealing = sealing(&servers);
        for id in ["", " ", "a b", "a\n", "é", "\u{7f}"] {
            assert_eq!(seal(&sealing, &with(id)), None, "{id:?}");
        }
        let good = with("x");
        assert!(seal(&sealing, &good).is_some());
        for bad in [
            session(vec![SessionPart::Absent]),
            session(vec![
                SessionPart::Absent,
                SessionPart::Absent,
                SessionPart::Absent,
            ]),
            Session {
                version: "2026-07-28",
                ..good.clone()
            },
            Session {
                id: [9; 16],
                ..good.clone()
            },
            Session {
                capabilities: "x".repeat(36_864),
                ..good.clone()
            },
            Session {
                capabilities: "x".repeat(70_000),
                ..good.clone()
            },
        ] {
            assert_eq!(seal(&sealing, &bad), None, "{}", bad.version);
        }
        let forever = SessionSealer::new(keys(&[1]), Duration::MAX, &servers);
        assert_eq!(seal(&forever, &good), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn fifty_servers_fit_into_a_header() {
        let config: Vec<String> = (0..50).map(|at| format!(r#"{{"name":"s{at}"}}"#)).collect();
        let servers = servers(&config.join(","));
        let sealing = sealing(&servers);
        let other = "Az0_".repeat(16);
        for (id, most) in [(UUID, 3_200), (&*other, 6_144)] {
            let session = Session {
                capabilities: "x".repeat(600),
                ..session(vec![legacy(Some(id)); 50])
            };
            let identity = Some("someone");
            let text = sealing.seal(&session, nonce(0), b"/mcp", identity, NOW);
            let text = text.unwrap();
            assert!(text.len() < most, "{} bytes", text.len());
            let opened = sealing.open(&text, b"/mcp", identity, NOW).unwrap();
            assert_eq!((&*opened.session, opened.until), (&session, NOW + TTL));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_is_over_in_time() {
        let servers = two();
        let sealing = sealing(&servers);
        let text = seal(&sealing, &with(UUID)).unwrap();
        let ms = Duration::from_millis(1);
        for (at, is_open) in [
            (NOW, true),
            (NOW + TTL - ms, true),
            (NOW + TTL, false),
            (Duration::MAX, false),
        ] {
            assert_eq!(
                sealing.open(&text, b"/mcp", None, at).is_some(),
                is_open,
                "{at:?}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn another_key_opens_as_long_as_it_is_configured() {
        let servers = two();
        let (old, rotated, new) = (keys(&[1]), keys(&[2, 1]), keys(&[2]));
        let [old, rotated, new] =
            [old, rotated, new].map(|keys| SessionSealer::new(keys, TTL, &servers));
        let sealed = |by: &SessionSealer| by.seal(&with(UUID), nonce(0), b"/mcp", Some("me"), NOW);
        let opens =
            |by: &SessionSealer, text: &str| by.open(text, b"/mcp", Some("me"), NOW).is_some();
        let text = sealed(&old).unwrap();
        assert!(opens(&old, &text) && opens(&rotated, &text) && !opens(&new, &text));
        let text = sealed(&rotated).unwrap();
        assert!(!opens(&old, &text) && opens(&rotated, &text) && opens(&new, &text));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_belongs_to_its_endpoint() {
        let servers = two();
        let sealing = sealing(&servers);
        let text = sealing
            .seal(&with(UUID), nonce(0), b"/mcp/?x=1", None, NOW)
            .unwrap();
        for (endpoint, is_its) in [
            ("/mcp", true),
            ("/mcp/", true),
            ("/mcp?y", true),
            ("/mcp2", false),
            ("/MCP", false),
            ("/", false),
            ("", false),
        ] {
            let opened = sealing.open(&text, endpoint.as_bytes(), None, NOW);
            assert_eq!(opened.is_some(), is_its, "{endpoint}");
        }
    }

    /// In `parts`, the letter `a` or `b` means that the server has its part of the session, and `-`
    /// means that it has none.
    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_outlasts_a_change_of_its_servers() {
        let original = session(vec![legacy(Some(UUID)), legacy(Some("b-id"))]);
        let text = seal(&sealing(&two()), &original).unwrap();
        for (config, parts) in [
            (r#"{"name":"a"},{"name":"b"}"#, "ab"),
            (
                r#"{"name":"a"},{"name":"off","enabled":false},{"name":"b","timeout":"9s"}"#,
                "ab",
            ),
            (r#"{"name":"b"},{"name":"a"}"#, "ba"),
            (r#"{"name":"a"}"#, "a"),
            (r#"{"name":"c"},{"name":"b"},{"name":"a"}"#, "-ba"),
            (r#"{"name":"a"},{"name":"c","cluster":"b"}"#, "a-"),
            (r#"{"name":"a"},{"name":"b","cluster":"c"}"#, "a-"),
            (r#"{"name":"a"},{"name":"b","path":"/x"}"#, "a-"),
            (r#"{"name":"x"}"#, "-"),
        ] {
            let opened = open(&sealing(&servers(config)), &text);
            let expected = parts.chars().map(|part| match part {
                'a' => original.parts[0].clone(),
                'b' => original.parts[1].clone(),
                _ => SessionPart::Absent,
            });
            let expected = Session {
                parts: expected.collect(),
                ..original.clone()
            };
            assert_eq!(opened, Some(expected), "{config}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_belongs_to_its_identity() {
        let servers = two();
        let sealing = sealing(&servers);
        let identities = [None, Some(""), Some("me"), Some("you"), Some("me ")];
        for (at, whose) in identities.into_iter().enumerate() {
            let text = sealing
                .seal(&with(UUID), nonce(0), b"/mcp", whose, NOW)
                .unwrap();
            for (other_at, other) in identities.into_iter().enumerate() {
                let opened = sealing.open(&text, b"/mcp", other, NOW);
                assert_eq!(opened.is_some(), at == other_at, "{whose:?} {other:?}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_else_is_a_session() {
        let servers = two();
        let sealing = sealing(&servers);
        let sealed: Vec<String> = (0..4)
            .map(|at| {
                let session = Session {
                    id: id(&nonce(at)),
                    ..with(UUID)
                };
                let text = sealing.seal(&session, nonce(at), b"/mcp", None, NOW);
                text.unwrap()
            })
            .collect();
        for text in mutations(&sealed) {
            assert_eq!(sealing.open(&text, b"/mcp", None, NOW), None, "{text}");
        }
    }

    /// Only a program with the key can write such texts, for example an older gateway.
    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_sealed_but_reads_otherwise_is_no_session() {
        let servers = two();
        let sealing = sealing(&servers);
        let associated = associated_data(b"/mcp");
        let text = seal(&sealing, &with(UUID)).unwrap();
        let plain = sealing.keys.open(&text, &associated).unwrap().plain;
        let opened = |plain: &[u8]| {
            let text = sealing.keys.seal(nonce(0), plain, &associated).unwrap();
            open(&sealing, &text)
        };
        assert_eq!(opened(&plain), Some(with(UUID)));
        for end in 0..plain.len() {
            assert_eq!(opened(&plain[..end]), None, "{end}");
        }
        assert_eq!(opened(&[&plain[..], &[0]].concat()), None);
        // The lengths of: expiry, identity, version, capabilities and info. The first part comes
        // next.
        let part = 8 + 1 + 1 + 2 + 18 + 2 + 27 + 2 + ServerMark::LENGTH;
        for (at, byte) in [
            (8, 2),
            (9, 0xff),
            (12, 0xff),
            (part, 3),
            (part + 1, 0x80),
            (part + 2, 0xff),
            (part + 3, 4),
        ] {
            let mut plain = plain.clone();
            assert_ne!(plain[at], byte);
            plain[at] = byte;
            assert_eq!(opened(&plain), None, "{at}");
        }
        let newer = [&[3], &associated[1..]].concat();
        let text = sealing.keys.seal(nonce(0), &plain, &newer).unwrap();
        assert_eq!(sealing.open(&text, b"/mcp", None, NOW), None);
    }

    /// The session of [`kept_by_a_client`] as version 0.1 of this gateway sealed it with
    /// `keys(&[1])` and `nonce(0)`. The gateway must open it for as long as [`FORMAT`] is 2.
    const KEPT_BY_A_CLIENT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXeNDaJVnAgejib6EyxYV2CgFj6hT3UgiNcAz7o5Redg_YsCf9ocpJlRwMk7vH72jYtEXI8zTIwQ91_l7DXDgPudsR7vPKJ0oIcaat8hRPU5NSHMEI5yHAmozNBO4GQgmfvMs48vEuVgGkHs0T1IIQBxVrKvU18Y7Ew7fCa3w6NMH3GknaJh3lMmunG_mwMNfVxk5rODyCAoPkBJ76a1fxyz5mx18c6yE8GMIy8OCtkucaGe4gNb4L8wR1";

    const SIX: &str =
        r#"{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"},{"name":"e"},{"name":"f"}"#;

    /// A session with each version, each kind of part and each form of a
    /// server's session id.
    fn kept_by_a_client() -> Session {
        let part = |version, session: Option<&str>| SessionPart::Legacy {
            offers: ServerCapabilities::TOOLS.union(ServerCapabilities::LOGGING),
            version,
            session: session.map(str::to_owned),
        };
        session(vec![
            part("2025-11-25", Some(UUID)),
            part("2025-06-18", Some("00ff10a0b0c0")),
            part("2025-03-26", Some("text-id")),
            part("2024-11-05", None),
            SessionPart::Modern {
                offers: ServerCapabilities::RESOURCES,
            },
            SessionPart::Absent,
        ])
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_that_an_older_gateway_sealed_opens() {
        let sealer = sealing(&servers(SIX));
        let opened = sealer.open(KEPT_BY_A_CLIENT, b"/mcp", Some("me"), NOW);
        assert_eq!(*opened.unwrap().session, kept_by_a_client());
        let sealed = sealer.seal(&kept_by_a_client(), nonce(0), b"/mcp", Some("me"), NOW);
        assert_eq!(sealed.as_deref(), Ok(KEPT_BY_A_CLIENT));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_keeps_its_versions_when_the_gateway_gets_another_one() {
        let codes = [&[(4, "2026-01-01")], VERSION_CODES.0].concat();
        let newer = VersionCodes(codes.leak());
        let sealer = sealing(&servers(SIX));
        let associated = associated_data(b"/mcp");
        let opened = sealer.keys.open(KEPT_BY_A_CLIENT, &associated).unwrap();
        // The bytes of the session come after the time of its end and the tag of its owner.
        let session = &opened.plain[8 + 1 + TAG..];
        let decoded = Decoder::new(session, newer).session(id(&opened.nonce), &sealer.marks, None);
        assert_eq!(decoded, Some(kept_by_a_client()));
    }
}
