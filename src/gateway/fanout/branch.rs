//! One server's part of a question to several.

use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, Protocol, Server, ServerId};
use crate::gateway::fanout::merged_list::ServerList;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::upstream::call::{CallId, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::discovered::ServerDescription;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::protocol::{UpstreamProtocol, UpstreamSession};
use crate::gateway::worker::{Scope, Worker};
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;

/// One server's part.
#[derive(Debug)]
pub(super) struct Branch {
    /// The server.
    pub(super) server: ServerId,
    pub(super) state: State,
    pub(super) deadline: Duration,
    pub(super) entries: ServerList,
    /// How it is spoken to, once that is known.
    pub(super) protocol: Option<UpstreamProtocol>,
    /// Whose the session is.
    pub(super) lease: SessionOwner,
    /// What it can do, once that is known.
    pub(super) offers: Option<ServerCapabilities>,
    /// What it said of itself, where it was asked.
    pub(super) discovered: Option<Rc<ServerDescription>>,
    /// What of the client's headers goes on to the server, if any does.
    pub(super) scope: Option<Scope>,
    /// An answer was another caller's own.
    pub(super) alone: bool,
    /// The gateway's session with it was lost once already.
    pub(super) lost: bool,
    /// It has refused this client's session.
    pub(super) refused: bool,
    /// The server has not forgotten the session, as far as that is known.
    pub(super) is_sure: bool,
}

/// Whose a session with a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionOwner {
    /// The client's, for as long as it likes.
    Clients,
    /// The gateway's, for this request or for those after it, too.
    Gateways,
}

#[derive(Debug)]
pub(super) enum State {
    /// It waits for the answer to a call.
    Waiting {
        call: CallId,
        question: UpstreamRequest,
        cursor: Option<String>,
    },
    Done,
    Failed(Failure),
}

/// How a leg goes on.
#[derive(Debug)]
pub(super) enum NextStep {
    Ask(UpstreamRequest, Option<String>),
    Done,
    Failed(Failure),
}

impl Branch {
    /// The part of the server at the place `at`, which has until `deadline`, and
    /// gets this of the client's headers.
    pub(super) fn new(
        server: ServerId,
        deadline: Duration,
        lease: SessionOwner,
        scope: Option<Scope>,
    ) -> Self {
        Self {
            server,
            state: State::Done,
            deadline,
            entries: ServerList::default(),
            protocol: None,
            lease,
            offers: None,
            discovered: None,
            scope,
            alone: false,
            lost: false,
            refused: false,
            is_sure: true,
        }
    }

    /// The first step, by what is known of `server` and clients with these
    /// `capabilities`.
    pub(super) fn first(
        &mut self,
        operation: &Operation,
        server: &Server,
        capabilities: &str,
        worker: &Worker,
    ) -> NextStep {
        if self.protocol.is_none() {
            self.protocol = match worker.era_of(server) {
                Some(Era::Modern) => Some(UpstreamProtocol::Modern),
                Some(Era::Legacy) => Some(UpstreamProtocol::Legacy(None)),
                None => None,
            };
        }
        if self.offers.is_none() {
            let known = worker.known(&server.name, capabilities, self.scope);
            self.offers = known.as_ref().map(|known| known.offers());
        }
        if *operation == Operation::Greet
            && self.protocol == Some(UpstreamProtocol::Modern)
            && self.tries(server, worker)
        {
            self.protocol = Some(UpstreamProtocol::Legacy(None));
        }
        match (&self.protocol, operation) {
            (None, _) | (Some(UpstreamProtocol::Modern), Operation::Greet) => {
                NextStep::Ask(UpstreamRequest::Discover, None)
            }
            (Some(UpstreamProtocol::Legacy(None)), Operation::Greet) => {
                NextStep::Ask(UpstreamRequest::Initialize, None)
            }
            (Some(UpstreamProtocol::Modern), Operation::List(_)) if self.offers.is_none() => {
                NextStep::Ask(UpstreamRequest::Discover, None)
            }
            (Some(UpstreamProtocol::Legacy(None)), Operation::List(_)) if self.offers.is_none() => {
                NextStep::Ask(UpstreamRequest::Initialize, None)
            }
            _ => self.onward(operation),
        }
    }

