//! A gateway with its clients.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::time::sleep;

use super::answer;
use super::running::Running;
use super::variants::Variant;
use crate::Result;
use crate::client::{Client, Message};
use crate::gateway::cases::{Ask, Era};
use crate::gateway::servers;
use crate::load::Load;
use crate::mcp::{SESSION, requests};
use crate::rounds::{SETTLE, Total};

/// Long enough for a program that downloads nothing.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// If another gateway does not speak the modern era, all its answers are errors.
const MODERN_WITHIN: Duration = Duration::from_secs(15);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// How long the largest share of a turn takes, so that a slow gateway does not take all the time.
const LONGEST_TURN: Duration = Duration::from_secs(2);

pub(crate) struct Contender {
    pub(crate) variant: Variant,
    running: Running,
    load: Load,
    list: Message,
    call: Message,
    /// The time from the start of the first process until the first list.
    pub(crate) started_in: Duration,
    /// The most requests in one turn, for lists and for calls.
    most: (usize, usize),
}

impl Contender {
    /// Waits for the first list, and begins a session if the era has sessions.
    pub(crate) async fn meet(
        variant: Variant,
        mut running: Running,
        era: Era,
        tools: usize,
        connections: usize,
    ) -> Result<Self> {
        let patience = match era {
            Era::Modern if variant.is_peer() => MODERN_WITHIN,
            Era::Modern | Era::Legacy => READY_WITHIN,
        };
        let start = Instant::now();
        let (list, session) = loop {
            running.check()?;
            match first_list(&running, era, tools).await {
                Ok(list) => break list,
                Err(error) if start.elapsed() > patience => {
                    let error = running.failure(&format!("gave no list: {error}"));
                    running.stop().await?;
                    return Err(error);
                }
                Err(_) => sleep(POLL_EVERY).await,
            }
        };
        let started_in = running.age();
        let text = String::from_utf8_lossy(&list);
        let (server, tool) = servers::called();
        let shown = match variant {
            // There is no gateway that gives the tools other names.
            Variant::Plain => Some(tool.as_str()),
            _ => answer::shown_name(&text, &server, &tool),
        };
        let Some(shown) = shown else {
            return Err(running.failure(&format!("shows no {tool} of {server}")));
        };
        let within = |message: Message| match &session {
            Some(session) => message.header(SESSION, session),
            None => Ok(message),
        };
        let list = within(servers::ask(Ask::List, era, shown)?)?;
        let call = within(servers::ask(Ask::Call, era, shown)?)?;
        let called = post(&running, call.clone()).await?;
        if let Err(error) = servers::check_answer(Ask::Call, tools, &called) {
            return Err(running.failure(&error.to_string()));
        }
        let load = Load::connect(running.address(), connections).await?;
        Ok(Self {
            variant,
            running,
            load,
            list,
            call,
            started_in,
            most: (usize::MAX, usize::MAX),
        })
    }

    /// Sends both messages for this long, and finds out how many requests fit into a turn.
    pub(crate) async fn warm_up(&mut self, time: Duration) -> Result<()> {
        self.most = (
            self.fit(Ask::List, time).await?,
            self.fit(Ask::Call, time).await?,
        );
        Ok(())
    }

    async fn fit(&mut self, ask: Ask, time: Duration) -> Result<usize> {
        const AT_ONCE: usize = 20;
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < time {
            self.send(ask, AT_ONCE).await?;
            sent += AT_ONCE;
        }
        let each = start.elapsed().as_secs_f64() / sent as f64;
        let most = (LONGEST_TURN.as_secs_f64() / each) as usize;
        Ok(most.max(self.load.connections()))
    }

    /// One turn: the CPU time of all processes for one request, and the latencies.
    pub(crate) async fn turn(&mut self, ask: Ask, requests: usize) -> Result<Total> {
        let most = match ask {
            Ask::List => self.most.0,
            Ask::Call => self.most.1,
        };
        let before = self.running.cpu()?;
        let latencies = self.send(ask, requests.min(most)).await?;
        sleep(SETTLE).await;
        Ok((self.running.cpu()?.saturating_sub(before), latencies))
    }

    async fn send(&mut self, ask: Ask, requests: usize) -> Result<Histogram<u64>> {
        let message = match ask {
            Ask::List => &self.list,
            Ask::Call => &self.call,
        };
        let sent = self.load.send(message, requests).await;
        sent.map_err(|error| self.running.failure(&error.to_string()))
    }

    pub(crate) fn memory(&self) -> Result<u64> {
        self.running.memory()
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.running.stop().await
    }
}

/// The first list, and the session in which it was asked for.
async fn first_list(running: &Running, era: Era, tools: usize) -> Result<(Bytes, Option<String>)> {
    let session = match era {
        Era::Legacy => Some(begin(running).await?),
        Era::Modern => None,
    };
    let mut message = servers::ask(Ask::List, era, "")?;
    if let Some(session) = &session {
        message = message.header(SESSION, session)?;
    }
    let list = post(running, message).await?;
    let text = String::from_utf8_lossy(&list);
    let shown = answer::tools(&text);
    // A gateway may add tools of its own.
    if shown < tools {
        let start: String = text.chars().take(400).collect();
        return Err(format!("showed {shown} tools instead of {tools}: {start}").into());
    }
    Ok((list, session))
}

async fn begin(running: &Running) -> Result<String> {
    let mut client = Client::connect(running.address()).await?;
    requests::begin(&mut client).await
}

async fn post(running: &Running, message: Message) -> Result<Bytes> {
    let mut client = Client::connect(running.address()).await?;
    let (status, body) = client.post(message).await?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let text = String::from_utf8_lossy(&body);
    Err(format!("answered {status} instead of 200: {text}").into())
}
