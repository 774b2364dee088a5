//! Names for what servers name themselves towards a legacy client: the ids of
//! their requests, their progress tokens, the ids of their events. Such a name
//! holds the server's place and the original, and is bound to its session, so
//! that the client's answer finds its way, and nobody else's does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::{Server, ServerId};
use crate::seal::{Keys, TAG};

/// What is named. No name of one is taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasKind {
    /// A request or the progress of one: the JSON text of its id, or token.
    Request,
    /// An event of a stream: its id as it stands.
    Event,
}

/// The client's name for what the server at `place` calls `original` in the
/// session with this id. Visible ASCII without quotes; always the same for the
/// same, so that what the server says of it later can be renamed, too.
pub fn alias(
    keys: &Keys,
    named: AliasKind,
    session: &[u8; 16],
    server: (ServerId, &str),
    original: &str,
) -> String {
    let (id, name) = server;
    let place = id.to_bytes();
    let tag = keys.tag(&parts(named, session, &place, name, original));
    URL_SAFE_NO_PAD.encode([&place, original.as_bytes(), &tag].concat())
}

/// The place and the original that `alias` was made of, in this session, with
/// the server there still of the same name; `None` when it was not.
pub fn original(
    keys: &Keys,
    named: AliasKind,
    session: &[u8; 16],
    servers: &[Server],
    alias: &str,
) -> Option<(ServerId, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(alias).ok()?;
    let (place, rest) = bytes.split_first_chunk::<2>()?;
    let (original, tag) = rest.split_last_chunk::<TAG>()?;
    let original = std::str::from_utf8(original).ok()?;
    let server = servers.get(ServerId::from_bytes(*place).index())?;
    keys.verifies(&parts(named, session, place, &server.name, original), tag)
        .then(|| (server.id, original.to_owned()))
}

fn parts<'a>(
    named: AliasKind,
    session: &'a [u8; 16],
    place: &'a [u8; 2],
    server: &'a str,
    original: &'a str,
) -> [&'a [u8]; 5] {
    let named: &[u8] = match named {
        AliasKind::Request => b"request",
        AliasKind::Event => b"event",
    };
    [
        named,
        session,
        place,
        server.as_bytes(),
        original.as_bytes(),
    ]
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
                    let alias =
                        |named| alias(&keys, named, &SESSION, (server.id, &server.name), text);
                    let name = alias(named);
                    assert_eq!(alias(named), name);
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                    assert!(name.bytes().all(plain), "{name}");
                    let back = original(&keys, named, &SESSION, &servers, &name);
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
                        names.push(alias(
                            &keys,
                            named,
                            &session,
                            (server.id, &server.name),
                            text,
                        ));
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
        let name = alias(
            &keys(&[1]),
            AliasKind::Request,
            &SESSION,
            (servers[1].id, "b"),
            "5",
        );
        let back = |first: &[u8], named, session, servers: &[Server]| {
            original(&keys(first), named, &session, servers, &name)
        };
        let right = Some((servers[1].id, "5".to_owned()));
        assert_eq!(back(&[1], AliasKind::Request, SESSION, &servers), right);
        assert_eq!(back(&[2, 1], AliasKind::Request, SESSION, &servers), right);
        assert_eq!(back(&[2], AliasKind::Request, SESSION, &servers), None);
        assert_eq!(back(&[1], AliasKind::Event, SESSION, &servers), None);
        assert_eq!(back(&[1], AliasKind::Request, [8; 16], &servers), None);
        for config in [
            r#"{"name":"a"}"#,
            r#"{"name":"b"},{"name":"a"}"#,
            r#"{"name":"a"},{"name":"c"}"#,
        ] {
            let others = self::servers(config);
            assert_eq!(
                back(&[1], AliasKind::Request, SESSION, &others),
                None,
                "{config}"
            );
        }
        // A server that this configuration does not have.
        let foreign = ServerId::from_index(2).unwrap();
        let lost = alias(
            &keys(&[1]),
            AliasKind::Request,
            &SESSION,
            (foreign, "b"),
            "5",
        );
        let back = original(&keys(&[1]), AliasKind::Request, &SESSION, &servers, &lost);
        assert_eq!(back, None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_else_is_a_name() {
        let (keys, servers) = (keys(&[1]), two());
        let named = [AliasKind::Request, AliasKind::Event];
        for named in named {
            let names: Vec<String> = ["", "1", "\"abc\"", "1234567890123456789012"]
                .iter()
                .enumerate()
                .map(|(at, text)| {
                    alias(
                        &keys,
                        named,
                        &SESSION,
                        (servers[at % 2].id, &servers[at % 2].name),
                        text,
                    )
                })
                .collect();
            for text in mutations(&names).chain(["".into(), "gw-1".into(), "1".into()]) {
                let back = original(&keys, named, &SESSION, &servers, &text);
                assert_eq!(back, None, "{text}");
            }
        }
    }
}
