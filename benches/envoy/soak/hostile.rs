//! Clients that mean no good, or go away. Whatever they get for an answer is right, as long as Envoy
//! and the honest clients go on.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::faulty;
use super::random::Random;
use super::requests::{call, legacy, legacy_call};
use super::servers::Server;
use crate::Result;
use crate::client::Message;
use crate::mcp::requests::{initialize, modern};

/// More than `maxRequestBodySize` allows.
const TOO_LONG: usize = 3_000_000;
/// The longest that such a client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a client stays that leaves before it has its answer.
const HASTE: Duration = Duration::from_millis(2);

/// Sends one request on a connection of its own.
pub(super) async fn act(address: SocketAddr, random: &mut Random) -> Result<()> {
    let tool = random.of(&Server::ALL).tool();
    let (message, wait) = match random.below(16) {
        0..6 => (mutated(&good(random)?, random), PATIENCE),
        // The server of this call answers wrongly, or not at all.
        6 | 7 => (call(faulty::TOOL, "x")?, PATIENCE),
        8..11 => (good(random)?, HASTE),
        11 => (call(tool, &"z".repeat(TOO_LONG))?, PATIENCE),
        12 => return unfinished(address, &call(tool, &"z".repeat(200_000))?).await,
        13 => (legacy_call("forged", tool)?, PATIENCE),
        14 => (Message::new("[".repeat(100_000)), PATIENCE),
        _ => (call("nobody__knows", "x")?, PATIENCE),
    };
    let mut stream = TcpStream::connect(address).await?;
    let exchange = async {
        // Envoy may close the connection before it has read all.
        if write(&mut stream, &message, message.body.len())
            .await
            .is_ok()
        {
            // The first part of the answer. Envoy may leave the connection open behind the last one.
            let _ = stream.read(&mut [0; 16_384]).await;
        }
    };
    // A client that has waited long enough leaves.
    let _ = timeout(wait, exchange).await;
    Ok(())
}

/// Leaves in the middle of its request.
async fn unfinished(address: SocketAddr, message: &Message) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let _ = write(&mut stream, message, message.body.len() / 2).await;
    tokio::time::sleep(HASTE).await;
    Ok(())
}

async fn write(stream: &mut TcpStream, message: &Message, bytes: usize) -> Result<()> {
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n",
        message.body.len()
    );
    for (name, value) in message.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(stream.write_all(&message.body[..bytes]).await?)
}

fn good(random: &mut Random) -> Result<Message> {
    match random.below(5) {
        0 => modern("tools/list", ""),
        1 => modern("server/discover", ""),
        2 => Ok(initialize()),
        3 => legacy("unknown", "tools/list", ""),
        _ => call(random.of(&Server::ALL).tool(), "Zurich"),
    }
}

/// Changes the body at some places.
fn mutated(message: &Message, random: &mut Random) -> Message {
    let mut body = message.body.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(body.len().max(1));
        match random.below(4) {
            0 => body.truncate(at),
            1 => {
                let piece = random.of(&["\"", "{", "}", "[", ",", ":", "\\ud800", "\0", "\u{e9}"]);
                body.splice(at..at, piece.bytes());
            }
            2 => body
                .splice(at..at, random.next().to_le_bytes())
                .for_each(drop),
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte = random.next().to_le_bytes()[0];
                }
            }
        }
    }
    message.clone().with_body(body)
}
