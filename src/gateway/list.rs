//! Lists of servers, merged: in the order of the configuration, each entry as
//! its server wrote it except for its name.

use std::collections::HashSet;

use super::failure::Failure;
use super::names;
use crate::config::{Gateway, Server};
use crate::mcp::json::{self, Shape};

/// How long, and by whom, a result may be kept (MCP 2026-07-28, caching hints).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// `ttlMs`, in milliseconds.
    pub ttl_ms: u64,
    /// `cacheScope` is `public`.
    pub public: bool,
}

impl Freshness {
    /// What says nothing may not be kept.
    pub const NONE: Self = Self {
        ttl_ms: 0,
        public: false,
    };
    /// What two results together allow starts from what allows everything.
    pub const ALL: Self = Self {
        ttl_ms: u64::MAX,
        public: true,
    };

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            ttl_ms: self.ttl_ms.min(other.ttl_ms),
            public: self.public && other.public,
        }
    }

    /// Takes `ttlMs` and `cacheScope`, as they stand in a result.
    pub fn read(ttl_ms: Option<&str>, scope: Option<&str>) -> Self {
        Self {
            ttl_ms: ttl_ms.and_then(|text| text.parse().ok()).unwrap_or(0),
            public: scope
                .and_then(json::string)
                .is_some_and(|scope| scope == "public"),
        }
    }

    /// Appends `"ttlMs":…,"cacheScope":…`.
    pub fn push_json(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""ttlMs":"#);
        out.extend_from_slice(self.ttl_ms.to_string().as_bytes());
        out.extend_from_slice(br#","cacheScope":"#);
        json::push_string(out, if self.public { "public" } else { "private" });
    }
}

/// The entries of one server, from all pages read so far.
#[derive(Debug)]
pub struct Entries {
    entries: Vec<Entry>,
    freshness: Freshness,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    name: String,
    json: Vec<u8>,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            freshness: Freshness::ALL,
            bytes: 0,
        }
    }
}