    /// Whether a legacy client's session is tried with a modern server, which may
    /// speak both ways: then nothing is lost between the eras.
    fn tries(&self, server: &Server, worker: &Worker) -> bool {
        self.lease == SessionOwner::Clients
            && !self.refused
            && server.protocol == Protocol::Auto
            && !worker.is_modern_only(&server.name)
    }

    /// Whether `answer` to `initialize` says that the server has no sessions.
    fn is_modern_only(&self, server: &Server, answer: &CallResult, worker: &Worker) -> bool {
        let refuses = match answer {
            CallResult::NoMethod | CallResult::Failed(Failure::Error { .. }) => true,
            CallResult::Failed(Failure::Status(status)) => (400..500).contains(status),
            _ => false,
        };
        refuses && self.tries(server, worker) && worker.era(&server.name) == Some(Era::Modern)
    }

    /// The next step with a server that can be spoken to.
    pub(super) fn onward(&self, operation: &Operation) -> NextStep {
        match operation {
            Operation::Greet => NextStep::Done,
            Operation::Open => match &self.protocol {
                Some(protocol) if protocol.is_silent() => {
                    NextStep::Ask(UpstreamRequest::Initialize, None)
                }
                // What is routed cannot be asked again.
                _ if !self.is_sure => NextStep::Ask(UpstreamRequest::Ping, None),
                _ => NextStep::Done,
            },
            Operation::List(kind) if self.offers.is_some_and(|offers| offers.has(*kind)) => {
                NextStep::Ask(UpstreamRequest::List(*kind), None)
            }
            Operation::List(_) => NextStep::Done,
            Operation::SetLevel(level) => {
                NextStep::Ask(UpstreamRequest::SetLevel(level.clone()), None)
            }
            Operation::End => NextStep::Ask(UpstreamRequest::End, None),
        }
    }

