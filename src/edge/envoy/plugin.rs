//! What the root context and the HTTP contexts of one plugin on one worker share:
//! the configuration, the state of the worker, and the callouts that are in flight.
//!
//! The root context sends all callouts, since it outlives every stream: several
//! streams may wait for one response, and none of them may be needed to get it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use proxy_wasm::hostcalls::dispatch_http_call;
use proxy_wasm::types::Status;

use super::body_wait::BodyWaits;
use super::callback_queue::CallbackQueue;
use super::host::{self, Buffer, HeaderMap, HostCallError};
use super::http_stream::HttpStream;
use super::memory_gauge::MemoryGauge;
use crate::config::{Config, Gateway};
use crate::gateway::upstream::call::{Call, CallResponse};
use crate::gateway::worker::Worker;
use crate::gateway::worker::calls::{Delivery, DispatchId};
use crate::http::media_type;
use crate::mcp;
use crate::metrics::MetricKind;

/// Shared by the root context and the HTTP contexts.
pub(super) struct Plugin {
    /// The id of the root context.
    root: u32,
    pub(super) config: Rc<Config>,
    /// The host's numbers of [`Config::metrics`], in their order.
    pub(super) metrics: Vec<(MetricKind, u32)>,
    /// The host's tokens of the expressions of `authorization`, in their order.
    pub(super) expressions: Vec<u32>,
    pub(super) worker: Rc<RefCell<Worker>>,
    /// The streams that may wait for callouts, by their context ids.
    streams: RefCell<HashMap<u32, Rc<RefCell<HttpStream>>>>,
    /// The callouts in flight, by the host's tokens.
    in_flight: RefCell<HashMap<u32, DispatchId>>,
    callout: RefCell<Callout>,
    /// A callback of the root context is running.
    is_in_root_callback: Cell<bool>,
    queue: CallbackQueue,
    /// The streams whose bodies wait for [`work_later`](Self::work_later).
    bodies: RefCell<Vec<u32>>,
    /// The streams that are reset there.
    resets: RefCell<Vec<u32>>,
    /// The requests that wait for their bodies.
    body_waits: BodyWaits,
    /// How often the host calls [`on_tick`](Self::on_tick), in milliseconds; 0 means
    /// never.
    tick_period: Cell<u32>,
    pub(super) gauge: MemoryGauge,
}

/// When to make calls that cannot be made at once, in milliseconds.
const SOON: u32 = 1;

/// How often idle sessions are ended, in milliseconds.
const TIDY_PERIOD: u32 = 10_000;

/// How often to check the requests that wait for their bodies, in milliseconds.
const BODY_WAIT_PERIOD: u32 = 1_000;

/// The data that [`Plugin::send`] gives to the root context, and gets back.
#[derive(Default)]
enum Callout {
    #[default]
    None,
    /// To be sent.
    ToSend(Rc<Call>),
    /// It was sent, with the host's token; or it was not sent, with the result of the call.
    Done(Result<u32, CallResponse>),
}

impl Plugin {
    pub(super) fn new(
        root: u32,
        config: Config,
        (metrics, expressions): (Vec<(MetricKind, u32)>, Vec<u32>),
        worker: Rc<RefCell<Worker>>,
    ) -> Self {
        let gauge = MemoryGauge::new(&config, &metrics);
        Self {
            root,
            config: Rc::new(config),
            metrics,
            expressions,
            worker,
            streams: RefCell::default(),
            in_flight: RefCell::default(),
            callout: RefCell::default(),
            is_in_root_callback: Cell::new(false),
            queue: CallbackQueue::default(),
            bodies: RefCell::default(),
            resets: RefCell::default(),
            body_waits: BodyWaits::default(),
            tick_period: Cell::default(),
            gauge,
        }
    }

    /// Adds the stream with the context id `id`.
    pub(super) fn add_stream(&self, id: u32, stream: &Rc<RefCell<HttpStream>>) {
        self.streams.borrow_mut().insert(id, Rc::clone(stream));
    }

    /// Removes a stream that is over.
    pub(super) fn remove_stream(&self, id: u32) {
        self.streams.borrow_mut().remove(&id);
    }

