//! Which ids open a session: only those that the gateway gave, and only for the identity that began
//! the session.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Connection, Request};
use crate::harness::legacy::Legacy;
use crate::harness::session::{Session, initialize};
use crate::token::{Key, access};

/// Keys in the form of `session.keys`.
pub(crate) const FIRST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
pub(crate) const SECOND: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

const MUTATIONS: usize = 10_000;

/// Two legacy servers behind one gateway.
pub(crate) struct Two {
    pub(crate) a: Legacy,
    pub(crate) b: Legacy,
}

impl Two {
    pub(crate) async fn start() -> Self {
        let (a, b) = (Legacy::start("a").await, Legacy::start("b").await);
        Self { a, b }
    }

    /// The configuration with these members of `session`, which are JSON text.
    pub(crate) fn bootstrap(&self, session: &str) -> Bootstrap {
        let config =
            format!(r#"{{"servers":[{{"name":"a"}},{{"name":"b"}}],"session":{{{session}}}}}"#);
        let clusters = [("a", self.a.address), ("b", self.b.address)];
        Bootstrap::servers(&config, &clusters)
    }

    pub(crate) fn envoy(&self, name: &str, keys: &[&str]) -> Envoy {
        Envoy::start(name, &self.bootstrap(&keyed(keys)))
    }
}

/// The member `keys` of `session` with these keys.
pub(crate) fn keyed(keys: &[&str]) -> String {
    match keys {
        [] => String::new(),
        keys => format!(r#""keys":{}"#, json!(keys)),
    }
}

pub(crate) fn assert_refused(answer: &Answer, status: u16, code: i64, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    let message = answer.json();
    assert_eq!(
        (&message["jsonrpc"], &message["error"]["code"]),
        (&json!("2.0"), &json!(code)),
        "{what}: {answer:?}"
    );
    assert_eq!(answer.header("mcp-session-id"), None, "{what}");
}

/// Fails unless the gateway answers that it does not know the session. The client must then begin a
/// new one.
pub(crate) fn assert_unknown(answer: &Answer, what: &str) {
    assert_refused(answer, 404, -32001, what);
}

/// Fails unless the answer lists the tools of both servers.
pub(crate) fn assert_listed(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    let tools = &answer.json()["result"]["tools"];
    assert_eq!(
        (&tools[0]["name"], &tools[1]["name"]),
        (&json!("a__t"), &json!("b__t")),
        "{what}: {answer:?}"
    );
}

pub(crate) fn assert_called(answer: &Answer, server: &str, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    let text = &answer.json()["result"]["content"][0]["text"];
    assert_eq!(*text, server, "{what}: {answer:?}");
}

/// Ids that are made by changes of valid ones, and are not valid themselves.
fn mutations(valid: &[String]) -> impl Iterator<Item = Vec<u8>> {
    const ALPHABET: &[u8] = b"AZaz09-_=+/. ,~\xff";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end.max(1) as u64).expect("a small number")
    };
    let all = valid.to_vec();
    let mutate = move || {
        let mut text = all[below(all.len())].clone().into_bytes();
        let other = all[below(all.len())].as_bytes();
        let (at, to) = (below(text.len()), below(text.len()));
        match below(11) {
            0 => text[at] = ALPHABET[below(ALPHABET.len())],
            1 => text[at] ^= 1 << below(8),
            2 => text.truncate(at),
            3 => drop(text.drain(..at)),
            4 => text.swap(at, to),
            5 => text.extend_from_slice(&other[..below(other.len())]),
            6 => text.insert(at, ALPHABET[below(ALPHABET.len())]),
            7 => drop(text.splice(at.., other[at.min(other.len())..].iter().copied())),
            8 => text.extend_from_slice(&b"===="[..1 + below(4)]),
            // Uses the characters of standard Base64 in place of the URL-safe ones.
            9 => {
                for byte in &mut text {
                    match byte {
                        b'-' => *byte = b'+',
                        b'_' => *byte = b'/',
                        _ => {}
                    }
                }
            }
            // Flips one bit of the decoded bytes.
            _ => {
                let mut bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64");
                let at = below(bytes.len());
                bytes[at] ^= 1 << below(8);
                text = URL_SAFE_NO_PAD.encode(bytes).into_bytes();
            }
        }
        text
    };
    let valid = valid.to_vec();
    std::iter::repeat_with(mutate)
        // A header cannot carry control characters. Blanks around a value do not count: such an id
        // would still be valid.
        .filter(|text| text.iter().all(|byte| *byte >= b' ' && *byte != 0x7f))
        .filter(move |text| !valid.iter().any(|it| it.as_bytes() == text.trim_ascii()))
        .take(MUTATIONS)
}

