//! Writes calls: the headers and the body for a server, in the protocol that the gateway speaks
//! with it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::config::{Gateway, Server};
use crate::gateway::routing::call_headers::{self, CallerHeaders, HeaderFields};
use crate::gateway::routing::request_headers::{ACCEPT, CONTENT_TYPE};
use crate::gateway::upstream::call::{Call, CallContent, CallId, Share, UpstreamRequest};
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::upstream::protocol::{UpstreamProtocol, UpstreamSession};
use crate::mcp::era::Era;
use crate::mcp::json::object::{ObjectWriter, push_object};
use crate::mcp::{self, header_value, json, jsonrpc};

/// The version with which the gateway opens sessions of its own. In the next version, a server may
/// end its stream before it has answered, and then the client has to ask for the rest.
const POOLED_VERSION: &str = "2025-06-18";

/// The content of one call, and what the gateway does with its answer.
pub struct CallSpec<'a> {
    /// The id of the call in the stream that waits.
    pub id: CallId,
    /// The JSON-RPC id, for a request.
    pub rpc_id: String,
    /// The content.
    pub content: &'a CallContent,
    /// Set where other clients may get the answer, too.
    pub share: Option<Share>,
    /// How long to wait.
    pub timeout: Duration,
}

impl fmt::Debug for CallSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSpec")
            .field("id", &self.id)
            .field("rpc_id", &self.rpc_id)
            .finish_non_exhaustive()
    }
}

impl ClientContext {
    /// The call that `spec` describes, to a `server` with which the gateway speaks `protocol`. A
    /// shared call has no data of the client, except what its key contains.
    pub fn call(
        &self,
        gateway: &Gateway,
        server: &Server,
        protocol: &UpstreamProtocol,
        spec: CallSpec<'_>,
    ) -> Call {
        let session = protocol.session();
        let (version, is_shared) = match protocol {
            UpstreamProtocol::Modern(version) => (Some(*version), spec.share.is_some()),
            UpstreamProtocol::Legacy(_) => (session.map(|session| session.version), false),
        };
        let mut headers = head(server, session.map(|it| &**it), version, spec.content);
        headers.extend(self.headers.fields(server, is_shared));
        let (rpc_id, body) = match spec.content {
            CallContent::Mcp(request) => {
                let params = match protocol {
                    UpstreamProtocol::Modern(version) => {
                        self.modern_params(request, version, is_shared, gateway)
                    }
                    UpstreamProtocol::Legacy(_) => self.legacy_params(request, gateway),
                };
                if request.is_notification() {
                    (None, jsonrpc::notification(request.method(), params))
                } else {
                    let id = json::quoted(&spec.rpc_id);
                    let body = jsonrpc::request(&id, request.method(), params);
                    (Some(spec.rpc_id), body)
                }
            }
            CallContent::Relayed | CallContent::Delete => (None, Vec::new()),
        };
        Call {
            id: Some(spec.id),
            server: server.id,
            view: server.view,
            cluster: server.cluster.clone(),
            headers,
            body,
            timeout: spec.timeout,
            rpc_id,
            content: spec.content.clone(),
            version,
            share: spec.share,
            has_session: session.is_some_and(|session| session.id.is_some()),
        }
    }

    fn modern_params(
        &self,
        request: &UpstreamRequest,
        version: &str,
        is_shared: bool,
        gateway: &Gateway,
    ) -> Vec<u8> {
        let shared = is_shared.then(|| self.capabilities.defined.json());
        let (capabilities, info) = match (request, &shared) {
            // The gateway remembers the server's description for all clients. So the request has no
            // data of this client.
            (UpstreamRequest::Discover, _) => ("{}", Some(gateway.client_info.as_str())),
            // The key of the shared answer has only the defined capabilities, so the request has no
            // other data of the client.
            (_, Some(defined)) => (defined.as_str(), None),
            (_, None) => (self.capabilities.json.as_str(), self.info.as_deref()),
        };
        let mut out = Vec::new();
        push_object(&mut out, |params| {
            push_cursor(params, request);
            params.object("_meta", |meta| {
                meta.string(mcp::PROTOCOL_VERSION_KEY, version);
                meta.json(mcp::CLIENT_CAPABILITIES_KEY, capabilities);
                if let Some(info) = info {
                    meta.json(mcp::CLIENT_INFO_KEY, info);
                }
            });
        });
        out
    }

