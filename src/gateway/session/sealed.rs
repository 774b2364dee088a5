//! A session as the text of `Mcp-Session-Id`: encrypted and authenticated, so
//! that the client keeps it and every replica with the key opens it.

use std::time::Duration;

use super::{Session, SessionPart, id};
use crate::config::{Endpoints, Server};
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::version;
use crate::seal::{self, Keys, NONCE, TAG};

/// How it is written. Another number for another way.
const FORMAT: u8 = 1;
/// Longer ids are not given: Envoy takes 60 KiB of headers, if not told otherwise.
const LONGEST: usize = 49_152;
/// Longer ids of servers are not taken.
const LONGEST_OF_SERVER: usize = 1024;

/// Makes session ids, and opens them.
#[derive(Debug, Clone)]
pub struct SessionSealer {
    keys: Keys,
    ttl: Duration,
    /// Names all servers, what they are reached by, and their order.
    servers: [u8; 32],
    places: usize,
}

impl SessionSealer {
    /// For sessions with these servers, each good for `ttl`.
    pub fn new(keys: Keys, ttl: Duration, servers: &[Server]) -> Self {
        let parts: Vec<&[u8]> = servers
            .iter()
            .flat_map(|server| [&server.name, &server.cluster, &server.path])
            .map(String::as_bytes)
            .collect();
        Self {
            keys,
            ttl,
            servers: seal::digest(&parts),
            places: servers.len(),
        }
    }

    /// What seals: names given out in sessions are tagged with it, too.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The text of a `session` that begins `now` (since 1970) at the request
    /// target `endpoint`, and belongs to `identity`, where one is configured.
    /// `nonce` is random, and its [`id`] the session's.
    ///
    /// `None` where it cannot be written: a version that is not spoken here,
    /// not one part for each server, a server's id that is empty, longer than
    /// 1,024 bytes or not visible ASCII; or all of it is too long for a header.
    pub fn seal(
        &self,
        session: &Session,
        nonce: [u8; NONCE],
        endpoint: &[u8],
        identity: Option<&str>,
        now: Duration,
    ) -> Option<String> {
        if session.id != id(&nonce) || session.parts.len() != self.places {
            return None;
        }
        let until = now.checked_add(self.ttl)?.as_millis();
        let mut plain = u64::try_from(until).ok()?.to_be_bytes().to_vec();
        match identity {
            None => plain.push(0),
            Some(identity) => {
                plain.push(1);
                plain.extend_from_slice(&self.keys.tag(&whose(identity)));
            }
        }
        push_session(&mut plain, session)?;
        let text = self.keys.seal(nonce, &plain, &self.associated(endpoint))?;
        (text.len() <= LONGEST).then_some(text)
    }

    /// The session that `text` stands for; `None` when it was not sealed here
    /// for this endpoint, these servers and this identity, or is over.
    pub fn open(
        &self,
        text: &str,
        endpoint: &[u8],
        identity: Option<&str>,
        now: Duration,
    ) -> Option<Session> {
        if text.len() > LONGEST {
            return None;
        }
        let opened = self.keys.open(text, &self.associated(endpoint))?;
        let mut rest = Rest(&opened.plain);
        let until = Duration::from_millis(u64::from_be_bytes(rest.array()?));
        let is_theirs = match (rest.byte()?, identity) {
            (0, None) => true,
            (1, Some(identity)) => {
                let tag: [u8; TAG] = rest.array()?;
                self.keys.verifies(&whose(identity), &tag)
            }
            _ => false,
        };
        if !is_theirs || until <= now {
            return None;
        }
        let session = rest.session(id(&opened.nonce), self.places)?;
        rest.0.is_empty().then_some(session)
    }

    fn associated(&self, endpoint: &[u8]) -> Vec<u8> {
        [&[FORMAT], &self.servers[..], Endpoints::path(endpoint)].concat()
    }
}

