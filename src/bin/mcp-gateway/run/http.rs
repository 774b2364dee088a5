//! A blocking HTTP client for one request on a Unix socket. `run` uses it to ask Envoy.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

/// A response, with the part of its body that arrived in time.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct HttpResponse {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

/// Sends `request` to the server that listens on `socket`, and waits for the end of the response,
/// at most for `time_limit`. If the body has not ended by then, as that of an event stream, the
/// response has the part that arrived.
///
/// # Errors
/// No server listens, the response's headers do not arrive in time, or they are not HTTP.
pub(super) fn send(
    socket: &Path,
    request: Request<String>,
    time_limit: Duration,
) -> io::Result<HttpResponse> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(exchange(socket, request, time_limit))
}

async fn exchange(
    socket: &Path,
    request: Request<String>,
    time_limit: Duration,
) -> io::Result<HttpResponse> {
    let deadline = Instant::now() + time_limit;
    let response = timeout_at(deadline, async {
        let stream = TokioIo::new(UnixStream::connect(socket).await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
        // The runtime, and the connection with it, end after the exchange.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(io::Error::other)
    })
    .await??;
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        bytes.extend(frame.data_ref().into_iter().flatten());
    }
    Ok(HttpResponse {
        status: head.status,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::thread;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nA: b\r\n";

    /// The result of [`send`] if the server writes `text`, and then closes the connection
    /// (`closes`) or keeps it open.
    fn response(text: String, closes: bool) -> io::Result<HttpResponse> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("server.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let size = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            if !closes {
                // Ends when the client closes the connection.
                let _ = stream.read(&mut request[size..]);
            }
            String::from_utf8_lossy(&request[..size]).into_owned()
        });
        let request = Request::post("/path?query")
            .header("host", "example.com")
            .body("content".to_owned())
            .unwrap();
        let time_limit = Duration::from_secs(if closes { 60 } else { 1 });
        let response = send(&socket, request, time_limit);
        let request = server.join().unwrap();
        assert!(
            request.starts_with("POST /path?query HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("content-length: 7\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\ncontent"), "{request}");
        response
    }

    #[test]
    fn a_body_is_read_to_its_end() {
        for (rest, body) in [
            ("content-length: 5\r\n\r\nhello, and more", "hello"),
            ("connection: close\r\n\r\nhello", "hello"),
            (
                "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                "abcde",
            ),
        ] {
            let response = response(format!("{HEAD}{rest}"), true).unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(response.body, body);
        }
    }

    #[test]
    fn a_body_that_does_not_end_has_what_came_in_time() {
        for (rest, closes) in [
            ("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", false),
            ("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", true),
            (
                "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense",
                true,
            ),
            ("content-length: 9\r\n\r\nabc", false),
            ("\r\nabc", false),
        ] {
            let response = response(format!("{HEAD}{rest}"), closes).unwrap();
            assert_eq!(response.body, "abc", "{rest:?}");
        }
    }

    #[test]
    fn without_the_headers_of_a_response_there_is_an_error() {
        for (text, closes) in [
            ("", true),
            ("", false),
            ("HTTP/1.1 200", true),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", false),
            ("nonsense\r\n\r\n", true),
        ] {
            let response = response(text.to_owned(), closes);
            assert!(response.is_err(), "{text:?}: {response:?}");
        }
        let request = Request::get("/").body(String::new()).unwrap();
        let nobody = Path::new("/nobody/listens.sock");
        assert!(send(nobody, request, Duration::from_secs(1)).is_err());
    }
}
