//! One question to all servers at once: each server's calls, page after page,
//! until all have answered or failed. The order of the outcome is that of the
//! configuration, whatever the order of the answers.

use std::time::Duration;

use super::call::{Call, CallId, Caller, Response};
use super::discover::{self, Discovered};
use super::failure::Failure;
use super::list::{self, Entries, Freshness};
use crate::config::{FailureMode, Gateway, Server};
use crate::mcp::method;
use crate::policy::Refusal;
use crate::worker::Worker;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `server/discover`
    Discover,
    /// `tools/list`
    Tools,
}

impl Question {
    fn method(self) -> &'static str {
        match self {
            Self::Discover => method::SERVER_DISCOVER,
            Self::Tools => method::TOOLS_LIST,
        }
    }
}

/// A question under way.
#[derive(Debug)]
pub struct Fanout {
    question: Question,
    caller: Caller,
    next_call: u32,
    /// One for each server, in the order of the configuration.
    legs: Vec<Leg>,
}

/// One server's part.
#[derive(Debug)]
struct Leg {
    state: State,
    deadline: Duration,
    pages: usize,
    entries: Entries,
    discovered: Option<Discovered>,
}

#[derive(Debug)]
enum State {
    Waiting { call: CallId, rpc_id: String },
    Done,
    Failed(Failure),
}

/// All servers' answers together.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The JSON-RPC result, or why there is none.
    pub result: Result<Vec<u8>, Refusal>,
    /// Names of entries that were left out, see [`list::merge`].
    pub left_out: Vec<String>,
}

