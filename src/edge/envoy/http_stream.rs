//! One request: turns callbacks into events, and effects into host calls.

use std::collections::VecDeque;
use std::rc::Rc;

use super::host::{self, Buffer, HeaderMap, HostCallError};
use super::plugin::Plugin;
use super::{host_facts, metric, property};
use crate::gateway::upstream::call::{Call, CallId, CallResponse};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::worker::calls::{DispatchId, StreamId};
use crate::http::Reply;
use crate::mcp::jsonrpc;
use crate::metrics::{Metric, MetricKind};
use crate::stream::{Effect, Event, Flow, Stream};

/// One request.
pub(super) struct HttpStream {
    id: u32,
    stream: Stream,
    plugin: Rc<Plugin>,
    /// How much of the request body has arrived, in bytes.
    body_size: usize,
    longer: LongerBody,
    /// How much of the response's body waits in Envoy's buffer, in bytes.
    response_waits: usize,
    /// A host call that policy depends on failed: the request goes no further.
    failed: bool,
}

/// A new request body that is longer than the one that arrived, for a request that waits for a
/// callout. If such a body exceeds Envoy's buffer limit, Envoy enters the VM again. So the body is
/// [written](Plugin::work_later) when no other callback runs.
#[derive(Default)]
enum LongerBody {
    /// There is none, or the request has a response.
    #[default]
    None,
    /// It waits for the callback in which it is written.
    Waiting(Vec<u8>),
    /// It is being written. Meanwhile Envoy may send a response.
    Writing,
}

impl HttpStream {
    pub(super) fn new(id: u32, plugin: Rc<Plugin>) -> Self {
        Self {
            id,
            stream: Stream::new(StreamId(id), Rc::clone(&plugin.config)),
            plugin,
            body_size: 0,
            longer: LongerBody::None,
            response_waits: 0,
            failed: false,
        }
    }

    /// Takes the result of a call that this stream waits for.
    pub(super) fn call_done(&mut self, id: CallId, answer: CallResult) {
        let flow = self.handle(Event::CallDone { id, answer });
        if flow == Flow::Continue && matches!(self.longer, LongerBody::None) {
            self.resume();
        }
    }

    fn resume(&mut self) {
        if let Err(error) = host::resume_request() {
            self.fail(error);
        }
    }

    /// The body that waits, to be written now.
    pub(super) fn take_body(&mut self) -> Option<Vec<u8>> {
        let LongerBody::Waiting(body) = std::mem::take(&mut self.longer) else {
            return None;
        };
        self.longer = LongerBody::Writing;
        Some(body)
    }

    /// Continues after the host call that wrote the body, unless the request got a
    /// response from Envoy instead.
    pub(super) fn body_written(&mut self, written: Result<(), HostCallError>) {
        match (std::mem::take(&mut self.longer), written) {
            (LongerBody::Writing, Ok(())) => self.resume(),
            (LongerBody::Writing, Err(error)) => {
                self.fail(error);
            }
            _ => {}
        }
    }

    fn handle(&mut self, event: Event<'_>) -> Flow {
        let flow = self.handle_events(event);
        self.plugin.gauge.update();
        flow
    }

    fn handle_events(&mut self, event: Event<'_>) -> Flow {
        let mut events = VecDeque::from([event]);
        let mut flow = Flow::Hold;
        while let Some(event) = events.pop_front() {
            if self.failed {
                return Flow::Hold;
            }
            // The worker is not borrowed, since no callback runs inside another one, except inside
            // `Plugin::write_body`, which borrows nothing.
            let Ok(mut worker) = self.plugin.worker.try_borrow_mut() else {
                return self.fail(host::INTERNAL_FAILURE);
            };
            let step = self.stream.on(event, &mut worker);
            drop(worker);
            flow = step.flow;
            let mut effects = step.effects.into_iter();
            while let Some(effect) = effects.next() {
                match self.apply(effect) {
                    Ok(None) => {}
                    Ok(Some(event)) => events.push_back(event),
                    Err(error) => {
                        self.end_unsent(effects);
                        return self.fail(error);
                    }
                }
            }
        }
        flow
    }

