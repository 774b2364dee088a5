//! One HTTP stream, as a scenario controls it.

use super::abi::Direction;
use super::message::{Call, Reply, Request, Response, Upstream};
use super::state::{Flow, Passed};
use super::vm::Vm;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The state of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The client has not sent the whole request yet.
    Open,
    /// The whole request went on, and there is no response yet.
    Released,
    /// The filter holds the request until its calls are answered.
    Waiting,
    /// The filter holds the request, and nothing can release it any more.
    Hung,
    /// The client has the whole answer.
    Answered,
    /// The stream was reset, by the filter or the client.
    Reset,
    /// The VM has crashed; see [`super::Host::expect_crash`].
    Crashed,
}

/// One HTTP stream of a scenario.
pub(crate) struct Stream {
    vm: Rc<RefCell<Vm>>,
    id: u32,
}

/// Chooses an outstanding call: by its position among them, by its cluster, or by the call itself.
pub(crate) trait Pick {
    fn pick(self, calls: &[Call]) -> Option<u32>;
}

impl Pick for usize {
    fn pick(self, calls: &[Call]) -> Option<u32> {
        calls.get(self).map(|call| call.token)
    }
}

impl Pick for &str {
    fn pick(self, calls: &[Call]) -> Option<u32> {
        let call = calls.iter().find(|call| call.cluster == self);
        call.map(|call| call.token)
    }
}

impl Pick for &Call {
    fn pick(self, calls: &[Call]) -> Option<u32> {
        let call = calls.iter().find(|call| call.token == self.token);
        call.map(|call| call.token)
    }
}

impl Stream {
    pub(super) fn new(vm: &Rc<RefCell<Vm>>) -> Self {
        let id = vm.borrow_mut().open_stream();
        Self { vm: vm.clone(), id }
    }

    /// Sets the property of this stream with this path.
    pub(crate) fn set_property(&mut self, path: &[&str], value: impl AsRef<[u8]>) {
        let (path, value) = (path.join("\0").into_bytes(), value.as_ref().to_vec());
        let mut vm = self.vm.borrow_mut();
        vm.stream_mut(self.id).properties.insert(path, value);
    }

    /// From now on, Envoy refuses to write filter state of this stream.
    pub(crate) fn refuse_state(&mut self) {
        self.vm.borrow_mut().stream_mut(self.id).refuses_state = true;
    }

    /// Sets the values of all compiled expressions on this stream. `answer` gets the text of each
    /// expression, and returns `None` if it fails.
    pub(crate) fn expressions(&mut self, answer: impl Fn(&str) -> Option<Vec<u8>>) {
        let mut vm = self.vm.borrow_mut();
        let answers = vm
            .state()
            .expressions
            .iter()
            .map(|text| answer(text))
            .collect();
        vm.stream_mut(self.id).expressions = answers;
    }

    /// The client sends a whole request.
    #[track_caller]
    pub(crate) fn request(&mut self, request: impl std::borrow::Borrow<Request>) -> Outcome {
        let request = request.borrow();
        let absent = request.body.is_absent();
        let mut vm = self.vm.borrow_mut();
        vm.headers(self.id, Direction::Request, request.head(), absent);
        for (piece, end_of_stream) in request.body.pieces() {
            vm.data(self.id, Direction::Request, piece, end_of_stream);
        }
        if let Some(trailers) = &request.body.trailers {
            vm.trailers(self.id, Direction::Request, trailers.clone());
        }
        drop(vm);
        self.outcome()
    }

    /// The client sends only the headers. The body comes with [`Self::send`] and [`Self::finish`].
    /// The body of `request` only sets `content-length`.
    #[track_caller]
    pub(crate) fn open(&mut self, request: impl std::borrow::Borrow<Request>) -> Outcome {
        let headers = request.borrow().head();
        self.vm
            .borrow_mut()
            .headers(self.id, Direction::Request, headers, false);
        self.outcome()
    }

