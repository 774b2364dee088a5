//! A server that answers in HTTP/1.1 or HTTP/2, in pieces and with trailers.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use super::capture::{self, Recorded};
use super::http::Pieces;

/// Starts a server that answers each request with what `answer` returns.
pub(crate) async fn serve(
    http2: bool,
    answer: impl Fn(&Recorded) -> hyper::Response<Pieces> + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, http2, answer.clone()));
        }
    });
    address
}

async fn connection(
    stream: TcpStream,
    http2: bool,
    answer: impl Fn(&Recorded) -> hyper::Response<Pieces> + Clone + Send + Sync + 'static,
) {
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(stream);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let request = capture::record(request.map(Body::new)).await;
            Ok::<_, Infallible>(answer(&request))
        }
    });
    // The other side may close the connection at any time, so an error here is no failure of the
    // test.
    if http2 {
        let server = http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(stream, service).await;
    } else {
        let _ = http1::Builder::new()
            .serve_connection(stream, service)
            .await;
    }
}
