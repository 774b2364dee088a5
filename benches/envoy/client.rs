//! One keep-alive HTTP/1.1 connection.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Result;
use crate::mcp::SESSION;

/// Much longer than any request here takes. If a proxy hangs, the run ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// A JSON-RPC message as an MCP client posts it.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) body: Bytes,
    headers: HeaderMap,
    path: String,
}

/// Where messages are posted, and sessions end.
const PATH: &str = "/mcp";

impl Message {
    pub(crate) fn new(body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accept);
        Self {
            body: body.into(),
            headers,
            path: PATH.to_owned(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self> {
        self.headers.insert(name, value.parse()?);
        Ok(self)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The same message to another endpoint.
    pub(crate) fn at(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    /// The same headers with another body.
    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The code that waits for a response gets the error of the connection.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            authority: address.to_string(),
        })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(HOST, &self.authority)
            .body(Full::default())?;
        let (head, body) = self.send(request).await?;
        Ok((head.status, body))
    }

    /// Posts the message.
    pub(crate) async fn post(&mut self, message: Message) -> Result<(StatusCode, Bytes)> {
        let (head, body) = self.answer(message).await?;
        Ok((head.status, body))
    }

    /// The same, and also gives the head of the answer.
    pub(crate) async fn answer(&mut self, message: Message) -> Result<(Parts, Bytes)> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(message.path)
            .header(HOST, &self.authority)
            .body(Full::new(message.body))?;
        request.headers_mut().extend(message.headers);
        self.send(request).await
    }

    /// Ends this session.
    pub(crate) async fn delete(&mut self, session: &str) -> Result<StatusCode> {
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(PATH)
            .header(HOST, &self.authority)
            .header(SESSION, session)
            .body(Full::default())?;
        let (head, _) = self.send(request).await?;
        Ok(head.status)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes)> {
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>((head, body))
        };
        match timeout(PATIENCE, exchange).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                let waited = PATIENCE.as_secs();
                Err(format!("{} did not answer within {waited} s", self.authority).into())
            }
        }
    }
}
