//! Envoy's filter manager, as far as it concerns this one filter.
//!
//! The request and the response go the same way: headers, pieces of the body, trailers. Pause stops
//! them, and Continue or `proxy_continue_stream` releases them.

use super::abi::{Action, Direction};
use super::headers::Headers;
use super::message::Response;
use super::state::{Deferred, Flow, Half, LocalReply, Passed, Phase, StreamState};
use super::vm::{Vm, number};

impl Vm {
    pub(super) fn open_stream(&mut self) -> u32 {
        let id = self.allocate_context();
        let root = self.root;
        self.state_mut().contexts.insert(id);
        self.state_mut().streams.insert(id, StreamState::default());
        self.call(id, None, "proxy_on_context_create", &[id, root]);
        id
    }

    pub(super) fn stream(&self, id: u32) -> &StreamState {
        &self.state().streams[&id]
    }

    pub(super) fn stream_mut(&mut self, id: u32) -> &mut StreamState {
        self.state_mut()
            .streams
            .get_mut(&id)
            .expect("a stream of this plugin")
    }

    fn half(&mut self, id: u32, direction: Direction) -> &mut Half {
        self.stream_mut(id).half_mut(direction)
    }

    /// Whether this half still runs. Any callback may end it.
    fn runs(&self, id: u32, direction: Direction) -> bool {
        self.crash.is_none() && self.stream(id).runs(direction)
    }

    pub(super) fn headers(
        &mut self,
        id: u32,
        direction: Direction,
        headers: Headers,
        end_of_stream: bool,
    ) {
        let count = number(headers.len());
        let half = self.half(id, direction);
        half.headers = headers;
        half.headers_open = true;
        half.end_of_stream = end_of_stream;
        half.headers_only = end_of_stream;
        let action = self.stream_callback(
            id,
            Phase::Headers(direction),
            match direction {
                Direction::Request => "proxy_on_request_headers",
                Direction::Response => "proxy_on_response_headers",
            },
            &[id, count, end_of_stream.into()],
        );
        if !self.runs(id, direction) {
            return;
        }
        let hold = self.state().settings.hold;
        let half = self.half(id, direction);
        match action {
            Action::Continue => {
                half.headers_open = false;
                half.flow = Flow::Flowing;
                self.pass_on(id, direction);
            }
            Action::Pause if hold => half.flow = Flow::Stopped,
            Action::Pause => half.flow = Flow::StoppedAll,
        }
    }

    pub(super) fn data(
        &mut self,
        id: u32,
        direction: Direction,
        bytes: Vec<u8>,
        end_of_stream: bool,
    ) {
        if !self.runs(id, direction) {
            return;
        }
        let half = self.half(id, direction);
        if half.flow == Flow::StoppedAll {
            half.waiting.push((bytes, end_of_stream));
            return;
        }
        half.end_of_stream = end_of_stream;
        if half.buffering {
            half.buffered.extend(bytes);
            half.piece = Some(Vec::new());
            if self.over_limit(id, direction) {
                return;
            }
        } else {
            half.piece = Some(bytes);
        }
        let size = self.half(id, direction).body().map_or(0, Vec::len);
        let action = self.stream_callback(
            id,
            Phase::Body(direction),
            match direction {
                Direction::Request => "proxy_on_request_body",
                Direction::Response => "proxy_on_response_body",
            },
            &[id, number(size), end_of_stream.into()],
        );
        if !self.runs(id, direction) {
            return;
        }
        let half = self.half(id, direction);
        let piece = half.piece.take().unwrap_or_default();
        half.buffered.extend(piece);
        match action {
            Action::Continue => {
                half.buffering = false;
                half.flow = Flow::Flowing;
                self.pass_on(id, direction);
            }
            Action::Pause => {
                half.buffering = true;
                half.flow = Flow::Stopped;
                self.over_limit(id, direction);
            }
        }
    }

