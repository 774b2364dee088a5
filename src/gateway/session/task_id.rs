//! The ids of tasks (MCP 2025-11-25, "Tasks"; MCP 2026-07-28, the tasks extension).
//!
//! Anyone who has the id of a task can read its result. So a client gets another id than the
//! server's. It contains the mark of the server, the tool that made the task, the server's own id
//! and when it expires, and a tag that authenticates these for one endpoint and one caller. The
//! gateway stores nothing, and every replica with the same keys accepts the id.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::server_mark::ServerMark;
use crate::seal::{Keys, TAG};

/// The data that the id of a task is bound to, but does not contain.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub struct TaskOwner {
    /// The keys that authenticate the id.
    pub keys: Keys,
    /// The name of the endpoint; its path if it has no name.
    pub endpoint: Vec<u8>,
    /// The identity of the caller, where one is configured.
    pub identity: Option<String>,
}

/// A task of a server.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Task {
    /// The mark of the server of the task.
    pub server: ServerMark,
    /// The tool that made the task, as clients call it; `None` where the gateway does not need it.
    pub tool: Option<String>,
    /// The server's own id of the task.
    pub upstream_id: String,
}

impl TaskOwner {
    /// The id that the owner gets for the task `upstream_id`, which `tool` of the `server` made. It
    /// is valid until `until` (since 1970). Gives `None` where the name of the tool is longer than
    /// 65,535 bytes.
    pub fn make(
        &self,
        server: ServerMark,
        tool: Option<&str>,
        upstream_id: &str,
        until: Duration,
    ) -> Option<String> {
        let mut bytes = u64::try_from(until.as_millis())
            .ok()?
            .to_be_bytes()
            .to_vec();
        bytes.extend_from_slice(server.bytes());
        // No tool has an empty name, so an empty text means that there is none.
        let tool = tool.unwrap_or_default();
        bytes.extend_from_slice(&u16::try_from(tool.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(tool.as_bytes());
        bytes.extend_from_slice(upstream_id.as_bytes());
        let tag = self.keys.tag(&self.tagged_parts(&bytes));
        bytes.extend_from_slice(&tag);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The task with this `id` of the owner. Gives `None` when [`make`](Self::make) did not make
    /// `id` for this owner, or when the id has expired at `now`.
    pub fn resolve(&self, id: &str, now: Duration) -> Option<Task> {
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (content, tag) = bytes.split_last_chunk::<TAG>()?;
        if !self.keys.verifies(&self.tagged_parts(content), tag) {
            return None;
        }
        let (until, rest) = content.split_first_chunk()?;
        let (server, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (tool, upstream_id) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        if Duration::from_millis(u64::from_be_bytes(*until)) <= now {
            return None;
        }
        let text = |bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Some(Task {
            server: ServerMark::from_bytes(*server),
            tool: text(tool).filter(|tool| !tool.is_empty()),
            upstream_id: text(upstream_id)?,
        })
    }

    fn tagged_parts<'a>(&'a self, content: &'a [u8]) -> [&'a [u8]; 5] {
        let (has_identity, identity): (&[u8], _) = match &self.identity {
            Some(identity) => (b"identity", identity.as_str()),
            None => (b"anyone", ""),
        };
        [
            b"task",
            &self.endpoint,
            has_identity,
            identity.as_bytes(),
            content,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::tests::{keys, mutations};
    use wasm_bindgen_test::wasm_bindgen_test;

    const UNTIL: Duration = Duration::from_secs(100);
    const BEFORE: Duration = Duration::from_millis(99_999);

    fn owner(identity: Option<&str>) -> TaskOwner {
        TaskOwner {
            keys: keys(&[1]),
            endpoint: b"/mcp".to_vec(),
            identity: identity.map(str::to_owned),
        }
    }

    fn mark(letter: u8) -> ServerMark {
        ServerMark::from_bytes([letter; ServerMark::LENGTH])
    }

    fn made(owner: &TaskOwner, tool: Option<&str>, id: &str) -> String {
        owner.make(mark(b'a'), tool, id, UNTIL).unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn every_task_comes_back_exactly() {
        for identity in [None, Some(""), Some("alice")] {
            for tool in [None, Some("a__x"), Some("ü")] {
                for id in [
                    "",
                    "1",
                    "786512e2-9e0d-44bd-8f29-789f320fe840",
                    "\0\"😀",
                    &"x".repeat(999),
                ] {
                    let owner = owner(identity);
                    let task = owner.resolve(&made(&owner, tool, id), BEFORE);
                    let expected = Task {
                        server: mark(b'a'),
                        tool: tool.map(str::to_owned),
                        upstream_id: id.to_owned(),
                    };
                    assert_eq!(task, Some(expected), "{identity:?} {tool:?} {id}");
                }
            }
        }
        let owner = owner(None);
        // The id must always be the same: the client recognizes the task by it.
        assert_eq!(made(&owner, Some("x"), "1"), made(&owner, Some("x"), "1"));
        let other = owner.make(mark(b'b'), Some("x"), "1", UNTIL);
        assert_ne!(other, Some(made(&owner, Some("x"), "1")));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_task_is_its_owners_until_it_expires() {
        let alice = owner(Some("alice"));
        let id = made(&alice, Some("x"), "1");
        assert!(alice.resolve(&id, BEFORE).is_some());
        assert_eq!(alice.resolve(&id, UNTIL), None);
        let elsewhere = TaskOwner {
            endpoint: b"/other".to_vec(),
            ..alice.clone()
        };
        let otherwise = TaskOwner {
            keys: keys(&[2]),
            ..alice.clone()
        };
        for other in [
            owner(Some("bob")),
            owner(Some("")),
            owner(None),
            elsewhere,
            otherwise,
        ] {
            assert_eq!(other.resolve(&id, BEFORE), None, "{other:?}");
        }
        let rotated = TaskOwner {
            keys: keys(&[2, 1]),
            ..alice
        };
        assert!(rotated.resolve(&id, BEFORE).is_some());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nobody_else_makes_an_id() {
        let owner = owner(Some("alice"));
        let valid = [made(&owner, Some("x"), "1"), made(&owner, None, "xx")];
        for id in mutations(&valid).chain(["".into(), "1".into(), "AAAA".into()]) {
            assert_eq!(owner.resolve(&id, BEFORE), None, "{id}");
        }
    }
}
