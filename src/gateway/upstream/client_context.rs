//! Who asks, and how that is put into a call: in the words of the server's era,
//! whatever the client's is.

use std::borrow::Cow;
use std::time::Duration;

use crate::config::{Gateway, Server};
use crate::gateway::routing::call_headers::{self, CallerHeaders, HeaderFields};
use crate::gateway::upstream::call::{Call, CallId, Share, UpstreamRequest};
use crate::gateway::upstream::protocol::{UpstreamProtocol, UpstreamSession};
use crate::mcp::era::Era;
use crate::mcp::message::{Meta, Params};
use crate::mcp::{self, json, version};
use crate::policy::Refusal;
use crate::policy::export::LONGEST;

/// Longer capabilities do not fit into a session id, in bytes.
const LONGEST_CAPABILITIES: usize = 2048;

/// Longer `clientInfo` is left out of a session id, in bytes.
const LONGEST_INFO: usize = 1024;

/// The version with which the gateway opens sessions of its own. With the next
/// one a server may end its stream before it has answered, and expect to be
/// asked for the rest.
const BRIDGED: &str = "2025-06-18";

/// What of the client's request goes into every call made for it, and nothing
/// else of it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientContext {
    /// How the client speaks.
    pub era: Era,
    /// The version in which it does.
    pub version: String,
    /// The JSON text of its capabilities.
    pub capabilities: String,
    /// The JSON text of its `clientInfo`.
    pub info: Option<String>,
    /// What of its headers goes on.
    pub headers: CallerHeaders,
}

/// What one call is to say.
pub struct CallSpec<'a> {
    /// Names the call.
    pub id: CallId,
    /// Its JSON-RPC id.
    pub rpc_id: String,
    /// What it asks.
    pub question: &'a UpstreamRequest,
    /// The page to go on with.
    pub cursor: Option<&'a str>,
    /// Set where the answer may be for others.
    pub share: Option<Share>,
    /// How long to wait.
    pub timeout: Duration,
}