impl Entries {
    /// Adds one page, the `result` of `tools/list`, with the names as clients
    /// see them; gives the cursor of the next page, if there is one. An empty
    /// cursor is a cursor.
    ///
    /// # Errors
    /// It is no such result.
    pub fn add_page(&mut self, server: &Server, result: &str) -> Result<Option<String>, Failure> {
        let nonsense = || Failure::Nonsense("no list of tools");
        let (mut list, mut cursor, mut ttl, mut scope, mut kind) = (None, None, None, None, None);
        let shape = json::members(result, |name, value| match name.as_ref() {
            "tools" => list = Some(value),
            "nextCursor" => cursor = Some(value),
            "ttlMs" => ttl = Some(value),
            "cacheScope" => scope = Some(value),
            "resultType" => kind = Some(value),
            _ => {}
        });
        let complete =
            kind.is_none_or(|kind| json::string(kind).is_some_and(|kind| kind == "complete"));
        if !matches!(shape, Ok(Shape::Object { unique: true })) || !complete {
            return Err(nonsense());
        }
        let mut fit = true;
        json::elements(list.ok_or_else(nonsense)?, |entry| {
            match renamed(entry, &server.prefix) {
                Some(entry) => {
                    self.bytes = self.bytes.saturating_add(entry.json.len());
                    self.entries.push(entry);
                }
                None => fit = false,
            }
        })
        .map_err(|_| nonsense())?;
        if !fit {
            return Err(Failure::Nonsense("a tool without a name"));
        }
        self.freshness = self.freshness.and(Freshness::read(ttl, scope));
        match cursor {
            None => Ok(None),
            Some("null") => Ok(None),
            Some(cursor) => json::string(cursor)
                .map(|cursor| Some(cursor.into_owned()))
                .ok_or_else(nonsense),
        }
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// `entry` with `prefix` before its name; everything else byte for byte.
fn renamed(entry: &str, prefix: &str) -> Option<Entry> {
    let mut named = None;
    let shape = json::members(entry, |name, value| {
        if name == "name" {
            named = Some(value);
        }
    });
    if !matches!(shape, Ok(Shape::Object { unique: true })) {
        return None;
    }
    let value = named?;
    let name = format!("{prefix}{}", json::string(value)?);
    let span = json::span(entry, value)?;
    let mut out = Vec::with_capacity(entry.len().saturating_add(prefix.len()));
    if prefix.is_empty() {
        out.extend_from_slice(entry.as_bytes());
    } else {
        out.extend_from_slice(entry.get(..span.start)?.as_bytes());
        json::push_string(&mut out, &name);
        out.extend_from_slice(entry.get(span.end..)?.as_bytes());
    }
    Some(Entry { name, json: out })
}

/// The merged `result` of `tools/list`, no fresher than `start`. Left out, and
/// named, are entries whose name stands there already, or leads a call to
/// another server: what is listed is what is called.
pub fn merge(
    lists: &[(&Server, Entries)],
    start: Freshness,
    gateway: &Gateway,
) -> (Vec<u8>, Vec<String>) {
    let size: usize = lists
        .iter()
        .map(|(_, entries)| entries.bytes())
        .fold(256, usize::saturating_add);
    let mut out = Vec::with_capacity(size);
    let mut seen = HashSet::new();
    let mut left_out = Vec::new();
    let mut freshness = start;
    out.extend_from_slice(br#"{"resultType":"complete","tools":["#);
    for (server, entries) in lists {
        freshness = freshness.and(entries.freshness);
        for entry in &entries.entries {
            let called = names::resolve(&gateway.servers, &entry.name);
            if called.is_none_or(|(called, _)| called.name != server.name)
                || !seen.insert(entry.name.as_str())
            {
                left_out.push(entry.name.clone());
                continue;
            }
            if seen.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&entry.json);
        }
    }
    out.extend_from_slice(b"],");
    freshness.push_json(&mut out);
    push_server_info(&mut out, &gateway.server_info);
    out.push(b'}');
    (out, left_out)
}

/// Appends `,"_meta":{…serverInfo…}`.
pub fn push_server_info(out: &mut Vec<u8>, server_info: &str) {
    out.extend_from_slice(br#","_meta":{"#);
    json::push_string(out, crate::mcp::SERVER_INFO_KEY);
    out.push(b':');
    out.extend_from_slice(server_info.as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn gateway(servers: &str) -> Gateway {
        let config =
            format!(r#"{{"servers":{servers},"serverInfo":{{"name":"g","version":"1"}}}}"#);
        Config::parse(config.as_bytes()).unwrap().gateway.unwrap()
    }

    fn two() -> Gateway {
        gateway(r#"[{"name":"a"},{"name":"b","toolPrefix":""}]"#)
    }

    /// The merged list of servers with these pages each.
    fn merged(gateway: &Gateway, pages: &[&[&str]]) -> (String, Vec<String>) {
        let list = |(server, pages): (_, &&[&str])| {
            let mut entries = Entries::default();
            for page in *pages {
                entries.add_page(server, page).unwrap();
            }
            (server, entries)
        };
        let lists: Vec<_> = gateway.servers.iter().zip(pages).map(list).collect();
        let (merged, left_out) = merge(&lists, Freshness::ALL, gateway);
        (String::from_utf8(merged).unwrap(), left_out)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn entries_stay_byte_for_byte_except_for_their_names() {
        let entry = r#"{ "title":"T", "name":"x","outputSchema":{"n":1.10,"big":12345678901234567890123},"_meta":{"name":"x"}, "unknown":null }"#;
        let page = format!(r#"{{"tools":[ {entry} ],"ttlMs":5,"cacheScope":"public"}}"#);
        let (merged, _) = merged(&two(), &[&[&page], &[&page]]);
        let renamed = entry.replacen(r#""name":"x""#, r#""name":"a__x""#, 1);
        let expected = format!(
            r#"{{"resultType":"complete","tools":[{renamed},{entry}],"ttlMs":5,"cacheScope":"public","_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"g","version":"1"}}}}}}"#
        );
        assert_eq!(merged, expected);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn of_one_name_the_first_stays() {
        let page = r#"{"tools":[{"name":"x","n":1},{"name":"x","n":2}]}"#;
        let (merged, left_out) = merged(&two(), &[&[page]]);
        assert!(
            merged.contains(r#""tools":[{"name":"a__x","n":1}],"#),
            "{merged}"
        );
        assert_eq!(left_out, ["a__x"]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_entry_that_would_be_called_on_another_server_is_left_out() {
        let gateway = gateway(r#"[{"name":"open","toolPrefix":""},{"name":"b"}]"#);
        let (merged, left_out) = merged(
            &gateway,
            &[
                &[r#"{"tools":[{"name":"b__x","evil":1},{"name":"y"}]}"#],
                &[r#"{"tools":[{"name":"x"}]}"#],
            ],
        );
        assert!(
            merged.contains(r#""tools":[{"name":"y"},{"name":"b__x"}],"#),
            "{merged}"
        );
        assert_eq!(left_out, ["b__x"]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_least_fresh_page_decides() {
        let page = |ttl: &str, scope: &str| {
            format!(r#"{{"tools":[],"ttlMs":{ttl},"cacheScope":"{scope}"}}"#)
        };
        for (pages, expected) in [
            (
                vec![page("9", "public"), page("5", "public")],
                r#""ttlMs":5,"cacheScope":"public""#,
            ),
            (
                vec![page("9", "public"), page("5", "private")],
                r#""ttlMs":5,"cacheScope":"private""#,
            ),
            (
                vec![page("9", "public"), r#"{"tools":[]}"#.to_owned()],
                r#""ttlMs":0,"cacheScope":"private""#,
            ),
            (
                vec![page("-1", "public"), page("1.5", "public")],
                r#""ttlMs":0,"cacheScope":"public""#,
            ),
        ] {
            let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
            let (merged, _) = merged(&two(), &[&pages]);
            assert!(
                merged.contains(r#""tools":[],"#) && merged.contains(expected),
                "{merged}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_cursor_leads_to_the_next_page_even_when_it_is_empty() {
        let gateway = two();
        for (page, cursor) in [
            (r#"{"tools":[]}"#, None),
            (r#"{"tools":[],"nextCursor":null}"#, None),
            (r#"{"tools":[],"nextCursor":""}"#, Some("")),
            (r#"{"tools":[],"nextCursor":"\u0061"}"#, Some("a")),
        ] {
            let next = Entries::default()
                .add_page(&gateway.servers[0], page)
                .unwrap();
            assert_eq!(next.as_deref(), cursor, "{page}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_list_of_tools_is_told_so() {
        let gateway = two();
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
            assert!(
                Entries::default()
                    .add_page(&gateway.servers[0], page)
                    .is_err(),
                "{page}"
            );
        }
    }
}
