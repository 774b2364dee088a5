//! One request: callbacks to events, effects to host calls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::host::{self, Buffer, Map, Refused};
use super::shared::Shared;
use super::{known, property};
use crate::gateway::upstream::call::{Call, CallId};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::worker::calls::{DispatchId, StreamId};
use crate::http::Reply;
use crate::metrics::{Metric, MetricKind};
use crate::stream::{Effect, Event, Flow, Stream};

/// One request.
pub(super) struct Http {
    id: u32,
    stream: Stream,
    shared: Rc<Shared>,
    body_size: usize,
    longer: Longer,
    /// A host call that policy depends on was refused: nothing goes on.
    failed: bool,
}

/// A body for the request that is longer than the one that came.
#[derive(Debug, Default)]
enum Longer {
    /// There is none, or the request is answered.
    #[default]
    None,
    /// It waits for a callback in which it can be written.
    Waiting(Vec<u8>),
    /// It is being written; Envoy may answer the request meanwhile.
    Writing,
}

/// What a step asks for that another step has to take.
type Then = Option<Event<'static>>;

impl Http {
    fn new(id: u32, shared: Rc<Shared>) -> Self {
        Self {
            id,
            stream: Stream::new(StreamId(id), Rc::clone(&shared.config)),
            shared,
            body_size: 0,
            longer: Longer::None,
            failed: false,
        }
    }

    /// What came of a call that this stream waits for.
    pub(super) fn call_done(&mut self, id: CallId, answer: CallResult) {
        let flow = self.handle(Event::CallDone { id, answer });
        if flow == Flow::Continue && matches!(self.longer, Longer::None) {
            self.resume();
        }
    }

    fn resume(&mut self) {
        if let Err(refused) = host::resume_request() {
            self.fail(refused);
        }
    }

    /// Gives the body that is to be written now.
    pub(super) fn take_longer(&mut self) -> Option<Vec<u8>> {
        let Longer::Waiting(body) = std::mem::take(&mut self.longer) else {
            return None;
        };
        self.longer = Longer::Writing;
        Some(body)
    }

    /// The body is written, unless the request was answered instead.
    pub(super) fn written(&mut self, written: Result<(), Refused>) {
        match (std::mem::take(&mut self.longer), written) {
            (Longer::Writing, Ok(())) => self.resume(),
            (Longer::Writing, Err(refused)) => {
                self.fail(refused);
            }
            _ => {}
        }
    }

