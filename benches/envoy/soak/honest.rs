//! A client whose requests must all succeed.

use std::net::SocketAddr;

use hyper::StatusCode;
use hyper::body::Bytes;

use super::random::Random;
use super::requests::{call, legacy, legacy_call};
use super::servers::Server;
use super::traffic::Traffic;
use crate::Result;
use crate::client::{Client, Message};
use crate::mcp::SESSION;
use crate::mcp::answers::SAID;
use crate::mcp::requests::{initialize, initialized, modern};

/// The connection of an honest client, and the session that it keeps for the whole soak.
pub(super) struct Honest {
    address: SocketAddr,
    connection: Option<Client>,
    session: Option<String>,
}

/// The text that an answer must contain.
enum Wanted {
    /// The tools of all honest servers.
    Tools,
    Text(&'static str),
}

impl Honest {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
            session: None,
        }
    }

    /// One request, or a whole session. Requests that fail are counted as lost.
    pub(super) async fn act(&mut self, random: &mut Random, traffic: &Traffic) {
        if let Err(error) = self.try_act(random, traffic).await {
            traffic.lost(&error.to_string());
            // The next request begins from nothing.
            self.connection = None;
            self.session = None;
        }
    }

    async fn try_act(&mut self, random: &mut Random, traffic: &Traffic) -> Result<()> {
        let tool = random.of(&Server::ALL).tool();
        match random.below(20) {
            0..8 => {
                let long = if random.below(50) == 0 { 100_000 } else { 20 };
                let message = call(tool, &"y".repeat(long))?;
                self.exchange(message, &Wanted::Text(SAID), traffic).await
            }
            8 | 9 => {
                let list = modern("tools/list", "")?;
                self.exchange(list, &Wanted::Tools, traffic).await
            }
            10 => {
                let discover = modern("server/discover", "")?;
                let wanted = Wanted::Text("supportedVersions");
                self.exchange(discover, &wanted, traffic).await
            }
            11..17 => self.in_kept_session(random, traffic).await,
            17 | 18 => {
                let session = self.begin(traffic).await?;
                let message = legacy_call(&session, tool)?;
                self.exchange(message, &Wanted::Text(SAID), traffic).await?;
                self.end(&session, traffic).await
            }
            _ => {
                // This session is left without a word.
                let session = self.begin(traffic).await?;
                let list = legacy(&session, "tools/list", "")?;
                self.exchange(list, &Wanted::Tools, traffic).await
            }
        }
    }

    async fn in_kept_session(&mut self, random: &mut Random, traffic: &Traffic) -> Result<()> {
        let session = match &self.session {
            Some(session) => session.clone(),
            None => {
                let session = self.begin(traffic).await?;
                self.session.insert(session).clone()
            }
        };
        if random.below(5) == 0 {
            let list = legacy(&session, "tools/list", "")?;
            return self.exchange(list, &Wanted::Tools, traffic).await;
        }
        let message = legacy_call(&session, random.of(&Server::ALL).tool())?;
        self.exchange(message, &Wanted::Text(SAID), traffic).await
    }

    /// Begins a session and gives its id.
    async fn begin(&mut self, traffic: &Traffic) -> Result<String> {
        traffic.sent_honest();
        let (head, body) = self.connection().await?.answer(initialize()).await?;
        let Some(session) = head.headers.get(SESSION) else {
            return Err(told("initialize", head.status, &body).into());
        };
        let session = session.to_str()?.to_owned();
        traffic.sent_honest();
        let message = initialized(&session)?;
        let (status, body) = self.connection().await?.post(message).await?;
        match status {
            StatusCode::ACCEPTED => Ok(session),
            _ => Err(told("notifications/initialized", status, &body).into()),
        }
    }

    async fn end(&mut self, session: &str, traffic: &Traffic) -> Result<()> {
        traffic.sent_honest();
        let status = self.connection().await?.delete(session).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(told("DELETE", status, &Bytes::new()).into())
    }

    async fn exchange(
        &mut self,
        message: Message,
        wanted: &Wanted,
        traffic: &Traffic,
    ) -> Result<()> {
        traffic.sent_honest();
        let asked =
            String::from_utf8_lossy(&message.body[..message.body.len().min(SHOWN)]).into_owned();
        let (status, body) = self.connection().await?.post(message).await?;
        if status == StatusCode::OK && wanted.is_in(&body) {
            return Ok(());
        }
        Err(told(&asked, status, &body).into())
    }

    async fn connection(&mut self) -> Result<&mut Client> {
        if self.connection.is_none() {
            self.connection = Some(Client::connect(self.address).await?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| "no connection".into())
    }
}

impl Wanted {
    fn is_in(&self, body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body);
        match self {
            Self::Tools => Server::ALL
                .iter()
                .all(|server| body.contains(&format!(r#""{}""#, server.tool()))),
            Self::Text(text) => body.contains(text),
        }
    }
}

const SHOWN: usize = 200;

fn told(asked: &str, status: StatusCode, body: &Bytes) -> String {
    let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    format!("{asked}: answered {status}: {body}")
}