#[tokio::test]
async fn no_id_but_those_that_were_given_opens_a_session() {
    let two = Two::start().await;
    let envoy = two.envoy("sessions_forged", &[FIRST]);
    let to = envoy.address;
    let sessions = [
        Session::begin(to).await,
        Session::begin(to).await,
        Session::begin(to).await,
    ];
    let valid = sessions.each_ref().map(|session| session.id.clone());
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(Connection::open(to).await);
    }
    let places = connections.len();
    for (at, id) in mutations(&valid).enumerate() {
        let with = |request: Request| request.with("mcp-session-id", &id);
        let request = match at % 4 {
            0 => with(sessions[0].list()),
            1 => with(sessions[0].call("1", "a__t", "{}")),
            2 => with(sessions[0].delete()),
            _ => with(sessions[0].post(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#)),
        };
        let connection = &mut connections[at % places];
        let answer = connection.send(&request).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {request:?}"));
        let what = String::from_utf8_lossy(&id);
        // For an empty id, the gateway may also answer as for a request without a session.
        match id.trim_ascii().is_empty() {
            true => assert!(matches!(answer.status, 400 | 404), "{answer:?}"),
            false => assert_unknown(&answer, &what),
        }
    }
    // The real sessions still work, and no request with a false id has reached a server.
    for (at, session) in sessions.iter().enumerate() {
        assert_listed(&session.list().send(to).await, &format!("session {at}"));
    }
    assert_eq!((two.a.sessions(), two.b.sessions()), ((3, 3), (3, 3)));
    assert!(two.a.with("notifications/x").is_empty());
}

#[tokio::test]
async fn of_two_ids_in_one_request_none_opens_a_session() {
    let two = Two::start().await;
    let envoy = two.envoy("sessions_twice", &[FIRST]);
    let session = Session::begin(envoy.address).await;
    for second in [session.id.as_str(), "x"] {
        let answer = session.list().header("mcp-session-id", second);
        assert_unknown(&answer.send(envoy.address).await, second);
    }
    // The query is not part of the endpoint, so the session is valid with a query too.
    let elsewhere = session.list().target("/mcp?x=1").send(envoy.address).await;
    assert_listed(&elsewhere, "the query is no part of the endpoint");
}

#[tokio::test]
async fn a_session_is_its_identitys_alone() {
    let two = Two::start().await;
    let session = format!(r#"{},"identity":{{"header":"x-user"}}"#, keyed(&[FIRST]));
    let envoy = Envoy::start("sessions_header", &two.bootstrap(&session));
    let to = envoy.address;
    let by = |request: Request, user: &str| request.header("x-user", user);
    let began = by(initialize(), "alice").send(to).await;
    let session = Session::begun(&began);
    for (request, kind) in every(&session) {
        for stranger in ["bob", "Alice", "alice2", "alic", "alice,alice"] {
            let answer = by(request.clone(), stranger).send(to).await;
            assert_unknown(&answer, &format!("{kind} by {stranger:?}"));
        }
        let twice = by(by(request.clone(), "alice"), "alice");
        for (request, what) in [
            (request.clone(), "nobody"),
            (by(request.clone(), ""), "empty"),
            (by(request.clone(), "   "), "blank"),
            (twice, "twice"),
        ] {
            let answer = request.send(to).await;
            assert_refused(&answer, 403, -32600, &format!("{kind} by {what}"));
        }
    }
    for nobody in [initialize(), by(initialize(), "")] {
        let answer = nobody.send(to).await;
        assert_refused(&answer, 403, -32600, "initialize by nobody");
    }
    assert_listed(&by(session.list(), "alice").send(to).await, "alice");
    let called = by(session.call("1", "b__t", "{}"), "alice").send(to).await;
    assert_called(&called, "b", "alice");
    assert_eq!((two.a.sessions(), two.b.sessions()), ((1, 1), (1, 1)));
    // The gateway must not forward the header with the identity to servers.
    assert!(
        two.b
            .with("tools/call")
            .iter()
            .all(|it| it.header("x-user").is_none())
    );
    // A gateway without `identity` must not accept a session that has an identity, and the other
    // way round.
    let open = two.envoy("sessions_open", &[FIRST]);
    assert_unknown(
        &by(session.list(), "alice").send(open.address).await,
        "open",
    );
    let anyones = Session::begin(open.address).await;
    assert_unknown(&by(anyones.list(), "alice").send(to).await, "anyone's");
}

/// One request of every kind in this session.
fn every(session: &Session) -> [(Request, &'static str); 6] {
    [
        (session.list(), "list"),
        (session.call("1", "a__t", "{}"), "call"),
        (session.request("1", "ping", "{}"), "ping"),
        (
            session.post(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#),
            "notification",
        ),
        (
            session.post(r#"{"jsonrpc":"2.0","id":"x","result":{}}"#),
            "response",
        ),
        (session.delete(), "delete"),
    ]
}

/// Authentication as in `envoy/jwt.yaml`, before the gateway's own filter.
const AUTHENTICATION: &str = r#"          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                login:
                  issuer: https://login.example.com
                  audiences: [mcp]
                  payload_in_metadata: claims
                  local_jwks: { filename: JWKS }
              rules:
              - match: { prefix: / }
                requires: { requires_any: { requirements: [{ provider_name: login }, { allow_missing: {} }] } }
          # Authentication, if any"#;

#[tokio::test]
async fn a_session_is_that_of_a_tokens_subject_alone() {
    let two = Two::start().await;
    let key = Key::new(7);
    let jwks = key.jwks("sessions.json");
    let identity = r#""identity":{"metadata":{"namespace":"envoy.filters.http.jwt_authn","path":["claims","sub"]}}"#;
    let bootstrap = two.bootstrap(&format!("{},{identity}", keyed(&[FIRST])));
    let bootstrap = bootstrap.replace(
        "          # Authentication, if any",
        &AUTHENTICATION.replace("JWKS", jwks.to_str().expect("UTF-8")),
    );
    let envoy = Envoy::start("sessions_token", &bootstrap);
    let to = envoy.address;
    let token = |subject: Option<&str>| {
        let mut claims = access("https://login.example.com", "mcp", "");
        match subject {
            Some(subject) => claims["sub"] = subject.into(),
            None => drop(claims.as_object_mut().expect("claims").remove("sub")),
        }
        format!("Bearer {}", key.sign(&claims))
    };
    let by =
        |request: Request, subject: &str| request.header("authorization", token(Some(subject)));
    let session = Session::begun(&by(initialize(), "alice").send(to).await);
    for (request, kind) in every(&session) {
        let answer = by(request.clone(), "bob").send(to).await;
        assert_unknown(&answer, kind);
        let answer = request.clone().send(to).await;
        assert_refused(&answer, 403, -32600, kind);
        let answer = request.header("authorization", token(None)).send(to).await;
        assert_refused(&answer, 403, -32600, kind);
    }
    assert_listed(&by(session.list(), "alice").send(to).await, "alice");
    let called = by(session.call("1", "a__t", "{}"), "alice").send(to).await;
    assert_called(&called, "a", "alice");
    assert_eq!((two.a.sessions(), two.b.sessions()), ((1, 1), (1, 1)));
}

#[tokio::test]
async fn a_session_outlasts_a_new_key_and_not_the_loss_of_its_own() {
    let two = Two::start().await;
    let old = two.envoy("sessions_old", &[FIRST]);
    let session = Session::begin(old.address).await;
    for (keys, knows) in [
        (&[SECOND, FIRST][..], true),
        (&[FIRST, SECOND], true),
        (&[SECOND], false),
    ] {
        let new = two.envoy("sessions_new", keys);
        let list = session.list().send(new.address).await;
        let call = session.call("1", "b__t", "{}").send(new.address).await;
        if knows {
            assert_listed(&list, "both keys");
            assert_called(&call, "b", "both keys");
        } else {
            assert_unknown(&list, "the new key");
            assert_unknown(&call, "the new key");
        }
        // The new gateway seals sessions with its first key. The old gateway opens them if it has
        // this key.
        let anew = Session::begin(new.address).await.list();
        let anew = anew.send(old.address).await;
        match keys[0] == FIRST {
            true => assert_listed(&anew, "the old key"),
            false => assert_unknown(&anew, "the old key"),
        }
    }
}

#[tokio::test]
async fn a_session_ends_with_its_time() {
    let two = Two::start().await;
    let session = format!(r#"{},"ttl":"1s""#, keyed(&[FIRST]));
    let short = Envoy::start("sessions_short", &two.bootstrap(&session));
    let begun = async || {
        // On a busy machine, the time of a session may be over before its first request.
        for _ in 0..20 {
            let began = Instant::now();
            let session = Session::begin(short.address).await;
            let list = session.list().send(short.address).await;
            if list.status == 200 || began.elapsed() < Duration::from_secs(1) {
                assert_listed(&list, "at first");
                return session;
            }
        }
        panic!("each session was over before its first request");
    };
    let session = begun().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for (request, kind) in every(&session) {
        assert_unknown(&request.send(short.address).await, kind);
    }
    assert_unknown(
        &session
            .get()
            .header("last-event-id", "x")
            .send(short.address)
            .await,
        "GET",
    );
    begun().await;
}
