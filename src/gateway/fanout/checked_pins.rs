//! The result of comparing the lists that a fan-out has read with the servers' pins.

use crate::config::{Gateway, Server, ServerPins};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::{CallerIdentity, Operation, Requester};
use crate::gateway::upstream::tool_pins::{PinNews, PinVerdicts};
use crate::gateway::worker::Worker;
use crate::gateway::worker::known_pins::PinnedListKey;
use crate::mcp::list::ListKind;
use crate::seal;

/// A server's list, compared with the server's pins.
pub struct CheckedList<'a> {
    /// The server.
    pub server: &'a Server,
    /// Its pins.
    pub pins: &'a ServerPins,
    /// The result for each tool.
    pub verdicts: PinVerdicts,
    /// The changes that the log and the metrics report.
    pub news: PinNews<'a>,
}

impl Fanout {
    /// Compares each whole list of tools with the pins of its server; when the fan-out [is
    /// done](Fanout::is_done).
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

    /// The key of the list that this server gives the client of this fan-out.
    pub fn pinned_list_key(&self, server: &Server, worker: &Worker) -> PinnedListKey {
        self.requester.pinned_list_key(server, worker)
    }
}

impl Requester {
    /// The key of the list that `server` gives this client. It is made of everything that the
    /// server gets of the client.
    pub fn pinned_list_key(&self, server: &Server, worker: &Worker) -> PinnedListKey {
        let caller = &self.caller;
        let scope = worker.scope(caller.headers.passthrough_headers(server.id));
        let session = self.session.as_ref().map(|session| session.id);
        let (has_identity, identity): (&[u8], _) = match &self.who {
            CallerIdentity::Known(identity) => (b"identity", identity.as_str()),
            CallerIdentity::Anyone => (b"anyone", ""),
        };
        seal::digest(&[
            server.name.as_bytes(),
            scope.as_ref().map_or(&[][..], |scope| scope),
            session.as_ref().map_or(&[][..], |id| id),
            has_identity,
            identity.as_bytes(),
            caller.version.as_bytes(),
            caller.capabilities.json.as_bytes(),
            caller.info.as_deref().unwrap_or_default().as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::routing::call_headers::CallerHeaders;
    use crate::gateway::store::NoStore;
    use crate::gateway::upstream::client_context::ClientContext;
    use crate::mcp::era::Era;
    use std::collections::HashSet;
    use std::time::Duration;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn callers_with_other_identities_have_other_lists() {
        let config = br#"{"servers":[{"name":"a"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let worker = Worker::new(|| Duration::from_secs(1), |b| b.fill(1), Box::new(NoStore));
        let key = |who| {
            let requester = Requester {
                caller: ClientContext {
                    era: Era::Modern,
                    version: "2026-07-28".into(),
                    capabilities: "{}".into(),
                    info: None,
                    headers: CallerHeaders::default(),
                },
                session: None,
                who,
            };
            requester.pinned_list_key(&gateway.servers[0], &worker)
        };
        let keys = HashSet::from([
            key(CallerIdentity::Anyone),
            key(CallerIdentity::Known(String::new())),
            key(CallerIdentity::Known("anyone".to_owned())),
            key(CallerIdentity::Known("ada".to_owned())),
        ]);
        assert_eq!(keys.len(), 4);
        assert!(keys.contains(&key(CallerIdentity::Known("ada".to_owned()))));
    }
}
