//! One server's part of a question to several.

use std::rc::Rc;
use std::time::Duration;

use super::answer::Answer;
use super::call::{CallId, Question};
use super::discover::Discovered;
use super::failure::Failure;
use super::fanout::Goal;
use super::freshness::Freshness;
use super::list::Entries;
use super::offers::Offers;
use super::page::Page;
use super::voice::{Link, Voice};
use super::worker::{Scope, Worker};
use crate::config::{Gateway, Protocol, Server};
use crate::policy::era::Era;

/// One server's part.
#[derive(Debug)]
pub(super) struct Leg {
    /// Its place in the configuration.
    pub(super) server: usize,
    pub(super) state: State,
    pub(super) deadline: Duration,
    pub(super) entries: Entries,
    /// How it is spoken to, once that is known.
    pub(super) voice: Option<Voice>,
    /// Whose the session is.
    pub(super) lease: Lease,
    /// What it can do, once that is known.
    pub(super) offers: Option<Offers>,
    /// What it said of itself, where it was asked.
    pub(super) discovered: Option<Rc<Discovered>>,
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
pub(super) enum Lease {
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
        question: Question,
        cursor: Option<String>,
    },
    Done,
    Failed(Failure),
}

/// How a leg goes on.
#[derive(Debug)]
pub(super) enum Next {
    Ask(Question, Option<String>),
    Done,
    Failed(Failure),
}

