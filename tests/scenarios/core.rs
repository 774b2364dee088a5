//! Drives the core as Envoy's edge does, and keeps what it would have done.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use mcp_gateway::config::Config;
use mcp_gateway::gateway::call::{Call, Response};
use mcp_gateway::gateway::calls::{JobId, StreamId};
use mcp_gateway::gateway::pages::Store;
use mcp_gateway::gateway::worker::Worker;
use mcp_gateway::http::Headers;
use mcp_gateway::stream::{Effect, Event, Flow, Stream};

use crate::format::{self, Case, Message, Scenarios, Seen};

/// Runs one case.
pub(crate) fn drive(scenarios: &Scenarios, case: &Case) -> Seen {
    let config = Config::parse(scenarios.config.get().as_bytes()).expect("a configuration");
    assert_eq!(
        config.hold, scenarios.hold,
        "the filter and Envoy must agree"
    );
    let config = Rc::new(config);
    let metrics = config
        .metrics
        .names()
        .iter()
        .map(|(_, name)| name.clone())
        .collect();
    let mut driver = Driver {
        stream: Stream::new(StreamId(1), Rc::clone(&config)),
        config,
        worker: Worker::new(|| Duration::from_secs(1), 7, Box::new(Kept::default())),
        scenarios,
        metrics,
        gone_on: false,
        request: Message::default(),
        answer: Message::default(),
        outstanding: Vec::new(),
        flow: Flow::Continue,
        replied: false,
        answering: false,
        split: false,
        part: Vec::new(),
        seen: Seen::default(),
    };
    driver.send(case);
    for answer in &case.answers {
        driver.answer(answer);
    }
    if driver.flow == Flow::Continue {
        driver.seen.upstream = Some(driver.request.clone());
        if let Some(response) = &case.response {
            let (status, mut headers, body) = response.parts("");
            headers.insert(0, (":status".into(), status.to_string()));
            driver.split = response.split;
            driver.respond(Message { headers, body });
        }
    }
    driver.seen
}

struct Driver<'a> {
    config: Rc<Config>,
    stream: Stream,
    worker: Worker,
    scenarios: &'a Scenarios,
    metrics: Vec<String>,
    /// The headers have gone on, and only the body is held.
    gone_on: bool,
    request: Message,
    answer: Message,
    outstanding: Vec<(JobId, Rc<Call>)>,
    flow: Flow,
    replied: bool,
    answering: bool,
    /// The answer's body comes in two parts.
    split: bool,
    /// The part of the answer's body that is on its way.
    part: Vec<u8>,
    seen: Seen,
}

