//! Session ids of legacy clients, and aliases in these sessions. A sealed session must open again,
//! and no other text must be accepted.

#![no_main]

use std::cell::OnceCell;
use std::time::Duration;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::config::{Config, Server};
use mcp_gateway::gateway::session::alias::{self, AliasKind};
use mcp_gateway::gateway::session::sealed::SessionSealer;
use mcp_gateway::gateway::session::{Session, SessionPart, id};
use mcp_gateway::mcp::capabilities::ServerCapabilities;
use mcp_gateway::mcp::version;
use mcp_gateway::seal::{Keys, digest};

const CONFIG: &[u8] = br#"{"servers":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#;
const TTL: Duration = Duration::from_secs(3600);

thread_local! {
    static SERVERS: OnceCell<Vec<Server>> = const { OnceCell::new() };
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    keys: [u8; 2],
    nonce: [u8; 24],
    endpoint: &'a [u8],
    identity: Option<&'a str>,
    now: u32,
    version: u8,
    capabilities: &'a str,
    info: Option<&'a str>,
    parts: [Kind<'a>; 3],
    /// The change of the sealed text, or a text that replaces it.
    mutation: Mutation<'a>,
    /// Bytes that somebody with the key seals.
    plain: &'a [u8],
    named: bool,
    place: u8,
    original: &'a str,
}

#[derive(Arbitrary, Debug)]
enum Kind<'a> {
    Absent,
    Modern(u8),
    Legacy(u8, u8, Option<&'a str>),
    Uuid(u128),
    Hex(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Mutation<'a> {
    Other(&'a str),
    Splice(u16, u16, &'a str),
    /// Flips a bit of the bytes.
    Flip(u16, u8),
    Cut(u16),
    Append(&'a [u8]),
}

impl Kind<'_> {
    fn part(&self) -> SessionPart {
        let offers = |bits: u8| ServerCapabilities::from_bits(bits % 32).expect("known bits");
        let session = match self {
            Self::Absent => return SessionPart::Absent,
            Self::Modern(bits) => {
                return SessionPart::Modern {
                    offers: offers(*bits),
                };
            }
            Self::Legacy(bits, version, session) => {
                return SessionPart::Legacy {
                    offers: offers(*bits),
                    version: self::version(*version),
                    session: session.map(str::to_owned),
                };
            }
            Self::Uuid(value) => {
                let digits = format!("{value:032x}");
                let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
                groups.map(|group| digits[group].to_owned()).join("-")
            }
            Self::Hex(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        SessionPart::Legacy {
            offers: ServerCapabilities::TOOLS,
            version: self::version(0),
            session: Some(session),
        }
    }
}

impl Mutation<'_> {
    fn of(&self, text: &str) -> Option<String> {
        let place = |at: &u16| usize::from(*at) % text.len();
        match self {
            Self::Other(other) => Some((*other).to_owned()),
            Self::Splice(from, to, with) => {
                let (from, to) = (place(from), place(to));
                let mut text = text.to_owned();
                text.replace_range(from.min(to)..from.max(to), with);
                Some(text)
            }
            Self::Cut(at) => Some(text[..place(at)].to_owned()),
            Self::Flip(..) | Self::Append(_) => {
                let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
                match self {
                    Self::Flip(at, bit) => {
                        let at = usize::from(*at) % bytes.len();
                        bytes[at] ^= 1 << (bit % 8);
                    }
                    Self::Append(more) => bytes.extend_from_slice(more),
                    _ => {}
                }
                Some(URL_SAFE_NO_PAD.encode(bytes))
            }
        }
    }
}

fn version(at: u8) -> &'static str {
    version::LEGACY[usize::from(at) % version::LEGACY.len()]
}

fuzz_target!(|input: Input<'_>| SERVERS.with(|servers| {
    let servers = servers.get_or_init(|| {
        let config = Config::parse(CONFIG).expect("a configuration");
        config.gateway.expect("a gateway").servers
    });
    let [first, second] = input.keys;
    let keys = Keys::new(vec![[first; 32], [second; 32]]).expect("keys");
    let sealing = SessionSealer::new(keys.clone(), TTL, servers);
    session(&input, &sealing);
    sealed_by_others(&input, &keys, &sealing, servers);
    name(&input, &keys, servers);
}));

fn session(input: &Input<'_>, sealing: &SessionSealer) {
    let (endpoint, identity) = (input.endpoint, input.identity);
    let now = Duration::from_secs(input.now.into());
    let open = |text: &str, now| Some(sealing.open(text, endpoint, identity, now)?.session);
    let session = Session {
        joined: Vec::new(),
        id: id(&input.nonce),
        version: version(input.version),
        capabilities: input.capabilities.to_owned(),
        info: input
            .info
            .filter(|info| !info.is_empty())
            .map(str::to_owned),
        parts: input.parts.iter().map(Kind::part).collect(),
    };
    let fits = |part: &SessionPart| match part {
        SessionPart::Legacy {
            session: Some(id), ..
        } => !id.is_empty() && id.chars().all(|c| ('!'..='~').contains(&c)),
        _ => true,
    };
    let sealed = sealing.seal(&session, input.nonce, endpoint, identity, now);
    // The fuzzer's texts are much shorter than the limit of a header.
    assert_eq!(sealed.is_ok(), session.parts.iter().all(fits));
    let Ok(text) = sealed else {
        if let Mutation::Other(other) = input.mutation {
            assert!(open(other, now).is_none());
        }
        return;
    };
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(open(&text, now).as_deref() == Some(&session));
    assert!(open(&text, now + TTL).is_none());
    let other = match identity {
        Some(_) => None,
        None => Some(""),
    };
    assert!(sealing.open(&text, endpoint, other, now).is_none());
    if let Some(mutated) = input.mutation.of(&text)
        && mutated != text
    {
        assert!(open(&mutated, now).is_none(), "{mutated}");
    }
}

/// Checks that any bytes that are sealed with the key are either a session or refused.
fn sealed_by_others(input: &Input<'_>, keys: &Keys, sealing: &SessionSealer, servers: &[Server]) {
    let fields = servers.iter().flat_map(|s| [&s.name, &s.cluster, &s.path]);
    let fields: Vec<&[u8]> = fields.map(|field| field.as_bytes()).collect();
    let associated = [&[1], &digest(&fields)[..], b"/mcp"].concat();
    // The session ends at the latest possible time, and has no owner.
    let plain = [&[0xff; 8], &[0][..], input.plain].concat();
    let sealed = keys.seal(input.nonce, &plain, &associated);
    let text = sealed.expect("not too long");
    let open = |text: &str| Some(sealing.open(text, b"/mcp", None, Duration::ZERO)?.session);
    if let Some(session) = open(&text)
        && let Ok(text) = sealing.seal(&session, input.nonce, b"/mcp", None, Duration::ZERO)
    {
        assert!(open(&text) == Some(session));
    }
}

fn name(input: &Input<'_>, keys: &Keys, servers: &[Server]) {
    let (named, other) = match input.named {
        true => (AliasKind::Request, AliasKind::Event),
        false => (AliasKind::Event, AliasKind::Request),
    };
    let session = id(&input.nonce);
    let server = &servers[usize::from(input.place) % servers.len()];
    let name = alias::make(keys, named, &session, &server.name, input.original);
    let back = |named, name: &str| alias::resolve(keys, named, &session, servers, name);
    assert_eq!(
        back(named, &name),
        Some((server.id, input.original.to_owned()))
    );
    assert_eq!(back(other, &name), None);
    if let Some(mutated) = input.mutation.of(&name)
        && mutated != name
    {
        assert_eq!(back(named, &mutated), None, "{mutated}");
    }
}