fn whose(identity: &str) -> [&[u8]; 2] {
    [b"identity", identity.as_bytes()]
}

// The session as bytes. A version is its place in the list of them, a text
// comes after its length.

const ABSENT: u8 = 0;
const MODERN: u8 = 1;
const LEGACY: u8 = 2;

const NO_ID: u8 = 0;
const TEXT: u8 = 1;
const HEX: u8 = 2;
const UUID: u8 = 3;

fn push_session(out: &mut Vec<u8>, session: &Session) -> Option<()> {
    push_version(out, session.version)?;
    push_text(out, session.capabilities.as_bytes())?;
    // No JSON text is empty.
    push_text(out, session.info.as_deref().unwrap_or_default().as_bytes())?;
    for part in &session.parts {
        match part {
            SessionPart::Absent => out.push(ABSENT),
            SessionPart::Modern { offers } => out.extend_from_slice(&[MODERN, offers.to_bits()]),
            SessionPart::Legacy {
                offers,
                version,
                session,
            } => {
                out.extend_from_slice(&[LEGACY, offers.to_bits()]);
                push_version(out, version)?;
                match session {
                    None => out.push(NO_ID),
                    Some(id) => push_id(out, id)?,
                }
            }
        }
    }
    Some(())
}

fn push_version(out: &mut Vec<u8>, version: &str) -> Option<()> {
    let at = version::LEGACY.iter().position(|known| *known == version)?;
    out.push(at.try_into().ok()?);
    Some(())
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text);
    Some(())
}