impl Fanout {
    /// Asks every server of `gateway`; the calls are to be made at once.
    pub fn start(
        question: Question,
        caller: Caller,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> (Self, Vec<Call>) {
        let mut fanout = Self {
            question,
            caller,
            next_call: 0,
            legs: Vec::with_capacity(gateway.servers.len()),
        };
        let mut calls = Vec::with_capacity(gateway.servers.len());
        let now = worker.now();
        for (at, server) in gateway.servers.iter().enumerate() {
            let (state, call) = fanout.call((at, server), None, server.timeout, worker);
            calls.push(call);
            fanout.legs.push(Leg {
                state,
                deadline: now.saturating_add(server.timeout),
                pages: 0,
                entries: Entries::default(),
                discovered: None,
            });
        }
        (fanout, calls)
    }

    fn call(
        &mut self,
        server: (usize, &Server),
        cursor: Option<&str>,
        timeout: Duration,
        worker: &mut Worker,
    ) -> (State, Call) {
        let call = CallId(self.next_call);
        self.next_call = self.next_call.saturating_add(1);
        let rpc_id = worker.next_id();
        let request = self.caller.call(
            call,
            server,
            self.question.method(),
            &rpc_id,
            cursor,
            timeout,
        );
        (State::Waiting { call, rpc_id }, request)
    }

    /// Takes the response to a call; gives the call for the next page, if any.
    pub fn answered(
        &mut self,
        call: CallId,
        response: &Response,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> Option<Call> {
        let at = self.legs.iter().position(
            |leg| matches!(leg.state, State::Waiting { call: waiting, .. } if waiting == call),
        )?;
        let server = gateway.servers.get(at)?;
        let now = worker.now();
        let leg = self.legs.get_mut(at)?;
        let next = leg.take(self.question, server, response, gateway);
        let deadline = leg.deadline;
        let (state, call) = match next {
            Ok(None) => (State::Done, None),
            Ok(Some(cursor)) => match deadline
                .checked_sub(now)
                .filter(|left| *left >= Duration::from_millis(1))
            {
                Some(left) => {
                    let (state, call) = self.call(
                        (at, server),
                        Some(&cursor),
                        left.min(server.timeout),
                        worker,
                    );
                    (state, Some(call))
                }
                None => (State::Failed(Failure::TimedOut), None),
            },
            Err(failure) => (State::Failed(failure), None),
        };
        self.legs.get_mut(at)?.state = state;
        call
    }

    /// Each server's name, and how it failed if it did; for those that are
    /// done with.
    pub fn states<'g>(&self, gateway: &'g Gateway) -> Vec<(&'g str, Option<&Failure>)> {
        let legs = gateway.servers.iter().zip(&self.legs);
        legs.filter_map(|(server, leg)| match &leg.state {
            State::Waiting { .. } => None,
            State::Done => Some((server.name.as_str(), None)),
            State::Failed(failure) => Some((server.name.as_str(), Some(failure))),
        })
        .collect()
    }

    /// Whether all servers have answered or failed.
    pub fn is_done(&self) -> bool {
        !self
            .legs
            .iter()
            .any(|leg| matches!(leg.state, State::Waiting { .. }))
    }

    /// What the servers answered together; when [`Fanout::is_done`].
    pub fn outcome(self, gateway: &Gateway) -> Outcome {
        let failures: Vec<String> = self
            .states(gateway)
            .into_iter()
            .filter_map(|(name, failure)| Some(format!("server {name} {}", failure?)))
            .collect();
        let all_failed = failures.len() == self.legs.len();
        if all_failed || (gateway.failure_mode == FailureMode::Fail && !failures.is_empty()) {
            return Outcome {
                result: Err(Refusal::Servers(failures)),
                left_out: Vec::new(),
            };
        }
        // Who keeps a list that lacks a server would not see it come back.
        let start = if failures.is_empty() {
            Freshness::ALL
        } else {
            Freshness::NONE
        };
        let answered = gateway
            .servers
            .iter()
            .zip(self.legs)
            .filter(|(_, leg)| matches!(leg.state, State::Done));
        match self.question {
            Question::Discover => {
                let servers: Vec<_> = answered
                    .filter_map(|(server, leg)| Some((server.name.as_str(), leg.discovered?)))
                    .collect();
                Outcome {
                    result: Ok(discover::merge(&servers, start, &gateway.server_info)),
                    left_out: Vec::new(),
                }
            }
            Question::Tools => {
                let lists: Vec<_> = answered
                    .map(|(server, leg)| (server, leg.entries))
                    .collect();
                let (result, left_out) = list::merge(&lists, start, gateway);
                Outcome {
                    result: Ok(result),
                    left_out,
                }
            }
        }
    }

    /// A merged list is complete or there is none: the server whose entries
    /// would make it too long fails. To be called once, when all is answered.
    pub fn bound(&mut self, gateway: &Gateway) {
        let mut total = 0_usize;
        for leg in &mut self.legs {
            if matches!(leg.state, State::Failed(_)) {
                continue;
            }
            let with = total.saturating_add(leg.entries.bytes());
            if with > gateway.max_list_bytes {
                leg.state = State::Failed(Failure::ListTooLong(gateway.max_list_bytes));
            } else {
                total = with;
            }
        }
    }
}

impl Leg {
    /// Takes one response; gives the cursor of the next page, if there is one.
    fn take(
        &mut self,
        question: Question,
        server: &Server,
        response: &Response,
        gateway: &Gateway,
    ) -> Result<Option<String>, Failure> {
        let State::Waiting { rpc_id, .. } = &self.state else {
            return Ok(None);
        };
        let result = response.result(rpc_id, gateway.max_response_bytes)?;
        match question {
            Question::Discover => {
                self.discovered = Some(Discovered::read(&result)?);
                Ok(None)
            }
            Question::Tools => {
                let cursor = self.entries.add_page(server, &result)?;
                self.pages = self.pages.saturating_add(1);
                if self.entries.bytes() > gateway.max_list_bytes {
                    return Err(Failure::ListTooLong(gateway.max_list_bytes));
                }
                if cursor.is_some() && self.pages >= gateway.max_list_pages {
                    return Err(Failure::TooManyPages(gateway.max_list_pages));
                }
                Ok(cursor)
            }
        }
    }
}
