//! Which headers of a client's request go on to a server: those that HTTP, MCP
//! and tracing need, those that the configuration passes, and no others. A
//! client's credentials are for this gateway, not for the servers behind it.

use std::borrow::Cow;
use std::rc::Rc;

use crate::config::{Forwarded, Gateway, Server, ServerId};
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::policy::Refusal;

/// What a client tells everybody on its way.
const BAGGAGE: &str = "baggage";

/// What links the requests of one trace.
const TRACE: &[&str] = &["x-request-id", "traceparent", "tracestate", BAGGAGE];

/// Longer headers of one client's must not make a call fail that others wait
/// for; in bytes. A trace's are shorter.
const LONGEST_SHARED: usize = 512;

/// Kept on a routed request, beside pseudo-headers, [`TRACE`] and what starts
/// with `mcp-` or `x-mcp-`. Envoy's route matching needs `x-forwarded-proto`.
const KEPT: &[&str] = &[
    "x-forwarded-proto",
    "content-type",
    "content-length",
    "transfer-encoding",
    "accept",
];

/// The fields of a request to a server.
pub type HeaderFields = Vec<(Cow<'static, str>, String)>;

/// What makes the headers of a client's request those of one to a server.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderMutation {
    /// Names of which every field is to be removed, first.
    pub removed: Vec<String>,
    /// Fields to be added then; several may have one name.
    pub added: Vec<(String, String)>,
}

/// What becomes of the headers of a client of this `era` when its request is
/// routed to `server`. What legacy headers of MCP say is written anew.
///
/// # Errors
/// What the configuration passes on is missing, or cannot be passed on.
pub fn routed(headers: &Headers, era: Era, server: &Server) -> Result<HeaderMutation, Refusal> {
    let hop_by_hop = hop_by_hop(headers);
    // What keeps its name stays where it is.
    let stays = |entry: &Forwarded| entry.name == entry.target;
    let mut added = Vec::new();
    for entry in &server.passthrough {
        let values = values(headers, &hop_by_hop, entry)?;
        if !stays(entry) {
            added.extend(values.into_iter().map(|it| (entry.target.clone(), it)));
        }
    }
    let own = server.headers.iter();
    added.extend(own.map(|(name, value)| (name.clone(), value.expose().to_owned())));
    let remains = |name: &str| {
        let mut passed = server.passthrough.iter();
        match passed.find(|entry| entry.target == name) {
            Some(entry) => stays(entry),
            None => is_kept(name) && !is_own(server, name),
        }
    };
    let removed = headers.names().filter(|name| {
        let is_unread = era == Era::Legacy && name.starts_with("mcp-");
        is_unread || !remains(name) || is_listed(&hop_by_hop, name)
    });
    Ok(HeaderMutation {
        removed: removed.map(str::to_owned).collect(),
        added,
    })
}