    /// The client sends a piece of the body.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Outcome {
        let bytes = bytes.as_ref().to_vec();
        self.vm
            .borrow_mut()
            .data(self.id, Direction::Request, bytes, false);
        self.outcome()
    }

    /// The client ends the body.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Outcome {
        self.vm
            .borrow_mut()
            .data(self.id, Direction::Request, Vec::new(), true);
        self.outcome()
    }

    /// The client closes its connection. Responses to calls still reach the VM, which no longer has
    /// a stream for them.
    #[track_caller]
    pub(crate) fn client_gone(&mut self) {
        let mut vm = self.vm.borrow_mut();
        vm.stream_mut(self.id).client_gone = true;
        vm.end_stream(self.id);
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let vm = self.vm.borrow();
        let stream = vm.stream(self.id);
        let complete = |passed: &Option<Passed>| passed.as_ref().is_some_and(|to| to.complete);
        let outstanding = vm
            .state()
            .calls
            .iter()
            .any(|call| (call.context == self.id || call.context == vm.root) && !call.answered);
        if vm.crash.is_some() {
            Outcome::Crashed
        } else if complete(&stream.response.passed) {
            Outcome::Answered
        } else if stream.reset || stream.client_gone {
            Outcome::Reset
        } else if complete(&stream.request.passed) && !stream.reply_asked {
            Outcome::Released
        } else if outstanding {
            Outcome::Waiting
        } else if stream.request.end_of_stream || stream.request.flow == Flow::StoppedAll {
            Outcome::Hung
        } else {
            Outcome::Open
        }
    }

    /// Calls without a response, in the order in which the filter made them.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls = self.all_calls();
        calls.retain(|call| !call.answered);
        calls
    }

    /// All calls of this stream, and those of the root context, which can be for any stream.
    pub(crate) fn all_calls(&self) -> Vec<Call> {
        let vm = self.vm.borrow();
        let calls = vm.state().calls.iter();
        calls
            .filter(|call| call.context == self.id || call.context == vm.root)
            .cloned()
            .collect()
    }

    /// The outstanding call to a cluster.
    #[track_caller]
    pub(crate) fn call(&self, cluster: &str) -> Call {
        let mut calls = self.calls().into_iter();
        calls
            .find(|call| call.cluster == cluster)
            .unwrap_or_else(|| self.fail(&format!("no outstanding call to {cluster}")))
    }

    /// Answers a call with this response.
    #[track_caller]
    pub(crate) fn answer(
        &mut self,
        call: impl Pick,
        response: impl std::borrow::Borrow<Response>,
    ) -> Outcome {
        self.finish_call(call, Some(response.borrow()))
    }

    /// The connection of a call is reset. The filter gets no headers and no body.
    #[track_caller]
    pub(crate) fn reset(&mut self, call: impl Pick) -> Outcome {
        self.finish_call(call, None)
    }

    /// The call goes to an address where nobody listens.
    #[track_caller]
    pub(crate) fn refuse(&mut self, call: impl Pick) -> Outcome {
        let text = "upstream connect error or disconnect/reset before headers. \
                    reset reason: remote connection failure, transport failure reason: \
                    delayed connect error: Connection refused";
        self.answer(call, Response::of_envoy(503, text))
    }

    /// The call takes longer than its timeout.
    #[track_caller]
    pub(crate) fn time_out(&mut self, call: impl Pick) -> Outcome {
        self.answer(call, Response::of_envoy(504, "upstream request timeout"))
    }

    #[track_caller]
    fn finish_call(&mut self, call: impl Pick, response: Option<&Response>) -> Outcome {
        let token = call
            .pick(&self.calls())
            .unwrap_or_else(|| self.fail("no such outstanding call"));
        self.vm.borrow_mut().answer_call(token, response);
        self.outcome()
    }

    /// What the server behind the filter got. `None` while the filter holds the request.
    pub(crate) fn upstream(&self) -> Option<Upstream> {
        let vm = self.vm.borrow();
        let stream = vm.stream(self.id);
        let passed = stream.request.passed.clone()?;
        let calls = stream.clear_route_cache_calls;
        Some(Upstream {
            headers: passed.headers,
            body: passed.body,
            trailers: passed.trailers,
            complete: passed.complete,
            route_cache_cleared: calls > 0 || stream.request_headers_changed,
            clear_route_cache_calls: calls,
        })
    }

    /// The server behind the filter sends this response. Returns what the client got of it.
    #[track_caller]
    pub(crate) fn respond(&mut self, response: impl std::borrow::Borrow<Response>) -> Reply {
        let response = response.borrow();
        self.respond_headers(response, response.body.is_absent());
        for (piece, end_of_stream) in response.body.pieces() {
            let mut vm = self.vm.borrow_mut();
            vm.data(self.id, Direction::Response, piece, end_of_stream);
        }
        if let Some(trailers) = &response.body.trailers {
            let mut vm = self.vm.borrow_mut();
            vm.trailers(self.id, Direction::Response, trailers.clone());
        }
        self.reply()
            .unwrap_or_else(|| self.fail("the client got nothing of the response"))
    }

    /// The server sends only its headers. The body comes with [`Self::respond_data`].
    #[track_caller]
    pub(crate) fn respond_headers(&mut self, response: &Response, end_of_stream: bool) {
        if !self.upstream().is_some_and(|upstream| upstream.complete) {
            self.fail("a response to a request that has not gone on");
        }
        let headers = response.head();
        self.vm
            .borrow_mut()
            .headers(self.id, Direction::Response, headers, end_of_stream);
    }

    /// The server sends a piece of its body. Returns what the client has got so far.
    #[track_caller]
    pub(crate) fn respond_data(
        &mut self,
        bytes: impl AsRef<[u8]>,
        end_of_stream: bool,
    ) -> Option<Reply> {
        let bytes = bytes.as_ref().to_vec();
        self.vm
            .borrow_mut()
            .data(self.id, Direction::Response, bytes, end_of_stream);
        self.reply()
    }

    /// What the client has got so far, of a local reply or of the server's response.
    pub(crate) fn reply(&self) -> Option<Reply> {
        let vm = self.vm.borrow();
        let stream = vm.stream(self.id);
        let passed = stream.response.passed.clone()?;
        Some(Reply {
            status: passed.headers.text(":status")?.parse().ok()?,
            headers: passed.headers,
            body: passed.body,
            trailers: passed.trailers,
            complete: passed.complete,
            local: stream.local,
        })
    }

    /// A value of the filter state. The key is Envoy's, for example `wasm.mcp.method`.
    pub(crate) fn state(&self, key: &str) -> Option<String> {
        self.states().remove(key)
    }

    /// All values of the filter state.
    pub(crate) fn states(&self) -> BTreeMap<String, String> {
        let vm = self.vm.borrow();
        let states = vm.stream(self.id).filter_state.iter();
        states
            .map(|(key, value)| (key.clone(), String::from_utf8_lossy(value).into_owned()))
            .collect()
    }

    /// Fails unless the whole request went on. Returns the request.
    #[track_caller]
    pub(crate) fn expect_released(&self) -> Upstream {
        match self.upstream() {
            Some(upstream) if upstream.complete => upstream,
            _ => self.fail("the request was not released"),
        }
    }

    /// Fails unless the client has a whole local reply with this status. Returns the reply.
    #[track_caller]
    pub(crate) fn expect_reply(&self, status: u16) -> Reply {
        match self.reply() {
            Some(reply) if reply.local && reply.complete && reply.status == status => reply,
            _ => self.fail(&format!("no local reply with status {status}")),
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let calls = self.calls();
        let calls: Vec<_> = calls
            .iter()
            .map(|call| format!("{}: {}", call.cluster, call.text()))
            .collect();
        let reply = self
            .reply()
            .map(|reply| format!("{} {:?} {}", reply.status, reply.headers, reply.text()));
        panic!(
            "{what}: the stream is {:?}\ncalls outstanding: {calls:?}\nreply: {reply:?}\nlog:\n{}",
            self.outcome(),
            self.vm.borrow().state().log_text()
        )
    }
}