/// A server's session id: most are UUIDs, or digits that take half the bytes.
fn push_id(out: &mut Vec<u8>, id: &str) -> Option<()> {
    if id.is_empty() || id.len() > LONGEST_OF_SERVER || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let bytes = from_hex(&id.replace('-', "")).unwrap_or_default();
    let (form, bytes) = if uuid(&bytes) == id {
        (UUID, &*bytes)
    } else if hex(&bytes) == id {
        (HEX, &*bytes)
    } else {
        (TEXT, id.as_bytes())
    };
    out.push(form);
    push_text(out, bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// In lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sixteen bytes as RFC 9562 section 4 writes them.
fn uuid(bytes: &[u8]) -> String {
    let mut text = hex(bytes);
    for at in [20, 16, 12, 8] {
        if at <= text.len() {
            text.insert(at, '-');
        }
    }
    text
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn session(&mut self, id: [u8; 16], places: usize) -> Option<Session> {
        let version = self.version()?;
        let capabilities = self.text()?.to_owned();
        let info = Some(self.text()?.to_owned()).filter(|info| !info.is_empty());
        let parts = (0..places).map(|_| self.part());
        Some(Session {
            id,
            version,
            capabilities,
            info,
            parts: parts.collect::<Option<_>>()?,
        })
    }

    fn part(&mut self) -> Option<SessionPart> {
        Some(match self.byte()? {
            ABSENT => SessionPart::Absent,
            MODERN => SessionPart::Modern {
                offers: ServerCapabilities::from_bits(self.byte()?)?,
            },
            LEGACY => SessionPart::Legacy {
                offers: ServerCapabilities::from_bits(self.byte()?)?,
                version: self.version()?,
                session: match self.byte()? {
                    NO_ID => None,
                    TEXT => Some(self.text()?.to_owned()),
                    HEX => Some(hex(self.bytes()?)),
                    UUID => Some(uuid(self.bytes()?)),
                    _ => return None,
                },
            },
            _ => return None,
        })
    }

    fn version(&mut self) -> Option<&'static str> {
        let at = usize::from(self.byte()?);
        version::LEGACY.get(at).copied()
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        let (bytes, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
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
        }
    }

    fn with(id: &str) -> Session {
        let offers = ServerCapabilities::RESOURCES;
        session(vec![legacy(Some(id)), SessionPart::Modern { offers }])
    }

    fn seal(sealing: &SessionSealer, session: &Session) -> Option<String> {
        sealing.seal(session, nonce(0), b"/mcp", None, NOW)
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
                    let opened = sealing.open(&text, b"/mcp", None, NOW);
                    assert_eq!(opened.as_ref(), Some(&session));
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
            assert_eq!(sealing.open(&text, b"/mcp", None, NOW), Some(session));
            if let Some(bytes) = bytes {
                assert!(text.len() <= plain + bytes * 4 / 3 + 1, "{id}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_cannot_be_written_is_not_sealed() {
        let servers = two();
        let sealing = sealing(&servers);
        let long = "x".repeat(1025);
        for id in ["", " ", "a b", "a\n", "é", "\u{7f}", &long] {
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
        for (id, most) in [(UUID, 2_600), (&*other, 6_144)] {
            let session = Session {
                capabilities: "x".repeat(600),
                ..session(vec![legacy(Some(id)); 50])
            };
            let identity = Some("someone");
            let text = sealing.seal(&session, nonce(0), b"/mcp", identity, NOW);
            let text = text.unwrap();
            assert!(text.len() < most, "{} bytes", text.len());
            assert_eq!(sealing.open(&text, b"/mcp", identity, NOW), Some(session));
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

    #[wasm_bindgen_test(unsupported = test)]
    fn a_session_belongs_to_its_servers() {
        let text = seal(&sealing(&two()), &with(UUID)).unwrap();
        for (config, are_its) in [
            (r#"{"name":"a"},{"name":"b"}"#, true),
            (
                r#"{"name":"a"},{"name":"off","enabled":false},{"name":"b","timeout":"9s"}"#,
                true,
            ),
            (r#"{"name":"b"},{"name":"a"}"#, false),
            (r#"{"name":"a"}"#, false),
            (r#"{"name":"a"},{"name":"b"},{"name":"c"}"#, false),
            (r#"{"name":"a"},{"name":"c","cluster":"b"}"#, false),
            (r#"{"name":"a"},{"name":"b","cluster":"c"}"#, false),
            (r#"{"name":"a"},{"name":"b","path":"/x"}"#, false),
        ] {
            let opened = sealing(&servers(config)).open(&text, b"/mcp", None, NOW);
            assert_eq!(opened.is_some(), are_its, "{config}");
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

    /// Only who has the key could write such, or an older gateway.
    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_sealed_but_reads_otherwise_is_no_session() {
        let servers = two();
        let sealing = sealing(&servers);
        let associated = sealing.associated(b"/mcp");
        let text = seal(&sealing, &with(UUID)).unwrap();
        let plain = sealing.keys.open(&text, &associated).unwrap().plain;
        let opened = |plain: &[u8]| {
            let text = sealing.keys.seal(nonce(0), plain, &associated).unwrap();
            sealing.open(&text, b"/mcp", None, NOW)
        };
        assert_eq!(opened(&plain), Some(with(UUID)));
        for end in 0..plain.len() {
            assert_eq!(opened(&plain[..end]), None, "{end}");
        }
        assert_eq!(opened(&[&plain[..], &[0]].concat()), None);
        // Expiry, identity, version, capabilities, info; then the first part.
        let part = 8 + 1 + 1 + 2 + 18 + 2 + 27;
        for (at, byte) in [
            (8, 2),
            (9, 4),
            (12, 0xff),
            (part, 3),
            (part + 1, 32),
            (part + 2, 9),
            (part + 3, 4),
        ] {
            let mut plain = plain.clone();
            assert_ne!(plain[at], byte);
            plain[at] = byte;
            assert_eq!(opened(&plain), None, "{at}");
        }
        let newer = [&[2], &associated[1..]].concat();
        let text = sealing.keys.seal(nonce(0), &plain, &newer).unwrap();
        assert_eq!(sealing.open(&text, b"/mcp", None, NOW), None);
    }
}
