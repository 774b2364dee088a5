//! The headers of a request that Envoy routes to a server: the gateway changes the headers of the
//! client's request.

use std::fmt;

use crate::config::{Forwarded, Gateway, Server};
use crate::gateway::routing::passthrough::{
    NamesOnly, connection_headers, is_connection_header, is_kept_by_default, is_static_header,
    passthrough_values,
};
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::policy::Refusal;

/// The changes that turn the headers of a client's request into those of a request to a server.
/// `Debug` shows names only, since values may be credentials.
#[derive(PartialEq, Eq)]
pub struct HeaderMutation {
    /// The names of the headers to remove first. All fields with such a name are removed.
    pub removed: Vec<String>,
    /// The fields to add afterwards, names and values. Several may have the same name.
    pub added: Vec<(String, String)>,
}

impl fmt::Debug for HeaderMutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderMutation")
            .field("removed", &self.removed)
            .field("added", &NamesOnly(&self.added))
            .finish()
    }
}

/// The changes to the `headers` of a client of this `era` when Envoy routes its request to
/// `server`. The MCP headers of a legacy client are removed: the gateway writes new ones from the
/// body. The header with the identity of the caller (`session.identity`) is for the gateway: a
/// server gets it only where `passthroughHeaders` names it.
///
/// # Errors
/// A header that the configuration passes through is required but missing, or its value is not
/// UTF-8 or contains control characters.
pub fn header_mutation(
    headers: &Headers,
    era: Era,
    gateway: &Gateway,
    server: &Server,
) -> Result<HeaderMutation, Refusal> {
    let connection_headers = connection_headers(headers);
    // A header that is passed through under its own name stays where it is.
    let keeps_name = |entry: &Forwarded| entry.name == entry.target;
    let mut added = Vec::new();
    for entry in &server.passthrough {
        let values = passthrough_values(headers, &connection_headers, entry)?;
        if !keeps_name(entry) {
            added.extend(values.into_iter().map(|it| (entry.target.clone(), it)));
        }
    }
    let fixed = server.headers.iter();
    added.extend(fixed.map(|(name, value)| (name.clone(), value.expose().to_owned())));
    let is_kept = |name: &str| {
        let mut passthrough = server.passthrough.iter();
        match passthrough.find(|entry| entry.target == name) {
            Some(entry) => keeps_name(entry),
            None => {
                is_kept_by_default(name)
                    && !is_static_header(server, name)
                    && !gateway.sessions.is_identity_header(name)
            }
        }
    };
    let removed = headers.names().filter(|name| {
        let is_unread = era == Era::Legacy && name.starts_with("mcp-");
        is_unread || !is_kept(name) || is_connection_header(&connection_headers, name)
    });
    Ok(HeaderMutation {
        removed: removed.map(str::to_owned).collect(),
        added,
    })
}

/// Whether the configuration passes credentials of the caller to `server`. Then a 401 or 403 of the
/// server refuses the caller, and not the gateway.
pub fn passes_credentials(server: &Server) -> bool {
    let is_credential = |name: &str| matches!(name, "authorization" | "cookie");
    let mut passthrough = server.passthrough.iter();
    passthrough.any(|it| is_credential(&it.name) || is_credential(&it.target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::routing::call_headers::{CallerHeaders, static_headers};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn gateway(text: &str) -> Gateway {
        let config = Config::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        config.gateway.unwrap()
    }

    fn gateway_of(rest: &str) -> Gateway {
        gateway(&format!(r#"{{"servers":[{{"name":"a"{rest}}}]}}"#))
    }

    fn server(rest: &str) -> Server {
        gateway_of(rest).servers.swap_remove(0)
    }

    fn removed(headers: &Headers, era: Era) -> Vec<String> {
        let gateway = gateway_of("");
        let routed = header_mutation(headers, era, &gateway, &gateway.servers[0]).unwrap();
        assert_eq!(routed.added, []);
        routed.removed
    }

    /// The headers that a server gets with a routed request.
    fn sent(pairs: &[(&str, &str)], server: &Server) -> Result<Vec<(String, String)>, Refusal> {
        sent_by(&gateway_of(""), pairs, server)
    }

    fn sent_by(
        gateway: &Gateway,
        pairs: &[(&str, &str)],
        server: &Server,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let headers = Headers::from_pairs(pairs.iter().copied());
        let routed = header_mutation(&headers, Era::Modern, gateway, server)?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut sent: Vec<_> = pairs.iter().map(owned).collect();
        sent.retain(|(name, _)| !routed.removed.contains(name));
        sent.extend(routed.added);
        Ok(sent)
    }

    /// The client's headers in a call of the gateway.
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
        assert_eq!(carried.passthrough_headers(gateway.servers[0].id), []);
        let fields = carried.fields(server, false);
        let all = static_headers(server).chain(fields);
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
            ("x-mcp-tenant", "acme"),
            ("x-mcp-methods", "tools/call"),
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
            // The gateway writes this header itself.
            "accept",
            "authorization",
            "content-type",
            "cookie",
            "mcp-session-id",
            "origin",
            "referer",
            "user-agent",
            "x-api-key",
            "x-forwarded-for",
            "x-mcp-methods",
            "x-mcp-tenant",
        ];
        let mut removed = removed(&headers, Era::Modern);
        removed.sort_unstable();
        assert_eq!(removed, expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_header_goes_only_to_the_servers_that_it_is_for() {
        for name in ["x-mcp-tenant", "x-tenant", "x-user", "mcp-user"] {
            let passed = format!(r#","passthroughHeaders":["{name}"]"#);
            let passed = if name.starts_with("mcp-") {
                ""
            } else {
                &passed
            };
            let gateway = gateway(&format!(
                r#"{{"servers":[{{"name":"a"{passed}}},{{"name":"b"}}],
                    "session":{{"identity":{{"header":"{name}"}}}}}}"#
            ));
            let client = [(name, "me")];
            for (server, gets) in gateway.servers.iter().zip([!passed.is_empty(), false]) {
                let sent = sent_by(&gateway, &client, server).unwrap();
                assert_eq!(!sent.is_empty(), gets, "{name} {}", server.name);
            }
        }
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
            // The configuration sets the header `x-other`, so the client's own `x-other` is
            // removed.
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
                with(&[("x-request-id", "r")]),
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
            // No server gets the invalid value.
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
            let server = &gateway.servers[0];
            let routed = header_mutation(&headers, Era::Modern, &gateway, server);
            assert_eq!(routed.map(drop), expected, "{rest} {headers:?}");
            // The other server is not concerned: it does not get the header.
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

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_shows_the_names_of_headers_and_no_values() {
        let gateway = gateway(
            r#"{"servers":[{"name":"a","passthroughHeaders":[{"name":"authorization","as":"x-token"}],"allowCredentialHeaders":true,"headers":[{"name":"x-key","value":"secret"}]}]}"#,
        );
        let server = &gateway.servers[0];
        let headers = Headers::from_pairs([("authorization", "secret"), ("baggage", "secret")]);
        let mutation = header_mutation(&headers, Era::Modern, &gateway, server).unwrap();
        let caller = CallerHeaders::of(&headers, &gateway, &[server.id]).unwrap();
        let mut fields = caller.fields(server, false);
        fields.extend(static_headers(server));
        for (shown, names) in [
            (
                format!("{mutation:?}"),
                &["authorization", "x-token", "x-key"][..],
            ),
            (format!("{caller:?}"), &["baggage", "x-token"]),
            (format!("{fields:?}"), &["baggage", "x-token", "x-key"]),
        ] {
            assert!(names.iter().all(|name| shown.contains(name)), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