/// What of a client's request goes into the calls made for it, and nothing else
/// of its headers does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerHeaders {
    traced: Rc<[(&'static str, String)]>,
    /// What the configuration passes on, by the servers' places.
    passed: Rc<[Vec<(String, String)>]>,
}

impl CallerHeaders {
    /// What the servers at these `places` get.
    ///
    /// # Errors
    /// What the configuration passes on to one of them is missing, or cannot be
    /// passed on.
    pub fn of(headers: &Headers, gateway: &Gateway, servers: &[ServerId]) -> Result<Self, Refusal> {
        let hop_by_hop = hop_by_hop(headers);
        let passed = |server: &Server| {
            let mut fields = Vec::new();
            if servers.contains(&server.id) {
                for entry in &server.passthrough {
                    let values = values(headers, &hop_by_hop, entry)?;
                    fields.extend(values.into_iter().map(|it| (entry.target.clone(), it)));
                }
            }
            Ok(fields)
        };
        Ok(Self {
            traced: traced(headers, &hop_by_hop).collect(),
            passed: gateway
                .servers
                .iter()
                .map(passed)
                .collect::<Result<_, _>>()?,
        })
    }

    /// What the configuration passes on to the server at this place, under the
    /// names that it gets; empty where nothing of the caller goes into a call.
    pub fn passed(&self, server: ServerId) -> &[(String, String)] {
        self.passed.get(server.index()).map_or(&[], Vec::as_slice)
    }

    /// The fields of a call to the server at a place. What is shared says nothing
    /// of who asks.
    pub fn fields(&self, server: &Server, is_shared: bool) -> HeaderFields {
        let is_for_all = |name: &str, value: &str| name != BAGGAGE && value.len() <= LONGEST_SHARED;
        let traced = self.traced.iter().filter(|(name, value)| {
            let is_replaced =
                is_own(server, name) || server.passthrough.iter().any(|it| it.target == *name);
            !is_replaced && (!is_shared || is_for_all(name, value))
        });
        let traced = traced.map(|(name, value)| (Cow::Borrowed(*name), value.clone()));
        traced.chain(fields(self.passed(server.id))).collect()
    }
}

/// `passed` as fields of a request.
pub fn fields(passed: &[(String, String)]) -> impl Iterator<Item = (Cow<'static, str>, String)> {
    let owned = |(name, value): &(String, String)| (Cow::Owned(name.clone()), value.clone());
    passed.iter().map(owned)
}

/// The server's own headers as fields of a request.
pub fn own(server: &Server) -> impl Iterator<Item = (Cow<'static, str>, String)> {
    let fields = server.headers.iter();
    fields.map(|(name, value)| (Cow::Owned(name.clone()), value.expose().to_owned()))
}

fn is_own(server: &Server, name: &str) -> bool {
    server.headers.iter().any(|(own, _)| own == name)
}

/// The values that `entry` passes on.
fn values(
    headers: &Headers,
    hop_by_hop: &[&str],
    entry: &Forwarded,
) -> Result<Vec<String>, Refusal> {
    let mut values = Vec::new();
    if !is_listed(hop_by_hop, &entry.name) {
        for value in headers.all(&entry.name) {
            let value = text(value).ok_or_else(|| Refusal::HeaderInvalid(entry.name.clone()))?;
            values.push(value.to_owned());
        }
    }
    if values.is_empty() && entry.required {
        return Err(Refusal::HeaderMissing(entry.name.clone()));
    }
    Ok(values)
}

/// A value that every reader takes the same way.
fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = |byte: u8| !byte.is_ascii_control() || byte == b'\t';
    text.bytes().all(is_plain).then_some(text)
}

/// The names that `connection` lists: they are for one connection.
fn hop_by_hop(headers: &Headers) -> Vec<&str> {
    let lists = headers.all("connection");
    lists
        .filter_map(|list| std::str::from_utf8(list).ok())
        .flat_map(|list| list.split(',').map(str::trim))
        .collect()
}

fn is_kept(name: &str) -> bool {
    let is_mcp =
        (name.starts_with("mcp-") || name.starts_with("x-mcp-")) && name != "mcp-session-id";
    name.starts_with(':') || is_mcp || KEPT.contains(&name) || TRACE.contains(&name)
}

/// Whether `connection` lists `name`; it cannot list what frames the message.
fn is_listed(hop_by_hop: &[&str], name: &str) -> bool {
    !name.starts_with(':')
        && !KEPT.contains(&name)
        && hop_by_hop
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(name))
}

