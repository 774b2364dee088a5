//! Drives the core as the edge does in Envoy, and records the effects.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use mcp_gateway::config::Config;
use mcp_gateway::edge::abi::value;
use mcp_gateway::gateway::store::Store;
use mcp_gateway::gateway::upstream::call::{Call, CallResponse};
use mcp_gateway::gateway::worker::Worker;
use mcp_gateway::gateway::worker::calls::{DispatchId, StreamId};
use mcp_gateway::http::Headers;
use mcp_gateway::policy::authorization::Principal;
use mcp_gateway::stream::{Effect, Event, Flow, HostFacts, Stream};

use crate::format::{self, Case, Message, Names, Parts, Scenarios, Seen, WORKER};

thread_local! {
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static RANDOM: Cell<u8> = const { Cell::new(0) };
}

/// The gateways of a case, by their names.
#[derive(Default)]
pub(crate) struct Core {
    gateways: HashMap<String, Gateway>,
    shared: Kept,
}

impl format::Driver for Core {
    fn drive(&mut self, scenarios: &Scenarios, case: &Case, names: &Names) -> Seen {
        if self.gateways.is_empty() {
            CLOCK.set(Duration::from_secs(1));
            RANDOM.set(0);
        }
        CLOCK.set(CLOCK.get() + Duration::from_secs(case.after));
        let store = match case.on.as_str() {
            "" | WORKER => self.shared.clone(),
            _ => Kept::default(),
        };
        let gateway = self.gateways.entry(case.on.clone());
        let gateway = gateway.or_insert_with(|| Gateway::new(scenarios, &case.on, store));
        gateway.streams += 1;
        let id = StreamId(gateway.streams);
        let mut driver = Driver {
            stream: Stream::new(id, Rc::clone(&gateway.config)),
            gateway,
            scenarios,
            case,
            gone_on: false,
            request: Message::default(),
            answer: Message::default(),
            at_once: VecDeque::new(),
            flow: Flow::Continue,
            replied: false,
            answering: false,
            is_over: false,
            answer_flow: Flow::Continue,
            answered_again: false,
            buffered: None,
            part: Vec::new(),
            seen: Seen::default(),
        };
        driver.run(names);
        let mut seen = driver.seen;
        seen.metrics = gateway.counted.clone();
        seen.log = gateway.log.clone();
        seen
    }
}

/// One gateway with one worker, and the records of its requests so far.
struct Gateway {
    config: Rc<Config>,
    worker: Worker,
    metrics: Vec<String>,
    streams: u32,
    outstanding: Vec<(DispatchId, Rc<Call>)>,
    counted: BTreeMap<String, u64>,
    log: String,
}

impl Gateway {
    fn new(scenarios: &Scenarios, name: &str, store: Kept) -> Self {
        let config = Config::parse(scenarios.config_of(name).as_bytes()).expect("a configuration");
        assert_eq!(
            config.hold, scenarios.hold,
            "`holdRequestHeaders` of the configuration is not `hold` of the scenarios"
        );
        let random = |bytes: &mut [u8]| {
            RANDOM.set(RANDOM.get() + 1);
            bytes.fill(RANDOM.get());
        };
        let mut worker = Worker::new(|| CLOCK.get(), random, Box::new(store));
        if let Some(gateway) = &config.gateway {
            worker.configure(gateway, config.held_bytes);
        }
        let metrics = config.metrics.names().iter();
        let metrics = metrics.map(|(_, name)| name.clone()).collect();
        Self {
            config: Rc::new(config),
            worker,
            metrics,
            streams: 0,
            outstanding: Vec::new(),
            counted: BTreeMap::new(),
            log: String::new(),
        }
    }
}

struct Driver<'a> {
    gateway: &'a mut Gateway,
    stream: Stream,
    scenarios: &'a Scenarios,
    case: &'a Case,
    /// Whether the headers have gone on to the server, so that the filter holds only the
    /// body.
    gone_on: bool,
    request: Message,
    answer: Message,
    /// Answers of servers that the stream gets as soon as it has handled its current event.
    at_once: VecDeque<(DispatchId, Option<Parts>)>,
    flow: Flow,
    replied: bool,
    answering: bool,
    is_over: bool,
    answer_flow: Flow,
    /// Whether the stream has replaced the response that was passing with a reply.
    answered_again: bool,
    /// How many bytes of the response's body wait in Envoy's buffer.
    buffered: Option<usize>,
    /// The bytes that wait there, and the part that is passing now.
    part: Vec<u8>,
    seen: Seen,
}

