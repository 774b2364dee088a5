//! An HTTP client that sends what a test tells it to send. It adds only `host`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long a test waits for an answer. A gateway that hangs must fail the test, and must not block
/// it.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// A request that a test can send.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    chunk: Option<usize>,
    pause: Option<Duration>,
    allowed: Option<watch::Receiver<usize>>,
    trailers: Option<HeaderMap>,
}

impl Request {
    /// A request without headers. The connection adds `host`.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            chunk: None,
            pause: None,
            allowed: None,
            trailers: None,
        }
    }

    /// A message as MCP clients send it.
    pub(crate) fn post(body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", "/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body)
    }

    /// Sets the path, and the query if `target` has one.
    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Adds a header. Other headers with this name stay.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("the value of a header");
        self.headers.push((name, value));
        self
    }

    /// Sets a header, and removes all others with this name.
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other.as_str() != name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self
    }

    pub(crate) fn sent_body(&self) -> &[u8] {
        &self.body
    }

    /// Sends the body in chunks of this size, without `Content-Length`.
    pub(crate) fn chunked(mut self, size: usize) -> Self {
        self.chunk = Some(size);
        self
    }

    /// Waits this long before each chunk of the body and before its end.
    pub(crate) fn paused(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Sends as many chunks of the body as `allowed` says, and waits until it says more. The end of
    /// the body counts as a chunk.
    pub(crate) fn allowed(mut self, allowed: watch::Receiver<usize>) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// Adds a trailer, for HTTP/2.
    pub(crate) fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let trailers = self.trailers.get_or_insert_default();
        trailers.append(name, HeaderValue::from_static(value));
        self
    }

    /// Sends the request on its own connection. Returns the whole answer.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        Connection::open(to)
            .await
            .send(self)
            .await
            .expect("an answer")
    }

    /// Sends the request in HTTP/2, without an upgrade from HTTP/1.
    pub(crate) async fn send_http2(&self, to: SocketAddr) -> Answer {
        let talk = async {
            let stream = TcpStream::connect(to).await.expect("a connection");
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .expect("a handshake");
            tokio::spawn(connection);
            let target = format!("http://{to}{}", self.target);
            let answer = sender.send_request(self.message(&target)).await;
            Answer::read(answer.expect("an answer"))
                .await
                .expect("its body")
        };
        timeout(ANSWERED_WITHIN, talk)
            .await
            .expect("an answer in time")
    }

    /// The body with its pieces, pauses and trailers. A test's server uses it as its answer.
    pub(crate) fn pieces(&self) -> Pieces {
        Pieces::new(self)
    }

    fn message(&self, target: &str) -> hyper::Request<Pieces> {
        let mut message = hyper::Request::new(Pieces::new(self));
        *message.method_mut() = self.method.parse().expect("a method");
        *message.uri_mut() = target.parse().expect("a target");
        for (name, value) in &self.headers {
            message.headers_mut().append(name, value.clone());
        }
        message
    }
}

/// An HTTP/1.1 connection, for one request after the other.
pub(crate) struct Connection {
    sender: http1::SendRequest<Pieces>,
    host: HeaderValue,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.expect("a connection");
        stream.set_nodelay(true).expect("an option of TCP");
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        let host = HeaderValue::from_str(&to.to_string()).expect("a host");
        Self { sender, host }
    }

    /// Whether the connection is open, as far as the client knows.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request. Returns the whole answer.
    pub(crate) async fn send(&mut self, request: &Request) -> hyper::Result<Answer> {
        let talk = async { Answer::read(self.begin(request).await?).await };
        timeout(ANSWERED_WITHIN, talk)
            .await
            .unwrap_or_else(|_| panic!("no answer in time to {request:?}"))
    }

    /// Sends a request. Returns the answer as soon as its headers are there.
    pub(crate) async fn begin(
        &mut self,
        request: &Request,
    ) -> hyper::Result<hyper::Response<Incoming>> {
        let mut message = request.message(&request.target);
        if !message.headers().contains_key("host") {
            message.headers_mut().insert("host", self.host.clone());
        }
        self.sender.ready().await?;
        self.sender.send_request(message).await
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    async fn read(answer: hyper::Response<Incoming>) -> hyper::Result<Self> {
        let (head, body) = answer.into_parts();
        Ok(Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// The value of a header, which must not be repeated.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "several of {name}: {self:?}");
        Some(value.to_str().expect("visible ASCII"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The JSON of the body. If the body is events, the data of the last event that has data.
    pub(crate) fn json_text(&self) -> &str {
        match self.header("content-type") {
            Some("text/event-stream") => {
                let data = self.text().lines().rev();
                let mut data = data.filter_map(|line| line.strip_prefix("data: "));
                data.find(|data| !data.is_empty()).expect("an event")
            }
            Some("application/json") => self.text(),
            other => panic!("{other:?} is not JSON: {self:?}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.json_text()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A body: one piece of known length, or chunks without a length.
pub(crate) struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    size: Option<u64>,
    trailers: Option<HeaderMap>,
    pause: Option<Duration>,
    allowed: Option<watch::Receiver<usize>>,
    /// How many pieces have been sent.
    sent: usize,
    until: Option<Wait>,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl Pieces {
    fn new(request: &Request) -> Self {
        let (body, chunk) = (&request.body, request.chunk);
        let pieces = body.chunks(chunk.unwrap_or(body.len()).max(1));
        let pieces: Vec<Bytes> = pieces.map(Bytes::copy_from_slice).collect();
        let mut new = Self {
            pieces: pieces.into_iter(),
            size: chunk.is_none().then_some(body.len() as u64),
            trailers: request.trailers.clone(),
            pause: request.pause,
            allowed: request.allowed.clone(),
            sent: 0,
            until: None,
        };
        new.until = new.wait();
        new
    }

    /// The wait before the next piece.
    fn wait(&self) -> Option<Wait> {
        if let Some(pause) = self.pause {
            return Some(Box::pin(sleep(pause)));
        }
        let (mut allowed, sent) = (self.allowed.clone()?, self.sent);
        Some(Box::pin(async move {
            let more = allowed.wait_for(|allowed| *allowed > sent).await;
            drop(more.expect("the test still runs"));
        }))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(until) = &mut self.until {
            ready!(until.as_mut().poll(context));
        }
        self.sent += 1;
        self.until = self.wait();
        let piece = self.pieces.next().map(Frame::data);
        let frame = piece.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.size == Some(0) && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
