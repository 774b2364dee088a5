//! One request through the filter, with any events in any order. The request must go on or be
//! answered, exactly once, and nothing may happen to it afterwards.

#![no_main]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::config::Config;
use mcp_gateway::gateway::session::alias::{self, AliasKind};
use mcp_gateway::gateway::store::Store;
use mcp_gateway::gateway::upstream::call::{
    Call, CallContent, CallId, CallResponse, UpstreamRequest,
};
use mcp_gateway::gateway::upstream::call_result::CallResult;
use mcp_gateway::gateway::upstream::failure::Failure;
use mcp_gateway::gateway::worker::Worker;
use mcp_gateway::gateway::worker::calls::{DispatchId, StreamId};
use mcp_gateway::http::{Headers, Reply};
use mcp_gateway::mcp::{self, Message, header_value, method, version};
use mcp_gateway::stream::{Effect, Event, Flow, HostFacts, Stream};
use mcp_gateway_fuzz::{Members, raw, string};
use serde_json::{Value, json};

const CONFIGS: &[&str] = &[
    r#"{"servers":[{"name":"a","toolPrefix":"a_"},{"name":"b","toolPrefix":"a_b"},
        {"name":"c","toolPrefix":"","timeout":"100ms"}],"cors":{},
        "maxListPages":3,"maxListBytes":256,"maxResponseBytes":1024}"#,
    r#"{"servers":[{"name":"weather"},{"name":"calendar"}],"failureMode":"FAIL"}"#,
    r#"{"prefixMode":"NEVER","servers":[{"name":"a","resources":{"exclude":["x*"]}},
        {"name":"b","listTtl":"1s"}],"maxResponseBytes":256}"#,
    r#"{"servers":[{"name":"a"}],"oauth":{}}"#,
    r#"{"servers":[{"name":"a","protocol":"LEGACY","shareSession":true}],"maxResponseBytes":256}"#,
    r#"{"trafficMode":"REJECT_NO_MCP","clearRouteCache":true,"paths":["/mcp"],
        "cors":{"allowOrigins":["https://*.example.com"],"allowCredentials":true}}"#,
    r#"{"maxRequestBodySize":1024,"cors":{}}"#,
    r#"{"oauth":{"authorizationServers":["https://login.example.com"]}}"#,
];

/// The prefixes of the servers above, and an empty one.
const PREFIXES: &[&str] = &["a_", "a_b", "weather__", ""];

/// Names of headers that the filter reads, and one that it does not read.
const FIELDS: &[&str] = &[
    ":path",
    ":method",
    ":authority",
    ":status",
    "accept",
    "access-control-allow-origin",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "traceparent",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-forwarded-proto",
    "x-mcp-cluster",
    "x-mcp-toolname",
];

thread_local! {
    static PARSED: Vec<Rc<Config>> = CONFIGS
        .iter()
        .map(|text| Rc::new(Config::parse(text.as_bytes()).expect("a configuration")))
        .collect();
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// When the fuzzer's bytes end, zeros follow. So the first variant of each choice is the one that
/// reaches the most code.
#[derive(Arbitrary, Debug)]
struct Run<'a> {
    config: u8,
    body: Body<'a>,
    then: Vec<Then<'a>>,
    /// The answer to calls that have no answer above.
    otherwise: Answer<'a>,
    verb: Verb,
    /// The well-formed headers that are left out, as bits.
    without: u16,
    /// Headers that replace well-formed ones, or are added to them.
    fields: Vec<Field<'a>>,
    end: bool,
}

#[derive(Arbitrary, Debug)]
enum Verb {
    Post,
    Get,
    Delete,
    Options,
}

#[derive(Arbitrary, Debug)]
struct Field<'a> {
    name: u8,
    value: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Body<'a> {
    Message(Sent<'a>),
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Sent<'a> {
    method: Method<'a>,
    id: Id<'a>,
    prefix: u8,
    name: &'a str,
    /// More members of `params`, if this is JSON.
    params: &'a str,
    legacy: bool,
}