    /// Carries out `effect`. Returns the event that the stream must handle next.
    fn apply(&mut self, effect: Effect) -> Result<Option<Event<'static>>, HostCallError> {
        match effect {
            Effect::RemoveRequestHeader(name) => host::remove_header(HeaderMap::Request, &name)?,
            Effect::SetRequestHeader(name, value) => {
                host::set_header(HeaderMap::Request, name, &value)?
            }
            Effect::AddRequestHeader(name, value) => {
                host::add_header(HeaderMap::Request, &name, &value)?;
            }
            // In a callback of the request itself, Envoy applies its buffer limit
            // after the callback has returned.
            Effect::ReplaceRequestBody(body)
                if self.plugin.is_in_root_callback() && body.len() > self.body_size =>
            {
                self.plugin.write_body_later(self.id)?;
                self.longer = LongerBody::Waiting(body);
            }
            Effect::ReplaceRequestBody(body) => host::replace(Buffer::RequestBody, &body)?,
            Effect::RemoveRequestTrailers => host::clear(HeaderMap::RequestTrailers)?,
            Effect::SetState(key, value) => host::set_filter_state(key, &value)?,
            Effect::ClearRouteCache => {
                // Envoy selects the route again by itself when a header changes (ABI
                // 0.2.1), so a host without this function is fine.
                let _ = host::call_foreign_function("clear_route_cache", b"");
            }
            Effect::Call(job, call) => return Ok(self.call(job, call)),
            Effect::Reply(Reply {
                status,
                headers,
                body,
                details,
            }) => host::send_local_response(status, details, &headers, &body)?,
            // A response that is on its way is better without this header than
            // not at all.
            Effect::RemoveResponseHeader(name) => {
                let _ = host::remove_header(HeaderMap::Response, &name);
            }
            Effect::SetResponseHeader(name, value) => {
                let _ = host::set_header(HeaderMap::Response, name, &value);
            }
            Effect::AddResponseHeader(name, value) => {
                let _ = host::add_header(HeaderMap::Response, name, &value);
            }
            Effect::ReplaceResponseBody(body) => host::replace(Buffer::ResponseBody, &body)?,
            Effect::ResetStream => self.plugin.reset_later(self.id)?,
            Effect::Count(Metric(at), value) => {
                // A request goes on even if it cannot be counted.
                let _ = match self.plugin.metrics.get(at) {
                    Some((MetricKind::Counter, number)) => metric::increment(*number, value),
                    // Only `MemoryGauge` changes a gauge.
                    Some((MetricKind::Gauge, _)) => Ok(()),
                    Some((MetricKind::Histogram, number)) => metric::record(*number, value),
                    None => Ok(()),
                };
            }
            Effect::Log(level, line) => log::log!(level, "{line}"),
        }
        Ok(None)
    }

    fn call(&mut self, job: DispatchId, call: Rc<Call>) -> Option<Event<'static>> {
        let response = self.plugin.send(self.id, job, call).err()?;
        // It failed at once, so no other stream waits for it yet.
        let delivery = self.plugin.deliveries(job, &response).into_iter().next()?;
        Some(Event::CallDone {
            id: delivery.call,
            answer: delivery.answer,
        })
    }

    /// Ends the calls among these effects, which are not carried out. Other streams would wait for
    /// such a call for ever.
    fn end_unsent(&self, effects: impl Iterator<Item = Effect>) {
        for effect in effects {
            if let Effect::Call(job, _) = effect {
                // No stream has joined the call yet, and this stream fails.
                self.plugin.deliveries(job, &CallResponse::NotSent);
            }
        }
    }

    /// Answers 500 and stops the request: later filters would not see what it says.
    fn fail(&mut self, error: HostCallError) -> Flow {
        if !self.failed {
            self.failed = true;
            log::error!(
                "host call refused with status {}: is allow_on_headers_stop_iteration set?",
                error.0
            );
            let message = "the gateway could not change the request: see Envoy's log";
            let body = jsonrpc::error(None, jsonrpc::INTERNAL_ERROR, message, None);
            let reply = Reply::json(500, body, "mcp_host_call_refused");
            let _ =
                host::send_local_response(reply.status, reply.details, &reply.headers, &reply.body);
        }
        Flow::Hold
    }

    fn end(&mut self, trailers: bool) -> Flow {
        match host::buffer(Buffer::RequestBody, self.body_size) {
            Ok(body) => self.handle(Event::RequestEnd {
                body: &body,
                trailers,
            }),
            Err(error) => self.fail(error),
        }
    }

    pub(super) fn request_headers(&mut self, end: bool) -> Flow {
        match host::headers(HeaderMap::Request) {
            Ok(headers) => {
                let known = host_facts::of(&headers, &self.stream, &self.plugin);
                self.handle(Event::RequestHeaders {
                    headers,
                    end,
                    known,
                })
            }
            Err(error) => self.fail(error),
        }
    }

    /// Whether the headers wait for the body, and none of it has arrived.
    pub(super) fn waits_for_body(&self) -> bool {
        !self.failed && self.stream.holds_for_body()
    }

    /// The body did not begin in time.
    pub(super) fn body_timed_out(&mut self) {
        if self.waits_for_body() {
            self.handle(Event::BodyTimeout);
        }
    }

    pub(super) fn request_body(&mut self, size: usize, end: bool) -> Flow {
        self.plugin.stop_waiting(self.id);
        if self.failed {
            return Flow::Hold;
        }
        self.body_size = size;
        match (self.stream.is_reading(), end) {
            (true, true) => self.end(false),
            _ => self.handle(Event::RequestBody { size }),
        }
    }

    pub(super) fn request_trailers(&mut self) -> Flow {
        self.plugin.stop_waiting(self.id);
        if self.failed {
            Flow::Hold
        } else if self.stream.is_reading() {
            self.end(true)
        } else {
            self.handle(Event::RequestBody { size: 0 })
        }
    }

    pub(super) fn response_headers(&mut self, end: bool) -> Flow {
        self.longer = LongerBody::None;
        if self.failed || !self.stream.completes_answers() {
            return Flow::Continue;
        }
        let details = self.details();
        match host::headers(HeaderMap::Response) {
            Ok(headers) => self.handle(Event::ResponseHeaders {
                headers,
                end,
                details,
            }),
            // An unchanged response is better than none.
            Err(_) => Flow::Continue,
        }
    }

    pub(super) fn response_body(&mut self, size: usize, end: bool) -> Flow {
        if self.failed || !self.stream.reads_answer() {
            return Flow::Continue;
        }
        // The callback gives the size of everything that Envoy holds, but the event needs only the
        // new part.
        let waited = std::mem::take(&mut self.response_waits);
        let new = size.saturating_sub(waited);
        let flow = match host::buffer_from(Buffer::ResponseBody, waited, new) {
            Ok(part) => self.handle(Event::ResponseBody { part: &part, end }),
            Err(error) => self.fail(error),
        };
        if flow == Flow::Hold {
            self.response_waits = size;
        }
        flow
    }

    pub(super) fn response_trailers(&mut self) -> Flow {
        if self.failed || !self.stream.reads_answer() {
            return Flow::Continue;
        }
        self.handle(Event::ResponseTrailers)
    }

    pub(super) fn done(&mut self) {
        self.longer = LongerBody::None;
        let details = self.stream.waits_for_answer().then(|| self.details());
        let details = details.flatten();
        let effects = match self.plugin.worker.try_borrow_mut() {
            Ok(mut worker) => self.stream.over(details.as_deref(), &mut worker),
            Err(_) => Vec::new(),
        };
        for effect in effects {
            // The request is over, so an error has no effect.
            let _ = self.apply(effect);
        }
        self.plugin.stop_waiting(self.id);
        self.plugin.remove_stream(self.id);
        self.plugin.gauge.update();
    }

    /// Envoy's `%RESPONSE_CODE_DETAILS%`; for a routed request only.
    fn details(&self) -> Option<String> {
        self.stream
            .is_routed()
            .then(|| property::text(&["response", "code_details"]))?
    }
}
