//! The requests of all clients, and how many of them were lost.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::honest::Honest;
use super::hostile;
use super::random::Random;
use crate::Result;

/// One act of this many is hostile.
const HOSTILE: usize = 6;
/// How many lost requests are shown.
const EXAMPLES: usize = 5;

/// What was sent so far, and what came of it.
#[derive(Default)]
pub(super) struct Traffic {
    sent: AtomicUsize,
    honest: AtomicUsize,
    lost: AtomicUsize,
    examples: Mutex<Vec<String>>,
}

impl Traffic {
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn honest(&self) -> usize {
        self.honest.load(Ordering::Relaxed)
    }

    /// How many requests of honest clients have failed.
    pub(super) fn all_lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// The first lost requests.
    pub(super) fn examples(&self) -> Vec<String> {
        let examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        examples.clone()
    }

    pub(super) fn sent_honest(&self) {
        self.honest.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, why: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        if examples.len() < EXAMPLES {
            examples.push(why.to_owned());
        }
    }
}

/// One connection after the other, and what it sends next.
pub(super) struct Sender {
    address: SocketAddr,
    honest: Honest,
    random: Random,
}

impl Sender {
    pub(super) fn new(address: SocketAddr, number: u64) -> Self {
        Self {
            address,
            honest: Honest::new(address),
            random: Random(number),
        }
    }

    async fn send(mut self, traffic: Arc<Traffic>, until: usize) -> Self {
        while traffic.sent() < until {
            if self.random.below(HOSTILE) > 0 {
                self.honest.act(&mut self.random, &traffic).await;
                continue;
            }
            traffic.sent.fetch_add(1, Ordering::Relaxed);
            // If Envoy accepts no connection, honest clients notice it, too.
            let _ = hostile::act(self.address, &mut self.random).await;
        }
        self
    }
}

/// Sends until this many requests have been sent since the start.
pub(super) async fn send(
    senders: Vec<Sender>,
    traffic: &Arc<Traffic>,
    until: usize,
) -> Result<Vec<Sender>> {
    let mut tasks = JoinSet::new();
    for sender in senders {
        tasks.spawn(sender.send(Arc::clone(traffic), until));
    }
    let mut senders = Vec::new();
    while let Some(sender) = tasks.join_next().await {
        senders.push(sender?);
    }
    Ok(senders)
}
