//! What the pins of servers say of the lists that a fan-out has read.

use crate::config::{Gateway, Server, ServerPins};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::{CallerIdentity, Operation, Requester};
use crate::gateway::upstream::tool_pins::{PinNews, PinVerdicts};
use crate::gateway::worker::Worker;
use crate::gateway::worker::known_pins::PinnedListKey;
use crate::mcp::list::ListKind;
use crate::seal;

/// What the pins of a server say of its list.
#[derive(Debug)]
pub struct CheckedList<'a> {
    /// The server.
    pub server: &'a Server,
    /// Its pins.
    pub pins: &'a ServerPins,
    /// What they say.
    pub verdicts: PinVerdicts,
    /// What is to be told of it.
    pub news: PinNews<'a>,
}

impl Fanout {
    /// What the pins say of each list of tools that was read to its end; when the fan-out
    /// [is done](Fanout::is_done).
    pub fn checked_pins<'a>(&'a self, gateway: &'a Gateway) -> Vec<CheckedList<'a>> {
        if self.operation != Operation::List(ListKind::Tools) {
            return Vec::new();
        }
        let branches = self.branches.iter().filter(|branch| branch.is_done());
        let checked = branches.filter_map(|branch| {
            let server = gateway.server(branch.server())?;
            let pins = server.pins.as_ref()?;
            let pages = branch.list().pins();
            let verdicts = PinVerdicts::of(pins, pages.clone());
            Some(CheckedList {
                server,
                pins,
                news: PinNews::of(pins, &verdicts, pages),
                verdicts,
            })
        });
        checked.collect()
    }

    /// The key of the list of this server that was asked for.
    pub fn pinned_list_key(&self, server: &Server, worker: &Worker) -> PinnedListKey {
        self.requester.pinned_list_key(server, worker)
    }
}

impl Requester {
    /// Names the list that `server` gives this client: by all of the client that the server
    /// gets.
    pub fn pinned_list_key(&self, server: &Server, worker: &Worker) -> PinnedListKey {
        let caller = &self.caller;
        let scope = worker.scope(caller.headers.passthrough_headers(server.id));
        let session = self.session.as_ref().map(|session| session.id);
        let identity = match &self.who {
            CallerIdentity::Known(identity) => identity.as_str(),
            CallerIdentity::Anyone => "",
        };
        seal::digest(&[
            server.name.as_bytes(),
            scope.as_ref().map_or(&[][..], |scope| scope),
            session.as_ref().map_or(&[][..], |id| id),
            identity.as_bytes(),
            caller.version.as_bytes(),
            caller.capabilities.json.as_bytes(),
            caller.info.as_deref().unwrap_or_default().as_bytes(),
        ])
    }
}