#[derive(Arbitrary, Debug)]
enum Method<'a> {
    List,
    Call,
    Discover,
    Ping,
    Complete,
    Read,
    Prompt,
    Templates,
    Listen,
    Initialize,
    SetLevel,
    Cancelled,
    Progress,
    /// The client answers a request of the server, by its alias in the session.
    Respond,
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Id<'a> {
    Number(u64),
    Text(&'a str),
    None,
}

#[derive(Arbitrary, Debug)]
enum Then<'a> {
    Answer {
        to: u8,
        answer: Answer<'a>,
    },
    /// An answer to a call that was never made, or that has its answer already.
    Stray(u8),
    Part(u16),
    End {
        trailers: bool,
    },
    Response {
        /// The response is a 401, to which the filter adds a challenge.
        unauthorized: bool,
        fields: Vec<Field<'a>>,
        /// The parts of the body. If there are none, the response has only headers.
        parts: Vec<&'a [u8]>,
        details: Details,
    },
    Milliseconds(u16),
}

#[derive(Arbitrary, Debug)]
enum Details {
    FromServer,
    Router,
    Filter,
}

#[derive(Arbitrary, Debug)]
enum Answer<'a> {
    Tools {
        tools: Vec<Tool<'a>>,
        cursor: Option<&'a str>,
        events: bool,
    },
    Discovered {
        instructions: &'a str,
        events: bool,
    },
    Result {
        result: &'a str,
        events: bool,
    },
    Error {
        code: i64,
        message: &'a str,
    },
    Http {
        status: u16,
        content_type: Option<&'a str>,
        body: &'a [u8],
    },
    Reset,
    NoCluster,
    NotSent,
}

#[derive(Arbitrary, Debug)]
struct Tool<'a> {
    name: &'a str,
    title: &'a str,
}

fuzz_target!(|run: Run<'_>| {
    CLOCK.set(Duration::ZERO);
    let config = PARSED.with(|all| Rc::clone(&all[usize::from(run.config) % all.len()]));
    let mut worker = Worker::new(
        || CLOCK.get(),
        |bytes| bytes.fill(7),
        Box::new(Kept::default()),
    );
    if let Some(gateway) = &config.gateway {
        worker.configure(gateway, config.held_bytes);
    }
    let session = Session::begun(&config, &mut worker);
    let body = run.body.bytes(&session);
    let mut watch = Watch {
        stream: Stream::new(StreamId(1), Rc::clone(&config)),
        config,
        worker,
        body: &body,
        sent: Headers::default(),
        calls: BTreeMap::new(),
        held: false,
        answer_held: false,
        replied: false,
    };
    let headers = run.headers(&body, &session);
    let mut ended = run.end != matches!(run.verb, Verb::Get | Verb::Delete);
    watch.on(Event::RequestHeaders {
        headers,
        end: ended,
        known: HostFacts::default(),
    });
    for then in &run.then {
        match then {
            Then::Answer { to, answer } => watch.answer(usize::from(*to), answer),
            Then::Stray(id) => watch.stray(u32::from(*id)),
            Then::Part(size) if !ended => watch.on(Event::RequestBody {
                size: usize::from(*size),
            }),
            Then::End { trailers } if !ended => {
                ended = true;
                watch.end(*trailers);
            }
            Then::Part(_) | Then::End { .. } => {}
            Then::Response {
                unauthorized,
                fields,
                parts,
                details,
            } => {
                let mut fields: Vec<_> = fields.iter().map(Field::pair).collect();
                let status = if *unauthorized { "401" } else { "200" };
                fields.insert(0, (":status", status.into()));
                watch.response(Headers::from_pairs(pairs(&fields)), parts, details);
            }
            Then::Milliseconds(more) => {
                CLOCK.set(CLOCK.get() + Duration::from_millis(u64::from(*more)));
            }
        }
    }
    // In the end, every request must have gone on or have its answer.
    if !ended {
        watch.end(false);
    }
    while !watch.calls.is_empty() {
        watch.answer(0, &run.otherwise);
    }
    assert!(!watch.held || watch.replied, "held for ever");
    watch.response(Headers::default(), &[], &Details::Filter);
    for effect in watch.stream.over(None, &mut watch.worker) {
        match effect {
            Effect::Call(_, call) => assert!(is_aside(&call)),
            Effect::Log(..) | Effect::Count(..) => {}
            effect => panic!("{effect:?}"),
        }
    }
});

