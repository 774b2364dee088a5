//! A server that does everything wrong: it hangs up, hangs, answers nonsense, too much or too late.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::random::Random;
use crate::Result;
use crate::mcp::answers;

pub(super) const NAME: &str = "faulty";
pub(super) const TOOL: &str = "faulty__weather";

/// The longest part of a request that the server reads.
const MOST_READ: usize = 65_536;
const LATE: Duration = Duration::from_millis(100);

/// The running server; dropping it ends it.
pub(super) struct Faulty {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Faulty {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            for number in 0_u64.. {
                match listener.accept().await {
                    // A broken connection is what this server is for.
                    Ok((stream, _)) => drop(tokio::spawn(misbehave(stream, number))),
                    Err(_) => sleep(LATE).await,
                }
            }
        });
        Ok(Self { address, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection: reads the beginning of a request, answers, and closes.
async fn misbehave(mut stream: TcpStream, number: u64) -> std::io::Result<()> {
    let mut random = Random(number);
    if random.below(8) == 0 {
        return Ok(());
    }
    let mut request = vec![0; MOST_READ];
    let length = stream.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let id = request.split_once(r#""id":"#).map(|(_, rest)| rest);
    let id = id.and_then(|rest| rest.split([',', '}']).next());
    let id = id.unwrap_or("null");
    let answer = match random.below(10) {
        0 => return stream.set_zero_linger(),
        1 => {
            // Until the gateway or the client has waited long enough.
            while stream.read(&mut [0; 1024]).await? > 0 {}
            return Ok(());
        }
        2 => "SSH-2.0-x\r\n".to_owned(),
        3 => head("500 Internal Server Error", "text/html") + "<h1>It broke.</h1>",
        4 => head("200 OK", "application/json") + r#"{"jsonrpc":"2.0","id":"#,
        5 => head("200 OK", "text/event-stream") + "data: 17\n\nevent: ping\ndata: [DONE]\n\n",
        6 => result(id, &discovered(&"x".repeat(500_000))),
        7 => {
            let tool = format!(r#"{{"name":"t{number}"}},7,{{"name":8}}"#);
            result(
                id,
                &format!(r#"{{"tools":[{tool}],"nextCursor":"{number}"}}"#),
            )
        }
        8 => {
            sleep(LATE).await;
            result(id, &discovered(""))
        }
        _ => result(id, &discovered("")),
    };
    stream.write_all(answer.as_bytes()).await
}

/// The head of an answer that ends with its connection.
fn head(status: &str, content_type: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n")
}

fn result(id: &str, result: &str) -> String {
    head("200 OK", "application/json") + &answers::response(id, result)
}

fn discovered(instructions: &str) -> String {
    answers::discovered(&format!(
        r#""instructions":"{instructions}","ttlMs":0,"cacheScope":"private""#
    ))
}
