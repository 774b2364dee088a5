//! The HTTP context of one request, as the SDK owns it. It shares the request
//! with [`Plugin`], which finds it when a response to a callout arrives.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::clock;
use super::http_stream::HttpStream;
use super::plugin::Plugin;
use crate::stream::Flow;

/// A handle on the request.
pub(super) struct StreamHandle {
    id: u32,
    plugin: Rc<Plugin>,
    stream: Rc<RefCell<HttpStream>>,
}

impl StreamHandle {
    pub(super) fn new(id: u32, plugin: &Rc<Plugin>) -> Self {
        let stream = Rc::new(RefCell::new(HttpStream::new(id, Rc::clone(plugin))));
        if plugin.config.gateway.is_some() {
            plugin.add_stream(id, &stream);
        }
        Self {
            id,
            plugin: Rc::clone(plugin),
            stream,
        }
    }

    /// Runs `callback`, and pauses the stream if it is in use: that would be a
    /// callback inside another one of the same stream.
    fn run(&self, callback: impl FnOnce(&mut HttpStream) -> Flow) -> Action {
        clock::begin_callback();
        match self.stream.try_borrow_mut() {
            Ok(mut stream) => action(callback(&mut stream)),
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

impl Context for StreamHandle {
    fn on_done(&mut self) -> bool {
        self.run(|stream| {
            stream.done();
            Flow::Continue
        });
        true
    }
}

impl HttpContext for StreamHandle {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        let mut waits_for_body = false;
        let action = self.run(|stream| {
            let flow = stream.request_headers(end);
            waits_for_body = stream.waits_for_body();
            flow
        });
        if waits_for_body {
            self.plugin.wait_for_body(self.id, &self.stream);
        }
        action
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.run(|stream| stream.request_body(size, end))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.run(HttpStream::request_trailers)
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        self.run(|stream| stream.response_headers(end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.run(|stream| stream.response_body(size, end))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.run(HttpStream::response_trailers)
    }
}
