//! An alias is the name that the gateway gives a legacy client for a server's own name: the id of a
//! server's request, its progress token, or the id of an event.
//!
//! Several servers may use the same name, so the client needs another one. An alias contains the
//! server's own name, and a tag that authenticates it for one server and one session of a client.
//! When the client sends an alias back, the gateway reads the server and the own name from it, so
//! the gateway stores nothing. It does not accept an alias that it did not give in this session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::{Server, ServerId};
use crate::seal::{Keys, TAG};

/// The kind of name that an alias stands for. An alias of one kind is not accepted as the other
/// kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasKind {
    /// The JSON text of a request's id, or of a progress token.
    Request,
    /// The id of an event in a stream.
    Event,
}

/// The alias for the name `original` of the server `server`, in the session with the id `session`.
/// It has letters, digits, `-` and `_` only. The same original always has the same alias: later
/// messages of the server about it then have the same alias, too.
pub fn make(
    keys: &Keys,
    kind: AliasKind,
    session: &[u8; 16],
    server: &str,
    original: &str,
) -> String {
    let tag = keys.tag(&tagged_parts(kind, session, server, original));
    URL_SAFE_NO_PAD.encode([original.as_bytes(), &tag].concat())
}

/// The server that `alias` was made for, and the server's own name. Gives `None` when [`make`] did
/// not make `alias` with one of these keys, for this kind, this session and one of these servers.
pub fn resolve(
    keys: &Keys,
    kind: AliasKind,
    session: &[u8; 16],
    servers: &[Server],
    alias: &str,
) -> Option<(ServerId, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(alias).ok()?;
    let (original, tag) = bytes.split_last_chunk::<TAG>()?;
    let original = std::str::from_utf8(original).ok()?;
    let is_of = |server: &&Server| {
        let parts = tagged_parts(kind, session, &server.name, original);
        keys.verifies(&parts, tag)
    };
    let server = servers.iter().find(is_of)?;
    Some((server.id, original.to_owned()))
}

/// The parts that the tag of an alias authenticates.
fn tagged_parts<'a>(
    kind: AliasKind,
    session: &'a [u8; 16],
    server: &'a str,
    original: &'a str,
) -> [&'a [u8]; 4] {
    let kind: &[u8] = match kind {
        AliasKind::Request => b"request",
        AliasKind::Event => b"event",
    };
    [kind, session, server.as_bytes(), original.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::seal::tests::{keys, mutations};
    use wasm_bindgen_test::wasm_bindgen_test;

    const SESSION: [u8; 16] = [7; 16];

    fn servers(config: &str) -> Vec<Server> {
        let config = format!(r#"{{"servers":[{config}]}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        config.gateway.unwrap().servers
    }

    fn two() -> Vec<Server> {
        servers(r#"{"name":"a"},{"name":"b"}"#)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn every_original_comes_back_exactly() {
        let (keys, servers) = (keys(&[1]), two());
        for named in [AliasKind::Request, AliasKind::Event] {
            for server in &servers {
                for text in [
                    "1",
                    "1.0",
                    "-0",
                    "1e400",
                    "123456789012345678901234567890",
                    "\"\"",
                    "\"1\"",
                    r#""\u0061\"\\/\ud83d\ude00""#,
                    "\"😀\"",
                    "",
                    " ",
                    "a\tb, c",
                    &"x".repeat(10_000),
                ] {
                    let alias = |named| make(&keys, named, &SESSION, &server.name, text);
                    let name = alias(named);
                    assert_eq!(alias(named), name);
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                    assert!(name.bytes().all(plain), "{name}");
                    let back = resolve(&keys, named, &SESSION, &servers, &name);
                    assert_eq!(back, Some((server.id, text.to_owned())));
                }
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn different_originals_have_different_names() {
        let (keys, servers) = (keys(&[1]), two());
        let mut names = Vec::new();
        for server in &servers {
            for text in ["1", "1.0", "\"1\"", "\"\\u0031\""] {
                for named in [AliasKind::Request, AliasKind::Event] {
                    for session in [SESSION, [8; 16]] {
                        names.push(make(&keys, named, &session, &server.name, text));
                    }
                }
            }
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_is_for_one_thing_of_one_server_in_one_session() {
        let servers = two();
        let name = make(&keys(&[1]), AliasKind::Request, &SESSION, "b", "5");
        let back = |first: &[u8], named, session, servers: &[Server]| {
            resolve(&keys(first), named, &session, servers, &name)
        };
        let right = Some((servers[1].id, "5".to_owned()));
        assert_eq!(back(&[1], AliasKind::Request, SESSION, &servers), right);
        assert_eq!(back(&[2, 1], AliasKind::Request, SESSION, &servers), right);
        assert_eq!(back(&[2], AliasKind::Request, SESSION, &servers), None);
        assert_eq!(back(&[1], AliasKind::Event, SESSION, &servers), None);
        assert_eq!(back(&[1], AliasKind::Request, [8; 16], &servers), None);
        for (config, place) in [
            (r#"{"name":"a"}"#, None),
            (r#"{"name":"a"},{"name":"c"}"#, None),
            // The order of the servers may change.
            (r#"{"name":"b"},{"name":"a"}"#, Some(0)),
        ] {
            let others = self::servers(config);
            let found = back(&[1], AliasKind::Request, SESSION, &others);
            let expected = place.map(|place: usize| others[place].id);
            assert_eq!(found.map(|(id, _)| id), expected, "{config}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_else_is_a_name() {
        let (keys, servers) = (keys(&[1]), two());
        let named = [AliasKind::Request, AliasKind::Event];
        for named in named {
            let names: Vec<String> = ["", "1", "\"abc\"", "1234567890123456789012"]
                .iter()
                .enumerate()
                .map(|(at, text)| make(&keys, named, &SESSION, &servers[at % 2].name, text))
                .collect();
            for text in mutations(&names).chain(["".into(), "gw-1".into(), "1".into()]) {
                let back = resolve(&keys, named, &SESSION, &servers, &text);
                assert_eq!(back, None, "{text}");
            }
        }
    }
}
