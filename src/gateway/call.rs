//! A request of the gateway's own to one server, and what comes back.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use super::answer::Answer;
use super::discover::Discovered;
use super::failure::Failure;
use super::forwarding;
use super::freshness::Freshness;
use super::kind::Kind;
use super::page::Page;
use super::pages::{Key, Pages};
use crate::config::{Gateway, Server};
use crate::mcp::message::Meta;
use crate::mcp::{self, answer, json, method};
use crate::policy::Refusal;
use crate::policy::export::LONGEST;

/// Names a call within the stream that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// A request to a cluster, outside Envoy's router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Names it when the response comes.
    pub id: CallId,
    /// The server's place in the configuration.
    pub server: usize,
    /// The Envoy cluster.
    pub cluster: String,
    /// Pseudo-headers and headers.
    pub headers: Vec<(&'static str, String)>,
    /// A JSON-RPC message.
    pub body: Vec<u8>,
    /// How long to wait for the whole response.
    pub timeout: Duration,
    /// Its JSON-RPC id.
    pub rpc_id: String,
    /// What it asks for.
    pub question: Question,
    /// Set where the answer may be for other clients, too.
    pub share: Option<Share>,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `server/discover`
    Discover,
    /// A page of a list.
    List(Kind),
}

impl Question {
    /// The method that asks it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Discover => method::SERVER_DISCOVER,
            Self::List(kind) => kind.method(),
        }
    }
}

/// How an answer is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Under which key.
    pub key: Key,
    /// For how long, where the server is not asked (`listTtl`).
    pub ttl: Option<Duration>,
    /// Whether to wait for a call like it that is under way.
    pub joins: bool,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// An HTTP response; Envoy's own 503 and 504 for a cluster that cannot be
    /// reached, or not in time, look the same.
    Http {
        /// `:status`
        status: u16,
        /// `content-type`
        content_type: Option<String>,
        /// The whole body.
        body: Vec<u8>,
    },
    /// The connection broke, or the response was larger than Envoy buffers.
    Reset,
    /// Envoy did not send it: it knows no such cluster.
    NoCluster,
    /// Envoy did not send it: the cluster has nowhere to send it to.
    Unreachable,
    /// An HTTP response in a content-encoding.
    Encoded,
}

/// Longer headers of one client's must not make a call fail that others wait
/// for; in bytes. A trace's are shorter.
const LONGEST_SHARED: usize = 512;

