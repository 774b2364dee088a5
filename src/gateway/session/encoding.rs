//! The bytes of a session, before they are encrypted.
//!
//! In this order: the code of the version, the client's capabilities, its `clientInfo`, how many
//! servers have a part (two bytes, big-endian), and for each of them its mark and its part. A text
//! is its length (two bytes, big-endian) and its bytes. If this process keeps session ids of
//! servers for the session, the number of their slot comes last (two bytes, big-endian).

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::kept_ids::KeptIds;
use super::server_mark::ServerMark;
use super::version_codes::VersionCodes;
use super::{Session, SessionPart};
use crate::config::ServerId;
use crate::mcp::capabilities::ServerCapabilities;

// The first byte of a server's part.
const MODERN: u8 = 1;
const LEGACY: u8 = 2;

// The form of a server's session id.
const NO_ID: u8 = 0;
const TEXT: u8 = 1;
const HEX: u8 = 2;
const UUID: u8 = 3;
/// The id is not in these bytes: this process keeps it ([`KeptIds`]).
const KEPT: u8 = 4;

/// Writes `session` at the end of `out`, without the session ids of the servers `kept`.
/// `marks` are the marks of the servers. Gives `None` when the session cannot be written: a
/// version has no code, a text is longer than 65,535 bytes, or a session id of a server is empty or
/// not visible ASCII.
pub(super) fn push_session(
    out: &mut Vec<u8>,
    session: &Session,
    marks: &[ServerMark],
    versions: VersionCodes,
    kept: &[ServerId],
) -> Option<()> {
    out.push(versions.code(session.version)?);
    push_text(out, session.capabilities.as_bytes())?;
    // A JSON text is never empty, so an empty text means that there is none.
    push_text(out, session.info.as_deref().unwrap_or_default().as_bytes())?;
    let parts = session.parts().zip(marks);
    let parts = parts.filter(|((_, part), _)| **part != SessionPart::Absent);
    let count = u16::try_from(parts.clone().count()).ok()?;
    out.extend_from_slice(&count.to_be_bytes());
    for ((server, part), mark) in parts {
        out.extend_from_slice(mark.bytes());
        push_part(out, part, versions, kept.contains(&server))?;
    }
    Some(())
}

/// Writes the `part` of a server at the end of `out`, without its session id if this process keeps
/// the id (`is_kept`). `None` where the part cannot be written.
pub(super) fn push_part(
    out: &mut Vec<u8>,
    part: &SessionPart,
    versions: VersionCodes,
    is_kept: bool,
) -> Option<()> {
    match part {
        SessionPart::Absent => return None,
        SessionPart::Modern { offers } => out.extend_from_slice(&[MODERN, offers.to_bits()]),
        SessionPart::Legacy {
            offers,
            version,
            session,
        } => {
            out.extend_from_slice(&[LEGACY, offers.to_bits(), versions.code(version)?]);
            match session {
                None => out.push(NO_ID),
                Some(_) if is_kept => out.push(KEPT),
                Some(id) => {
                    let (form, bytes) = compact(id)?;
                    out.push(form);
                    push_text(out, &bytes)?;
                }
            }
        }
    }
    Some(())
}

/// The session ids of the servers `kept`, in the order of the configuration.
pub(super) fn kept_bytes(session: &Session, kept: &[ServerId]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (server, part) in session.parts() {
        if kept.contains(&server) {
            push_text(&mut bytes, server_session_id(part)?.as_bytes())?;
        }
    }
    Some(bytes)
}

/// The servers with the longest session ids, the longest first: as many as are needed to make the
/// session shorter by `excess` bytes or more.
pub(super) fn longest_ids(session: &Session, excess: usize) -> Vec<ServerId> {
    let length = |part| Some(compact(server_session_id(part)?)?.1.len());
    let parts = session.parts();
    let lengths = parts.filter_map(|(server, part)| Some((length(part)?, Reverse(server))));
    let mut lengths: BinaryHeap<_> = lengths.collect::<Vec<_>>().into();
    let mut servers = Vec::new();
    let mut saved = 0_usize;
    while saved < excess
        && let Some((length, Reverse(server))) = lengths.pop()
    {
        saved = saved.saturating_add(length);
        servers.push(server);
    }
    servers
}

