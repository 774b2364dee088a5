//! One page of a server's list: the entries as the server wrote them, except that they have the
//! names that clients see.

use std::cell::Cell;

use crate::config::Server;
use crate::gateway::routing::names;
use crate::gateway::routing::tool_view::{self, ParamHeader};
use crate::gateway::upstream::app_uris;
use crate::gateway::upstream::entry_text::EntryText;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::page_names::PageNames;
use crate::gateway::upstream::page_text::{EntryRange, PageText};
use crate::gateway::upstream::skill_uris;
use crate::gateway::upstream::tool_pins::PinnedPage;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::json::edit::Edit;
use crate::mcp::json::{self, Reader};
use crate::mcp::list::ListKind;
use crate::memory::{HeldBytes, OVERHEAD};
use crate::policy::export;

/// The longest cursor, in bytes. A longer one is refused, since the call for the next page repeats
/// it.
const LONGEST_CURSOR: usize = 65_536;

const NOT_A_LIST: Failure = Failure::Nonsense("an answer that is not the requested list");

/// The entries of one page.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct ListPage {
    /// In the server's order, without the entries that the configuration hides.
    pub entries: Vec<ListEntry>,
    /// The JSON texts of the entries that lists may show.
    pub text: PageText,
    /// The cursor of the next page, if there is one. It may be the empty string.
    pub cursor: Option<String>,
    /// For how long, and by whom, the page may be kept, as the server says.
    pub cache_hints: CacheHints,
    /// Whether entries have the same name.
    pub names: PageNames,
    /// Whether a list without rules shows all entries, if no other page has the same names.
    pub is_shown_whole: bool,
    /// How many entries were left out because they have no readable name.
    pub malformed: usize,
    /// The comparison of its tools with the pins of the server.
    pub pins: PinnedPage,
    /// Whether the gateway has read already which parameters of its tools have headers.
    pub is_searched: Cell<bool>,
    /// The memory that the page takes up.
    pub held: HeldBytes,
}

/// One tool, prompt, resource, template or skill.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct ListEntry {
    /// Its full name or URI for clients. Clients may always use it in calls.
    pub name: String,
    /// The shortened name that lists show, where the full name is too long for the configured
    /// limits (`names`).
    pub short: Option<String>,
    /// Its JSON text, with the name that lists show. It is empty if no list shows the entry.
    pub text: EntryRange,
    /// Set where the configuration has a tool view of it (`tools.override`).
    pub tool_view: Option<ViewedTool>,
    /// The configuration gives its name to another tool of the server, so no list shows this one.
    pub is_shadowed: bool,
}

/// What a list says about a tool that has a tool view (`tools.override`).
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct ViewedTool {
    /// The index of its view among the tool views of the server.
    pub view: usize,
    /// The headers that repeat removed parameters.
    pub headers: Vec<ParamHeader>,
}

impl ListEntry {
    /// The name that lists show.
    pub fn listed_name(&self) -> &str {
        self.short.as_deref().unwrap_or(&self.name)
    }

    /// The memory that the entry takes up, without its JSON text.
    fn size(&self) -> usize {
        let headers = self.tool_view.iter().flat_map(|viewed| &viewed.headers);
        let headers = headers.map(ParamHeader::size);
        let short = self.short.as_ref().map_or(0, String::len);
        let names = self.name.len().saturating_add(short);
        headers.fold(names.saturating_add(OVERHEAD), usize::saturating_add)
    }
}

impl ListPage {
    /// Reads the text of the `result` of a list of this kind from `server`. For `longest` see
    /// [`ListPage::read`].
    ///
    /// # Errors
    /// It is not the result of such a list, or the entries are too long.
    pub fn parse(
        kind: ListKind,
        server: &Server,
        result: &str,
        longest: usize,
    ) -> Result<Self, Failure> {
        let mut reader = Reader::new(result);
        let page = Self::read(kind, server, &mut reader, longest)?;
        match reader.end() {
            Ok(()) => Ok(page),
            Err(_) => Err(NOT_A_LIST),
        }
    }

