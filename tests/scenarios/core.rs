//! Drives the core as Envoy's edge does, and keeps what it would have done.

use std::rc::Rc;
use std::time::Duration;

use mcp_gateway::config::Config;
use mcp_gateway::gateway::call::{Call, Response};
use mcp_gateway::http::Headers;
use mcp_gateway::stream::{Effect, Event, Flow, Stream};
use mcp_gateway::worker::Worker;

use crate::format::{self, Case, Message, Scenarios, Seen};

/// Runs one case.
pub(crate) fn drive(scenarios: &Scenarios, case: &Case) -> Seen {
    let config = Config::parse(scenarios.config.get().as_bytes()).expect("a configuration");
    assert_eq!(
        config.hold, scenarios.hold,
        "the filter and Envoy must agree"
    );
    let metrics = config
        .metrics
        .names()
        .iter()
        .map(|(_, name)| name.clone())
        .collect();
    let mut driver = Driver {
        stream: Stream::new(Rc::new(config)),
        worker: Worker::new(|| Duration::from_secs(1), 7),
        clusters: &scenarios.clusters,
        metrics,
        gone_on: false,
        request: Message::default(),
        answer: Message::default(),
        outstanding: Vec::new(),
        flow: Flow::Continue,
        replied: false,
        answering: false,
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
            driver.respond(Message { headers, body });
        }
    }
    driver.seen
}

struct Driver<'a> {
    stream: Stream,
    worker: Worker,
    clusters: &'a [String],
    metrics: Vec<String>,
    /// The headers have gone on, and only the body is held.
    gone_on: bool,
    request: Message,
    answer: Message,
    outstanding: Vec<Call>,
    flow: Flow,
    replied: bool,
    answering: bool,
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
            .position(|call| call.cluster == answer.to);
        let call = self
            .outstanding
            .remove(at.unwrap_or_else(|| panic!("no call to {} is outstanding", answer.to)));
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
        self.step(Event::CallDone {
            id: call.id,
            response,
        });
    }

    fn respond(&mut self, answer: Message) {
        self.answer = answer;
        self.answering = true;
        if self.stream.completes_answers() {
            let headers = headers(&self.answer);
            let end = self.answer.body.is_empty();
            self.step(Event::ResponseHeaders { headers, end });
        }
        self.seen.reply = Some(self.answer.clone());
    }

    fn step(&mut self, event: Event<'_>) {
        let of_request = !matches!(event, Event::ResponseHeaders { .. });
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
            Effect::RemoveRequestTrailers => panic!("no scenario has trailers"),
            Effect::SetState(key, value) => {
                self.seen.state.insert(
                    format!("wasm.{key}"),
                    String::from_utf8(value).expect("text"),
                );
            }
            Effect::ClearRouteCache => self.seen.route_cleared = true,
            Effect::Call(call) if !self.clusters.contains(&call.cluster) => {
                self.step(Event::CallDone {
                    id: call.id,
                    response: Response::NoCluster,
                });
            }
            Effect::Call(call) => {
                self.seen.calls.push(format::Call {
                    cluster: call.cluster.clone(),
                    headers: call
                        .headers
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), value.clone()))
                        .collect(),
                    body: String::from_utf8(call.body.clone()).expect("text"),
                });
                self.outstanding.push(call);
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
