//! One server's part of a question to several.

use std::rc::Rc;
use std::time::Duration;

use super::answer::Answer;
use super::call::{CallId, Question};
use super::discover::Discovered;
use super::failure::Failure;
use super::freshness::Freshness;
use super::list::Entries;
use super::page::Page;
use super::worker::Worker;
use crate::config::{Gateway, Server};

/// One server's part.
#[derive(Debug)]
pub(super) struct Leg {
    /// Its place in the configuration.
    pub(super) server: usize,
    pub(super) state: State,
    pub(super) deadline: Duration,
    pub(super) entries: Entries,
    pub(super) discovered: Option<Rc<Discovered>>,
    /// An answer was another caller's own.
    pub(super) alone: bool,
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
    /// Takes the answer to its call, to a question that was `asked` of all by a
    /// client with these `capabilities`.
    pub(super) fn take(
        &mut self,
        (asked, capabilities): (Question, &str),
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
        match answer {
            Answer::Discovered(discovered) => {
                worker.learn(&server.name, capabilities, Rc::clone(&discovered));
                self.discovered = Some(Rc::clone(&discovered));
                match asked {
                    Question::List(kind) if discovered.has(kind) => Next::Ask(asked, None),
                    _ => Next::Done,
                }
            }
            Answer::Page {
                page, freshness, ..
            } => self.add(asked, page, freshness, gateway),
            // It had the list when it was asked what it has.
            Answer::NoMethod if matches!(question, Question::List(_)) => {
                worker.forget(&server.name);
                Next::Done
            }
            Answer::NoMethod => Next::Failed(Failure::Version),
            Answer::NotShared => {
                self.alone = true;
                Next::Ask(question, cursor)
            }
            Answer::Failed(failure) => {
                worker.forget(&server.name);
                Next::Failed(failure)
            }
        }
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
