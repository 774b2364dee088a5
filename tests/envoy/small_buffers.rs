//! Answers that are longer than Envoy's buffer, or that become longer in the filter. Envoy must
//! survive with every limit of the buffer. No valid answer may be lost if the buffer has room for
//! the part that waits in it.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::harness::answers;
use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Recorded;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Pieces, Request};
use crate::harness::message::{call, modern};

/// How a server answers.
#[derive(Clone, Copy, Debug)]
struct Way {
    kind: Kind,
    /// How long the body is.
    size: usize,
    /// The size of its pieces. With `None`, the body comes in one piece, with its length.
    piece: Option<usize>,
    trailers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A response to the request.
    Good,
    /// JSON that is no response, with 200 or 404.
    NoResponse,
    NotFound,
}

const KINDS: [Kind; 3] = [Kind::Good, Kind::NoResponse, Kind::NotFound];

impl Way {
    /// The value of the header with which the client tells the server how to answer.
    fn told(self) -> String {
        let kind = KINDS.iter().position(|kind| *kind == self.kind);
        let (kind, piece) = (kind.expect("a kind"), self.piece.unwrap_or(0));
        format!("{kind} {} {piece} {}", self.size, u8::from(self.trailers))
    }

    fn read(told: &str) -> Self {
        let numbers: Vec<usize> = told
            .split(' ')
            .map(|number| number.parse().expect("a number"))
            .collect();
        Self {
            kind: KINDS[numbers[0]],
            size: numbers[1],
            piece: (numbers[2] > 0).then_some(numbers[2]),
            trailers: numbers[3] == 1,
        }
    }

    fn body(self, id: &str) -> String {
        let body = |filler: &str| match self.kind {
            Kind::Good => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"resource_link","uri":"x","name":"{filler}"}}]}}}}"#
            ),
            Kind::NoResponse | Kind::NotFound => format!(r#"{{"detail":"{filler}"}}"#),
        };
        body(&"y".repeat(self.size.saturating_sub(body("").len())))
    }

    fn response(self, id: &str) -> Response<Pieces> {
        let mut body = Request::post(self.body(id));
        if let Some(piece) = self.piece {
            body = body.chunked(piece).paused(Duration::from_millis(5));
        }
        if self.trailers {
            body = body.trailer("server-timing", "x");
        }
        let mut response = Response::new(body.pieces());
        if self.kind == Kind::NotFound {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    /// Whether the body comes in several pieces.
    fn is_cut(self) -> bool {
        self.piece.is_some_and(|piece| piece < self.size)
    }

    /// Checks what the client gets if Envoy's buffer has this limit.
    fn assert_told(self, limit: usize, prefix: &str, answer: &Answer) {
        let what = format!("{limit} {prefix} {self:?}: {answer:?}");
        if answer.status == 500 {
            // The part that waits and the part that arrives do not fit into the buffer together.
            assert!(self.is_cut() && self.size > limit && limit < 8192, "{what}");
            assert_eq!(answer.text(), "Internal Server Error", "{what}");
            return;
        }
        let body = answer.json();
        assert_eq!(body["id"], 1, "{what}");
        if self.kind == Kind::Good {
            assert_eq!(answer.status, 200, "{what}");
            let link = &body["result"]["content"][0];
            assert_eq!(link["uri"], format!("{prefix}+x"), "{what}");
            // About 150 bytes of the body are the JSON around the name.
            let name = link["name"].as_str().expect("a name");
            let is_whole = name.len() + 150 > self.size && !name.contains(|c| c != 'y');
            assert!(is_whole, "{what}");
            return;
        }
        assert_eq!(body["error"]["code"], -32603, "{what}");
        // A body that does not arrive in one piece may show its fault after the status has been
        // sent. Envoy itself splits long bodies.
        let comes_late = self.is_cut() && self.size > 1024 || self.size > 8192;
        let own = if self.kind == Kind::NotFound {
            404
        } else {
            200
        };
        assert!(
            answer.status == 502 || comes_late && answer.status == own,
            "{what}"
        );
    }
}

fn server_says(request: &Recorded) -> Response<Pieces> {
    let message = request.json();
    let id = message["id"].to_string();
    let mut response = match message["method"].as_str() {
        Some("initialize") => {
            let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"l","version":"1"}}"#;
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
            Response::new(Request::post(body).pieces())
        }
        Some(method) if method.starts_with("notifications/") => {
            let mut response = Response::new(Request::post("").pieces());
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
        _ => Way::read(request.header("baggage").expect("a way")).response(&id),
    };
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}

const GATEWAY: &str =
    r#"{"servers":[{"name":"a","protocol":"MODERN"},{"name":"l","protocol":"LEGACY"}]}"#;

