//! One entry of a server's list, as text, and the parts of it that the gateway needs.

use crate::config::Server;
use crate::gateway::upstream::app_uris;
use crate::mcp::json::{Error, Reader};
use crate::mcp::list::ListKind;

/// An entry. It borrows from the text of the list.
pub struct EntryText<'a> {
    /// The JSON text of the entry.
    pub text: &'a str,
    /// The JSON text of its name or URI; `None` if the entry is not an object, or has no name, or
    /// several.
    pub name: Option<&'a str>,
    /// The bytes of `text` at which the URIs of its app start, where the gateway renames them.
    pub app_uris: Vec<usize>,
}

impl<'a> EntryText<'a> {
    /// Reads the entry of `server`'s list at the position of `reader`, in one pass.
    ///
    /// # Errors
    /// There is no JSON value here.
    pub fn read(kind: ListKind, server: &Server, reader: &mut Reader<'a>) -> Result<Self, Error> {
        let has_apps = kind == ListKind::Tools && !server.uri_prefix.is_empty();
        let start = reader.mark();
        let (mut name, mut is_repeated) = (None, false);
        let mut app_uris = Vec::new();
        app_uris::visit_object(reader, &mut |reader, member| {
            if member == kind.key() {
                is_repeated |= name.replace(reader.skip()?).is_some();
                Ok(())
            } else if has_apps && member == "_meta" {
                app_uris::find_in_meta(reader, &mut app_uris)
            } else {
                reader.skip().map(drop)
            }
        })?;
        for at in &mut app_uris {
            *at = at.saturating_sub(start);
        }
        Ok(Self {
            text: reader.since(start),
            name: name.filter(|_| !is_repeated),
            app_uris,
        })
    }
}