    fn legacy_params(&self, request: &UpstreamRequest, gateway: &Gateway) -> Vec<u8> {
        let mut out = Vec::new();
        push_object(&mut out, |params| match request {
            UpstreamRequest::Initialize => self.push_initialize(params, gateway),
            UpstreamRequest::SetLevel(level) => params.json("level", level),
            request => push_cursor(params, request),
        });
        out
    }

    fn push_initialize(&self, params: &mut ObjectWriter<'_>, gateway: &Gateway) {
        // The gateway cannot pass a server's request on to a modern client, so it declares no
        // capabilities in its own sessions.
        let (version, capabilities, info) = match self.era {
            Era::Legacy => (
                self.version.as_str(),
                self.capabilities.json.as_str(),
                self.info.as_deref(),
            ),
            Era::Modern => (POOLED_VERSION, "{}", None),
        };
        params.string("protocolVersion", version);
        params.json("capabilities", capabilities);
        params.json("clientInfo", info.unwrap_or(&gateway.client_info));
    }
}

impl Call {
    /// Sends `message` to a server in this session: a notification with this `method`, or a
    /// response, which has none. No stream waits for an answer.
    pub fn tell(
        server: &Server,
        session: &UpstreamSession,
        method: Option<&str>,
        message: Vec<u8>,
        headers: &CallerHeaders,
    ) -> Self {
        let mut fields = headers.fields(server, false);
        let method = method.map(|method| header_value::encode(method).into_owned());
        fields.extend(method.map(|method| (Cow::Borrowed(mcp::METHOD_HEADER), method)));
        Self::unanswered(server, session, CallContent::Relayed, fields, message)
    }

    /// Ends this session with a server (MCP 2025-11-25, "Session Management"). `passed` are the
    /// passed-through headers of the session's client.
    pub fn end(server: &Server, session: &UpstreamSession, passed: &[(String, String)]) -> Self {
        let forwarded = call_headers::header_fields(passed);
        Self::unanswered(server, session, CallContent::Delete, forwarded, Vec::new())
    }

