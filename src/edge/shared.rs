//! What the contexts of one plugin on one worker share: its configuration, the
//! state of the worker, and the calls under way.
//!
//! All calls are the root context's, since it outlives every stream: an answer
//! that several streams wait for must not depend on one of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use proxy_wasm::hostcalls::dispatch_http_call;
use proxy_wasm::types::Status;

use super::host::{self, Buffer, Map, Refused};
use super::http::Http;
use super::queue::Queue;
use crate::config::Config;
use crate::gateway::upstream::call::{Call, CallResponse};
use crate::gateway::worker::Worker;
use crate::gateway::worker::calls::{Delivery, DispatchId};
use crate::http::media_type;
use crate::mcp;
use crate::metrics::MetricKind;

/// Shared by the root context and its streams.
pub(super) struct Shared {
    pub(super) root: u32,
    pub(super) config: Rc<Config>,
    /// What the host calls the metrics, in their order.
    pub(super) metrics: Vec<(MetricKind, u32)>,
    /// What the host calls the expressions of `authorization`, in their order.
    pub(super) expressions: Vec<u32>,
    pub(super) worker: Rc<RefCell<Worker>>,
    /// The streams that may wait for calls.
    streams: RefCell<HashMap<u32, Rc<RefCell<Http>>>>,
    /// The host's tokens of the calls under way.
    sent: RefCell<HashMap<u32, DispatchId>>,
    /// The call to send, and then the token or the reason why it was not sent.
    post: RefCell<Post>,
    /// A callback of the root context is running.
    is_in_root: Cell<bool>,
    queue: Queue,
    /// The streams whose bodies wait for [`write`](Self::write).
    longer: RefCell<Vec<u32>>,
}

#[derive(Default)]
enum Post {
    #[default]
    Empty,
    Out(Rc<Call>),
    Done(Result<u32, CallResponse>),
}

impl Shared {
    pub(super) fn new(
        root: u32,
        config: Config,
        (metrics, expressions): (Vec<(MetricKind, u32)>, Vec<u32>),
        worker: Rc<RefCell<Worker>>,
    ) -> Self {
        Self {
            root,
            config: Rc::new(config),
            metrics,
            expressions,
            worker,
            streams: RefCell::default(),
            sent: RefCell::default(),
            post: RefCell::default(),
            is_in_root: Cell::new(false),
            queue: Queue::default(),
            longer: RefCell::default(),
        }
    }

    /// `http` is the stream with this id, until it is [`left`](Self::left).
    pub(super) fn entered(&self, id: u32, http: &Rc<RefCell<Http>>) {
        self.streams.borrow_mut().insert(id, Rc::clone(http));
    }

    pub(super) fn left(&self, id: u32) {
        self.streams.borrow_mut().remove(&id);
    }

    /// Sends a call on behalf of `stream`.
    ///
    /// # Errors
    /// It was not sent, which is what came of it.
    pub(super) fn send(
        &self,
        stream: u32,
        job: DispatchId,
        call: Rc<Call>,
    ) -> Result<(), CallResponse> {
        self.post.replace(Post::Out(call));
        // Neither context can be gone: the one outlives the other, and that one
        // is running.
        let _ = host::act_on(self.root);
        if self.is_in_root.get() {
            self.dispatch();
        } else {
            host::in_root(self.root);
        }
        let _ = host::act_on(stream);
        match self.post.take() {
            Post::Done(Ok(token)) => {
                self.sent.borrow_mut().insert(token, job);
                Ok(())
            }
            Post::Done(Err(response)) => Err(response),
            Post::Empty | Post::Out(_) => Err(CallResponse::Unreachable),
        }
    }

    /// Sends the call that is to be sent, in the root context.
    pub(super) fn dispatch(&self) {
        let Post::Out(call) = self.post.take() else {
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
        self.post
            .replace(Post::Done(sent.map_err(|status| match status {
                Status::BadArgument => CallResponse::NoCluster,
                _ => CallResponse::Unreachable,
            })));
    }

    /// The answer to the call with this token is there, in the root context.
    pub(super) fn answered(&self, token: u32, headers: usize, body_size: usize) {
        let Some(job) = self.sent.borrow_mut().remove(&token) else {
            return;
        };
        let response = if headers == 0 {
            CallResponse::Reset
        } else {
            response(body_size)
        };
        self.is_in_root.set(true);
        for delivery in self.deliveries(job, &response) {
            let to = self.streams.borrow().get(&delivery.to.0).cloned();
            if let Some(http) = to
                && host::act_on(delivery.to.0).is_ok()
                && let Ok(mut http) = http.try_borrow_mut()
            {
                http.call_done(delivery.call, delivery.answer);
            }
        }
        self.post();
        let _ = host::act_on(self.root);
        self.is_in_root.set(false);
    }

    /// Whether a callback of the root context is running, and none of a stream.
    pub(super) fn is_in_root(&self) -> bool {
        self.is_in_root.get()
    }

    /// The body of `stream` is to be [written](Self::write), soon.
    pub(super) fn write_later(&self, stream: u32) -> Result<(), Refused> {
        self.queue.wake()?;
        self.longer.borrow_mut().push(stream);
        Ok(())
    }

    /// Writes the bodies that are longer than what came, in the root context.
    pub(super) fn write(&self) {
        self.queue.woken();
        self.is_in_root.set(true);
        for stream in self.longer.take() {
            self.write_body(stream);
        }
        let _ = host::act_on(self.root);
        self.is_in_root.set(false);
    }

    /// Where the body is too long for Envoy's buffer, Envoy answers 413 inside
    /// the host call: the answer passes this filter, and the stream ends. So
    /// neither the SDK nor anybody here may hold the stream or the worker.
    fn write_body(&self, stream: u32) -> Option<()> {
        let http = self.streams.borrow().get(&stream).cloned()?;
        host::act_on(stream).ok()?;
        let body = http.try_borrow_mut().ok()?.take_longer()?;
        let written = host::replace(Buffer::RequestBody, &body);
        http.try_borrow_mut().ok()?.written(written);
        Some(())
    }

    /// Ends the sessions of the gateway's that nobody uses any more; in a callback
    /// of the root context.
    pub(super) fn tidy(&self) {
        if let (Ok(mut worker), Some(gateway)) =
            (self.worker.try_borrow_mut(), &self.config.gateway)
        {
            worker.tidy(gateway);
        }
        self.is_in_root.set(true);
        self.post();
        self.is_in_root.set(false);
    }

    /// Sends the calls whose answer nobody waits for.
    fn post(&self) {
        let posted = match self.worker.try_borrow_mut() {
            Ok(mut worker) => worker.posted(),
            Err(_) => Vec::new(),
        };
        for (job, call) in posted {
            if let Err(response) = self.send(self.root, job, call) {
                self.deliveries(job, &response);
            }
        }
    }

    /// What the streams that wait for `job` are told.
    pub(super) fn deliveries(&self, job: DispatchId, response: &CallResponse) -> Vec<Delivery> {
        match (self.worker.try_borrow_mut(), &self.config.gateway) {
            (Ok(mut worker), Some(gateway)) => worker.done(job, response, gateway),
            _ => Vec::new(),
        }
    }
}

fn response(body_size: usize) -> CallResponse {
    let (Ok(headers), Ok(body)) = (
        host::headers(Map::CallResponse),
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