impl ClientContext {
    /// Takes what goes into calls out of a modern request's `_meta`, and of its
    /// `headers`.
    ///
    /// # Errors
    /// What every call would repeat is too long, or a part of it is missing.
    pub fn of(meta: &Meta<'_>, headers: CallerHeaders) -> Result<Self, Refusal> {
        let version = meta.protocol_version.and_then(json::string);
        let capabilities = meta
            .client_capabilities
            .ok_or(Refusal::MetaMissing(mcp::CLIENT_CAPABILITIES_KEY))?;
        bounded(capabilities, "clientCapabilities", LONGEST)?;
        bounded(meta.client_info.unwrap_or_default(), "clientInfo", LONGEST)?;
        Ok(Self {
            era: Era::Modern,
            version: version
                .ok_or(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))?
                .into_owned(),
            capabilities: capabilities.to_owned(),
            info: meta.client_info.map(str::to_owned),
            headers,
        })
    }

    /// The same of the parameters of `initialize` (MCP 2025-11-25, lifecycle).
    /// A version that is not spoken here becomes the newest that is.
    ///
    /// # Errors
    /// The capabilities are too long.
    pub fn of_initialize(params: &Params<'_>, headers: CallerHeaders) -> Result<Self, Refusal> {
        let asked = params.get("protocolVersion").and_then(json::string);
        let spoken = asked.and_then(|asked| version::legacy(&asked));
        let object = |name| params.get(name).filter(|text| text.starts_with('{'));
        let capabilities = object("capabilities").unwrap_or("{}");
        bounded(capabilities, "capabilities", LONGEST_CAPABILITIES)?;
        let info = object("clientInfo").filter(|info| info.len() <= LONGEST_INFO);
        Ok(Self {
            era: Era::Legacy,
            version: spoken.unwrap_or(version::NEWEST_LEGACY).to_owned(),
            capabilities: capabilities.to_owned(),
            info: info.map(str::to_owned),
            headers,
        })
    }

    /// The version for servers of the modern era.
    pub fn modern_version(&self) -> &str {
        match self.era {
            Era::Modern => &self.version,
            Era::Legacy => version::NEWEST_MODERN,
        }
    }

    /// A request to a server, given with its place, which is spoken to with
    /// `voice`. What is shared says nothing of who asks, beside what the answer
    /// may depend on.
    pub fn call(
        &self,
        gateway: &Gateway,
        server: &Server,
        protocol: &UpstreamProtocol,
        put: CallSpec<'_>,
    ) -> Call {
        let link = protocol.link().map(|link| &**link);
        let is_modern =
            *protocol == UpstreamProtocol::Modern || *put.question == UpstreamRequest::Discover;
        let version = if is_modern {
            Some(self.modern_version())
        } else {
            link.map(|link| link.version)
        };
        let is_shared = put.share.is_some() && is_modern;
        let method = put.question.method();
        let mut headers = head(server, link.filter(|_| !is_modern), version, method);
        headers.extend(self.headers.fields(server, is_shared));
        let params = if is_modern {
            self.modern_params(put.cursor, is_shared)
        } else {
            self.legacy_params(&put, gateway)
        };
        let rpc_id = (*put.question != UpstreamRequest::Initialized).then_some(put.rpc_id.as_str());
        let body = match put.question {
            UpstreamRequest::End => Vec::new(),
            _ => body(method, rpc_id, &params),
        };
        Call {
            id: put.id,
            server: server.id,
            cluster: server.cluster.clone(),
            headers,
            body,
            timeout: put.timeout,
            rpc_id: put.rpc_id,
            question: put.question.clone(),
            share: put.share,
            has_session: !is_modern && link.is_some_and(|link| link.session.is_some()),
        }
    }

    fn modern_params(&self, cursor: Option<&str>, is_shared: bool) -> Vec<u8> {
        let mut out = b"{".to_vec();
        push_cursor(&mut out, cursor);
        if cursor.is_some() {
            out.push(b',');
        }
        out.extend_from_slice(br#""_meta":{"#);
        json::push_string(&mut out, mcp::PROTOCOL_VERSION_KEY);
        out.push(b':');
        json::push_string(&mut out, self.modern_version());
        out.push(b',');
        json::push_string(&mut out, mcp::CLIENT_CAPABILITIES_KEY);
        out.push(b':');
        out.extend_from_slice(self.capabilities.as_bytes());
        if let Some(info) = self.info.as_deref().filter(|_| !is_shared) {
            out.push(b',');
            json::push_string(&mut out, mcp::CLIENT_INFO_KEY);
            out.push(b':');
            out.extend_from_slice(info.as_bytes());
        }
        out.extend_from_slice(b"}}");
        out
    }

    fn legacy_params(&self, put: &CallSpec<'_>, gateway: &Gateway) -> Vec<u8> {
        let mut out = b"{".to_vec();
        match put.question {
            UpstreamRequest::Initialize => {
                // A modern client is not there when a server asks it something,
                // so nothing is declared for it.
                let (version, capabilities, info) = match self.era {
                    Era::Legacy => (
                        self.version.as_str(),
                        self.capabilities.as_str(),
                        self.info.as_deref(),
                    ),
                    Era::Modern => (BRIDGED, "{}", None),
                };
                out.extend_from_slice(br#""protocolVersion":"#);
                json::push_string(&mut out, version);
                out.extend_from_slice(br#","capabilities":"#);
                out.extend_from_slice(capabilities.as_bytes());
                out.extend_from_slice(br#","clientInfo":"#);
                out.extend_from_slice(info.unwrap_or(&gateway.server_info).as_bytes());
            }
            UpstreamRequest::SetLevel(level) => {
                out.extend_from_slice(br#""level":"#);
                out.extend_from_slice(level.as_bytes());
            }
            _ => push_cursor(&mut out, put.cursor),
        }
        out.push(b'}');
        out
    }
}

impl Call {
    /// Tells a server, in a session with it, a message that wants no answer.
    pub fn tell(
        server: &Server,
        link: &UpstreamSession,
        message: Vec<u8>,
        headers: &CallerHeaders,
    ) -> Self {
        let mut head = head(server, Some(link), Some(link.version), "");
        head.extend(headers.fields(server, false));
        Self::unanswered(server, head, message, UpstreamRequest::Tell)
    }

    /// Ends the session with a server (MCP 2025-11-25, session management), which
    /// gets what is `passed` on of the headers of whose session it is.
    pub fn end(server: &Server, link: &UpstreamSession, passed: &[(String, String)]) -> Self {
        let method = UpstreamRequest::End.method();
        let mut head = head(server, Some(link), Some(link.version), method);
        head.extend(call_headers::header_fields(passed));
        Self::unanswered(server, head, Vec::new(), UpstreamRequest::End)
    }

    fn unanswered(
        server: &Server,
        headers: HeaderFields,
        body: Vec<u8>,
        question: UpstreamRequest,
    ) -> Self {
        Self {
            id: CallId(u32::MAX),
            server: server.id,
            cluster: server.cluster.clone(),
            headers,
            body,
            timeout: server.timeout,
            rpc_id: String::new(),
            question,
            share: None,
            has_session: true,
        }
    }
}

/// The headers of a call of `method`, in `version`; without a method of MCP's
/// it is no message.
fn head(
    server: &Server,
    link: Option<&UpstreamSession>,
    version: Option<&str>,
    method: &str,
) -> HeaderFields {
    let is_message = method != UpstreamRequest::End.method();
    let session = link.and_then(|link| link.session.as_deref());
    let http = if is_message { "POST" } else { "DELETE" };
    let fields = [
        (":method", Some(http)),
        (":path", Some(&*server.path)),
        (":authority", Some(&*server.authority)),
        ("content-type", is_message.then_some("application/json")),
        ("accept", Some("application/json, text/event-stream")),
        (mcp::PROTOCOL_VERSION_HEADER, version),
        (
            mcp::METHOD_HEADER,
            Some(method).filter(|method| is_message && !method.is_empty()),
        ),
        (mcp::SESSION_HEADER, session),
    ];
    let fields = fields.into_iter();
    let fields = fields.filter_map(|(name, value)| Some((Cow::Borrowed(name), value?.to_owned())));
    fields.chain(call_headers::static_headers(server)).collect()
}

/// A JSON-RPC message; without an id it is a notification.
fn body(method: &str, rpc_id: Option<&str>, params: &[u8]) -> Vec<u8> {
    let mut out = br#"{"jsonrpc":"2.0","#.to_vec();
    if let Some(id) = rpc_id {
        out.extend_from_slice(br#""id":"#);
        json::push_string(&mut out, id);
        out.push(b',');
    }
    out.extend_from_slice(br#""method":"#);
    json::push_string(&mut out, method);
    out.extend_from_slice(br#","params":"#);
    out.extend_from_slice(params);
    out.push(b'}');
    out
}

fn push_cursor(out: &mut Vec<u8>, cursor: Option<&str>) {
    if let Some(cursor) = cursor {
        out.extend_from_slice(br#""cursor":"#);
        json::push_string(out, cursor);
    }
}

fn bounded(text: &str, what: &'static str, longest: usize) -> Result<(), Refusal> {
    if text.len() > longest {
        return Err(Refusal::TooLong(what, longest));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::upstream::page_key::PageKey;
    use crate::http::Headers;
    use crate::mcp::Message;
    use crate::mcp::list::ListKind;
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
        let put = CallSpec {
            id: CallId(3),
            rpc_id: "gw-1".into(),
            question: &UpstreamRequest::List(ListKind::Tools),
            cursor: Some(""),
            share: None,
            timeout: Duration::from_secs(1),
        };
        let call = caller.call(
            &gateway,
            &gateway.servers[0],
            &UpstreamProtocol::Modern,
            put,
        );
        let expected = r#"{"jsonrpc":"2.0","id":"gw-1","method":"tools/list","params":{"cursor":"","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}"#;
        assert_eq!(String::from_utf8(call.body.clone()).unwrap(), expected);
        assert_eq!((call.cluster.as_str(), call.id), ("weather", CallId(3)));
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
        let key = PageKey::new("p", server, ListKind::Tools, None, "2026-07-28", "{}");
        let names = |share| -> Vec<String> {
            let put = CallSpec {
                id: CallId(0),
                rpc_id: "r".into(),
                question: &UpstreamRequest::List(ListKind::Tools),
                cursor: None,
                share,
                timeout: Duration::from_secs(1),
            };
            let call = caller.call(&gateway, server, &UpstreamProtocol::Modern, put);
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

    #[wasm_bindgen_test(unsupported = test)]
    fn what_goes_on_and_what_is_the_servers_own_is_in_every_call() {
        let config = br#"{"servers":[{"name":"w","passthroughHeaders":[{"name":"x-key","as":"x-k"}],"headers":[{"name":"authorization","value":"own"}]}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let server = &gateway.servers[0];
        let carried = carried(&gateway, &[("x-key", "1"), ("x-key", "2"), ("x-k", "3")]);
        let caller = ClientContext::of_initialize(&Params::default(), carried.clone()).unwrap();
        let link = std::rc::Rc::new(UpstreamSession {
            version: "2025-06-18",
            session: Some("s".into()),
        });
        let mut calls = vec![
            Call::tell(server, &link, Vec::new(), &carried),
            Call::end(server, &link, carried.passthrough_headers(server.id)),
        ];
        for question in [
            UpstreamRequest::Discover,
            UpstreamRequest::Initialize,
            UpstreamRequest::Initialized,
            UpstreamRequest::Ping,
            UpstreamRequest::List(ListKind::Tools),
            UpstreamRequest::SetLevel("\"info\"".into()),
            UpstreamRequest::End,
        ] {
            for protocol in [
                UpstreamProtocol::Modern,
                UpstreamProtocol::Legacy(Some(link.clone())),
            ] {
                let put = CallSpec {
                    id: CallId(0),
                    rpc_id: "r".into(),
                    question: &question,
                    cursor: None,
                    share: None,
                    timeout: Duration::from_secs(1),
                };
                calls.push(caller.call(&gateway, server, &protocol, put));
            }
        }
        for call in calls {
            let is_one = |name: &str| ["x-k", "x-key", "authorization"].contains(&name);
            let theirs = call.headers.iter().filter(|(name, _)| is_one(name));
            let theirs: Vec<_> = theirs.map(|(name, value)| (&**name, &**value)).collect();
            let expected = [("authorization", "own"), ("x-k", "1"), ("x-k", "2")];
            assert_eq!(theirs, expected, "{:?}", call.question);
            assert_eq!(call.passed(server), carried.passthrough_headers(server.id));
        }
    }
}
