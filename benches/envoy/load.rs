//! A closed loop: each connection sends its next request after it has got the response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hdrhistogram::Histogram;
use hyper::StatusCode;
use tokio::task::JoinSet;

use crate::Result;
use crate::client::{Client, Message};

/// Latencies are kept in microseconds, up to a minute, to three digits.
const LONGEST_MICROS: u64 = 60_000_000;
const DIGITS: u8 = 3;

const BODY_BYTES_SHOWN: usize = 400;

/// The connections to one proxy. They stay open for the whole run.
pub(crate) struct Load {
    clients: Vec<Client>,
}

impl Load {
    pub(crate) async fn connect(address: SocketAddr, connections: usize) -> Result<Self> {
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(Client::connect(address).await?);
        }
        Ok(Self { clients })
    }

    pub(crate) fn connections(&self) -> usize {
        self.clients.len()
    }

    /// Sends the message this many times. Any status but 200 is an error.
    pub(crate) async fn send(
        &mut self,
        message: &Message,
        requests: usize,
    ) -> Result<Histogram<u64>> {
        // The connections share this count, so that no connection is idle while another one still
        // has requests to send.
        let left = Arc::new(AtomicUsize::new(requests));
        let mut tasks = JoinSet::new();
        for client in self.clients.drain(..) {
            tasks.spawn(one_by_one(client, message.clone(), Arc::clone(&left)));
        }
        let mut recorded = latencies()?;
        while let Some(done) = tasks.join_next().await {
            let (client, its_latencies) = done??;
            self.clients.push(client);
            recorded.add(its_latencies)?;
        }
        Ok(recorded)
    }
}

async fn one_by_one(
    mut client: Client,
    message: Message,
    left: Arc<AtomicUsize>,
) -> Result<(Client, Histogram<u64>)> {
    let mut recorded = latencies()?;
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        let start = Instant::now();
        let (status, body) = client.post(message.clone()).await?;
        let micros = u64::try_from(start.elapsed().as_micros())?;
        if status != StatusCode::OK {
            let shown = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_SHOWN)]);
            return Err(format!("answered {status} instead of 200: {shown}").into());
        }
        recorded.record(micros)?;
    }
    Ok((client, recorded))
}

/// An empty histogram of latencies, in microseconds.
pub(crate) fn latencies() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)?)
}
