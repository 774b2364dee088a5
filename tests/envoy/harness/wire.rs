//! A server that writes given bytes at given times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::capture::Recorded;

/// What the server does, in this order. Then it closes the connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Write(String),
    /// Writes each byte separately.
    Bytewise(String),
    Wait(Duration),
    /// Waits for a permit.
    Until(Arc<Semaphore>),
    /// Sends nothing more, and waits until the other side closes the connection.
    Hang,
    /// Ends the connection with a reset, as if the server's machine had failed.
    Reset,
}

/// Starts a server that does for each request what `script` returns. Each request has its own
/// connection.
pub(crate) async fn serve(
    script: impl Fn(&Recorded) -> Vec<Act> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let script = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            tokio::spawn(async move { answer(stream, &*script).await });
        }
    });
    address
}

/// The head of a response whose body ends with the connection. It also has headers that a server
/// sends to its own clients: a cookie and a challenge.
pub(crate) fn head(status: &str, content_type: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nset-cookie: a=secret\r\nwww-authenticate: Basic realm=\"secret\"\r\nconnection: close\r\n\r\n"
    )
}

/// A whole response with a JSON body.
pub(crate) fn json(body: &str) -> Vec<Act> {
    vec![Act::Write(head("200 OK", "application/json") + body)]
}

async fn answer(mut stream: TcpStream, script: &(impl Fn(&Recorded) -> Vec<Act> + Sync)) {
    let _ = stream.set_nodelay(true);
    let Some(request) = read(&mut stream).await else {
        return;
    };
    for act in script(&request) {
        let done = match act {
            Act::Write(text) => stream.write_all(text.as_bytes()).await,
            Act::Bytewise(text) => bytewise(&mut stream, text.as_bytes()).await,
            Act::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Act::Until(permits) => {
                permits.acquire().await.expect("permits").forget();
                Ok(())
            }
            Act::Hang => {
                while stream.read_buf(&mut Vec::new()).await.unwrap_or(0) > 0 {}
                Ok(())
            }
            Act::Reset => stream.set_zero_linger(),
        };
        if done.is_err() {
            return;
        }
    }
}

async fn bytewise(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        // Long enough that the other side mostly receives each byte separately.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Reads a whole request, which must have a `Content-Length`.
async fn read(stream: &mut TcpStream) -> Option<Recorded> {
    let mut bytes = Vec::new();
    let head = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break String::from_utf8_lossy(&bytes.drain(..end + 4).collect::<Vec<_>>())
                .into_owned();
        }
    };
    let mut lines = head.lines();
    let mut start = lines.next()?.split(' ');
    let (method, target) = (start.next()?.to_owned(), start.next()?.to_owned());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let length = headers.get("content-length").expect("a length of the body");
    let length: usize = length.to_str().ok()?.parse().ok()?;
    while bytes.len() < length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(Recorded {
        method,
        target,
        headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    })
}