impl Driver<'_> {
    fn send(&mut self, case: &Case) {
        let sent = case.sent();
        self.request.headers = sent.headers;
        let headers = headers(&self.request);
        self.step(Event::RequestHeaders {
            headers,
            end: sent.body.is_none(),
        });
        let Some(body) = sent.body else { return };
        self.gone_on = self.flow == Flow::Continue;
        self.request.body = String::from_utf8(body.clone()).expect("text");
        // The body comes in two parts, as it may.
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

    fn answer(&mut self, answer: &format::Response) {
        let at = self
            .outstanding
            .iter()
            .position(|(_, call)| call.cluster == answer.to);
        let (job, call) = self.outstanding.remove(at.unwrap_or_else(|| {
            panic!(
                "no call to {} is outstanding, of {:?}; {:?}",
                answer.to, self.outstanding, self.seen.reply
            )
        }));
        let id = format::member(&String::from_utf8_lossy(&call.body), "id");
        let (status, headers, body) = answer.parts(&id);
        let content_type = headers
            .into_iter()
            .find(|(name, _)| name == "content-type")
            .map(|(_, value)| value);
        let response = if answer.reset {
            Response::Reset
        } else {
            Response::Http {
                status,
                content_type,
                body: body.into(),
            }
        };
        self.done(job, &response);
    }

    fn answers_at_once(&self, call: &Call) -> Option<String> {
        let body = String::from_utf8_lossy(&call.body);
        self.scenarios.at_once(&call.cluster, &body)
    }

    fn done(&mut self, job: JobId, response: &Response) {
        let config = Rc::clone(&self.config);
        let gateway = config.gateway.as_ref().expect("a gateway");
        for delivery in self.worker.done(job, response, gateway) {
            self.step(Event::CallDone {
                id: delivery.call,
                answer: delivery.answer,
            });
        }
    }

    fn respond(&mut self, answer: Message) {
        self.answer = answer;
        self.answering = true;
        if self.stream.completes_answers() {
            let headers = headers(&self.answer);
            let end = self.answer.body.is_empty();
            let details = Some("via_upstream".to_owned());
            self.step(Event::ResponseHeaders {
                headers,
                end,
                details,
            });
            if self.stream.reads_answer() {
                self.answer_body();
            }
        }
        self.seen.reply = Some(self.answer.clone());
    }

    fn answer_body(&mut self) {
        let body = std::mem::take(&mut self.answer.body).into_bytes();
        let parts = if self.split {
            let (first, second) = body.split_at(body.len() / 2);
            vec![(first, false), (second, true)]
        } else {
            vec![(&*body, true)]
        };
        let mut sent = Vec::new();
        for (part, end) in parts {
            self.part = part.to_vec();
            self.step(Event::ResponseBody { part, end });
            sent.append(&mut self.part);
        }
        self.answer.body = String::from_utf8(sent).expect("text");
    }

    fn step(&mut self, event: Event<'_>) {
        let of_request = !matches!(
            event,
            Event::ResponseHeaders { .. } | Event::ResponseBody { .. } | Event::ResponseTrailers
        );
        let step = self.stream.on(event, &mut self.worker);
        if of_request {
            self.flow = step.flow;
        }
        for effect in step.effects {
            assert!(
                !self.replied
                    || matches!(
                        effect,
                        Effect::AddResponseHeader(..) | Effect::SetResponseHeader(..)
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
                | Effect::ReplaceRequestBody(_)
                | Effect::ClearRouteCache
        );
        assert!(!(self.gone_on && changes_request), "too late: {effect:?}");
        match effect {
            Effect::RemoveRequestHeader(name) => self.request.headers.retain(|(n, _)| *n != name),
            Effect::SetRequestHeader(name, value) => set(&mut self.request, name, value),
            Effect::ReplaceRequestBody(body) => {
                self.request.body = String::from_utf8(body).expect("text")
            }
            Effect::ReplaceResponseBody(body) => self.part = body,
            Effect::RemoveRequestTrailers => panic!("no scenario has trailers"),
            Effect::SetState(key, value) => {
                self.seen.state.insert(
                    format!("wasm.{key}"),
                    String::from_utf8(value).expect("text"),
                );
            }
            Effect::ClearRouteCache => self.seen.route_cleared = true,
            Effect::Call(job, call) if !self.scenarios.clusters.contains(&call.cluster) => {
                self.done(job, &Response::NoCluster);
            }
            Effect::Call(job, call) if self.answers_at_once(&call).is_some() => {
                let response = Response::Http {
                    status: 200,
                    content_type: Some("application/json".into()),
                    body: self.answers_at_once(&call).unwrap_or_default().into(),
                };
                self.done(job, &response);
            }
            Effect::Call(job, call) => {
                self.seen.calls.push(format::Call {
                    cluster: call.cluster.clone(),
                    headers: call
                        .headers
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), value.clone()))
                        .collect(),
                    body: String::from_utf8(call.body.clone()).expect("text"),
                });
                self.outstanding.push((job, call));
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
                // Once an answer is on its way another goes straight out.
                if self.answering {
                    self.answer = answer;
                } else {
                    self.replied = true;
                    self.respond(answer);
                }
            }
            Effect::RemoveResponseHeader(name) => self.answer.headers.retain(|(n, _)| *n != name),
            Effect::SetResponseHeader(name, value) => set(&mut self.answer, name, value),
            Effect::AddResponseHeader(name, value) => {
                self.answer.headers.push((name.to_owned(), value))
            }
            Effect::Count(metric, value) => {
                let name = self.metrics[metric.0].clone();
                *self.seen.metrics.entry(name).or_default() += value;
            }
            Effect::Log(level, line) => self.seen.log.push_str(&format!("{level} {line}\n")),
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

/// Pages of one run.
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