    pub(super) fn trailers(&mut self, id: u32, direction: Direction, trailers: Headers) {
        if !self.runs(id, direction) {
            return;
        }
        let count = number(trailers.len());
        let half = self.half(id, direction);
        if half.flow == Flow::StoppedAll {
            half.waiting_trailers = Some(trailers);
            return;
        }
        half.trailers = Some(trailers);
        half.trailers_open = true;
        half.end_of_stream = true;
        let action = self.stream_callback(
            id,
            Phase::Trailers(direction),
            match direction {
                Direction::Request => "proxy_on_request_trailers",
                Direction::Response => "proxy_on_response_trailers",
            },
            &[id, count],
        );
        if !self.runs(id, direction) {
            return;
        }
        let half = self.half(id, direction);
        match action {
            Action::Continue => {
                half.trailers_open = false;
                half.flow = Flow::Flowing;
                self.pass_on(id, direction);
            }
            Action::Pause => half.flow = Flow::Stopped,
        }
    }

    /// Runs a callback that returns an action. If the filter has no such callback, the action is
    /// Continue.
    fn stream_callback(
        &mut self,
        id: u32,
        phase: Phase,
        export: &str,
        arguments: &[u32],
    ) -> Action {
        match self.call(id, Some(phase), export, arguments) {
            None | Some(0) => Action::Continue,
            Some(1) => Action::Pause,
            Some(other) => panic!("{export} returned {other}, which is no action"),
        }
    }

    /// Passes what a stopped half has kept to the next filter.
    fn pass_on(&mut self, id: u32, direction: Direction) {
        let half = self.half(id, direction);
        let body = std::mem::take(&mut half.buffered);
        let passed = half.passed.get_or_insert_with(|| Passed {
            headers: half.headers.clone(),
            ..Passed::default()
        });
        passed.body.extend(body);
        if !half.end_of_stream {
            return;
        }
        passed.trailers.clone_from(&half.trailers);
        passed.complete = true;
        let announced = passed.headers.content_length();
        let sent = passed.body.len();
        let bodiless = direction == Direction::Response && half.headers_only;
        if let Some(length) = announced.filter(|length| *length != sent && !bodiless) {
            self.state_mut().violation(format!(
                "{direction:?} says content-length {length}, but {sent} bytes went on"
            ));
            self.fail_on_violations("the filter chain");
        }
        if direction == Direction::Response {
            self.end_stream(id);
        }
    }

    /// Replies for Envoy if the filter has stopped a body that does not fit into the connection's
    /// buffer. Returns whether it did.
    fn over_limit(&mut self, id: u32, direction: Direction) -> bool {
        let limit = self.state().settings.buffer_limit;
        if self.half(id, direction).buffered.len() <= limit {
            return false;
        }
        let (status, body) = match direction {
            Direction::Request => (413, "Payload Too Large"),
            Direction::Response => (500, "Internal Server Error"),
        };
        self.local_reply(
            id,
            LocalReply {
                status,
                headers: Headers::new(),
                body: body.into(),
            },
        );
        true
    }

    pub(super) fn run_deferred(&mut self, deferred: Deferred) {
        match deferred {
            Deferred::Resume(id, direction) => self.resume(id, direction),
            Deferred::Reply(id, reply) => self.local_reply(id, reply),
            Deferred::Wake(queue) => {
                let root = self.root;
                self.call(root, None, "proxy_on_queue_ready", &[root, queue]);
            }
            Deferred::Reset(id) => {
                self.stream_mut(id).reset = true;
                self.end_stream(id);
            }
        }
    }

    /// Continues a half that was stopped (`continueDecoding`, `continueEncoding`).
    fn resume(&mut self, id: u32, direction: Direction) {
        if !self.runs(id, direction) {
            self.state_mut()
                .violation(format!("{direction:?} continued after its end"));
            return;
        }
        let half = self.half(id, direction);
        match half.flow {
            Flow::Stopped => {
                half.flow = Flow::Flowing;
                self.pass_on(id, direction);
            }
            Flow::StoppedAll => {
                half.flow = Flow::Flowing;
                half.headers_open = false;
                self.pass_on(id, direction);
                self.replay(id, direction);
            }
            Flow::NotStarted | Flow::Flowing => {
                self.state_mut()
                    .violation(format!("{direction:?} continued while nothing is held"));
            }
        }
    }