/// Whether no stream waits for the answer to this call.
fn is_aside(call: &Call) -> bool {
    call.id.is_none()
}

/// The JSON-RPC id of a call. A call without one accepts any answer.
fn rpc_id(call: &Call) -> &str {
    call.rpc_id.as_deref().unwrap_or_default()
}

/// A legacy client's session, and the aliases of servers' names in it.
#[derive(Default)]
struct Session {
    header: String,
    request: String,
    event: String,
}

impl Session {
    /// A session in which all servers are legacy ones. Without servers it is empty.
    fn begun(config: &Rc<Config>, worker: &mut Worker) -> Self {
        let Some(gateway) = &config.gateway else {
            return Self::default();
        };
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
        let headers = Headers::from_pairs([
            (":method", "POST"),
            (":path", "/mcp"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ]);
        let mut stream = Stream::new(StreamId(0), Rc::clone(config));
        let mut effects = stream
            .on(
                Event::RequestHeaders {
                    headers,
                    end: false,
                    known: HostFacts::default(),
                },
                worker,
            )
            .effects;
        effects.extend(
            stream
                .on(
                    Event::RequestEnd {
                        body,
                        trailers: false,
                    },
                    worker,
                )
                .effects,
        );
        let mut header = String::new();
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Call(job, call) => {
                    let response = match call.content {
                        CallContent::Mcp(UpstreamRequest::Discover) => refused(),
                        _ => initialized(rpc_id(&call)),
                    };
                    for delivery in worker.done(job, &response, gateway) {
                        let (id, answer) = (delivery.call, delivery.answer);
                        effects.extend(stream.on(Event::CallDone { id, answer }, worker).effects);
                    }
                }
                Effect::Reply(reply) => {
                    let mut fields = reply.headers.into_iter();
                    let field = fields.find(|(name, _)| name == mcp::SESSION_HEADER);
                    header = field
                        .unwrap_or_else(|| {
                            panic!("a session: {}", String::from_utf8_lossy(&reply.body))
                        })
                        .1;
                }
                _ => {}
            }
        }
        let sealing = worker.sealing.as_ref().expect("a key");
        let session = sealing.open(&header, b"/mcp", None, CLOCK.get());
        let id = session.expect("a session of ours").session.id;
        let (keys, server) = (sealing.keys(), gateway.servers[0].name.as_str());
        Self {
            header,
            request: alias::make(keys, AliasKind::Request, &id, server, "1"),
            event: alias::make(keys, AliasKind::Event, &id, server, "e"),
        }
    }
}

/// A stream, and what it has done so far.
struct Watch<'a> {
    config: Rc<Config>,
    stream: Stream,
    worker: Worker,
    body: &'a [u8],
    /// The headers of the request.
    sent: Headers,
    /// The calls under way, and their messages.
    calls: BTreeMap<u64, Rc<Call>>,
    held: bool,
    answer_held: bool,
    replied: bool,
}