impl Leg {
    /// The part of the server at the place `at`, which has until `deadline`, and
    /// gets this of the client's headers.
    pub(super) fn new(at: usize, deadline: Duration, lease: Lease, scope: Option<Scope>) -> Self {
        Self {
            server: at,
            state: State::Done,
            deadline,
            entries: Entries::default(),
            voice: None,
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
        goal: &Goal,
        server: &Server,
        capabilities: &str,
        worker: &Worker,
    ) -> Next {
        if self.voice.is_none() {
            self.voice = match worker.era_of(server) {
                Some(Era::Modern) => Some(Voice::Modern),
                Some(Era::Legacy) => Some(Voice::Legacy(None)),
                None => None,
            };
        }
        if self.offers.is_none() {
            let known = worker.known(&server.name, capabilities, self.scope);
            self.offers = known.as_ref().map(|known| known.offers());
        }
        if *goal == Goal::Greet && self.voice == Some(Voice::Modern) && self.tries(server, worker) {
            self.voice = Some(Voice::Legacy(None));
        }
        match (&self.voice, goal) {
            (None, _) | (Some(Voice::Modern), Goal::Greet) => Next::Ask(Question::Discover, None),
            (Some(Voice::Legacy(None)), Goal::Greet) => Next::Ask(Question::Initialize, None),
            (Some(Voice::Modern), Goal::List(_)) if self.offers.is_none() => {
                Next::Ask(Question::Discover, None)
            }
            (Some(Voice::Legacy(None)), Goal::List(_)) if self.offers.is_none() => {
                Next::Ask(Question::Initialize, None)
            }
            _ => self.onward(goal),
        }
    }

    /// Whether a legacy client's session is tried with a modern server, which may
    /// speak both ways: then nothing is lost between the eras.
    fn tries(&self, server: &Server, worker: &Worker) -> bool {
        self.lease == Lease::Clients
            && !self.refused
            && server.protocol == Protocol::Auto
            && !worker.is_modern_only(&server.name)
    }

    /// Whether `answer` to `initialize` says that the server has no sessions.
    fn is_modern_only(&self, server: &Server, answer: &Answer, worker: &Worker) -> bool {
        let refuses = match answer {
            Answer::NoMethod | Answer::Failed(Failure::Error { .. }) => true,
            Answer::Failed(Failure::Status(status)) => (400..500).contains(status),
            _ => false,
        };
        refuses && self.tries(server, worker) && worker.era(&server.name) == Some(Era::Modern)
    }

    /// The next step with a server that can be spoken to.
    pub(super) fn onward(&self, goal: &Goal) -> Next {
        match goal {
            Goal::Greet => Next::Done,
            Goal::Open => match &self.voice {
                Some(voice) if voice.is_silent() => Next::Ask(Question::Initialize, None),
                // What is routed cannot be asked again.
                _ if !self.is_sure => Next::Ask(Question::Ping, None),
                _ => Next::Done,
            },
            Goal::List(kind) if self.offers.is_some_and(|offers| offers.has(*kind)) => {
                Next::Ask(Question::List(*kind), None)
            }
            Goal::List(_) => Next::Done,
            Goal::SetLevel(level) => Next::Ask(Question::SetLevel(level.clone()), None),
            Goal::End => Next::Ask(Question::End, None),
        }
    }

    /// Takes the answer to its call, on the way to a `goal` of a client with
    /// these `capabilities`.
    pub(super) fn take(
        &mut self,
        (goal, capabilities): (&Goal, &str),
        server: &Server,
        answer: Answer,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> Next {
        let State::Waiting {
            question, cursor, ..
        } = std::mem::replace(&mut self.state, State::Done)
        else {
            return Next::Done;
        };
        if question == Question::Initialize && self.is_modern_only(server, &answer, worker) {
            // Any other error may be about what this client said.
            if matches!(
                answer,
                Answer::NoMethod | Answer::Failed(Failure::Status(404 | 405))
            ) {
                worker.modern_only(&server.name);
            }
            self.refused = true;
            self.voice = Some(Voice::Modern);
            return match &self.discovered {
                Some(_) => self.onward(goal),
                None => Next::Ask(Question::Discover, None),
            };
        }
        match answer {
            Answer::Discovered(discovered) => {
                worker.is(&server.name, Era::Modern);
                worker.learn(
                    (&server.name, capabilities, self.scope),
                    Rc::clone(&discovered),
                );
                self.met(discovered);
                if self.tries(server, worker) && *goal == Goal::Greet {
                    self.voice = Some(Voice::Legacy(None));
                    return Next::Ask(Question::Initialize, None);
                }
                self.voice = Some(Voice::Modern);
                self.onward(goal)
            }
            Answer::Legacy => {
                worker.is(&server.name, Era::Legacy);
                self.voice = Some(Voice::Legacy(None));
                Next::Ask(Question::Initialize, None)
            }
            Answer::Opened(discovered, link) => {
                // Whoever has begun to speak the other way has not forgotten how.
                if worker.era_of(server) == Some(Era::Legacy) {
                    worker.learn(
                        (&server.name, capabilities, self.scope),
                        Rc::clone(&discovered),
                    );
                }
                self.voice = Some(Voice::Legacy(Some(link)));
                self.met(discovered);
                Next::Ask(Question::Initialized, None)
            }
            Answer::Done => {
                self.is_sure = true;
                match question {
                    Question::Initialized => self.onward(goal),
                    _ => Next::Done,
                }
            }
            Answer::Page {
                page, freshness, ..
            } => self.add(question, page, freshness, gateway),
            Answer::NoMethod | Answer::Failed(Failure::Error { .. })
                if question == Question::Ping =>
            {
                self.lost(question, cursor)
            }
            Answer::NoMethod if matches!(question, Question::SetLevel(_)) => Next::Done,
            // It had the list when it was asked what it has.
            Answer::NoMethod if matches!(question, Question::List(_)) => {
                worker.forget(&server.name);
                Next::Done
            }
            Answer::NoMethod => {
                worker.forget(&server.name);
                Next::Failed(Failure::Version)
            }
            Answer::NotShared => {
                self.alone = true;
                Next::Ask(question, cursor)
            }
            Answer::SessionLost => self.lost(question, cursor),
            // Some servers say so when they know a session no longer.
            Answer::Failed(Failure::Status(400)) if self.is_pooled() && !self.lost => {
                self.lost(question, cursor)
            }
            Answer::Failed(failure) => {
                worker.forget(&server.name);
                Next::Failed(failure)
            }
        }
    }

    /// Whether its session is one of the gateway's own.
    fn is_pooled(&self) -> bool {
        self.lease == Lease::Gateways && self.link().is_some()
    }

    fn met(&mut self, discovered: Rc<Discovered>) {
        self.offers = Some(discovered.offers());
        self.discovered = Some(discovered);
    }

    /// The server knows the session no longer. The client has to begin anew with
    /// its own, the gateway does so with its.
    fn lost(&mut self, question: Question, cursor: Option<String>) -> Next {
        if self.lease == Lease::Clients || self.lost {
            return Next::Failed(Failure::SessionLost);
        }
        self.lost = true;
        self.voice = Some(Voice::Legacy(None));
        self.entries = Entries::default();
        // Cursors are the session's.
        drop(cursor);
        match question {
            Question::Ping => Next::Ask(Question::Initialize, None),
            question => Next::Ask(question, None),
        }
    }

    /// The session, where there is one.
    pub(super) fn link(&self) -> Option<&Rc<Link>> {
        self.voice.as_ref()?.link()
    }

    /// Adds a page.
    pub(super) fn add(
        &mut self,
        asked: Question,
        page: Rc<Page>,
        freshness: Freshness,
        gateway: &Gateway,
    ) -> Next {
        let cursor = page.cursor.clone();
        self.entries.add(page, freshness);
        if self.entries.bytes() > gateway.max_list_bytes {
            return Next::Failed(Failure::ListTooLong(gateway.max_list_bytes));
        }
        match cursor {
            Some(_) if self.entries.pages() >= gateway.max_list_pages => {
                Next::Failed(Failure::TooManyPages(gateway.max_list_pages))
            }
            Some(cursor) => Next::Ask(asked, Some(cursor)),
            None => Next::Done,
        }
    }
}