    /// Sends a callout for the context `context`, that of a stream or the root.
    ///
    /// # Errors
    /// It was not sent: the result of the call.
    pub(super) fn send(
        &self,
        context: u32,
        dispatch: DispatchId,
        call: Rc<Call>,
    ) -> Result<(), CallResponse> {
        self.callout.replace(Callout::ToSend(call));
        // Both contexts exist: a callback of `context` is running, and the root
        // context outlives it. So neither call can fail.
        let _ = host::set_effective_context(self.root);
        if self.is_in_root_callback.get() {
            self.send_callout();
        } else {
            host::call_root(self.root);
        }
        let _ = host::set_effective_context(context);
        match self.callout.take() {
            Callout::Done(Ok(token)) => {
                self.in_flight.borrow_mut().insert(token, dispatch);
                Ok(())
            }
            Callout::Done(Err(response)) => Err(response),
            Callout::None | Callout::ToSend(_) => Err(CallResponse::NotSent),
        }
    }

    /// Sends the callout that waits. Runs in the root context.
    pub(super) fn send_callout(&self) {
        let Callout::ToSend(call) = self.callout.take() else {
            return;
        };
        let headers = call
            .headers
            .iter()
            .map(|(name, value)| (&**name, value.as_str()))
            .collect();
        let sent = dispatch_http_call(
            &call.cluster,
            headers,
            Some(&call.body),
            Vec::new(),
            call.timeout,
        );
        let sent = sent.map_err(|status| match status {
            Status::BadArgument => CallResponse::NoCluster,
            _ => CallResponse::NotSent,
        });
        self.callout.replace(Callout::Done(sent));
    }

    /// Delivers the response to the callout with this token. Runs in the root context.
    pub(super) fn deliver(&self, token: u32, headers: usize, body_size: usize) {
        let Some(dispatch) = self.in_flight.borrow_mut().remove(&token) else {
            return;
        };
        let response = if headers == 0 {
            CallResponse::Reset
        } else {
            response(body_size)
        };
        self.is_in_root_callback.set(true);
        for delivery in self.deliveries(dispatch, &response) {
            let to = self.streams.borrow().get(&delivery.to.0).cloned();
            if let Some(stream) = to
                && host::set_effective_context(delivery.to.0).is_ok()
                && let Ok(mut stream) = stream.try_borrow_mut()
            {
                stream.call_done(delivery.call, delivery.answer);
            }
        }
        self.send_unawaited();
        let _ = host::set_effective_context(self.root);
        self.is_in_root_callback.set(false);
        self.gauge.update();
    }

    /// Whether a callback of the root context is running, and not one of a stream.
    pub(super) fn is_in_root_callback(&self) -> bool {
        self.is_in_root_callback.get()
    }

    /// Lets [`work_later`](Self::work_later) write the body of `stream`.
    pub(super) fn write_body_later(&self, stream: u32) -> Result<(), HostCallError> {
        self.queue.schedule()?;
        self.bodies.borrow_mut().push(stream);
        Ok(())
    }

    /// Lets [`work_later`](Self::work_later) reset `stream`.
    pub(super) fn reset_later(&self, stream: u32) -> Result<(), HostCallError> {
        self.queue.schedule()?;
        self.resets.borrow_mut().push(stream);
        Ok(())
    }

    /// Does the work that is not possible in a callback of a stream: writes the bodies that wait,
    /// and resets streams. Runs in the root context, from Envoy's event loop.
    pub(super) fn work_later(&self) {
        self.queue.dequeue();
        self.is_in_root_callback.set(true);
        for stream in self.bodies.take() {
            self.write_body(stream);
        }
        for stream in self.resets.take() {
            // Without a context the stream is over already.
            if host::set_effective_context(stream).is_ok() {
                let _ = host::reset_stream();
            }
        }
        let _ = host::set_effective_context(self.root);
        self.is_in_root_callback.set(false);
    }

    /// Envoy answers 413 inside the host call if the body is too long for its
    /// buffer: the response passes this filter, and the stream ends, all before
    /// the host call returns. So nothing may borrow the stream or the worker
    /// during it, neither here nor in the SDK.
    fn write_body(&self, stream: u32) -> Option<()> {
        let http_stream = self.streams.borrow().get(&stream).cloned()?;
        host::set_effective_context(stream).ok()?;
        let body = http_stream.try_borrow_mut().ok()?.take_body()?;
        let written = host::replace(Buffer::RequestBody, &body);
        http_stream.try_borrow_mut().ok()?.body_written(written);
        Some(())
    }

    /// The headers of `stream` wait for the first byte of its body.
    pub(super) fn wait_for_body(&self, id: u32, stream: &Rc<RefCell<HttpStream>>) {
        self.body_waits.add(id, stream);
        self.set_tick_period(BODY_WAIT_PERIOD);
    }

    /// The body of the stream `id` has begun, or the stream is over.
    pub(super) fn stop_waiting(&self, id: u32) {
        self.body_waits.remove(id);
    }