/// The headers of a request that the calls made for it repeat.
fn traced<'h>(
    headers: &'h Headers,
    hop_by_hop: &'h [&'h str],
) -> impl Iterator<Item = (&'static str, String)> + 'h {
    TRACE
        .iter()
        .filter(|name| !is_listed(hop_by_hop, name))
        .flat_map(|name| headers.all(name).map(move |value| (*name, value)))
        .filter_map(|(name, value)| Some((name, text(value)?.to_owned())))
}

/// Whether `server` gets credentials of the caller's: it refuses the caller then,
/// and not the gateway.
pub fn passes_credentials(server: &Server) -> bool {
    let is_credential = |name: &str| matches!(name, "authorization" | "cookie");
    let mut passed = server.passthrough.iter();
    passed.any(|it| is_credential(&it.name) || is_credential(&it.target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn gateway(text: &str) -> Gateway {
        let config = Config::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        config.gateway.unwrap()
    }

    fn server(rest: &str) -> Server {
        let text = format!(r#"{{"servers":[{{"name":"a"{rest}}}]}}"#);
        gateway(&text).servers.swap_remove(0)
    }

    fn removed(headers: &Headers, era: Era) -> Vec<String> {
        let routed = routed(headers, era, &server("")).unwrap();
        assert_eq!(routed.added, []);
        routed.removed
    }

    /// The headers that a server is sent on a routed call.
    fn sent(pairs: &[(&str, &str)], server: &Server) -> Result<Vec<(String, String)>, Refusal> {
        let headers = Headers::from_pairs(pairs.iter().copied());
        let routed = routed(&headers, Era::Modern, server)?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut sent: Vec<_> = pairs.iter().map(owned).collect();
        sent.retain(|(name, _)| !routed.removed.contains(name));
        sent.extend(routed.added);
        Ok(sent)
    }

    /// The headers of a client's that a call has.
    fn called(pairs: &[(&str, &str)], server: &Server) -> Result<Vec<(String, String)>, Refusal> {
        let mut gateway = gateway(r#"{"servers":[{"name":"first"},{"name":"a"}]}"#);
        let id = gateway.servers[1].id;
        let server = &Server {
            id,
            ..server.clone()
        };
        gateway.servers[1] = server.clone();
        let headers = Headers::from_pairs(pairs.iter().copied());
        let carried = CallerHeaders::of(&headers, &gateway, &[server.id])?;
        assert_eq!(carried.passed(gateway.servers[0].id), []);
        let fields = carried.fields(server, false);
        let all = own(server).chain(fields);
        Ok(all
            .map(|(name, value)| (name.into_owned(), value))
            .collect())
    }

    fn sorted(mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
        // Values of one name stay in their order.
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        fields
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_the_server_has_no_business_with_is_removed() {
        let headers = Headers::from_pairs([
            (":method", "POST"),
            (":path", "/mcp"),
            (":authority", "h"),
            (":scheme", "http"),
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("accept", "*/*"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "r"),
            ("traceparent", "t"),
            ("tracestate", "s"),
            ("baggage", "b"),
            ("mcp-method", "tools/call"),
            ("mcp-param-region", "eu"),
            ("x-mcp-method", "tools/call"),
            ("authorization", "Bearer x"),
            ("cookie", "c"),
            ("cookie", "d"),
            ("origin", "https://a"),
            ("referer", "https://a"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-api-key", "k"),
            ("user-agent", "u"),
            ("mcp-session-id", "s"),
        ]);
        let expected = [
            "authorization",
            "cookie",
            "mcp-session-id",
            "origin",
            "referer",
            "user-agent",
            "x-api-key",
            "x-forwarded-for",
        ];
        let mut removed = removed(&headers, Era::Modern);
        removed.sort_unstable();
        assert_eq!(removed, expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_connection_lists_is_removed_except_what_frames_the_message() {
        let headers = Headers::from_pairs([
            ("connection", "Traceparent, content-length"),
            ("connection", "mcp-param-x"),
            ("traceparent", "t"),
            ("content-length", "2"),
            ("mcp-param-x", "1"),
        ]);
        assert_eq!(
            removed(&headers, Era::Modern),
            ["connection", "traceparent", "mcp-param-x"]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_passed_on_is_exact_in_calls_and_on_routed_requests() {
        let client = [
            ("accept", "*/*"),
            ("authorization", "Bearer client"),
            ("cookie", "c=1"),
            ("cookie", "c=2"),
            ("origin", "https://a"),
            ("referer", "https://a"),
            ("x-request-id", "r"),
            ("x-key", "one"),
            ("x-key", "two, three"),
            ("x-other", "o"),
            ("x-word", "\u{fc}\t b"),
            ("x-mcp-mine", "m"),
        ];
        let credentials = r#","allowCredentialHeaders":true"#;
        for (rest, expected) in [
            ("", &[][..]),
            (
                r#","passthroughHeaders":["X-Key","x-word","x-absent"]"#,
                &[
                    ("x-key", "one"),
                    ("x-key", "two, three"),
                    ("x-word", "\u{fc}\t b"),
                ],
            ),
            (
                r#","passthroughHeaders":[{"name":"x-key","as":"x-other"}]"#,
                &[("x-other", "one"), ("x-other", "two, three")],
            ),
            // A name that is given anew is not the client's to give.
            (
                r#","passthroughHeaders":[{"name":"x-absent","as":"x-other"}]"#,
                &[],
            ),
            (
                r#","passthroughHeaders":[{"name":"x-key","as":"x-other"},{"name":"x-other","as":"x-key"}]"#,
                &[
                    ("x-key", "o"),
                    ("x-other", "one"),
                    ("x-other", "two, three"),
                ],
            ),
            (
                r#","passthroughHeaders":["x-other",{"name":"x-other","as":"x-mcp-mine"}]"#,
                &[("x-mcp-mine", "o"), ("x-other", "o")],
            ),
            (
                r#","headers":[{"name":"x-key","value":"own"},{"name":"authorization","value":"Bearer own"},{"name":"x-mcp-mine","value":"own"}]"#,
                &[
                    ("authorization", "Bearer own"),
                    ("x-key", "own"),
                    ("x-mcp-mine", "own"),
                ],
            ),
            (
                &format!(
                    r#","passthroughHeaders":["cookie",{{"name":"x-other","as":"authorization"}}]{credentials}"#
                ),
                &[("authorization", "o"), ("cookie", "c=1"), ("cookie", "c=2")],
            ),
            (
                &format!(
                    r#","passthroughHeaders":[{{"name":"authorization","as":"x-token"}}]{credentials}"#
                ),
                &[("x-token", "Bearer client")],
            ),
        ] {
            let server = server(rest);
            let with = |always: &[(&str, &str)]| {
                let named = |name: &str| expected.iter().any(|(it, _)| *it == name);
                let always = always.iter().filter(|(name, _)| !named(name));
                let all = expected.iter().chain(always);
                sorted(
                    all.map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                        .collect(),
                )
            };
            assert_eq!(
                sorted(called(&client, &server).unwrap()),
                with(&[("x-request-id", "r")]),
                "{rest}"
            );
            assert_eq!(
                sorted(sent(&client, &server).unwrap()),
                with(&[
                    ("accept", "*/*"),
                    ("x-request-id", "r"),
                    ("x-mcp-mine", "m")
                ]),
                "{rest}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_traces_is_replaced_by_what_is_configured() {
        let client = [("x-request-id", "r"), ("traceparent", "t"), ("x-key", "k")];
        for (rest, id) in [
            (r#","passthroughHeaders":["x-request-id"]"#, Some("r")),
            (
                r#","passthroughHeaders":[{"name":"x-key","as":"x-request-id"}]"#,
                Some("k"),
            ),
            (
                r#","passthroughHeaders":[{"name":"x-absent","as":"x-request-id"}]"#,
                None,
            ),
            (
                r#","headers":[{"name":"x-request-id","value":"own"}]"#,
                Some("own"),
            ),
        ] {
            let server = server(rest);
            let expected: Vec<_> = [("traceparent", Some("t")), ("x-request-id", id)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            assert_eq!(
                sorted(called(&client, &server).unwrap()),
                expected,
                "{rest}"
            );
            assert_eq!(sorted(sent(&client, &server).unwrap()), expected, "{rest}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_missing_or_cannot_be_passed_on_is_refused() {
        let missing = || Err(Refusal::HeaderMissing("x-key".into()));
        let invalid = || Err(Refusal::HeaderInvalid("x-key".into()));
        let required = r#","passthroughHeaders":[{"name":"X-Key","as":"x-k","required":true}]"#;
        let optional = r#","passthroughHeaders":["x-key"]"#;
        let key = |value: &[u8]| Headers::from_pairs([("x-key", value)]);
        let listed = Headers::from_pairs([("x-key", "k"), ("connection", "close, X-Key")]);
        for (headers, rest, expected) in [
            (Headers::default(), optional, Ok(())),
            (Headers::default(), required, missing()),
            (Headers::from_pairs([("x-k", "k")]), required, missing()),
            (key(b"k"), required, Ok(())),
            (key(b""), required, Ok(())),
            (listed.clone(), required, missing()),
            (listed, optional, Ok(())),
            (key(b"\xff"), optional, invalid()),
            (key(b"\xff"), required, invalid()),
            (key(b"a\r\nx: y"), optional, invalid()),
            (key(b"a\0"), optional, invalid()),
            (key(b"a\x7f"), optional, invalid()),
            (
                Headers::from_pairs([("x-key", &b"k"[..]), ("x-key", b"\xc3")]),
                optional,
                invalid(),
            ),
            // Nobody gets it.
            (key(b"\xff"), "", Ok(())),
        ] {
            let gateway = gateway(&format!(
                r#"{{"servers":[{{"name":"a"{rest}}},{{"name":"b"}}]}}"#
            ));
            let carried = CallerHeaders::of(
                &headers,
                &gateway,
                &[gateway.servers[1].id, gateway.servers[0].id],
            )
            .map(drop);
            assert_eq!(carried, expected, "{rest} {headers:?}");
            let routed = routed(&headers, Era::Modern, &gateway.servers[0]).map(drop);
            assert_eq!(routed, expected, "{rest} {headers:?}");
            // It is not asked.
            assert!(CallerHeaders::of(&headers, &gateway, &[gateway.servers[1].id]).is_ok());
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_connection_lists_is_not_passed_on() {
        let client = [
            ("connection", "x-key, traceparent"),
            ("x-key", "k"),
            ("traceparent", "t"),
            ("tracestate", "s"),
        ];
        for rest in [
            r#","passthroughHeaders":["x-key"]"#,
            r#","passthroughHeaders":[{"name":"x-key","as":"x-k"}]"#,
        ] {
            let server = server(rest);
            let expected = [("tracestate".to_owned(), "s".to_owned())];
            assert_eq!(called(&client, &server).unwrap(), expected);
            assert_eq!(sent(&client, &server).unwrap(), expected);
        }
    }
}