    /// Reads the `result` of a list of this kind from `server`, at the position of `reader`. The
    /// entries, as clients see them, may have at most `longest` bytes. They can be much longer than
    /// the server's, since the configuration may give a tool a long description
    /// (`tools.override`), and a server may list the tool very often.
    ///
    /// # Errors
    /// It is not the result of such a list, or the entries are too long. Then the reader stops
    /// anywhere in it.
    pub fn read(
        kind: ListKind,
        server: &Server,
        reader: &mut Reader<'_>,
        longest: usize,
    ) -> Result<Self, Failure> {
        let (mut cursor, mut ttl, mut scope, mut result_type) = (None, None, None, None);
        let mut lists = 0_usize;
        let mut entries = Vec::new();
        let mut text = PageText::default();
        let mut malformed = 0_usize;
        let mut is_too_long = false;
        let mut pins = PinnedPage::default();
        // A list may have megabytes, so it is read once, entry by entry.
        let read = reader.object(|reader, name| {
            if name == kind.member() {
                lists = lists.saturating_add(1);
                text = PageText::with_capacity(reader.left());
                return reader.array(|reader| {
                    let entry = EntryText::read(kind, server, reader)?;
                    match renamed(kind, server, entry, &mut pins, &mut text) {
                        Ok(entry) => entries.extend(entry),
                        // A malformed entry is left out. The other entries stay.
                        Err(MalformedEntry) => malformed = malformed.saturating_add(1),
                    }
                    is_too_long = text.all().len() > longest;
                    if is_too_long {
                        return reader.error("the end of a list that is too long");
                    }
                    Ok(())
                });
            }
            let value = Some(reader.skip()?);
            match name.as_ref() {
                "nextCursor" => cursor = value,
                "ttlMs" => ttl = value,
                "cacheScope" => scope = value,
                "resultType" => result_type = value,
                _ => {}
            }
            Ok(())
        });
        if is_too_long {
            return Err(Failure::ListTooLong(longest));
        }
        let complete = result_type
            .filter(|kind| *kind != "null")
            .is_none_or(|kind| json::string(kind).is_some_and(|kind| kind == "complete"));
        if read.is_err() || lists != 1 || !complete {
            return Err(NOT_A_LIST);
        }
        text.shrink();
        let cursor = match cursor {
            None | Some("null") => None,
            Some(cursor) if cursor.len() > LONGEST_CURSOR => {
                return Err(Failure::Nonsense("a cursor of more than 65536 bytes"));
            }
            Some(cursor) => Some(json::string(cursor).ok_or(NOT_A_LIST)?.into_owned()),
        };
        let names = entries.iter().map(ListEntry::size);
        let names = names.fold(OVERHEAD, usize::saturating_add);
        let held = cursor.as_ref().map_or(0, String::len);
        let held = held.saturating_add(names);
        let held = held.saturating_add(text.all().len());
        let held = held.saturating_add(pins.bytes());
        Ok(Self {
            held: HeldBytes::new(held),
            names: PageNames::of(&entries),
            is_shown_whole: !entries.iter().any(|entry: &ListEntry| entry.is_shadowed),
            entries,
            text,
            cursor,
            cache_hints: CacheHints::read(ttl, scope),
            malformed,
            pins,
            is_searched: Cell::new(false),
        })
    }
}

/// An entry is not an object; or its name is missing, is not a string, is there twice, or is too
/// long for a call.
struct MalformedEntry;

