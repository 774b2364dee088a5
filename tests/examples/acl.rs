//! `envoy/acl.yaml`: the groups and scopes of a token decide which tools a client sees and
//! may call.

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::example::example_on;
use crate::harness::challenge::bearer;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, initialize, legacy, modern};
use crate::harness::port;
use crate::harness::server::Server;
use crate::harness::session::Session;
use crate::token::{Key, access};

const ISSUER: &str = "https://login.example.com";
const ORIGIN: &str = "https://app.example.com";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource/mcp";

/// The tools of both servers with valid arguments, in the order of the list.
const TOOLS: [(&str, &str); 6] = [
    ("weather__get_forecast", r#"{"city":"Berlin","days":2}"#),
    ("weather__get_weather", r#"{"city":"Berlin"}"#),
    ("weather__list_cities", "{}"),
    (ADD, r#"{"day":"monday","time":"20:00","title":"x"}"#),
    (
        "calendar__find_free_slot",
        r#"{"day":"monday","minutes":30}"#,
    ),
    ("calendar__list_events", "{}"),
];
const ADD: &str = "calendar__add_event";

struct Example {
    key: Key,
    envoy: Envoy,
    _servers: [Server; 2],
    _reserved: TcpSocket,
}

impl Example {
    fn start(name: &str) -> Self {
        let key = Key::new(1);
        let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
        let jwks = key.jwks(&format!("{name}.json"));
        // The audience contains the port of Envoy. So the port must be known before Envoy
        // starts.
        let (reserved, address) = port::reserved();
        let bootstrap = example_on(address.port(), "acl.yaml", weather.address)
            .replace(
                "port_value: 9002",
                &format!("port_value: {}", calendar.address.port()),
            )
            .replace("envoy/jwks.json }", &format!("{} }}", jwks.display()))
            .replace("127.0.0.1:10000/mcp", &format!("{address}/mcp"));
        Self {
            key,
            envoy: Envoy::start(name, &bootstrap),
            _servers: [weather, calendar],
            _reserved: reserved,
        }
    }

    /// The request with a valid token that has these claims, and with the origin of a web
    /// page.
    fn with(&self, request: Request, claims: &Value) -> Request {
        let mut all = access(ISSUER, &self.envoy.url(), "");
        let own = claims.as_object().expect("an object");
        all.as_object_mut().expect("an object").extend(own.clone());
        request
            .with("origin", ORIGIN)
            .header("authorization", format!("Bearer {}", self.key.sign(&all)))
    }

    async fn send(&self, request: Request, claims: &Value) -> Answer {
        self.with(request, claims).send(self.envoy.address).await
    }

    fn metadata(&self) -> String {
        format!("http://{}{WELL_KNOWN}", self.envoy.address)
    }
}

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    let list = list["result"]["tools"].as_array().expect("a list");
    let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
    list.iter().map(name).collect()
}

fn assert_denied(answer: &Answer, status: u16, name: &str) {
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    let expected = format!(
        r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":403,"message":"Denied: tools/call {name}"}}}}"#
    );
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

/// Expects the 403 that tells a client to get a token with the scope `calendar:write`.
fn assert_lacks_scope(answer: &Answer, example: &Example) {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], 403);
    let field = answer.header("www-authenticate").expect("a challenge");
    let (params, others) = bearer(field);
    let metadata = example.metadata();
    for (name, value) in [
        ("error", "insufficient_scope"),
        ("scope", "calendar:write"),
        ("resource_metadata", &metadata),
    ] {
        let found: Vec<_> = params.iter().filter(|(other, _)| other == name).collect();
        assert_eq!(found.len(), 1, "{field}");
        assert_eq!(found[0].1, value, "{field}");
    }
    assert_eq!(others, "");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

#[tokio::test]
async fn groups_and_scopes_say_what_a_client_sees_and_calls() {
    let example = Example::start("acl");
    let weather = |name: &str| name.starts_with("weather__");
    let calendar = |name: &str| name.starts_with("calendar__");
    for (claims, sees, needs_scope) in [
        (
            json!({}),
            &(|_: &str| false) as &dyn Fn(&str) -> bool,
            false,
        ),
        (json!({ "groups": [] }), &|_| false, false),
        (json!({ "groups": ["nobody"] }), &|_| false, false),
        (json!({ "groups": "weather" }), &|_| false, false),
        (json!({ "scope": "calendar:write" }), &|_| false, false),
        (json!({ "groups": ["weather"] }), &weather, false),
        (
            json!({ "groups": ["x", "weather"], "scope": "calendar:write" }),
            &weather,
            false,
        ),
        (
            json!({ "groups": ["calendar"] }),
            &|name| calendar(name) && name != ADD,
            true,
        ),
        (
            json!({ "groups": ["calendar", "weather"], "scope": "calendar:read" }),
            &|name| name != ADD,
            true,
        ),
        (
            json!({ "groups": ["calendar"], "scope": "a calendar:write" }),
            &calendar,
            false,
        ),
        (json!({ "groups": ["admin"] }), &|_| true, false),
    ] {
        let session = Session::begun(&example.send(initialize(), &claims).await);
        let mut expected: Vec<&str> = TOOLS.map(|(name, _)| name).to_vec();
        expected.retain(|name| sees(name));
        for list in [modern("1", "tools/list"), session.list()] {
            let mut names = names(&example.send(list, &claims).await);
            names.sort_by_key(|name| TOOLS.iter().position(|(other, _)| other == name));
            assert_eq!(names, expected, "{claims}");
        }
        for (name, arguments) in TOOLS {
            // A legacy client gets the status 200 with the error, since another status
            // could end its session.
            for (request, denied) in [
                (call("1", name, arguments), 403),
                (session.call("1", name, arguments), 200),
            ] {
                let request = request.with("origin", ORIGIN);
                let answer = example.send(request, &claims).await;
                if sees(name) {
                    assert_eq!(answer.status, 200, "{claims} {name}: {answer:?}");
                    assert!(answer.json()["result"].is_object(), "{answer:?}");
                } else if needs_scope && name == ADD {
                    assert_lacks_scope(&answer, &example);
                } else {
                    assert_denied(&answer, denied, name);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_denied_does_not_say_whether_it_is_there() {
    let example = Example::start("acl_names");
    let weather = json!({ "groups": ["weather"] });
    for name in [
        "calendar__list_events",
        "calendar__no_such",
        "nowhere__x",
        "list_events",
    ] {
        let answer = example.send(call("1", name, "{}"), &weather).await;
        assert_eq!(answer.status, 403, "{name}: {answer:?}");
        let message = format!("Denied: tools/call {name}");
        assert_eq!(answer.json()["error"]["message"], message);
    }
    // A tool that the caller may call, but that does not exist.
    let answer = example
        .send(call("1", "weather__no_such", "{}"), &weather)
        .await;
    assert_ne!(answer.status, 403, "{answer:?}");
    assert!(answer.json()["error"].is_object(), "{answer:?}");
}

#[tokio::test]
async fn without_a_token_a_client_is_told_where_to_get_one() {
    let example = Example::start("acl_tokens");
    let to = example.envoy.address;
    for request in [
        modern("1", "tools/list"),
        modern("1", "server/discover"),
        initialize(),
        call("1", "weather__get_weather", "{}"),
        legacy("1", "ping", "{}"),
    ] {
        let answer = request.header("origin", ORIGIN).send(to).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let (params, _) = bearer(answer.header("www-authenticate").expect("a challenge"));
        let metadata = ("resource_metadata".to_owned(), example.metadata());
        assert!(params.contains(&metadata), "{params:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    }
    let document = Request::new("GET", WELL_KNOWN).send(to).await.json();
    assert_eq!(document["resource"], example.envoy.url());
    assert_eq!(document["scopes_supported"], json!(["calendar:write"]));
}

#[tokio::test]
async fn a_session_is_of_no_use_to_another_subject() {
    let example = Example::start("acl_sessions");
    let claims = |sub: &str| json!({ "sub": sub, "groups": ["weather"] });
    let session = Session::begun(&example.send(initialize(), &claims("a")).await);
    for (sub, status) in [("a", 200), ("b", 404), ("a", 200)] {
        let answer = example.send(session.list(), &claims(sub)).await;
        assert_eq!(answer.status, status, "{sub}: {answer:?}");
    }
    // Without a subject, a caller cannot begin a session.
    let nobody = json!({ "sub": "", "groups": ["weather"] });
    let answer = example.send(initialize(), &nobody).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}