/// Tries every kind of answer with sizes around the limit, in one piece and in several.
async fn try_all(limit: usize, http2: bool) {
    let server: SocketAddr = answers::serve(http2, server_says).await;
    let bootstrap = Bootstrap::servers(GATEWAY, &[("a", server), ("l", server)])
        .replace("limit_bytes: 4194304", &format!("limit_bytes: {limit}"));
    let bootstrap = if http2 {
        bootstrap.http2_servers()
    } else {
        bootstrap
    };
    let envoy = Envoy::with_workers(1, "small_buffers", &bootstrap);
    let mut seen = 0;
    for kind in KINDS {
        for size in [150, limit - 1, limit, limit + 1, 3 * limit, 9000] {
            let cuts = [size, size / 2 + 1, size / 5 + 1];
            for piece in std::iter::once(None).chain(cuts.map(Some)) {
                for trailers in [false, true] {
                    if trailers && !(http2 && piece.is_some()) {
                        continue;
                    }
                    let way = Way {
                        kind,
                        size,
                        piece,
                        trailers,
                    };
                    // The filter translates the answers of the legacy server `l` into the client's
                    // version.
                    for name in ["a", "l"] {
                        let request = call("1", &format!("{name}__t"), "{}");
                        let request = request.header("baggage", way.told());
                        let answer = request.send(envoy.address).await;
                        way.assert_told(limit, name, &answer);
                        seen += 1;
                    }
                    envoy.check();
                }
            }
        }
    }
    assert!(seen >= 144, "{seen}");
}

#[tokio::test]
async fn no_answer_is_too_large_for_a_small_buffer() {
    for limit in [256, 1024] {
        try_all(limit, false).await;
        try_all(limit, true).await;
    }
}

#[tokio::test]
async fn no_answer_is_too_large_for_a_larger_buffer() {
    for limit in [8192, 1 << 20] {
        try_all(limit, false).await;
        try_all(limit, true).await;
    }
}

/// In policy mode, the filter reads an answer only if `authorization` must remove entries from a
/// list.
const POLICIES: [&str; 2] = [
    r#"{"trafficMode":"REJECT_NO_MCP","requestStorageMode":"DYNAMIC_METADATA","authorization":{"defaultAction":"ALLOW","rules":[{"action":"DENY","tools":["secret"]}]}}"#,
    r#"{"trafficMode":"REJECT_NO_MCP","authorization":{"defaultAction":"ALLOW","rules":[{"action":"DENY","tools":["secret"]}]}}"#,
];

/// The error that replaces an answer contains the id of the request, so it can be longer than the
/// answer.
#[tokio::test]
async fn an_id_of_any_length_ends_nothing() {
    let server = answers::serve(false, server_says).await;
    let policy = |config: &str| Bootstrap::policy(server).configured(config);
    let gateway = format!(
        r#"{{"requestStorageMode":"DYNAMIC_METADATA",{}"#,
        GATEWAY.trim_start_matches('{')
    );
    let gateway = Bootstrap::servers(&gateway, &[("a", server), ("l", server)]);
    // In every mode, all attributes together may have 8,191 bytes as one value.
    let longest = 8000;
    for (is_gateway, bootstrap) in [
        (false, policy(POLICIES[0])),
        (false, policy(POLICIES[1])),
        (true, gateway),
    ] {
        // Envoy's default limit.
        let limit = "limit_bytes: 1048576";
        let bootstrap = bootstrap.replace("limit_bytes: 4194304", limit);
        let envoy = Envoy::with_workers(1, "small_buffers_id", &bootstrap);
        for length in [10, 2000, longest, 8191, 8192, 100_000, 1_048_000] {
            let id = format!("\"{}\"", "i".repeat(length - 2));
            for piece in [None, Some(30), Some(20)] {
                let way = Way {
                    kind: Kind::NoResponse,
                    size: 30,
                    piece,
                    trailers: false,
                };
                let request = if is_gateway {
                    call(&id, "a__t", "{}")
                } else {
                    modern(&id, "tools/list")
                };
                let request = request.header("baggage", way.told());
                let answer = request.send(envoy.address).await;
                let what = format!("{length} {piece:?}: {}", answer.status);
                let body = answer.json();
                let echoed = match length {
                    0..=8191 => Value::from("i".repeat(length - 2)),
                    _ => Value::Null,
                };
                assert!(body["id"] == echoed, "{what}");
                let expected = if length > longest {
                    (400, -32600)
                } else {
                    (502, -32603)
                };
                let told = (answer.status, body["error"]["code"].as_i64());
                assert_eq!(told, (expected.0, Some(expected.1)), "{what}");
                envoy.check();
            }
        }
    }
}