/// The entry as clients see it: with their name for it, and with their URIs of its app or files.
/// The rest is unchanged. Its text is added to `text`. `Ok(None)` where the configuration or the
/// `pins` hide the entry.
///
/// # Errors
/// [`MalformedEntry`].
fn renamed(
    kind: ListKind,
    server: &Server,
    entry: EntryText<'_>,
    pins: &mut PinnedPage,
    text: &mut PageText,
) -> Result<Option<ListEntry>, MalformedEntry> {
    let EntryText {
        text: entry,
        name: value,
        app_uris,
    } = entry;
    let value = value.ok_or(MalformedEntry)?;
    let upstream_name = json::string(value).ok_or(MalformedEntry)?;
    if upstream_name.len() > export::LONGEST {
        return Err(MalformedEntry);
    }
    if pins.hides(kind, server, &upstream_name, entry) || !server.allows(kind, &upstream_name) {
        return Ok(None);
    }
    let name = names::client_name(server, kind, &upstream_name);
    let view = names::tool_view_of(server, kind, &upstream_name);
    let found = || names::upstream_name(server, kind, &name);
    let is_shadowed = !server.tool_views.is_empty() && found().as_deref() != Some(&*upstream_name);
    let mut edits = match view {
        Some((_, view)) => tool_view::definition_edits(view, entry).ok_or(MalformedEntry)?,
        None => Vec::new(),
    };
    let short = names::short_name(server, kind, &name);
    let listed_name = short.as_deref().unwrap_or(&name);
    if listed_name != upstream_name {
        edits.push(Edit::replace(entry, value, json::quoted(listed_name)).ok_or(MalformedEntry)?);
    }
    if !server.uri_prefix.is_empty() {
        // The URIs in an entry, other than its name.
        match kind {
            ListKind::Tools => {
                edits.extend(app_uris::rename_edits(entry, app_uris, &server.uri_prefix));
            }
            ListKind::Skills => edits.extend(skill_uris::edits(entry, &server.uri_prefix)),
            ListKind::Prompts | ListKind::Resources | ListKind::Templates => {}
        }
    }
    let view = view.map(|(at, view)| ViewedTool {
        view: at,
        headers: tool_view::param_headers(view, entry),
    });
    Ok(Some(ListEntry {
        name: name.into_owned(),
        short,
        text: match is_shadowed {
            true => EntryRange::default(),
            false => text.push(entry, edits),
        },
        tool_view: view,
        is_shadowed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The page in this result of `tools/list`.
    fn read(result: &str) -> Result<ListPage, Failure> {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        let server = &config.gateway.unwrap().servers[0];
        ListPage::parse(ListKind::Tools, server, result, usize::MAX)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_cursor_leads_to_the_next_page_even_when_it_is_empty() {
        for (page, cursor) in [
            (r#"{"tools":[]}"#, None),
            (r#"{"tools":[],"nextCursor":null}"#, None),
            (r#"{"tools":[],"nextCursor":""}"#, Some("")),
            (r#"{"tools":[],"nextCursor":"\u0061"}"#, Some("a")),
        ] {
            let page = read(page).unwrap();
            assert_eq!(page.cursor.as_deref(), cursor);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_long_cursor_is_refused() {
        for (length, is_read) in [(65_534, true), (65_535, false), (8_000_000, false)] {
            let cursor = "c".repeat(length);
            let page = format!(r#"{{"tools":[],"nextCursor":"{cursor}"}}"#);
            let page = read(&page);
            assert_eq!(page.is_ok(), is_read, "{length}");
        }
    }

    /// The configuration's description is much longer than the server's entry.
    #[wasm_bindgen_test(unsupported = test)]
    fn entries_that_become_too_long_end_the_list() {
        let description = "d".repeat(2000);
        let config = format!(
            r#"{{"servers":[{{"name":"a","tools":{{"override":{{"t":{{"description":"{description}"}}}}}}}}]}}"#
        );
        let config = Config::parse(config.as_bytes()).unwrap();
        let server = &config.gateway.unwrap().servers[0];
        let page = |entries: &[&str], longest| {
            let result = format!(r#"{{"tools":[{}]}}"#, entries.join(","));
            let mut reader = Reader::new(&result);
            let page = ListPage::read(ListKind::Tools, server, &mut reader, longest);
            page.map(|page| (page.entries.len(), page.malformed))
        };
        let too_long = |longest| Err(Failure::ListTooLong(longest));
        let tools = vec![r#"{"name":"t"}"#; 1000];
        assert_eq!(page(&tools[..4], 10_000), Ok((4, 0)));
        assert_eq!(page(&tools, 10_000), too_long(10_000));
        assert_eq!(page(&tools[..1], 2032), Ok((1, 0)));
        assert_eq!(page(&tools[..1], 2031), too_long(2031));
        // So does a member that the server writes again and again.
        let members = |count| {
            format!(
                r#"{{"name":"t",{}}}"#,
                vec![r#""description":0"#; count].join(",")
            )
        };
        assert_eq!(page(&[&members(16)], 100_000), Ok((1, 0)));
        assert_eq!(page(&[&members(17)], 100_000), Ok((0, 1)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_malformed_entry_is_left_out_alone() {
        for entry in [
            "1",
            "null",
            "[]",
            r#""x""#,
            "{}",
            r#"{"title":"x"}"#,
            r#"{"name":1}"#,
            r#"{"name":null}"#,
            r#"{"name":"\ud800"}"#,
            r#"{"name":"x","n\u0061me":"y"}"#,
        ] {
            let page = format!(r#"{{"tools":[{{"name":"1"}},{entry},{{"name":"2"}}]}}"#);
            let page = read(&page).unwrap();
            let names: Vec<_> = page.entries.iter().map(|entry| &*entry.name).collect();
            assert_eq!(
                (names, page.malformed),
                (vec!["a__1", "a__2"], 1),
                "{entry}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_list_is_told_so() {
        for page in [
            "{}",
            "[]",
            "1",
            r#"{"prompts":[]}"#,
            r#"{"tools":{}}"#,
            r#"{"tools":null}"#,
            r#"{"tools":[],"tools":[]}"#,
            r#"{"tools":[],"t\u006fols":[]}"#,
            r#"{"tools":[],"nextCursor":1}"#,
            r#"{"tools":[],"resultType":"input_required"}"#,
            r#"{"resultType":"task","tools":[]}"#,
            r#"{"tools":[{"name":"t"}"#,
            r#"{"tools":[]} x"#,
        ] {
            assert!(read(page).is_err(), "{page}");
        }
        for page in [
            r#" { "x" : {"tools":[1]} , "tools" : [ {"name":"t"} ] } "#,
            r#"{"resultType":null,"tools":[]}"#,
            r#"{"tools":[],"resultType":"complete"}"#,
        ] {
            assert!(read(page).is_ok(), "{page}");
        }
    }
}