    /// Takes the answer to its call, on the way to a `goal` of a client with
    /// these `capabilities`.
    pub(super) fn take(
        &mut self,
        (operation, capabilities): (&Operation, &str),
        server: &Server,
        answer: CallResult,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> NextStep {
        let State::Waiting {
            question, cursor, ..
        } = std::mem::replace(&mut self.state, State::Done)
        else {
            return NextStep::Done;
        };
        if question == UpstreamRequest::Initialize && self.is_modern_only(server, &answer, worker) {
            // Any other error may be about what this client said.
            if matches!(
                answer,
                CallResult::NoMethod | CallResult::Failed(Failure::Status(404 | 405))
            ) {
                worker.modern_only(&server.name);
            }
            self.refused = true;
            self.protocol = Some(UpstreamProtocol::Modern);
            return match &self.discovered {
                Some(_) => self.onward(operation),
                None => NextStep::Ask(UpstreamRequest::Discover, None),
            };
        }
        match answer {
            CallResult::Discovered(discovered) => {
                worker.is(&server.name, Era::Modern);
                worker.learn(
                    (&server.name, capabilities, self.scope),
                    Rc::clone(&discovered),
                );
                self.met(discovered);
                if self.tries(server, worker) && *operation == Operation::Greet {
                    self.protocol = Some(UpstreamProtocol::Legacy(None));
                    return NextStep::Ask(UpstreamRequest::Initialize, None);
                }
                self.protocol = Some(UpstreamProtocol::Modern);
                self.onward(operation)
            }
            CallResult::Legacy => {
                worker.is(&server.name, Era::Legacy);
                self.protocol = Some(UpstreamProtocol::Legacy(None));
                NextStep::Ask(UpstreamRequest::Initialize, None)
            }
            CallResult::Opened(discovered, link) => {
                // Whoever has begun to speak the other way has not forgotten how.
                if worker.era_of(server) == Some(Era::Legacy) {
                    worker.learn(
                        (&server.name, capabilities, self.scope),
                        Rc::clone(&discovered),
                    );
                }
                self.protocol = Some(UpstreamProtocol::Legacy(Some(link)));
                self.met(discovered);
                NextStep::Ask(UpstreamRequest::Initialized, None)
            }
            CallResult::Done => {
                self.is_sure = true;
                match question {
                    UpstreamRequest::Initialized => self.onward(operation),
                    _ => NextStep::Done,
                }
            }
            CallResult::Page {
                page, cache_hints, ..
            } => self.add(question, page, cache_hints, gateway),
            CallResult::NoMethod | CallResult::Failed(Failure::Error { .. })
                if question == UpstreamRequest::Ping =>
            {
                self.lost(question, cursor)
            }
            CallResult::NoMethod if matches!(question, UpstreamRequest::SetLevel(_)) => {
                NextStep::Done
            }
            // It had the list when it was asked what it has.
            CallResult::NoMethod if matches!(question, UpstreamRequest::List(_)) => {
                worker.forget(&server.name);
                NextStep::Done
            }
            CallResult::NoMethod => {
                worker.forget(&server.name);
                NextStep::Failed(Failure::Version)
            }
            CallResult::NotShared => {
                self.alone = true;
                NextStep::Ask(question, cursor)
            }
            CallResult::SessionLost => self.lost(question, cursor),
            // Some servers say so when they know a session no longer.
            CallResult::Failed(Failure::Status(400)) if self.is_pooled() && !self.lost => {
                self.lost(question, cursor)
            }
            CallResult::Failed(failure) => {
                worker.forget(&server.name);
                NextStep::Failed(failure)
            }
        }
    }

    /// Whether its session is one of the gateway's own.
    fn is_pooled(&self) -> bool {
        self.lease == SessionOwner::Gateways && self.link().is_some()
    }

    fn met(&mut self, discovered: Rc<ServerDescription>) {
        self.offers = Some(discovered.offers());
        self.discovered = Some(discovered);
    }

    /// The server knows the session no longer. The client has to begin anew with
    /// its own, the gateway does so with its.
    fn lost(&mut self, question: UpstreamRequest, cursor: Option<String>) -> NextStep {
        if self.lease == SessionOwner::Clients || self.lost {
            return NextStep::Failed(Failure::SessionLost);
        }
        self.lost = true;
        self.protocol = Some(UpstreamProtocol::Legacy(None));
        self.entries = ServerList::default();
        // Cursors are the session's.
        drop(cursor);
        match question {
            UpstreamRequest::Ping => NextStep::Ask(UpstreamRequest::Initialize, None),
            question => NextStep::Ask(question, None),
        }
    }

    /// The session, where there is one.
    pub(super) fn link(&self) -> Option<&Rc<UpstreamSession>> {
        self.protocol.as_ref()?.link()
    }

    /// Adds a page.
    pub(super) fn add(
        &mut self,
        asked: UpstreamRequest,
        page: Rc<ListPage>,
        cache_hints: CacheHints,
        gateway: &Gateway,
    ) -> NextStep {
        let cursor = page.cursor.clone();
        self.entries.add(page, cache_hints);
        if self.entries.bytes() > gateway.max_list_bytes {
            return NextStep::Failed(Failure::ListTooLong(gateway.max_list_bytes));
        }
        match cursor {
            Some(_) if self.entries.pages() >= gateway.max_list_pages => {
                NextStep::Failed(Failure::TooManyPages(gateway.max_list_pages))
            }
            Some(cursor) => NextStep::Ask(asked, Some(cursor)),
            None => NextStep::Done,
        }
    }
}
