//! The bytes of a session, before they are encrypted.
//!
//! In this order: the code of the version, the client's capabilities, its
//! `clientInfo`, and the part of each server. A text is its length (two bytes,
//! big-endian) and its bytes.

use super::version_codes::VersionCodes;
use super::{Session, SessionPart};
use crate::mcp::capabilities::ServerCapabilities;

/// Session ids of servers are accepted up to this length, in bytes.
const MAX_SERVER_SESSION_ID: usize = 1024;

// The first byte of a server's part.
const ABSENT: u8 = 0;
const MODERN: u8 = 1;
const LEGACY: u8 = 2;

// The form of a server's session id.
const NO_ID: u8 = 0;
const TEXT: u8 = 1;
const HEX: u8 = 2;
const UUID: u8 = 3;

/// Writes `session` at the end of `out`. Gives `None` when it cannot be written:
/// a version has no code, a text is longer than 65,535 bytes, or a session id of
/// a server is empty, longer than 1,024 bytes or not visible ASCII.
pub(super) fn push_session(
    out: &mut Vec<u8>,
    session: &Session,
    versions: VersionCodes,
) -> Option<()> {
    out.push(versions.code(session.version)?);
    push_text(out, session.capabilities.as_bytes())?;
    // No JSON text is empty: an empty text stands for none.
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
                out.extend_from_slice(&[LEGACY, offers.to_bits(), versions.code(version)?]);
                match session {
                    None => out.push(NO_ID),
                    Some(id) => push_server_session_id(out, id)?,
                }
            }
        }
    }
    Some(())
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text);
    Some(())
}

/// Most session ids are UUIDs or hexadecimal digits: those take half the bytes.
fn push_server_session_id(out: &mut Vec<u8>, id: &str) -> Option<()> {
    let is_visible = id.bytes().all(|byte| byte.is_ascii_graphic());
    if id.is_empty() || id.len() > MAX_SERVER_SESSION_ID || !is_visible {
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

/// `bytes` as hexadecimal digits in lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sixteen bytes as a UUID in lower case (RFC 9562 section 4).
fn uuid(bytes: &[u8]) -> String {
    let mut text = hex(bytes);
    for at in [20, 16, 12, 8] {
        if at <= text.len() {
            text.insert(at, '-');
        }
    }
    text
}

/// Reads what was written as a session. Each method gives `None` when the bytes
/// are something else.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    versions: VersionCodes,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8], versions: VersionCodes) -> Self {
        Self {
            rest: bytes,
            versions,
        }
    }

    /// Reads a session with a part for each of `server_count` servers. It gets
    /// the id `id`, which is not among the bytes.
    pub(super) fn session(&mut self, id: [u8; 16], server_count: usize) -> Option<Session> {
        let version = self.version()?;
        let capabilities = self.text()?.to_owned();
        let info = Some(self.text()?.to_owned()).filter(|info| !info.is_empty());
        let parts = (0..server_count).map(|_| self.part());
        Some(Session {
            id,
            version,
            capabilities,
            info,
            parts: parts.collect::<Option<_>>()?,
        })
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
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
        let code = self.byte()?;
        self.versions.version(code)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        let (bytes, rest) = self.rest.split_at_checked(length.into())?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }
}