/// The session id of the server with this part.
pub(super) fn server_session_id(part: &SessionPart) -> Option<&str> {
    match part {
        SessionPart::Legacy { session, .. } => session.as_deref(),
        SessionPart::Absent | SessionPart::Modern { .. } => None,
    }
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text);
    Some(())
}

/// A server's session id in the shortest form: the form, and the bytes. Most ids are UUIDs or
/// hexadecimal digits, which take half of the bytes. `None` where the id is empty or not visible
/// ASCII.
fn compact(id: &str) -> Option<(u8, Cow<'_, [u8]>)> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let bytes = from_hex(&id.replace('-', "")).unwrap_or_default();
    Some(if uuid(&bytes) == id {
        (UUID, Cow::Owned(bytes))
    } else if hex(&bytes) == id {
        (HEX, Cow::Owned(bytes))
    } else {
        (TEXT, Cow::Borrowed(id.as_bytes()))
    })
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

/// Reads the bytes of a session. Each method gives `None` when the bytes have another form.
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

    /// Reads a session, and the number of the slot with the ids that are `kept` for it. The session
    /// gets the id `id`, which is not among the bytes, and a part for each server of the
    /// configuration (`marks`). Parts of other servers are left out.
    pub(super) fn session(
        &mut self,
        id: [u8; 16],
        marks: &[ServerMark],
        kept: Option<&KeptIds>,
    ) -> Option<Session> {
        let version = self.version()?;
        let capabilities = self.text()?.to_owned();
        let info = Some(self.text()?.to_owned()).filter(|info| !info.is_empty());
        let mut parts = vec![SessionPart::Absent; marks.len()];
        let mut are_kept = Vec::new();
        for _ in 0..u16::from_be_bytes(self.array()?) {
            let mark = ServerMark::from_bytes(self.array()?);
            let index = marks.iter().position(|known| *known == mark);
            let server = index.and_then(ServerId::from_index);
            let (part, is_kept) = self.part()?;
            if let Some(place) = server.and_then(|server| parts.get_mut(server.index())) {
                *place = part;
            }
            if is_kept {
                are_kept.push(server);
            }
        }
        let mut session = Session {
            id,
            version,
            capabilities,
            info,
            parts,
            joined: Vec::new(),
        };
        if !are_kept.is_empty() {
            let bytes = kept?.get(&id, u16::from_be_bytes(self.array()?))?;
            Decoder::new(&bytes, self.versions).kept_ids(&mut session, &are_kept)?;
        }
        Some(session)
    }

    /// Reads the bytes of [`kept_bytes`] into the parts of these servers of the `session`. `None`
    /// stands for a server that the configuration does not have any more.
    fn kept_ids(&mut self, session: &mut Session, kept: &[Option<ServerId>]) -> Option<()> {
        for server in kept {
            let id = self.text()?.to_owned();
            let part = server.and_then(|server| session.parts.get_mut(server.index()));
            if let Some(SessionPart::Legacy { session, .. }) = part {
                *session = Some(id);
            }
        }
        self.is_at_end().then_some(())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads a part, and whether this process keeps the session id of the server.
    pub(super) fn part(&mut self) -> Option<(SessionPart, bool)> {
        let part = match self.byte()? {
            MODERN => SessionPart::Modern {
                offers: ServerCapabilities::from_bits(self.byte()?)?,
            },
            LEGACY => {
                let offers = ServerCapabilities::from_bits(self.byte()?)?;
                let version = self.version()?;
                let form = self.byte()?;
                let session = match form {
                    NO_ID | KEPT => None,
                    TEXT => Some(self.text()?.to_owned()),
                    HEX => Some(hex(self.bytes()?)),
                    UUID => Some(uuid(self.bytes()?)),
                    _ => return None,
                };
                let part = SessionPart::Legacy {
                    offers,
                    version,
                    session,
                };
                return Some((part, form == KEPT));
            }
            _ => return None,
        };
        Some((part, false))
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
