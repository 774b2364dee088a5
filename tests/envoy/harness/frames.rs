//! A client that writes HTTP/2 frames itself, to send paths that no client library sends (RFC 9113
//! section 4.1, RFC 7541 section 6.2.2).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::ANSWERED_WITHIN;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Posts JSON to a path, which may contain any bytes. Returns the body of the answer.
pub(crate) async fn post(to: SocketAddr, path: &[u8], body: &str) -> String {
    let mut fields = Vec::new();
    for (name, value) in [
        (":method", b"POST".as_slice()),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", path),
        ("content-type", b"application/json"),
        ("accept", b"application/json, text/event-stream"),
    ] {
        // A literal field with a literal name, which is not put into the dynamic table.
        fields.push(0);
        for text in [name.as_bytes(), value] {
            fields.push(u8::try_from(text.len()).expect("a short text"));
            fields.extend_from_slice(text);
        }
    }
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &fields),
        frame(DATA, END_STREAM, 1, body.as_bytes()),
    ];
    let talk = async {
        let mut stream = TcpStream::connect(to).await.expect("a connection");
        let request = request.concat();
        stream
            .write_all(&request)
            .await
            .expect("somebody who reads");
        answer(&mut stream).await
    };
    timeout(ANSWERED_WITHIN, talk)
        .await
        .expect("an answer in time")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame");
    let mut frame = size.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Reads all data up to the end of the stream.
async fn answer(stream: &mut TcpStream) -> String {
    let mut data = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; size as usize];
        stream.read_exact(&mut payload).await.expect("its payload");
        let (kind, flags) = (head[3], head[4]);
        if kind == DATA {
            data.extend(payload);
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return String::from_utf8_lossy(&data).into_owned();
        }
    }
}
