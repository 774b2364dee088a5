//! A server behind Envoy. It reads the body, and answers with the result of a function.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Result;
use crate::mcp::SESSION;

/// As long as the session ids of most servers.
const SESSION_ID: &str = "0b7c2a9e-5f0d-4c0e-9b7a-1d2e3f4a5b6c";

/// The function that gives the answer to a body.
pub(crate) type Answers = Arc<dyn Fn(&[u8]) -> Said + Send + Sync>;

/// An answer.
#[derive(Clone)]
pub(crate) enum Said {
    /// A message.
    Message(Bytes),
    /// A message that begins a session.
    Begun(Bytes),
    /// A stream of events that ends after these.
    Events(Bytes),
    /// The answer to a notification, which has no message.
    Taken,
}

/// A function that always gives the same answer.
pub(crate) fn fixed(answer: impl Into<Bytes>) -> Answers {
    let answer = answer.into();
    Arc::new(move |_| Said::Message(answer.clone()))
}

/// A running server; dropping it ends it.
pub(crate) struct Upstream {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts a server. Each answer is delayed by `delay`.
    pub(crate) async fn start(answers: Answers, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            address,
            task: tokio::spawn(accept(listener, answers, delay)),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, answers: Answers, delay: Duration) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // For example, there are too many open files. Some are closed soon.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without this, a small answer may wait for an acknowledgement.
        if stream.set_nodelay(true).is_ok() {
            let answers = Arc::clone(&answers);
            let service = service_fn(move |request| answer(request, Arc::clone(&answers), delay));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // The error of a broken connection appears as an error of the request.
            tokio::spawn(connection);
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: Answers,
    delay: Duration,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    // This server has no streams of its own, and keeps no sessions that end.
    if request.method() != Method::POST {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return Ok(response);
    }
    let body = request.into_body().collect().await?.to_bytes();
    // The clock of the runtime counts only whole milliseconds.
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let said = answers(&body);
    let begins = matches!(said, Said::Begun(_));
    let content_type = match said {
        Said::Events(_) => "text/event-stream",
        Said::Message(_) | Said::Begun(_) | Said::Taken => "application/json",
    };
    let (Said::Message(body) | Said::Begun(body) | Said::Events(body)) = said else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::ACCEPTED;
        return Ok(response);
    };
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if begins {
        headers.insert(SESSION, HeaderValue::from_static(SESSION_ID));
    }
    Ok(response)
}