    /// Takes calls with `take` that another plugin must make, since this one is
    /// replaced.
    pub(super) fn hand_over(
        &self,
        take: impl FnOnce(&mut Worker, &Gateway) -> Vec<Rc<Call>>,
    ) -> Vec<Rc<Call>> {
        match (self.worker.try_borrow_mut(), &self.config.gateway) {
            (Ok(mut worker), Some(gateway)) => take(&mut worker, gateway),
            _ => Vec::new(),
        }
    }

    /// Makes these calls soon. No stream waits for their results. `current` is the root context
    /// whose callback is running.
    pub(super) fn make_soon(&self, calls: Vec<Rc<Call>>, current: u32) {
        let Ok(mut worker) = self.worker.try_borrow_mut() else {
            return;
        };
        for call in calls {
            worker.outbox.push(call);
        }
        // If the host refuses, the next regular tick makes them.
        if host::set_effective_context(self.root).is_ok() {
            self.set_tick_period(SOON);
            let _ = host::set_effective_context(current);
        }
    }

    /// The host's timer. Runs in the root context.
    pub(super) fn on_tick(&self) {
        self.refuse_late_bodies();
        if self.body_waits.is_empty() {
            self.start_ticks();
        } else {
            self.set_tick_period(BODY_WAIT_PERIOD);
        }
        self.tidy();
    }

    /// Sets the timer to the period for the time in which no request waits for its body.
    pub(super) fn start_ticks(&self) {
        // Without the timer, idle sessions end with the next request.
        let has_sessions = self.config.gateway.is_some();
        self.set_tick_period(if has_sessions { TIDY_PERIOD } else { 0 });
    }

    fn set_tick_period(&self, period: u32) {
        if self.tick_period.replace(period) != period {
            let _ = host::set_tick_period(period);
        }
    }

    /// Refuses the requests whose bodies did not begin in time.
    fn refuse_late_bodies(&self) {
        let due = match self.worker.try_borrow() {
            Ok(worker) => self.body_waits.take_due(worker.now()),
            Err(_) => Vec::new(),
        };
        self.is_in_root_callback.set(true);
        for (id, stream) in due {
            if host::set_effective_context(id).is_ok()
                && let Ok(mut stream) = stream.try_borrow_mut()
            {
                stream.body_timed_out();
            }
        }
        let _ = host::set_effective_context(self.root);
        self.is_in_root_callback.set(false);
    }

    /// Ends the gateway's own sessions with servers that are idle. Runs in the root
    /// context.
    fn tidy(&self) {
        if let (Ok(mut worker), Some(gateway)) =
            (self.worker.try_borrow_mut(), &self.config.gateway)
        {
            worker.end_idle_sessions(gateway);
        }
        self.is_in_root_callback.set(true);
        self.send_unawaited();
        self.is_in_root_callback.set(false);
        self.gauge.update_exactly();
    }

    /// Sends the calls for whose results no stream waits.
    fn send_unawaited(&self) {
        let calls = match self.worker.try_borrow_mut() {
            Ok(mut worker) => worker.dispatch_outbox(),
            Err(_) => Vec::new(),
        };
        for (dispatch, call) in calls {
            if let Err(response) = self.send(self.root, dispatch, call) {
                self.deliveries(dispatch, &response);
            }
        }
    }

    /// The results of `dispatch` for the streams that wait for it.
    pub(super) fn deliveries(
        &self,
        dispatch: DispatchId,
        response: &CallResponse,
    ) -> Vec<Delivery> {
        match (self.worker.try_borrow_mut(), &self.config.gateway) {
            (Ok(mut worker), Some(gateway)) => {
                let deliveries = worker.done(dispatch, response, gateway);
                for (level, line) in worker.notices.drain(..) {
                    log::log!(level, "{line}");
                }
                deliveries
            }
            (Ok(mut worker), None) => {
                worker.left_call_done(dispatch, response);
                Vec::new()
            }
            (Err(_), _) => Vec::new(),
        }
    }
}

/// The response to a callout, from the buffers of its callback.
fn response(body_size: usize) -> CallResponse {
    let (Ok(headers), Ok(body)) = (
        host::headers(HeaderMap::CallResponse),
        host::buffer(Buffer::CallResponseBody, body_size),
    ) else {
        return CallResponse::Reset;
    };
    if media_type::is_encoded(&headers) {
        return CallResponse::Encoded;
    }
    let status = headers.text(":status");
    match status.and_then(|status| status.parse().ok()) {
        Some(status) => CallResponse::Http {
            status,
            content_type: headers.text("content-type").map(str::to_owned),
            session: headers.text(mcp::SESSION_HEADER).map(str::to_owned),
            body,
        },
        None => CallResponse::Reset,
    }
}
