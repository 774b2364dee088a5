//! Which arguments of a tool a modern server wants in headers, too (MCP 2026-07-28, "Custom headers
//! from tool parameters"). The gateway learns this from lists, and writes these headers for legacy
//! clients, which do not know them. A call may come to another worker of this Envoy than the list.

use std::rc::Rc;

use crate::config::Server;
use crate::gateway::store::{self, Store};
use crate::seal;

/// The slots of the table. Each slot has one tool.
const SLOTS: u16 = 1024;
/// How many slots a tool may be in. With one, two of 30 tools often had the same slot, and calls of
/// one of them lacked their headers.
const CHOICES: usize = 4;

/// What lists have said about parameters with headers.
pub struct ParamAnnotations {
    store: Rc<dyn Store>,
}

impl ParamAnnotations {
    /// `store` keeps them.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self { store }
    }

    /// Remembers the [annotations](crate::gateway::search::param_headers::annotations) of `tools`,
    /// each with the name that `server` calls it. More tools than there are slots would only
    /// replace each other, in each list again, so the others are not read.
    pub fn learn(&self, server: &Server, tools: impl Iterator<Item = (String, String)>) {
        for (own, annotations) in tools.take(SLOTS.into()) {
            self.remember(server, &own, &annotations);
        }
    }

    /// Writes to the tool's slot, or to the first empty one of its choices. If other tools have all
    /// of them, it replaces the first.
    fn remember(&self, server: &Server, own: &str, annotations: &str) {
        let digest = digest(server, own);
        let value = [&digest, annotations.as_bytes()].concat();
        for slot in slots(&digest) {
            match self.store.get(&slot) {
                Some(known) if !known.starts_with(&digest) => {}
                // Other workers of Envoy wait while the store changes.
                Some(known) if known == value => return,
                _ => return self.store.set(&slot, &value),
            }
        }
        if let Some(slot) = slots(&digest).next() {
            self.store.set(&slot, &value);
        }
    }

    /// The annotations of the tool that `server` calls `own`; `None` where no list has shown any.
    pub fn of(&self, server: &Server, own: &str) -> Option<String> {
        let digest = digest(server, own);
        for slot in slots(&digest) {
            let value = self.store.get(&slot)?;
            if let Some(annotations) = value.strip_prefix(digest.as_slice()) {
                return std::str::from_utf8(annotations).ok().map(str::to_owned);
            }
        }
        None
    }
}

/// The bytes with which the value of a tool starts.
fn digest(server: &Server, own: &str) -> [u8; 32] {
    seal::digest(&[&server.fingerprint, own.as_bytes()])
}

/// The slots that the tool with this `digest` may be in.
fn slots(digest: &[u8; 32]) -> impl Iterator<Item = String> {
    let parts = digest.chunks(2).take(CHOICES);
    parts.map(|part| store::slot("params", part, SLOTS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::store::MemoryStore;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// An endless list: this test ends only if the rest is not read.
    #[wasm_bindgen_test(unsupported = test)]
    fn no_more_tools_are_read_than_there_are_slots() {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        let server = &config.gateway.unwrap().servers[0];
        let annotations = ParamAnnotations::new(Rc::new(MemoryStore::default()));
        let last = usize::from(SLOTS) - 1;
        let tools = (0..).map(|at| (format!("t{at}"), at.to_string()));
        annotations.learn(server, tools);
        assert_eq!(
            annotations.of(server, &format!("t{last}")),
            Some(last.to_string())
        );
        assert_eq!(annotations.of(server, &format!("t{SLOTS}")), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn hundreds_of_tools_do_not_replace_each_other() {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        let server = &config.gateway.unwrap().servers[0];
        let annotations = ParamAnnotations::new(Rc::new(MemoryStore::default()));
        let tools = || (0..400).map(|at| (format!("t{at}"), at.to_string()));
        for _ in 0..2 {
            annotations.learn(server, tools());
        }
        let lost = tools().filter(|(own, said)| annotations.of(server, own).as_ref() != Some(said));
        assert_eq!(lost.count(), 0);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn annotations_are_those_of_one_tool_of_one_server() {
        let config = br#"{"servers":[{"name":"a"},{"name":"b"}]}"#;
        let servers = Config::parse(config).unwrap().gateway.unwrap().servers;
        let kept = Rc::new(MemoryStore::default());
        let annotations = ParamAnnotations::new(Rc::clone(&kept) as Rc<dyn Store>);
        annotations.remember(&servers[0], "t", "one");
        annotations.remember(&servers[0], "t", "two");
        for (server, tool, expected) in [
            (&servers[0], "t", Some("two")),
            (&servers[0], "u", None),
            (&servers[1], "t", None),
        ] {
            assert_eq!(annotations.of(server, tool).as_deref(), expected, "{tool}");
        }
        let digest = digest(&servers[0], "t");
        let slot = slots(&digest).next().unwrap();
        for value in [&b""[..], &[0; 40], &[&digest[..], &[0xff]].concat()] {
            kept.set(&slot, value);
            assert_eq!(annotations.of(&servers[0], "t"), None);
        }
    }
}