impl Watch<'_> {
    fn on(&mut self, event: Event<'_>) {
        let at_headers = matches!(event, Event::RequestHeaders { .. });
        if let Event::RequestHeaders { headers, .. } = &event {
            self.sent = headers.clone();
        }
        let has_trailers = matches!(event, Event::RequestEnd { trailers: true, .. });
        let may_change = at_headers || (self.held && !self.replied);
        let replied_before = self.replied;
        let step = self.stream.on(event, &mut self.worker);
        for effect in &step.effects {
            assert!(
                replied_before == self.replied,
                "after the reply: {effect:?}"
            );
            match effect {
                Effect::Log(_, line) => assert!(!line.contains(char::is_control), "{line:?}"),
                effect => {
                    assert!(may_change, "{effect:?}");
                    self.request_effect(effect, &step.effects, has_trailers);
                }
            }
        }
        match (at_headers || self.held, step.flow) {
            (false, flow) => assert_eq!(flow, Flow::Continue, "it has gone on"),
            (true, Flow::Continue) => assert!(!self.replied && self.calls.is_empty()),
            (true, Flow::Hold) => {
                let waits = self.stream.is_reading() || !self.calls.is_empty();
                assert!(
                    waits != self.replied,
                    "it waits for something, or is answered"
                );
            }
        }
        self.held = step.flow == Flow::Hold;
    }

    fn request_effect(&mut self, effect: &Effect, step: &[Effect], has_trailers: bool) {
        match effect {
            Effect::SetRequestHeader(_, value) | Effect::AddRequestHeader(_, value) => {
                carried(value);
            }
            Effect::ReplaceRequestBody(body) => {
                // If the client has sent the header with this value already, the filter does not
                // write it again.
                let length = body.len().to_string();
                let is_sent = self.sent.single("content-length") == Ok(Some(length.as_bytes()));
                let length = Effect::SetRequestHeader("content-length", length);
                assert!(is_sent || step.contains(&length));
                let chunked = Effect::RemoveRequestHeader("transfer-encoding".to_owned());
                let is_chunked = self.sent.get("transfer-encoding").is_some();
                assert!(!is_chunked || step.contains(&chunked));
                assert!(Message::parse(body).is_ok());
            }
            Effect::RemoveRequestTrailers => assert!(has_trailers),
            Effect::Call(job, call) => self.call(*job, call),
            Effect::Reply(reply) => {
                self.reply(reply);
                self.replied = true;
            }
            _ => {}
        }
    }

    fn call(&mut self, job: DispatchId, call: &Rc<Call>) {
        call.headers.iter().for_each(|(_, value)| carried(value));
        assert!(call.timeout >= Duration::from_millis(1));
        if !call.body.is_empty() {
            let message = Message::parse(&call.body).ok().expect("a message");
            let id = message.id().and_then(raw).and_then(string);
            assert!(id == call.rpc_id || is_aside(call));
        }
        if is_aside(call) {
            return;
        }
        let again = self.calls.insert(job.0, Rc::clone(call));
        assert!(again.is_none(), "no id twice");
    }

    fn reply(&self, reply: &Reply) {
        assert!((200..600).contains(&reply.status));
        reply.headers.iter().for_each(|(_, value)| carried(value));
        assert!(self.calls.is_empty());
        if reply.body.is_empty() {
            return;
        }
        let text = std::str::from_utf8(&reply.body).expect("UTF-8");
        let members = Members::of(raw(text).expect("JSON")).expect("an object");
        let id = members.first("id").expect("an id").get();
        let message = Message::parse(self.body);
        let asked = message.as_ref().map_or_else(|error| error.id, Message::id);
        assert!(id == "null" || Some(id) == asked, "{id}");
        match (members.first("result"), members.first("error")) {
            (Some(_), None) => assert_eq!(Some(id), asked),
            (None, Some(_)) => {}
            both => panic!("{both:?}"),
        }
    }

    /// Ends the body as the edge does: the stream gets the event only if it reads the body.
    fn end(&mut self, trailers: bool) {
        if self.stream.is_reading() {
            self.on(Event::RequestEnd {
                body: self.body,
                trailers,
            });
        } else {
            self.on(Event::RequestBody {
                size: self.body.len(),
            });
        }
    }

    /// Sends an answer. It must pass, changed or unchanged, or be replaced by one of the filter.
    fn response(&mut self, headers: Headers, parts: &[&[u8]], details: &Details) {
        if !self.stream.completes_answers() {
            return;
        }
        let details = match details {
            Details::FromServer => "via_upstream",
            Details::Router => "upstream_reset_before_response_started{x}",
            Details::Filter => "rbac_access_denied_matched_policy[none]",
        };
        let mut replied = self.answer_step(
            Event::ResponseHeaders {
                headers,
                end: parts.is_empty(),
                details: Some(details.to_owned()),
            },
            None,
        );
        // The bytes that wait in Envoy's buffer.
        let mut waiting = None;
        for (at, part) in parts.iter().enumerate() {
            if replied || !self.stream.reads_answer() {
                return;
            }
            let end = at + 1 == parts.len();
            let buffered = waiting.map(|size: usize| size + part.len());
            replied = self.answer_step(Event::ResponseBody { part, end }, buffered);
            waiting = self.answer_held.then(|| buffered.unwrap_or(part.len()));
        }
    }

    /// Handles an event of the answer. Gives whether the answer was replaced. `buffered` is the
    /// number of bytes in Envoy's buffer, if the part is in the buffer.
    fn answer_step(&mut self, event: Event<'_>, buffered: Option<usize>) -> bool {
        let at_end = matches!(
            event,
            Event::ResponseHeaders { end: true, .. } | Event::ResponseBody { end: true, .. }
        );
        let at_body = matches!(event, Event::ResponseBody { .. });
        let step = self.stream.on(event, &mut self.worker);
        let mut replied = false;
        for effect in &step.effects {
            assert!(!replied, "after the reply: {effect:?}");
            match effect {
                Effect::RemoveResponseHeader(_) => {}
                Effect::SetResponseHeader(_, value) | Effect::AddResponseHeader(_, value) => {
                    carried(value);
                }
                Effect::ReplaceResponseBody(body) => {
                    assert!(at_body);
                    assert!(buffered.is_none_or(|size| body.len() <= size));
                }
                Effect::Reply(reply) => {
                    replied = true;
                    assert!(buffered.is_some() || at_end && !at_body);
                    reply.headers.iter().for_each(|(_, value)| carried(value));
                }
                Effect::Log(_, line) => assert!(!line.contains(char::is_control), "{line:?}"),
                Effect::SetState(..) | Effect::Count(..) => {}
                Effect::Call(_, call) => assert!(is_aside(call)),
                effect => panic!("{effect:?}"),
            }
        }
        // An answer that is held must be replaced, or go on when it is complete.
        assert!(!at_end || replied || step.flow == Flow::Continue);
        assert!(!replied || step.flow == Flow::Hold);
        self.answer_held = step.flow == Flow::Hold;
        replied
    }

    fn answer(&mut self, to: usize, answer: &Answer<'_>) {
        let jobs: Vec<u64> = self.calls.keys().copied().collect();
        if jobs.is_empty() {
            return;
        }
        let job = jobs[to % jobs.len()];
        let call = self.calls.remove(&job).expect("a call");
        let id = rpc_id(&call);
        let response = match (answer, &call.content) {
            // A server with all capabilities reaches the most code.
            (Answer::Tools { .. }, CallContent::Mcp(UpstreamRequest::Discover)) => discovered(id),
            (Answer::Tools { .. }, CallContent::Mcp(UpstreamRequest::Initialize)) => {
                initialized(id)
            }
            _ => answer.response(id),
        };
        let config = Rc::clone(&self.config);
        let gateway = config.gateway.as_ref().expect("a gateway");
        for delivery in self.worker.done(DispatchId(job), &response, gateway) {
            self.on(Event::CallDone {
                id: delivery.call,
                answer: delivery.answer,
            });
        }
    }

    fn stray(&mut self, id: u32) {
        if self.calls.values().any(|call| call.id == Some(CallId(id))) {
            return;
        }
        let answer = CallResult::Failed(Failure::Reset);
        let id = CallId(id);
        let step = self
            .stream
            .on(Event::CallDone { id, answer }, &mut self.worker);
        assert_eq!(step.effects, []);
    }
}

