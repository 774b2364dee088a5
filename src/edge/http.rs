//! One request: callbacks to events, effects to host calls.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use proxy_wasm::hostcalls::dispatch_http_call;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Status};

use super::host::{self, Buffer, Map, Refused};
use crate::config::Config;
use crate::gateway::call::{Call, CallId, Response};
use crate::http::Reply;
use crate::metrics::{Kind, Metric};
use crate::stream::{Effect, Event, Flow, Stream};
use crate::worker::Worker;

/// The context of one request.
pub(super) struct Http {
    stream: Stream,
    metrics: Rc<[(Kind, u32)]>,
    worker: Rc<RefCell<Worker>>,
    /// The host's tokens of the calls under way.
    calls: HashMap<u32, CallId>,
    body_size: usize,
    /// A host call that policy depends on was refused: nothing goes on.
    failed: bool,
}

impl Http {
    pub(super) fn new(
        config: Rc<Config>,
        metrics: Rc<[(Kind, u32)]>,
        worker: Rc<RefCell<Worker>>,
    ) -> Self {
        Self {
            stream: Stream::new(config),
            metrics,
            worker,
            calls: HashMap::new(),
            body_size: 0,
            failed: false,
        }
    }

    fn handle(&mut self, event: Event<'_>) -> Flow {
        let mut events = VecDeque::from([event]);
        let mut flow = Flow::Hold;
        while let Some(event) = events.pop_front() {
            if self.failed {
                return Flow::Hold;
            }
            // No callback runs inside another, so nobody else holds the worker.
            let Ok(mut worker) = self.worker.try_borrow_mut() else {
                return self.fail(host::BUSY);
            };
            let step = self.stream.on(event, &mut worker);
            drop(worker);
            flow = step.flow;
            for effect in step.effects {
                match self.apply(effect) {
                    Ok(None) => {}
                    Ok(Some(event)) => events.push_back(event),
                    Err(refused) => return self.fail(refused),
                }
            }
        }
        flow
    }

    /// Carries out `effect`; gives what the stream must hear of it.
    fn apply(&mut self, effect: Effect) -> Result<Option<Event<'static>>, Refused> {
        match effect {
            Effect::RemoveRequestHeader(name) => host::remove_header(Map::Request, &name)?,
            Effect::SetRequestHeader(name, value) => host::set_header(Map::Request, name, &value)?,
            Effect::ReplaceRequestBody(body) => host::replace_request_body(&body)?,
            Effect::RemoveRequestTrailers => host::clear(Map::RequestTrailers)?,
            Effect::SetState(key, value) => host::set_state(key, &value)?,
            Effect::ClearRouteCache => {
                // Setting a header has selected the route anew already (ABI
                // 0.2.1); a host without the function needs no other.
                let _ = host::foreign("clear_route_cache", b"");
            }
            Effect::Call(call) => return Ok(self.call(&call)),
            Effect::Reply(Reply {
                status,
                headers,
                body,
                details,
            }) => host::reply(status, details, &headers, &body)?,
            // The answer is on its way; a header that cannot be set on it must
            // not take it away.
            Effect::RemoveResponseHeader(name) => {
                let _ = host::remove_header(Map::Response, &name);
            }
            Effect::SetResponseHeader(name, value) => {
                let _ = host::set_header(Map::Response, name, &value);
            }
            Effect::AddResponseHeader(name, value) => {
                let _ = host::add_header(Map::Response, name, &value);
            }
            Effect::Count(Metric(at), value) => {
                // What cannot be counted is no reason to stop a request.
                let _ = match self.metrics.get(at) {
                    Some((Kind::Counter, metric)) => host::increment(*metric, value),
                    Some((Kind::Histogram, metric)) => host::record(*metric, value),
                    None => Ok(()),
                };
            }
            Effect::Log(level, line) => log::log!(level, "{line}"),
        }
        Ok(None)
    }

    fn call(&mut self, call: &Call) -> Option<Event<'static>> {
        let headers = call
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        match dispatch_http_call(
            &call.cluster,
            headers,
            Some(&call.body),
            Vec::new(),
            call.timeout,
        ) {
            Ok(token) => {
                self.calls.insert(token, call.id);
                None
            }
            Err(status) => {
                let response = if status == Status::BadArgument {
                    Response::NoCluster
                } else {
                    Response::Unreachable
                };
                Some(Event::CallDone {
                    id: call.id,
                    response,
                })
            }
        }
    }

    /// Answers 500 and lets nothing go on: what later filters would see of this
    /// request is not what it says.
    fn fail(&mut self, refused: Refused) -> Flow {
        if !self.failed {
            self.failed = true;
            log::error!(
                "host call refused with status {}: is allow_on_headers_stop_iteration set?",
                refused.0
            );
            let body = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"the gateway could not change the request: see Envoy's log"}}"#;
            let reply = Reply::json(500, body.to_vec(), "mcp_host_call_refused");
            let _ = host::reply(reply.status, reply.details, &reply.headers, &reply.body);
        }
        Flow::Hold
    }

    fn end(&mut self, trailers: bool) -> Flow {
        match host::buffer(Buffer::RequestBody, self.body_size) {
            Ok(body) => self.handle(Event::RequestEnd {
                body: &body,
                trailers,
            }),
            Err(refused) => self.fail(refused),
        }
    }
}

fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Hold => Action::Pause,
    }
}

impl Context for Http {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _: usize) {
        let Some(id) = self.calls.remove(&token) else {
            return;
        };
        let response = if headers == 0 {
            Response::Reset
        } else {
            call_response(body_size)
        };
        if self.handle(Event::CallDone { id, response }) == Flow::Continue
            && let Err(refused) = host::resume_request()
        {
            self.fail(refused);
        }
    }
}

fn call_response(body_size: usize) -> Response {
    let (Ok(headers), Ok(body)) = (
        host::headers(Map::CallResponse),
        host::buffer(Buffer::CallResponseBody, body_size),
    ) else {
        return Response::Reset;
    };
    match headers
        .text(":status")
        .and_then(|status| status.parse().ok())
    {
        Some(status) => Response::Http {
            status,
            content_type: headers.text("content-type").map(str::to_owned),
            body,
        },
        None => Response::Reset,
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        action(match host::headers(Map::Request) {
            Ok(headers) => self.handle(Event::RequestHeaders { headers, end }),
            Err(refused) => self.fail(refused),
        })
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.failed {
            return Action::Pause;
        }
        self.body_size = size;
        action(match (self.stream.is_reading(), end) {
            (true, true) => self.end(false),
            _ => self.handle(Event::RequestBody { size }),
        })
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if self.failed {
            return Action::Pause;
        }
        action(if self.stream.is_reading() {
            self.end(true)
        } else {
            self.handle(Event::RequestBody { size: 0 })
        })
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if self.failed || !self.stream.completes_answers() {
            return Action::Continue;
        }
        action(match host::headers(Map::Response) {
            Ok(headers) => self.handle(Event::ResponseHeaders { headers, end }),
            // As it is, it is better than none.
            Err(_) => Flow::Continue,
        })
    }
}
