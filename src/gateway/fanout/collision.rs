//! Names that several servers list, or that one server lists twice: the first entry
//! stays in the merged list, and calls go to its server.

use crate::config::{Gateway, ServerId};
use crate::mcp::list::ListKind;

/// An entry that a merged list leaves out, since an earlier entry has the same name.
#[derive(Clone, PartialEq, Eq)]
pub struct Collision {
    /// The kind of entry.
    pub kind: ListKind,
    /// The name, as clients see it.
    pub name: String,
    /// The server of the entry.
    pub server: ServerId,
    /// The server of the earlier entry: another one, or the same.
    pub owner: ServerId,
    /// The configuration gives this name to another tool of the same server.
    pub is_shadowed: bool,
}

impl Collision {
    /// A line for the log. The server chose the name and may put anything in it. So the line has
    /// the name with escapes, and only the start of a long name.
    pub fn for_log(&self, gateway: &Gateway) -> String {
        const LONGEST_NAME: usize = 128;
        let named = |id| gateway.server(id).map_or("?", |server| &server.name);
        let (server, owner) = (named(self.server), named(self.owner));
        let noun = self.kind.noun();
        let name: String = self.name.chars().take(LONGEST_NAME).collect();
        if self.is_shadowed {
            format!(
                "the {noun} {name:?} of server {server} is left out: tools.override gives this name to another tool"
            )
        } else if self.server == self.owner {
            format!("server {server} lists the {noun} {name:?} twice: the first entry stays")
        } else {
            format!(
                "the {noun} {name:?} of server {server} is left out: server {owner}, which comes first, has this name, too"
            )
        }
    }
}