fn discovered(id: &str) -> CallResponse {
    let result = json!({
        "resultType": "complete", "supportedVersions": version::MODERN, "ttlMs": 0,
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
    });
    let body = json!({"jsonrpc": "2.0", "id": id, "result": result});
    json_answer(&body, None)
}

/// The answer of a legacy server to `server/discover`.
fn refused() -> CallResponse {
    CallResponse::Http {
        status: 404,
        content_type: None,
        session: None,
        body: Vec::new(),
    }
}

fn initialized(id: &str) -> CallResponse {
    let result = json!({
        "protocolVersion": version::LEGACY[0], "serverInfo": {"name": "s", "version": "1"},
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}, "logging": {}},
    });
    let body = json!({"jsonrpc": "2.0", "id": id, "result": result});
    json_answer(&body, Some("s"))
}

fn json_answer(body: &Value, session: Option<&str>) -> CallResponse {
    CallResponse::Http {
        status: 200,
        content_type: Some("application/json".into()),
        session: session.map(str::to_owned),
        body: body.to_string().into(),
    }
}

/// The pages that are kept in one run.
#[derive(Debug, Default)]
struct Kept(RefCell<HashMap<String, Vec<u8>>>);

impl Store for Kept {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(key).cloned()
    }
    fn set(&self, key: &str, value: &[u8]) {
        self.0.borrow_mut().insert(key.into(), value.into());
    }
}

