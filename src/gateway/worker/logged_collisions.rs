//! The collisions of names that this worker has logged with this configuration. Each one is logged
//! once, however often clients ask for the list.

use std::collections::HashSet;

use crate::config::ServerId;
use crate::mcp::list::ListKind;
use crate::seal;

/// The most collisions that are logged. A server that lists other names each time must not fill the
/// log.
const MOST_LOGGED: usize = 1024;

/// The collisions that were logged.
#[derive(Debug, Default)]
pub struct LoggedCollisions {
    /// The digest of each collision, since names may be long.
    known: HashSet<[u8; 32]>,
}

impl LoggedCollisions {
    /// Whether to log the collision of this `name`, which `server` lists although an earlier entry
    /// has it: it is new, and the limit is not reached.
    pub fn is_new(&mut self, kind: ListKind, name: &str, server: ServerId) -> bool {
        if self.known.len() >= MOST_LOGGED {
            return false;
        }
        let parts = [
            kind.method().as_bytes(),
            &server.to_bytes(),
            name.as_bytes(),
        ];
        self.known.insert(seal::digest(&parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_collision_is_new_once_and_only_so_many_are() {
        let mut logged = LoggedCollisions::default();
        let [a, b] = [0, 1].map(|index| ServerId::from_index(index).unwrap());
        assert!(logged.is_new(ListKind::Tools, "x", a));
        assert!(!logged.is_new(ListKind::Tools, "x", a));
        assert!(logged.is_new(ListKind::Tools, "x", b));
        assert!(logged.is_new(ListKind::Prompts, "x", a));
        let names = (0..2000).map(|number| format!("n{number}"));
        let new = names.filter(|name| logged.is_new(ListKind::Tools, name, a));
        assert_eq!(new.count(), 1021);
    }
}