impl Driver<'_> {
    fn run(&mut self, names: &Names) {
        self.send(names);
        for answer in &self.case.answers {
            self.answer(answer, names);
        }
        if self.flow == Flow::Continue && !self.is_over {
            self.seen.upstream = Some(self.request.clone());
            if let Some(response) = &self.case.response {
                let names = names.with_id(&format::member(&self.request.body, "id"));
                let (status, mut headers, body) = response.parts(&names).expect("no reset");
                headers.insert(0, (":status".into(), status.to_string()));
                self.respond(Message { headers, body }, response.split);
            }
        }
        if self.case.leaves {
            self.over(None);
        }
    }

    fn send(&mut self, names: &Names) {
        let sent = self.case.sent(names);
        self.request.headers = sent.headers;
        let headers = headers(&self.request);
        let known = self.known();
        self.step(Event::RequestHeaders {
            headers,
            end: sent.body.is_none(),
            known,
        });
        let Some(body) = sent.body else { return };
        self.gone_on = self.flow == Flow::Continue;
        self.request.body = String::from_utf8(body.clone()).expect("text");
        // The body comes in two parts, since Envoy may split it.
        if self.stream.is_reading() {
            self.step(Event::RequestBody {
                size: body.len() / 2,
            });
        }
        if self.stream.is_reading() {
            self.step(Event::RequestEnd {
                body: &body,
                trailers: false,
            });
        }
    }

    fn known(&self) -> HostFacts {
        let case = self.case;
        let metadata = |namespace: &str, path: &[String]| {
            let tree = case.metadata.get(namespace)?;
            let value = path.iter().try_fold(tree, |tree, name| tree.get(name))?;
            Some(format::serialized(value))
        };
        let identity = self.stream.identity();
        let identity = identity.and_then(|(namespace, path)| metadata(namespace, path));
        let authorization = self.gateway.config.authorization.as_ref();
        let rights = authorization.map(|authorization| Principal {
            verdicts: authorization
                .expressions
                .iter()
                .map(|it| value::verdict(case.verdict(&it.text).as_deref()))
                .collect(),
            scopes: authorization
                .sources
                .iter()
                .map(|it| value::scopes(metadata(&it.namespace, &it.path).as_deref()))
                .collect(),
            endpoint: None,
        });
        HostFacts {
            identity: identity.and_then(|bytes| String::from_utf8(bytes).ok()),
            rights: rights.unwrap_or_default(),
        }
    }

    fn answer(&mut self, answer: &format::Response, names: &Names) {
        let outstanding = &mut self.gateway.outstanding;
        let at = outstanding
            .iter()
            .position(|(_, call)| call.cluster == answer.to);
        let Some(at) = at else {
            return self.seen.uncalled.push(answer.to.clone());
        };
        let (job, call) = outstanding.remove(at);
        let id = format::member(&String::from_utf8_lossy(&call.body), "id");
        self.done(job, &response(answer.parts(&names.with_id(&id))));
        self.settle();
    }

    fn done(&mut self, job: DispatchId, response: &CallResponse) {
        let config = Rc::clone(&self.gateway.config);
        let gateway = config.gateway.as_ref().expect("a gateway");
        let deliveries = self.gateway.worker.done(job, response, gateway);
        for (level, line) in self.gateway.worker.notices.drain(..) {
            self.gateway.log += &format!("{level} {line}\n");
        }
        for delivery in deliveries {
            if delivery.to == StreamId(self.gateway.streams) && !self.is_over {
                self.take(Event::CallDone {
                    id: delivery.call,
                    answer: delivery.answer,
                });
            }
        }
    }

    /// Delivers the answers of servers that answer at once.
    fn settle(&mut self) {
        while let Some((job, parts)) = self.at_once.pop_front() {
            self.done(job, &response(parts));
        }
    }

    fn over(&mut self, details: Option<&str>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        for effect in self.stream.over(details, &mut self.gateway.worker) {
            self.apply(effect);
        }
        self.settle();
    }

    fn respond(&mut self, answer: Message, split: bool) {
        self.answer = answer;
        self.answering = true;
        let goes_on = self.case.leaves && !self.replied;
        if self.stream.completes_answers() {
            let headers = headers(&self.answer);
            let end = self.answer.body.is_empty() && !goes_on;
            let details = Some("via_upstream".to_owned());
            self.step(Event::ResponseHeaders {
                headers,
                end,
                details,
            });
            if self.stream.reads_answer() {
                self.answer_body(split, goes_on);
            }
        }
        self.seen.reply = Some(self.answer.clone());
        if !goes_on {
            self.over(Some("via_upstream"));
        }
    }

    fn answer_body(&mut self, split: bool, goes_on: bool) {
        let body = std::mem::take(&mut self.answer.body).into_bytes();
        let parts = if split {
            let (first, second) = body.split_at(body.len() / 2);
            vec![(first, false), (second, !goes_on)]
        } else {
            vec![(&*body, !goes_on)]
        };
        let mut sent = Vec::new();
        for (part, end) in parts {
            self.part.extend_from_slice(part);
            self.step(Event::ResponseBody { part, end });
            self.buffered = (self.answer_flow == Flow::Hold).then_some(self.part.len());
            if self.answered_again {
                return;
            }
            if self.answer_flow == Flow::Continue {
                sent.append(&mut self.part);
            }
        }
        self.answer.body = String::from_utf8(sent).expect("text");
    }

    fn step(&mut self, event: Event<'_>) {
        self.take(event);
        self.settle();
    }

    fn take(&mut self, event: Event<'_>) {
        let of_request = !matches!(
            event,
            Event::ResponseHeaders { .. } | Event::ResponseBody { .. } | Event::ResponseTrailers
        );
        let step = self.stream.on(event, &mut self.gateway.worker);
        if of_request {
            self.flow = step.flow;
        } else {
            self.answer_flow = step.flow;
        }
        for effect in step.effects {
            assert!(
                !self.replied
                    || matches!(
                        effect,
                        Effect::AddResponseHeader(..)
                            | Effect::SetResponseHeader(..)
                            | Effect::RemoveResponseHeader(_)
                    ),
                "an effect after the reply: {effect:?}"
            );
            self.apply(effect);
        }
    }

    fn apply(&mut self, effect: Effect) {
        let changes_request = matches!(
            effect,
            Effect::RemoveRequestHeader(_)
                | Effect::SetRequestHeader(..)
                | Effect::AddRequestHeader(..)
                | Effect::ReplaceRequestBody(_)
                | Effect::ClearRouteCache
        );
        assert!(
            !(self.gone_on && changes_request),
            "the request has gone on before {effect:?}"
        );
        match effect {
            Effect::RemoveRequestHeader(name) => self.request.headers.retain(|(n, _)| *n != name),
            Effect::SetRequestHeader(name, value) => set(&mut self.request, name, value),
            Effect::AddRequestHeader(name, value) => self.request.headers.push((name, value)),
            Effect::ReplaceRequestBody(body) => {
                self.request.body = String::from_utf8(body).expect("text")
            }
            Effect::ReplaceResponseBody(body) => {
                assert!(
                    self.buffered.is_none() || body.len() <= self.part.len(),
                    "the data in Envoy's buffer grows"
                );
                self.part = body;
            }
            Effect::RemoveRequestTrailers | Effect::ResetStream => {
                panic!("no scenario has trailers")
            }
            Effect::SetState(key, value) => {
                self.seen.state.insert(
                    format!("wasm.{key}"),
                    String::from_utf8(value).expect("text"),
                );
            }
            Effect::ClearRouteCache => self.seen.route_cleared = true,
            Effect::Call(job, call) if !self.scenarios.clusters.contains(&call.cluster) => {
                self.done(job, &CallResponse::NoCluster);
            }
            Effect::Call(job, call) => {
                let shown = format::Call {
                    cluster: call.cluster.clone(),
                    headers: call
                        .headers
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.clone()))
                        .collect(),
                    body: String::from_utf8(call.body.clone()).expect("text"),
                };
                let at_once = self.scenarios.at_once(&call.cluster, &shown.body);
                if at_once.is_some() {
                    self.at_once.push_back((job, at_once));
                } else if shown.wants_no_answer() {
                    let parts = self.case.unasked(&call.cluster);
                    self.at_once.push_back((job, parts));
                    self.seen.calls.push(shown);
                } else {
                    self.gateway.outstanding.push((job, call));
                    self.seen.calls.push(shown);
                }
            }
            Effect::Reply(reply) => {
                let mut headers = vec![(":status".to_owned(), reply.status.to_string())];
                headers.extend(
                    reply
                        .headers
                        .into_iter()
                        .map(|(name, value)| (name.into_owned(), value)),
                );
                let answer = Message {
                    headers,
                    body: String::from_utf8(reply.body).expect("text"),
                };
                // If a response is already passing, Envoy sends the reply to the client at
                // once, without the filters.
                if self.answering {
                    self.answer = answer;
                    self.answered_again = true;
                } else {
                    self.replied = true;
                    self.respond(answer, false);
                }
            }
            Effect::RemoveResponseHeader(name) => self.answer.headers.retain(|(n, _)| *n != name),
            Effect::SetResponseHeader(name, value) => set(&mut self.answer, name, value),
            Effect::AddResponseHeader(name, value) => {
                self.answer.headers.push((name.to_owned(), value))
            }
            Effect::Count(metric, value) => {
                let name = self.gateway.metrics[metric.0].clone();
                *self.gateway.counted.entry(name).or_default() += value;
            }
            Effect::Log(level, line) => self.gateway.log += &format!("{level} {line}\n"),
        }
    }
}

fn set(message: &mut Message, name: &str, value: String) {
    message.headers.retain(|(n, _)| n != name);
    message.headers.push((name.to_owned(), value));
}

fn headers(message: &Message) -> Headers {
    Headers::from_pairs(
        message
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

fn response(parts: Option<Parts>) -> CallResponse {
    let Some((status, headers, body)) = parts else {
        return CallResponse::Reset;
    };
    let header = |name: &str| {
        let mut fields = headers.iter().filter(|(have, _)| have == name);
        fields.next().map(|(_, value)| value.clone())
    };
    CallResponse::Http {
        status,
        content_type: header("content-type"),
        session: header("mcp-session-id"),
        body: body.into(),
    }
}

/// The data that the workers of one Envoy share.
#[derive(Debug, Default, Clone)]
struct Kept(Rc<RefCell<HashMap<String, Vec<u8>>>>);

impl Store for Kept {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(key).cloned()
    }
    fn set(&self, key: &str, value: &[u8]) {
        self.0.borrow_mut().insert(key.into(), value.into());
    }
}