/// Checks that a value has no bytes that would end the header and start another one.
fn carried(value: &str) {
    assert!(!value.contains(['\0', '\r', '\n']), "{value:?}");
}

impl Run<'_> {
    fn headers(&self, body: &[u8], session: &Session) -> Headers {
        let mut fields: Vec<_> = self.fields.iter().map(Field::pair).collect();
        let verb: &[u8] = match self.verb {
            Verb::Post => b"POST",
            Verb::Get => b"GET",
            Verb::Delete => b"DELETE",
            Verb::Options => b"OPTIONS",
        };
        let message = Message::parse(body).ok();
        let method = message.as_ref().map_or("", Message::method);
        let name = message.as_ref().and_then(Message::name);
        let is_legacy = match &self.body {
            Body::Message(sent) => sent.legacy,
            Body::Bytes(_) => false,
        };
        let versions = if is_legacy {
            version::LEGACY
        } else {
            version::MODERN
        };
        let well_formed: [(&str, Vec<u8>); 9] = [
            (":method", verb.to_vec()),
            (":path", b"/mcp".to_vec()),
            ("content-type", b"application/json".to_vec()),
            ("accept", b"application/json, text/event-stream".to_vec()),
            (mcp::PROTOCOL_VERSION_HEADER, versions[0].into()),
            (
                mcp::METHOD_HEADER,
                header_value::encode(method).as_bytes().to_vec(),
            ),
            (
                mcp::NAME_HEADER,
                header_value::encode(&name.unwrap_or_default())
                    .as_bytes()
                    .to_vec(),
            ),
            (mcp::SESSION_HEADER, session.header.clone().into()),
            (mcp::LAST_EVENT_HEADER, session.event.clone().into()),
        ];
        for (at, (field, value)) in well_formed.into_iter().enumerate() {
            let is_undue = match field {
                mcp::NAME_HEADER => is_legacy || method::name_param(method).is_none(),
                mcp::METHOD_HEADER => is_legacy,
                mcp::LAST_EVENT_HEADER => !matches!(self.verb, Verb::Get),
                _ => false,
            };
            if self.without & (1 << at) == 0
                && !is_undue
                && !fields.iter().any(|(have, _)| *have == field)
            {
                fields.push((field, value));
            }
        }
        Headers::from_pairs(pairs(&fields))
    }
}

fn pairs<'a>(fields: &'a [(&'a str, Vec<u8>)]) -> impl Iterator<Item = (&'a str, &'a Vec<u8>)> {
    fields.iter().map(|(name, value)| (*name, value))
}

impl Field<'_> {
    /// Envoy does not let such bytes pass.
    fn pair(&self) -> (&'static str, Vec<u8>) {
        let value = self.value.iter().filter(|byte| !b"\0\r\n".contains(byte));
        (
            FIELDS[usize::from(self.name) % FIELDS.len()],
            value.copied().collect(),
        )
    }
}