/// What of the client's request goes into every call made for it, and nothing
/// else of it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `protocolVersion`, which the call repeats in a header.
    pub protocol_version: String,
    /// The JSON text of `clientCapabilities`.
    pub capabilities: String,
    /// The JSON text of `clientInfo`.
    pub info: Option<String>,
    /// Trace headers and `x-request-id`.
    pub headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// Takes what goes into calls out of a modern request's `_meta`; `headers`
    /// are those that [`super::forwarding::traced`] picked.
    ///
    /// # Errors
    /// What every call would repeat is too long, or a part of it is missing.
    pub fn of(meta: &Meta<'_>, headers: Vec<(&'static str, String)>) -> Result<Self, Refusal> {
        let version = meta.protocol_version.and_then(json::string);
        let capabilities = meta
            .client_capabilities
            .ok_or(Refusal::MetaMissing(mcp::CLIENT_CAPABILITIES_KEY))?;
        for (text, what) in [
            (Some(capabilities), "clientCapabilities"),
            (meta.client_info, "clientInfo"),
        ] {
            if text.is_some_and(|text| text.len() > LONGEST) {
                return Err(Refusal::TooLong(what));
            }
        }
        Ok(Self {
            protocol_version: version
                .ok_or(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))?
                .into_owned(),
            capabilities: capabilities.to_owned(),
            info: meta.client_info.map(str::to_owned),
            headers,
        })
    }

    /// A modern request to a server, given with its place: its JSON-RPC id is
    /// `rpc_id`, `cursor` the page to go on with. What is shared says nothing of
    /// who asks, beside what the answer may depend on.
    pub fn call(
        &self,
        id: CallId,
        (at, server): (usize, &Server),
        question: Question,
        rpc_id: String,
        (cursor, share): (Option<&str>, Option<Share>),
        timeout: Duration,
    ) -> Call {
        let method = question.method();
        let mut headers = vec![
            (":method", "POST".to_owned()),
            (":path", server.path.clone()),
            (":authority", server.authority.clone()),
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            (mcp::PROTOCOL_VERSION_HEADER, self.protocol_version.clone()),
            (mcp::METHOD_HEADER, method.to_owned()),
        ];
        let is_for_all = |(name, value): &&(&str, String)| {
            *name != forwarding::BAGGAGE && value.len() <= LONGEST_SHARED
        };
        let theirs = self.headers.iter();
        headers.extend(
            theirs
                .filter(|it| share.is_none() || is_for_all(it))
                .cloned(),
        );
        let info = self.info.as_deref().filter(|_| share.is_none());
        let body = self.body(method, &rpc_id, cursor, info);
        Call {
            id,
            server: at,
            cluster: server.cluster.clone(),
            headers,
            body,
            timeout,
            rpc_id,
            question,
            share,
        }
    }

    fn body(
        &self,
        method: &str,
        rpc_id: &str,
        cursor: Option<&str>,
        info: Option<&str>,
    ) -> Vec<u8> {
        let mut out = br#"{"jsonrpc":"2.0","id":"#.to_vec();
        json::push_string(&mut out, rpc_id);
        out.extend_from_slice(br#","method":"#);
        json::push_string(&mut out, method);
        out.extend_from_slice(br#","params":{"#);
        if let Some(cursor) = cursor {
            out.extend_from_slice(br#""cursor":"#);
            json::push_string(&mut out, cursor);
            out.push(b',');
        }
        out.extend_from_slice(br#""_meta":{"#);
        json::push_string(&mut out, mcp::PROTOCOL_VERSION_KEY);
        out.push(b':');
        json::push_string(&mut out, &self.protocol_version);
        out.push(b',');
        json::push_string(&mut out, mcp::CLIENT_CAPABILITIES_KEY);
        out.push(b':');
        out.extend_from_slice(self.capabilities.as_bytes());
        if let Some(info) = info {
            out.push(b',');
            json::push_string(&mut out, mcp::CLIENT_INFO_KEY);
            out.push(b':');
            out.extend_from_slice(info.as_bytes());
        }
        out.extend_from_slice(b"}}}");
        out
    }
}

impl Call {
    /// What came of it, given the `response`. A page that may be shared is kept
    /// in `pages` from `now`.
    pub fn answer(
        &self,
        response: &Response,
        gateway: &Gateway,
        pages: &mut Pages,
        now: Duration,
    ) -> Answer {
        let Some(server) = gateway.servers.get(self.server) else {
            return Answer::Failed(Failure::NoCluster);
        };
        let result = match response.result(&self.rpc_id, gateway.max_response_bytes) {
            Ok(result) => result,
            Err(Failure::Error { code, .. }) if code == "-32601" => return Answer::NoMethod,
            Err(failure) => return Answer::Failed(failure),
        };
        let read = match self.question {
            Question::Discover => {
                Discovered::read(&result).map(|it| Answer::Discovered(Rc::new(it)))
            }
            Question::List(kind) => Page::read(kind, server, &result)
                .map(|page| self.page(Rc::new(page), &result, pages, now)),
        };
        read.unwrap_or_else(Answer::Failed)
    }

    fn page(&self, page: Rc<Page>, result: &str, pages: &mut Pages, now: Duration) -> Answer {
        let said = page.freshness;
        let Some(share) = &self.share else {
            return Answer::Page {
                page,
                freshness: said,
                private: false,
            };
        };
        let freshness = share.ttl.map_or(said, |ttl| Freshness {
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            public: true,
        });
        let ttl = Duration::from_millis(freshness.ttl_ms);
        if freshness.public && !ttl.is_zero() {
            pages.keep(share.key, (&page, result), now, ttl);
        }
        Answer::Page {
            page,
            freshness,
            private: !freshness.public,
        }
    }
}

impl Response {
    /// The `result` of the answer with the JSON-RPC id `rpc_id`, in a body of at
    /// most `longest` bytes.
    ///
    /// # Errors
    /// How the server failed.
    pub fn result(&self, rpc_id: &str, longest: usize) -> Result<Cow<'_, str>, Failure> {
        let (status, content_type, body) = match self {
            Self::Http {
                status,
                content_type,
                body,
            } => (*status, content_type.as_deref(), body),
            Self::Reset => return Err(Failure::Reset),
            Self::NoCluster => return Err(Failure::NoCluster),
            Self::Unreachable => return Err(Failure::Unreachable),
            Self::Encoded => return Err(Failure::Encoded),
        };
        match status {
            401 | 403 => return Err(Failure::Refused),
            503 => return Err(Failure::Unreachable),
            504 => return Err(Failure::TimedOut),
            _ => {}
        }
        if body.len() > longest {
            return Err(Failure::TooLong(longest));
        }
        let found = answer::find(content_type, body, rpc_id);
        // Other than 200 may be an error that says more than its status.
        if status != 200 && !matches!(found, Some(answer::Answer::Error { .. })) {
            return Err(Failure::Status(status));
        }
        match found {
            Some(answer::Answer::Result(result)) => Ok(result),
            Some(answer::Answer::Error { code, message }) => Err(Failure::Error { code, message }),
            None => Err(Failure::Nonsense("no JSON-RPC response to the request")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::http::Headers;
    use crate::mcp::Message;
    use crate::policy::era::{self, Era};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn server() -> Server {
        let config = br#"{"servers":[{"name":"w","cluster":"weather","hostname":"weather.local","path":"/v1"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        gateway.servers.into_iter().next().unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_is_a_modern_request_with_the_callers_version_capabilities_and_info_only() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},
            "io.modelcontextprotocol/logLevel":"debug","progressToken":7,"secret":"x"}}}"#;
        let message = Message::parse(body).unwrap();
        let caller = Caller::of(
            &message.params().unwrap().meta,
            vec![("traceparent", "00-x".into())],
        )
        .unwrap();
        let call = caller.call(
            CallId(3),
            (0, &server()),
            Question::List(Kind::Tools),
            "gw-1".into(),
            (Some(""), None),
            Duration::from_secs(1),
        );
        let expected = r#"{"jsonrpc":"2.0","id":"gw-1","method":"tools/list","params":{"cursor":"","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}"#;
        assert_eq!(String::from_utf8(call.body.clone()).unwrap(), expected);
        assert_eq!((call.cluster.as_str(), call.id), ("weather", CallId(3)));
        let pairs = call
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let headers = Headers::from_pairs(pairs);
        for (name, value) in [
            (":method", "POST"),
            (":path", "/v1"),
            (":authority", "weather.local"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
            ("traceparent", "00-x"),
        ] {
            assert_eq!(headers.text(name), Some(value), "{name}");
        }
        assert_eq!(
            era::check(&headers, &Message::parse(&call.body).unwrap(), true),
            Ok(Era::Modern)
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_shared_call_says_nothing_of_who_asks() {
        let caller = Caller {
            protocol_version: "2026-07-28".into(),
            capabilities: "{}".into(),
            info: Some(r#"{"name":"c"}"#.into()),
            headers: vec![
                ("traceparent", "00-x".into()),
                ("tracestate", "x".repeat(513)),
                ("baggage", "user=1".into()),
            ],
        };
        let server = server();
        let key = Key::new("p", &server, Kind::Tools, None, "2026-07-28", "{}");
        let names = |share| -> Vec<&'static str> {
            let question = Question::List(Kind::Tools);
            let second = Duration::from_secs(1);
            let call = caller.call(
                CallId(0),
                (0, &server),
                question,
                "r".into(),
                (None, share),
                second,
            );
            let body = String::from_utf8(call.body).unwrap();
            assert_eq!(body.contains("clientInfo"), share.is_none(), "{body}");
            let theirs = call.headers.iter().skip(7);
            theirs.map(|(name, _)| *name).collect()
        };
        assert_eq!(names(None), ["traceparent", "tracestate", "baggage"]);
        assert_eq!(
            names(Some(Share {
                key,
                ttl: None,
                joins: true
            })),
            ["traceparent"]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_way_to_fail_is_told() {
        let http = |status, body: &str| Response::Http {
            status,
            content_type: None,
            body: body.into(),
        };
        let good = r#"{"jsonrpc":"2.0","id":"a","result":{}}"#;
        assert_eq!(http(200, good).result("a", 1000).as_deref(), Ok("{}"));
        for (response, said) in [
            (Response::Reset, "did not answer"),
            (Response::NoCluster, "has no cluster"),
            (Response::Unreachable, "is unreachable"),
            (http(503, "x"), "is unreachable"),
            (http(504, "x"), "did not answer in time"),
            (http(500, "<html>"), "answered HTTP 500"),
            (http(401, good), "refused the gateway's credentials"),
            (http(403, good), "refused the gateway's credentials"),
            (http(404, "<html>"), "answered HTTP 404"),
            (http(404, good), "answered HTTP 404"),
            (
                http(
                    404,
                    r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"m"}}"#,
                ),
                "answered error -32601: m",
            ),
            (Response::Encoded, "answered in a content-encoding"),
            (http(200, "<html>"), "answered no JSON-RPC response"),
            (
                http(200, r#"{"jsonrpc":"2.0","id":"b","result":{}}"#),
                "answered no JSON-RPC response",
            ),
            (
                http(
                    200,
                    r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"m"}}"#,
                ),
                "answered error -1: m",
            ),
            (
                http(200, &" ".repeat(1001)),
                "answered more than 1000 bytes",
            ),
        ] {
            let error = response.result("a", 1000).expect_err(said).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
