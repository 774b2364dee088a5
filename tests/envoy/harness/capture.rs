//! A server that records each request, and answers as the test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{self, Body};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::{Router, http};
use serde_json::Value;
use tokio::net::TcpListener;

/// A request as it reached the server.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Recorded {
    /// The value of a header, which must not be repeated.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "several of {name}: {self:?}");
        Some(value.to_str().expect("visible ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A response to this request with this `result`, which is JSON text.
    pub(crate) fn result(&self, result: &str) -> Response {
        let id = &self.json()["id"];
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        ([("content-type", "application/json")], body).into_response()
    }
}

/// A running server. It runs as long as the test.
pub(crate) struct Capture {
    pub(crate) address: SocketAddr,
    recorded: Arc<Mutex<Vec<Recorded>>>,
}

impl Capture {
    pub(crate) async fn start(
        answer: impl Fn(&Recorded) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let records = Arc::clone(&recorded);
        let router = Router::new().fallback(move |request: Request<Body>| async move {
            let request = record(request).await;
            let response = answer(&request);
            lock(&records).push(request);
            response
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, recorded }
    }

    /// The requests that have reached the server since the last call of this function.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *lock(&self.recorded))
    }

    /// The one request that has reached the server. Requests of `server/discover` do not count.
    pub(crate) fn take_one(&self) -> Recorded {
        let mut all = self.take();
        if all.len() > 1 {
            all.retain(|request| request.header("mcp-method") != Some("server/discover"));
        }
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

pub(super) async fn record(request: Request<Body>) -> Recorded {
    let (head, body) = request.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.expect("a body");
    Recorded {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
