//! Which arguments of a tool a modern server wants in headers, too (MCP 2026-07-28, "Custom headers
//! from tool parameters"). The gateway learns this from lists, and writes these headers for legacy
//! clients, which do not know them. A call may come to another worker of this Envoy than the list.

use std::rc::Rc;

use crate::config::Server;
use crate::gateway::store::{self, Store};
use crate::seal;

/// The slots of the table. Each slot has the tool that was listed last of those that belong there.
const SLOTS: u16 = 1024;

/// What lists have said about parameters with headers.
pub struct ParamAnnotations {
    store: Rc<dyn Store>,
}

impl ParamAnnotations {
    /// `store` keeps them.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self { store }
    }

    /// Remembers that the tool that `server` calls `own` has these
    /// [annotations](crate::gateway::search::param_headers::annotations).
    pub fn remember(&self, server: &Server, own: &str, annotations: &str) {
        let (slot, digest) = key(server, own);
        let value = [&digest, annotations.as_bytes()].concat();
        // Other workers of Envoy wait while the store changes.
        if self.store.get(&slot).as_ref() != Some(&value) {
            self.store.set(&slot, &value);
        }
    }

    /// The annotations of the tool that `server` calls `own`; `None` where no list has shown any.
    pub fn of(&self, server: &Server, own: &str) -> Option<String> {
        let (slot, digest) = key(server, own);
        let value = self.store.get(&slot)?;
        let annotations = value.strip_prefix(digest.as_slice())?;
        Some(std::str::from_utf8(annotations).ok()?.to_owned())
    }
}

/// The slot of a tool, and the bytes with which its value starts.
fn key(server: &Server, own: &str) -> (String, [u8; 32]) {
    let digest = seal::digest(&[&server.fingerprint, own.as_bytes()]);
    (store::slot("params", &digest, SLOTS), digest)
}