    /// Delivers what arrived while everything was stopped, in one piece, as Envoy keeps it.
    fn replay(&mut self, id: u32, direction: Direction) {
        let half = self.half(id, direction);
        let waiting = std::mem::take(&mut half.waiting);
        let trailers = half.waiting_trailers.take();
        if let Some((_, end_of_stream)) = waiting.last() {
            let end_of_stream = *end_of_stream;
            let bytes = waiting.into_iter().flat_map(|(bytes, _)| bytes).collect();
            self.data(id, direction, bytes, end_of_stream);
        }
        if let Some(trailers) = trailers {
            self.trailers(id, direction, trailers);
        }
    }

    /// Sends a local reply (`sendLocalReply`). It passes the response callbacks of this filter,
    /// unless they have begun with another response.
    fn local_reply(&mut self, id: u32, reply: LocalReply) {
        let stream = self.stream_mut(id);
        if stream.ended || stream.response.passed.is_some() {
            self.state_mut()
                .violation("a local reply after the response began: Envoy resets the stream");
            return;
        }
        let direct = stream.response.flow != Flow::NotStarted || stream.response.headers_open;
        let no_body = stream.request.headers.get(":method") == Some(b"HEAD");
        stream.reply_asked = true;
        stream.local = true;

        let mut headers = Headers::new();
        headers.add(":status", reply.status.to_string());
        for (name, value) in reply.headers.iter() {
            headers.add(name, value);
        }
        if reply.body.is_empty() {
            headers.remove("content-length");
            headers.remove("content-type");
        } else {
            headers.replace("content-length", reply.body.len().to_string());
            if !headers.contains("content-type") {
                headers.add("content-type", "text/plain");
            }
        }
        let end_of_stream = reply.body.is_empty() || no_body;
        if direct {
            stream.response.passed = Some(Passed {
                headers,
                body: reply.body,
                trailers: None,
                complete: true,
            });
            self.end_stream(id);
            return;
        }
        self.headers(id, Direction::Response, headers, end_of_stream);
        if !end_of_stream {
            self.data(id, Direction::Response, reply.body, true);
        }
    }

    /// Delivers the response to a call. `None` means that the connection was reset. The callback
    /// runs in the root context, whether or not the stream still exists.
    pub(super) fn answer_call(&mut self, token: u32, response: Option<&Response>) {
        let state = self.state_mut();
        let call = state
            .calls
            .iter_mut()
            .find(|call| call.token == token && !call.answered)
            .expect("an outstanding call");
        call.answered = true;
        let response = response.map(|response| Response {
            headers: response.head(),
            body: response.body.clone(),
        });
        let (headers, body, trailers) = match &response {
            Some(response) => (
                response.headers.len(),
                response.body.bytes.len(),
                response.body.trailers.as_ref().map_or(0, Headers::len),
            ),
            None => (0, 0, 0),
        };
        state.call_response = response;
        let root = self.root;
        self.call(
            root,
            None,
            "proxy_on_http_call_response",
            &[root, token, number(headers), number(body), number(trailers)],
        );
    }

    /// Ends a stream for the filter, whatever the reason is.
    pub(super) fn end_stream(&mut self, id: u32) {
        let stream = self.stream_mut(id);
        if std::mem::replace(&mut stream.ended, true) {
            return;
        }
        self.call(id, Some(Phase::Log), "proxy_on_log", &[id]);
        self.call(id, None, "proxy_on_done", &[id]);
        self.call(id, None, "proxy_on_delete", &[id]);
        self.state_mut().contexts.remove(&id);
    }
}