    fn unanswered(
        server: &Server,
        session: &UpstreamSession,
        content: CallContent,
        forwarded: impl IntoIterator<Item = (Cow<'static, str>, String)>,
        body: Vec<u8>,
    ) -> Self {
        let mut headers = head(server, Some(session), Some(session.version), &content);
        headers.extend(forwarded);
        Self {
            id: None,
            server: server.id,
            view: server.view,
            cluster: server.cluster.clone(),
            headers,
            body,
            timeout: server.timeout,
            rpc_id: None,
            content,
            version: Some(session.version),
            share: None,
            has_session: true,
        }
    }
}

/// The headers of a call, without those of the client.
fn head(
    server: &Server,
    session: Option<&UpstreamSession>,
    version: Option<&str>,
    content: &CallContent,
) -> HeaderFields {
    let is_message = *content != CallContent::Delete;
    let http_method = if is_message { "POST" } else { "DELETE" };
    let session_id = session.and_then(|session| session.id.as_deref());
    let fields = [
        (":method", Some(http_method)),
        (":path", Some(&*server.path)),
        (":authority", Some(&*server.authority)),
        ("content-type", is_message.then_some(CONTENT_TYPE)),
        ("accept", Some(ACCEPT)),
        (mcp::PROTOCOL_VERSION_HEADER, version),
        (mcp::METHOD_HEADER, content.method()),
        (mcp::SESSION_HEADER, session_id),
    ];
    let fields = fields.into_iter();
    let fields = fields.filter_map(|(name, value)| Some((Cow::Borrowed(name), value?.to_owned())));
    fields.chain(call_headers::static_headers(server)).collect()
}

fn push_cursor(params: &mut ObjectWriter<'_>, request: &UpstreamRequest) {
    if let UpstreamRequest::List(_, Some(cursor)) = request {
        params.string("cursor", cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::upstream::page_key::PageKey;
    use crate::http::Headers;
    use crate::mcp::Message;
    use crate::mcp::client_capabilities::ClientCapabilities;
    use crate::mcp::list::ListKind;
    use crate::mcp::message::Params;
    use crate::policy::era_check;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn gateway() -> Gateway {
        let config = br#"{"servers":[{"name":"w","cluster":"weather","hostname":"weather.local","path":"/v1"}]}"#;
        Config::parse(config).unwrap().gateway.unwrap()
    }

    fn carried(gateway: &Gateway, pairs: &[(&str, &str)]) -> CallerHeaders {
        CallerHeaders::of(
            &Headers::from_pairs(pairs.iter().copied()),
            gateway,
            &[gateway.servers[0].id],
        )
        .unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_is_a_modern_request_with_the_callers_version_capabilities_and_info_only() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},
            "io.modelcontextprotocol/logLevel":"debug","progressToken":7,"secret":"x"}}}"#;
        let message = Message::parse(body).unwrap();
        let gateway = gateway();
        let caller = ClientContext::of(
            &message.params().unwrap().meta,
            carried(&gateway, &[("traceparent", "00-x")]),
        )
        .unwrap();
        let spec = CallSpec {
            id: CallId(3),
            rpc_id: "gw-1".into(),
            content: &CallContent::Mcp(UpstreamRequest::List(ListKind::Tools, Some(String::new()))),
            share: None,
            timeout: Duration::from_secs(1),
        };
        let call = caller.call(
            &gateway,
            &gateway.servers[0],
            &UpstreamProtocol::Modern("2026-07-28"),
            spec,
        );
        let expected = r#"{"jsonrpc":"2.0","id":"gw-1","method":"tools/list","params":{"cursor":"","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}"#;
        assert_eq!(String::from_utf8(call.body.clone()).unwrap(), expected);
        assert_eq!(
            (call.cluster.as_str(), call.id),
            ("weather", Some(CallId(3)))
        );
        let pairs = call
            .headers
            .iter()
            .map(|(name, value)| (&**name, value.as_str()));
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
            era_check::check(&headers, &Message::parse(&call.body).unwrap(), true),
            Ok(Era::Modern)
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_shared_call_says_nothing_of_who_asks() {
        let gateway = gateway();
        let caller = ClientContext {
            era: Era::Modern,
            version: "2026-07-28".into(),
            capabilities: "{}".into(),
            info: Some(r#"{"name":"c"}"#.into()),
            headers: carried(
                &gateway,
                &[
                    ("traceparent", "00-x"),
                    ("tracestate", &"x".repeat(513)),
                    ("baggage", "user=1"),
                ],
            ),
        };
        let server = &gateway.servers[0];
        let key = PageKey::new(
            "p",
            server,
            ListKind::Tools,
            None,
            Some("2026-07-28"),
            ClientCapabilities::NONE,
        );
        let names = |share| -> Vec<String> {
            let spec = CallSpec {
                id: CallId(0),
                rpc_id: "r".into(),
                content: &CallContent::Mcp(UpstreamRequest::List(ListKind::Tools, None)),
                share,
                timeout: Duration::from_secs(1),
            };
            let call = caller.call(
                &gateway,
                server,
                &UpstreamProtocol::Modern("2026-07-28"),
                spec,
            );
            let body = String::from_utf8(call.body).unwrap();
            assert_eq!(body.contains("clientInfo"), share.is_none(), "{body}");
            let theirs = call.headers.iter().skip(7);
            theirs.map(|(name, _)| name.to_string()).collect()
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

    /// A server may reset a request with long headers, and would be left out for all clients then.
    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_has_no_trace_that_is_longer_than_real_ones() {
        let gateway = gateway();
        let (longest, long) = ("b".repeat(8192), "x".repeat(60_000));
        for (fields, expected) in [
            (
                vec![
                    ("baggage", &*longest),
                    ("traceparent", "00-x"),
                    ("tracestate", &longest[..512]),
                    ("x-request-id", "r"),
                ],
                vec!["x-request-id", "traceparent", "tracestate", "baggage"],
            ),
            (
                vec![
                    ("baggage", &long),
                    ("baggage", "user=1"),
                    ("tracestate", &long),
                ],
                vec!["baggage"],
            ),
            (vec![("baggage", &longest); 9], vec!["baggage"]),
        ] {
            let carried = carried(&gateway, &fields);
            let sent = carried.fields(&gateway.servers[0], false);
            let names: Vec<_> = sent.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, expected);
            assert!(sent.iter().all(|(_, value)| value.len() <= 8192));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_goes_on_and_what_is_the_servers_own_is_in_every_call() {
        let config = br#"{"servers":[{"name":"w","passthroughHeaders":[{"name":"x-key","as":"x-k"}],"headers":[{"name":"authorization","value":"own"}]}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let server = &gateway.servers[0];
        let carried = carried(&gateway, &[("x-key", "1"), ("x-key", "2"), ("x-k", "3")]);
        let caller = ClientContext::of_initialize(&Params::default(), carried.clone()).unwrap();
        let session = std::rc::Rc::new(UpstreamSession {
            version: "2025-06-18",
            id: Some("s".into()),
        });
        let mut calls = vec![
            Call::tell(server, &session, None, Vec::new(), &carried),
            Call::end(server, &session, carried.passthrough_headers(server.id)),
        ];
        let requests = [
            UpstreamRequest::Discover,
            UpstreamRequest::Initialize,
            UpstreamRequest::Initialized,
            UpstreamRequest::Ping,
            UpstreamRequest::List(ListKind::Tools, None),
            UpstreamRequest::SetLevel("\"info\"".into()),
        ];
        let contents = requests.map(CallContent::Mcp).into_iter();
        for content in contents.chain([CallContent::Delete]) {
            for protocol in [
                UpstreamProtocol::Modern("2026-07-28"),
                UpstreamProtocol::Legacy(Some(session.clone())),
            ] {
                let spec = CallSpec {
                    id: CallId(0),
                    rpc_id: "r".into(),
                    content: &content,
                    share: None,
                    timeout: Duration::from_secs(1),
                };
                calls.push(caller.call(&gateway, server, &protocol, spec));
            }
        }
        for call in calls {
            let is_one = |name: &str| ["x-k", "x-key", "authorization"].contains(&name);
            let theirs = call.headers.iter().filter(|(name, _)| is_one(name));
            let theirs: Vec<_> = theirs.map(|(name, value)| (&**name, &**value)).collect();
            let expected = [("authorization", "own"), ("x-k", "1"), ("x-k", "2")];
            assert_eq!(theirs, expected, "{:?}", call.content);
            assert_eq!(call.passed(server), carried.passthrough_headers(server.id));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_output_has_no_value_of_a_header_and_no_session_id() {
        let config = br#"{"servers":[{"name":"w","passthroughHeaders":["x-key"],"headers":[{"name":"x-own","value":"own-secret"}]}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let server = &gateway.servers[0];
        let headers = carried(&gateway, &[("x-key", "client-secret")]);
        let client = ClientContext::of_initialize(&Params::default(), headers).unwrap();
        let session = std::rc::Rc::new(UpstreamSession {
            version: "2025-06-18",
            id: Some("session-secret".into()),
        });
        let content = CallContent::Mcp(UpstreamRequest::Ping);
        let spec = CallSpec {
            id: CallId(0),
            rpc_id: "r".into(),
            content: &content,
            share: None,
            timeout: Duration::from_secs(1),
        };
        let spec_shown = format!("{spec:?}");
        let protocol = UpstreamProtocol::Legacy(Some(session));
        let call = client.call(&gateway, server, &protocol, spec);
        let values: Vec<&str> = call.headers.iter().map(|(_, value)| &**value).collect();
        for secret in ["own-secret", "client-secret", "session-secret"] {
            assert!(values.contains(&secret), "{secret}");
        }
        let call_shown = format!("{call:?}");
        assert!(call_shown.contains("x-key") && call_shown.contains("x-own"));
        for shown in [
            spec_shown,
            call_shown,
            format!("{client:?}"),
            format!("{protocol:?}"),
        ] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
