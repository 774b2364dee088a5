//! One page of a server's list: its entries with the names that clients see,
//! each as its server wrote it otherwise.

use crate::config::Server;
use crate::gateway::upstream::failure::Failure;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::json::{self, Shape};
use crate::mcp::list::ListKind;

/// The entries of one page.
#[derive(Debug, PartialEq, Eq)]
pub struct ListPage {
    /// In the server's order; without those that are configured away.
    pub entries: Vec<ListEntry>,
    /// Where the next page starts, if there is one. An empty cursor is one.
    pub cursor: Option<String>,
    /// What the server says of keeping it.
    pub cache_hints: CacheHints,
    /// The bytes of all entries.
    pub bytes: usize,
}

/// One tool, prompt, resource or template.
#[derive(Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Its name or URI, as clients see it.
    pub name: String,
    /// The entry with that name.
    pub json: Vec<u8>,
}

impl ListPage {
    /// Reads the `result` of a list of this kind from `server`.
    ///
    /// # Errors
    /// It is no such result.
    pub fn read(kind: ListKind, server: &Server, result: &str) -> Result<Self, Failure> {
        let nonsense = || Failure::Nonsense("no list of what was asked for");
        let (mut list, mut cursor, mut ttl, mut scope, mut result_type) =
            (None, None, None, None, None);
        let shape = json::members(result, |name, value| match name.as_ref() {
            name if name == kind.member() => list = Some(value),
            "nextCursor" => cursor = Some(value),
            "ttlMs" => ttl = Some(value),
            "cacheScope" => scope = Some(value),
            "resultType" => result_type = Some(value),
            _ => {}
        });
        let complete = result_type
            .is_none_or(|kind| json::string(kind).is_some_and(|kind| kind == "complete"));
        if !matches!(shape, Ok(Shape::Object { unique: true })) || !complete {
            return Err(nonsense());
        }
        let (mut entries, mut bytes, mut fits) = (Vec::new(), 0_usize, true);
        json::elements(list.ok_or_else(nonsense)?, |entry| {
            match renamed(kind, server, entry) {
                Some(Some(entry)) => {
                    bytes = bytes.saturating_add(entry.json.len());
                    entries.push(entry);
                }
                Some(None) => {}
                None => fits = false,
            }
        })
        .map_err(|_| nonsense())?;
        if !fits {
            return Err(Failure::Nonsense("an entry without a name"));
        }
        let cursor = match cursor {
            None | Some("null") => None,
            Some(cursor) => Some(json::string(cursor).ok_or_else(nonsense)?.into_owned()),
        };
        Ok(Self {
            entries,
            cursor,
            cache_hints: CacheHints::read(ttl, scope),
            bytes,
        })
    }
}

/// `entry` with the server's prefix before its name, everything else byte for
/// byte; `Some(None)` when it is configured away.
fn renamed(kind: ListKind, server: &Server, entry: &str) -> Option<Option<ListEntry>> {
    let mut named = None;
    let shape = json::members(entry, |name, value| {
        if name == kind.key() {
            named = Some(value);
        }
    });
    if !matches!(shape, Ok(Shape::Object { unique: true })) {
        return None;
    }
    let value = named?;
    let own = json::string(value)?;
    if !server.allows(kind, &own) {
        return Some(None);
    }
    let prefix = server.prefix(kind);
    if prefix.is_empty() {
        return Some(Some(ListEntry {
            name: own.into_owned(),
            json: entry.as_bytes().to_vec(),
        }));
    }
    let name = format!("{prefix}{own}");
    let span = json::span(entry, value)?;
    let mut out = Vec::with_capacity(entry.len().saturating_add(prefix.len()));
    out.extend_from_slice(entry.get(..span.start)?.as_bytes());
    json::push_string(&mut out, &name);
    out.extend_from_slice(entry.get(span.end..)?.as_bytes());
    Some(Some(ListEntry { name, json: out }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_cursor_leads_to_the_next_page_even_when_it_is_empty() {
        let gateway = Config::parse(br#"{"servers":[{"name":"a"}]}"#)
            .unwrap()
            .gateway
            .unwrap();
        for (page, cursor) in [
            (r#"{"tools":[]}"#, None),
            (r#"{"tools":[],"nextCursor":null}"#, None),
            (r#"{"tools":[],"nextCursor":""}"#, Some("")),
            (r#"{"tools":[],"nextCursor":"\u0061"}"#, Some("a")),
        ] {
            let page = ListPage::read(ListKind::Tools, &gateway.servers[0], page).unwrap();
            assert_eq!(page.cursor.as_deref(), cursor);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_list_is_told_so() {
        let gateway = Config::parse(br#"{"servers":[{"name":"a"}]}"#)
            .unwrap()
            .gateway
            .unwrap();
        for page in [
            "{}",
            "[]",
            "1",
            r#"{"tools":{}}"#,
            r#"{"tools":null}"#,
            r#"{"tools":[1]}"#,
            r#"{"tools":[{}]}"#,
            r#"{"tools":[{"name":1}]}"#,
            r#"{"tools":[{"name":"x","n\u0061me":"y"}]}"#,
            r#"{"tools":[],"tools":[]}"#,
            r#"{"tools":[],"nextCursor":1}"#,
            r#"{"tools":[],"resultType":"input_required"}"#,
        ] {
            let read = ListPage::read(ListKind::Tools, &gateway.servers[0], page);
            assert!(read.is_err(), "{page}");
        }
    }
}