impl Body<'_> {
    fn bytes(&self, session: &Session) -> Vec<u8> {
        match self {
            Self::Message(sent) => serde_json::to_vec(&sent.json(session)).expect("JSON"),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

impl Sent<'_> {
    fn json(&self, session: &Session) -> Value {
        let method = match self.method {
            Method::List => method::TOOLS_LIST,
            Method::Call => method::TOOLS_CALL,
            Method::Discover => method::SERVER_DISCOVER,
            Method::Ping => method::PING,
            Method::Complete => method::COMPLETION,
            Method::Read => method::RESOURCES_READ,
            Method::Prompt => method::PROMPTS_GET,
            Method::Templates => method::TEMPLATES_LIST,
            Method::Listen => method::LISTEN,
            Method::Initialize => method::INITIALIZE,
            Method::SetLevel => method::SET_LEVEL,
            Method::Cancelled => method::CANCELLED,
            Method::Progress => method::PROGRESS,
            Method::Respond => {
                return json!({"jsonrpc": "2.0", "id": session.request, "result": {}});
            }
            Method::Other(method) => method,
        };
        let mut params = serde_json::from_str::<Value>(self.params)
            .ok()
            .filter(Value::is_object)
            .unwrap_or_else(|| json!({}));
        if params.get("name").is_none() {
            let prefix = PREFIXES[usize::from(self.prefix) % PREFIXES.len()];
            params["name"] = Value::from(format!("{prefix}{}", self.name));
        }
        if params.get("uri").is_none() {
            params["uri"] = Value::from(format!("a+{}", self.name));
        }
        params["level"] = "info".into();
        params["requestId"] = 1.into();
        params["progressToken"] = session.request.as_str().into();
        if !self.legacy {
            params["_meta"] = json!({
                mcp::PROTOCOL_VERSION_KEY: version::MODERN[0],
                mcp::CLIENT_CAPABILITIES_KEY: {},
            });
        }
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        match self.id {
            Id::Number(id) => message["id"] = Value::from(id),
            Id::Text(id) => message["id"] = Value::from(id),
            Id::None => {}
        }
        message
    }
}

impl Answer<'_> {
    fn response(&self, rpc_id: &str) -> CallResponse {
        let (member, value, events) = match self {
            Self::Tools {
                tools,
                cursor,
                events,
            } => {
                let tools: Vec<_> = tools
                    .iter()
                    .map(|tool| json!({"name": tool.name, "title": tool.title}))
                    .collect();
                (
                    "result",
                    json!({"tools": tools, "nextCursor": cursor}).to_string(),
                    *events,
                )
            }
            Self::Discovered {
                instructions,
                events,
            } => {
                let result = json!({
                    "supportedVersions": version::MODERN,
                    "capabilities": {"tools": {}},
                    "instructions": instructions,
                });
                ("result", result.to_string(), *events)
            }
            Self::Result { result, events } => ("result", (*result).to_owned(), *events),
            Self::Error { code, message } => (
                "error",
                json!({"code": code, "message": message}).to_string(),
                false,
            ),
            Self::Http {
                status,
                content_type,
                body,
            } => {
                return CallResponse::Http {
                    status: *status,
                    content_type: content_type.map(str::to_owned),
                    session: None,
                    body: body.to_vec(),
                };
            }
            Self::Reset => return CallResponse::Reset,
            Self::NoCluster => return CallResponse::NoCluster,
            Self::NotSent => return CallResponse::NotSent,
        };
        let message = format!(r#"{{"jsonrpc":"2.0","id":"{rpc_id}","{member}":{value}}}"#);
        let (content_type, body) = if events {
            let lines = message.replace('\n', "\ndata: ");
            ("text/event-stream", format!(": hello\n\ndata: {lines}\n\n"))
        } else {
            ("application/json", message)
        };
        CallResponse::Http {
            status: 200,
            content_type: Some(content_type.to_owned()),
            session: None,
            body: body.into_bytes(),
        }
    }
}