    fn handle(&mut self, event: Event<'_>) -> Flow {
        let mut events = VecDeque::from([event]);
        let mut flow = Flow::Hold;
        while let Some(event) = events.pop_front() {
            if self.failed {
                return Flow::Hold;
            }
            // No callback runs inside another, except where `Shared::write_body`
            // holds nothing: nobody else holds the worker.
            let Ok(mut worker) = self.shared.worker.try_borrow_mut() else {
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
    fn apply(&mut self, effect: Effect) -> Result<Then, Refused> {
        match effect {
            Effect::RemoveRequestHeader(name) => host::remove_header(Map::Request, &name)?,
            Effect::SetRequestHeader(name, value) => host::set_header(Map::Request, name, &value)?,
            Effect::AddRequestHeader(name, value) => {
                host::add_header(Map::Request, &name, &value)?;
            }
            // In a callback of the request, Envoy answers for its buffer when
            // that has returned.
            Effect::ReplaceRequestBody(body)
                if self.shared.is_in_root() && body.len() > self.body_size =>
            {
                self.shared.write_later(self.id)?;
                self.longer = Longer::Waiting(body);
            }
            Effect::ReplaceRequestBody(body) => host::replace(Buffer::RequestBody, &body)?,
            Effect::RemoveRequestTrailers => host::clear(Map::RequestTrailers)?,
            Effect::SetState(key, value) => host::set_state(key, &value)?,
            Effect::ClearRouteCache => {
                // Setting a header has selected the route anew already (ABI
                // 0.2.1); a host without the function needs no other.
                let _ = host::foreign("clear_route_cache", b"");
            }
            Effect::Call(job, call) => return Ok(self.call(job, call)),
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
            Effect::ReplaceResponseBody(body) => host::replace(Buffer::ResponseBody, &body)?,
            Effect::Count(Metric(at), value) => {
                // What cannot be counted is no reason to stop a request.
                let _ = match self.shared.metrics.get(at) {
                    Some((MetricKind::Counter, metric)) => host::increment(*metric, value),
                    Some((MetricKind::Histogram, metric)) => host::record(*metric, value),
                    None => Ok(()),
                };
            }
            Effect::Log(level, line) => log::log!(level, "{line}"),
        }
        Ok(None)
    }

    fn call(&mut self, job: DispatchId, call: Rc<Call>) -> Then {
        let response = self.shared.send(self.id, job, call).err()?;
        // No other stream can have joined it yet.
        let delivery = self.shared.deliveries(job, &response).into_iter().next()?;
        Some(Event::CallDone {
            id: delivery.call,
            answer: delivery.answer,
        })
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

    fn request_headers(&mut self, end: bool) -> Flow {
        match host::headers(Map::Request) {
            Ok(headers) => {
                let known = known::of(&headers, &self.stream, &self.shared);
                self.handle(Event::RequestHeaders {
                    headers,
                    end,
                    known,
                })
            }
            Err(refused) => self.fail(refused),
        }
    }

    fn request_body(&mut self, size: usize, end: bool) -> Flow {
        if self.failed {
            return Flow::Hold;
        }
        self.body_size = size;
        match (self.stream.is_reading(), end) {
            (true, true) => self.end(false),
            _ => self.handle(Event::RequestBody { size }),
        }
    }

    fn request_trailers(&mut self) -> Flow {
        if self.failed {
            Flow::Hold
        } else if self.stream.is_reading() {
            self.end(true)
        } else {
            self.handle(Event::RequestBody { size: 0 })
        }
    }

    fn response_headers(&mut self, end: bool) -> Flow {
        self.longer = Longer::None;
        if self.failed || !self.stream.completes_answers() {
            return Flow::Continue;
        }
        let details = self.details();
        match host::headers(Map::Response) {
            Ok(headers) => self.handle(Event::ResponseHeaders {
                headers,
                end,
                details,
            }),
            // As it is, it is better than none.
            Err(_) => Flow::Continue,
        }
    }

    fn response_body(&mut self, size: usize, end: bool) -> Flow {
        if self.failed || !self.stream.reads_answer() {
            return Flow::Continue;
        }
        match host::buffer(Buffer::ResponseBody, size) {
            Ok(part) => self.handle(Event::ResponseBody { part: &part, end }),
            Err(refused) => self.fail(refused),
        }
    }

    fn response_trailers(&mut self) -> Flow {
        if self.failed || !self.stream.reads_answer() {
            return Flow::Continue;
        }
        self.handle(Event::ResponseTrailers)
    }

    fn done(&mut self) {
        self.longer = Longer::None;
        let details = self.details();
        let effects = match self.shared.worker.try_borrow_mut() {
            Ok(mut worker) => self.stream.over(details.as_deref(), &mut worker),
            Err(_) => Vec::new(),
        };
        for effect in effects {
            // There is no request left to fail.
            let _ = self.apply(effect);
        }
        self.shared.left(self.id);
    }

    /// Envoy's `%RESPONSE_CODE_DETAILS%`, for a routed request.
    fn details(&self) -> Option<String> {
        self.stream
            .is_routed()
            .then(|| property::text(&["response", "code_details"]))?
    }
}

/// The context of one request, as the SDK holds it. An answer that comes in
/// the root context finds the same request.
pub(super) struct Handle(Rc<RefCell<Http>>);

impl Handle {
    pub(super) fn new(id: u32, shared: &Rc<Shared>) -> Self {
        let http = Rc::new(RefCell::new(Http::new(id, Rc::clone(shared))));
        if shared.config.gateway.is_some() {
            shared.entered(id, &http);
        }
        Self(http)
    }

    /// No callback runs inside another of the same request that holds it.
    fn run(&self, callback: impl FnOnce(&mut Http) -> Flow) -> Action {
        match self.0.try_borrow_mut() {
            Ok(mut http) => action(callback(&mut http)),
            Err(_) => Action::Pause,
        }
    }
}

fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Hold => Action::Pause,
    }
}

impl Context for Handle {
    fn on_done(&mut self) -> bool {
        self.run(|http| {
            http.done();
            Flow::Continue
        });
        true
    }
}

impl HttpContext for Handle {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.run(|http| http.request_headers(end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.run(|http| http.request_body(size, end))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.run(Http::request_trailers)
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        self.run(|http| http.response_headers(end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.run(|http| http.response_body(size, end))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.run(Http::response_trailers)
    }
}
