//! The lists of several servers, merged: in the order of the configuration, and then
//! in the order of each server.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use crate::config::{Gateway, ServerId};
use crate::gateway::fanout::collision::Collision;
use crate::gateway::fanout::missing_servers;
use crate::gateway::search::definitions::{VisibleTool, VisibleTools};
use crate::gateway::upstream::list_page::{ListEntry, ListPage};
use crate::gateway::upstream::page_names;
use crate::gateway::upstream::tool_pins::PinnedPage;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::era::Era;
use crate::mcp::json::object::push_object;
use crate::mcp::json::push_array;
use crate::mcp::list::ListKind;
use crate::policy::authorization::{Authorization, Principal};

/// The pages of one server's list.
#[derive(Default)]
pub struct ServerList {
    pages: Vec<Rc<ListPage>>,
    cache_hints: Option<CacheHints>,
    /// The server failed, so its entries are unknown.
    is_missing: bool,
}

impl ServerList {
    /// The list of a server that failed. A merged list says that the entries of this server are
    /// missing.
    pub fn missing() -> Self {
        Self {
            is_missing: true,
            ..Self::default()
        }
    }

    /// Whether the server failed, see [`ServerList::missing`].
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Adds a page. `cache_hints` say how long, and by whom, the page may be kept.
    pub fn add(&mut self, page: Rc<ListPage>, cache_hints: CacheHints) {
        self.cache_hints = Some(self.cache_hints().and(cache_hints));
        self.pages.push(page);
    }

    /// The cache hints that all pages allow.
    pub fn cache_hints(&self) -> CacheHints {
        self.cache_hints.unwrap_or(CacheHints::ALL)
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Whether `cursor` is the cursor of the next page in a page that this list has already.
    pub fn has_cursor(&self, cursor: &str) -> bool {
        let mut cursors = self.pages.iter().map(|page| page.cursor.as_deref());
        cursors.any(|known| known == Some(cursor))
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> usize {
        let bytes = self.pages.iter().map(|page| page.text.all().len());
        bytes.fold(0, usize::saturating_add)
    }

    /// All entries, including those that the merged list leaves out.
    pub fn entries(&self) -> impl Iterator<Item = &ListEntry> {
        self.pages.iter().flat_map(|page| &page.entries)
    }

    /// The entries of the pages that this function has not given before, each with its JSON text as
    /// lists show it. A page may be kept for many lists.
    pub fn unsearched(&self) -> impl Iterator<Item = (&ListEntry, &[u8])> {
        let pages = self.pages.iter();
        let pages = pages.filter(|page| !page.is_searched.replace(true));
        pages.flat_map(|page| {
            let entries = page.entries.iter();
            entries.map(|entry| (entry, page.text.of(&entry.text)))
        })
    }

    /// How many entries the gateway left out because they have no readable name.
    pub fn malformed(&self) -> usize {
        let malformed = self.pages.iter().map(|page| page.malformed);
        malformed.fold(0, usize::saturating_add)
    }

    /// The comparison of each page with the pins of the server.
    pub fn pins(&self) -> impl Iterator<Item = &PinnedPage> + Clone {
        self.pages.iter().map(|page| &page.pins)
    }

    /// Whether it has an entry that clients call `name`.
    pub fn has(&self, name: &str) -> bool {
        let mut entries = self.entries();
        entries.any(|entry| entry.name == name && !entry.is_shadowed)
    }

    /// A template (RFC 6570) may make `uri` if the text before its first variable is the start of
    /// `uri`. Gives the length of the longest such text; `None` where no template may make `uri`.
    pub fn template_literal(&self, uri: &str) -> Option<usize> {
        let entries = self.pages.iter().flat_map(|page| &page.entries);
        let literals = entries.filter_map(|entry| Some(entry.name.split_once('{')?.0));
        let matching = literals.filter(|literal| uri.starts_with(literal));
        matching.map(str::len).max()
    }

    /// The length of the URI of the directory of a skill (SEP-2640, "Resource Mapping") that
    /// contains `uri`, for the longest such URI. `None` where no skill contains `uri`.
    pub fn skill_path(&self, uri: &str) -> Option<usize> {
        let directory = |entry: &ListEntry| {
            let directory = entry.name.strip_suffix("SKILL.md")?;
            (directory.ends_with('/') && uri.starts_with(directory)).then_some(directory.len())
        };
        self.entries().filter_map(directory).max()
    }
}

/// The caller and the rules about what callers may do; `None` where everyone may do everything.
pub type Rights<'r> = Option<(&'r Authorization, &'r Principal)>;

/// A client's request for a merged list.
#[derive(Clone, Copy)]
pub struct ListRequest<'a> {
    /// The kind of list.
    pub kind: ListKind,
    /// The era of the client.
    pub era: Era,
    /// The gateway of the client's endpoint.
    pub gateway: &'a Gateway,
    /// They hide entries.
    pub rights: Rights<'a>,
}

/// About how many bytes [`push_merged`] writes.
pub fn size(lists: &[(ServerId, ServerList)]) -> usize {
    const MEMBERS: usize = 256;
    let sizes = lists.iter().map(|(_, list)| list.bytes());
    sizes.fold(MEMBERS, usize::saturating_add)
}

/// Writes the merged `result` for this request at the end of `out`. Clients may keep it for as long
/// as all `lists` and `start` allow. If several entries have one name, only the first is written; the others are returned. If the
/// caller may see many tools (`toolSearch`), the list shows the search tools in their place.
pub fn push_merged(
    out: &mut Vec<u8>,
    request: ListRequest<'_>,
    lists: &[(ServerId, ServerList)],
    start: CacheHints,
) -> MergedNames {
    let ListRequest {
        kind,
        era,
        gateway,
        rights,
    } = request;
    let mut hints = lists
        .iter()
        .fold(start, |all, (_, list)| all.and(list.cache_hints()));
    // The list depends on the caller, so another caller must not get this one.
    hints.public &= !rights.is_some_and(|(authorization, _)| authorization.is_personal());
    let search = gateway.tool_search.as_ref();
    let search = search.filter(|_| kind == ListKind::Tools);
    let mut names = MergedNames::default();
    push_object(out, |result| {
        if era == Era::Modern {
            result.string("resultType", "complete");
        }
        let entries = result.member(kind.member());
        if rights.is_none() && search.is_none() && are_shown_whole(lists) {
            push_array(entries, pages(lists).map(|page| page.text.all()));
        } else {
            let (visible, collisions) = visible(kind, lists, rights);
            match search.filter(|search| visible.are_many(search)) {
                Some(search) => visible.push(entries, search, gateway),
                None => push_array(entries, visible.tools.iter().map(|tool| tool.definition)),
            }
            names = MergedNames {
                collisions,
                taken: visible.taken.filter(|_| search.is_some()),
            };
        }
        if era == Era::Modern {
            hints.write(result);
        }
        missing_servers::write_meta(result, era, lists, gateway);
    });
    names
}

/// The pages of all `lists`.
fn pages(lists: &[(ServerId, ServerList)]) -> impl Iterator<Item = &ListPage> + Clone {
    let pages = lists.iter().flat_map(|(_, list)| &list.pages);
    pages.map(|page| &**page)
}

/// Whether a list without rules shows all entries of `lists`. This is so for most lists, and then
/// nobody need look at the entries.
fn are_shown_whole(lists: &[(ServerId, ServerList)]) -> bool {
    pages(lists).all(|page| page.is_shown_whole) && page_names::are_distinct(pages(lists))
}

/// What the log reports about the names in a merged list.
#[derive(Default, PartialEq, Eq)]
pub struct MergedNames {
    /// The entries that were left out.
    pub collisions: Vec<Collision>,
    /// A server has a tool with the name of one of the search tools. Then there is no search.
    pub taken: Option<(ServerId, &'static str)>,
}

/// The entries of `lists` that `rights` do not hide, in their order; and the entries that are left
/// out since an earlier one has the same name.
pub fn visible<'l>(
    kind: ListKind,
    lists: &'l [(ServerId, ServerList)],
    rights: Rights<'_>,
) -> (VisibleTools<'l>, Vec<Collision>) {
    let is_shown = |name: &str| {
        rights.is_none_or(|(authorization, caller)| authorization.shows(caller, kind, name))
    };
    let entries = pages(lists).map(|page| page.entries.len());
    let entries = entries.fold(0, usize::saturating_add);
    let mut seen = SeenNames::of(pages(lists), entries);
    let collision = |entry: &ListEntry, server, owner| Collision {
        kind,
        name: entry.listed_name().to_owned(),
        server,
        owner,
        is_shadowed: entry.is_shadowed,
    };
    let mut collisions = Vec::new();
    let mut visible = VisibleTools::default();
    visible.tools.reserve(entries);
    for (server, list) in lists {
        let entries = |page: &'l Rc<ListPage>| page.entries.iter().map(move |entry| (page, entry));
        for (page, entry) in list.pages.iter().flat_map(entries) {
            if entry.is_shadowed {
                collisions.push(collision(entry, *server, *server));
                continue;
            }
            let tool = VisibleTool {
                server: *server,
                entry,
                definition: page.text.of(&entry.text),
            };
            match seen.insert(tool) {
                None => {}
                // The server sent the same entry twice. This is no collision to report.
                Some(first) if first == (*server, tool.definition) => continue,
                Some((owner, _)) => {
                    collisions.push(collision(entry, *server, owner));
                    continue;
                }
            }
            visible.note(*server, entry);
            if is_shown(&entry.name) {
                visible.tools.push(tool);
            }
        }
    }
    (visible, collisions)
}

/// The names of the entries so far, each with its server and its text.
enum SeenNames<'l> {
    /// No two entries have the same name, so nobody need look.
    Distinct,
    /// Some entries may have the same name.
    Compared(HashMap<&'l str, (ServerId, &'l [u8])>),
}

impl<'l> SeenNames<'l> {
    /// For this many `entries` of `pages`.
    fn of(pages: impl Iterator<Item = &'l ListPage>, entries: usize) -> Self {
        if page_names::are_distinct(pages) {
            return Self::Distinct;
        }
        // A map that grows hashes all names again.
        Self::Compared(HashMap::with_capacity(entries))
    }

    /// Adds an entry. Gives the earlier entry with its name, which stays, if there is one.
    fn insert(&mut self, tool: VisibleTool<'l>) -> Option<(ServerId, &'l [u8])> {
        let Self::Compared(seen) = self else {
            return None;
        };
        match seen.entry(tool.entry.listed_name()) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(new) => {
                new.insert((tool.server, tool.definition));
                None
            }
        }
    }
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

    /// The merged list of servers, each of which has these pages.
    fn merged(gateway: &Gateway, pages: &[&[&str]]) -> (String, usize) {
        merged_of(ListKind::Tools, gateway, pages)
    }

    /// The lists of servers, each of which has these pages.
    fn lists_of(
        kind: ListKind,
        gateway: &Gateway,
        pages: &[&[&str]],
    ) -> Vec<(ServerId, ServerList)> {
        let list = |(at, pages): (usize, &&[&str])| {
            let mut entries = ServerList::default();
            for page in *pages {
                let page = ListPage::parse(kind, &gateway.servers[at], page, usize::MAX).unwrap();
                let cache_hints = page.cache_hints;
                entries.add(Rc::new(page), cache_hints);
            }
            (ServerId::from_index(at).unwrap(), entries)
        };
        pages.iter().enumerate().map(list).collect()
    }

    fn merged_of(kind: ListKind, gateway: &Gateway, pages: &[&[&str]]) -> (String, usize) {
        let lists = lists_of(kind, gateway, pages);
        let mut merged = Vec::new();
        let request = ListRequest {
            kind,
            era: Era::Modern,
            gateway,
            rights: None,
        };
        let left_out = push_merged(&mut merged, request, &lists, CacheHints::ALL);
        (
            String::from_utf8(merged).unwrap(),
            left_out.collisions.len(),
        )
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
        assert_eq!(left_out, 1);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_with_anothers_prefix_belongs_to_the_first_server_that_lists_it() {
        let gateway = gateway(r#"[{"name":"open","toolPrefix":""},{"name":"b"}]"#);
        let (merged, left_out) = merged(
            &gateway,
            &[
                &[r#"{"tools":[{"name":"b__x","evil":1},{"name":"y"}]}"#],
                &[r#"{"tools":[{"name":"x"}]}"#],
            ],
        );
        assert!(
            merged.contains(r#""tools":[{"name":"b__x","evil":1},{"name":"y"}],"#),
            "{merged}"
        );
        assert_eq!(left_out, 1);
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
    fn prompts_resources_and_templates_are_named_by_their_own_keys() {
        for (kind, page, expected) in [
            (
                ListKind::Prompts,
                r#"{"prompts":[{"title":"T","name":"p"}]}"#,
                r#""prompts":[{"title":"T","name":"a__p"},{"title":"T","name":"p"}]"#,
            ),
            (
                ListKind::Resources,
                r#"{"resources":[{"name":"n","uri":"file:///x"}]}"#,
                r#""resources":[{"name":"n","uri":"a+file:///x"},{"name":"n","uri":"file:///x"}]"#,
            ),
            (
                ListKind::Templates,
                r#"{"resourceTemplates":[{"name":"n","uriTemplate":"file:///{x}"}]}"#,
                r#""resourceTemplates":[{"name":"n","uriTemplate":"a+file:///{x}"},{"name":"n","uriTemplate":"file:///{x}"}]"#,
            ),
            (
                ListKind::Skills,
                r#"{"skills":[{"uri":"skill://s/SKILL.md","frontmatter":{"name":"s"},"resources":[{"uri":"skill://s/SKILL.md","size":1.0}]}]}"#,
                r#""skills":[{"uri":"a+skill://s/SKILL.md","frontmatter":{"name":"s"},"resources":[{"uri":"a+skill://s/SKILL.md","size":1.0}]},{"uri":"skill://s/SKILL.md","frontmatter":{"name":"s"},"resources":[{"uri":"skill://s/SKILL.md","size":1.0}]}]"#,
            ),
        ] {
            let (merged, left_out) = merged_of(kind, &two(), &[&[page], &[page]]);
            assert!(merged.contains(expected), "{merged}");
            assert_eq!(left_out, 0);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn servers_that_share_a_prefix_are_listed_together_and_the_first_of_a_name_stays() {
        let gateway = gateway(r#"[{"name":"a","toolPrefix":""},{"name":"b","toolPrefix":""}]"#);
        let (merged, left_out) = merged(
            &gateway,
            &[
                &[r#"{"tools":[{"name":"x","n":1}]}"#],
                &[r#"{"tools":[{"name":"x","n":2},{"name":"y"}]}"#],
            ],
        );
        assert!(
            merged.contains(r#""tools":[{"name":"x","n":1},{"name":"y"}],"#),
            "{merged}"
        );
        assert_eq!(left_out, 1);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_that_is_copied_whole_has_the_entries_that_one_by_one_are_visible() {
        let gateway = gateway(
            r#"[{"name":"a","tools":{"exclude":["h*"],"override":{"x":{"name":"y"}}}},{"name":"b"}]"#,
        );
        let (none, hidden) = (r#"{"tools":[]}"#, r#"{"tools":[{"name":"h"},{}]}"#);
        let first = r#"{"tools":[{"name":"x","n":1}, {"name":"h"},{"name":"z"}]}"#;
        let (second, shadowed) = (
            r#"{"tools":[{"name":"v"}]}"#,
            r#"{"tools":[{"name":"y"},{"name":"w"}]}"#,
        );
        for (pages, is_whole) in [
            (&[&[none][..], &[none]][..], true),
            (&[&[hidden], &[none]], true),
            (&[&[none, first], &[none, none, second]], true),
            (&[&[first, hidden, second], &[first]], true),
            // The name of a tool view hides the second tool with this name.
            (&[&[first, shadowed], &[first]], false),
            (&[&[first, first], &[first]], false),
        ] {
            let lists = lists_of(ListKind::Tools, &gateway, pages);
            assert_eq!(are_shown_whole(&lists), is_whole, "{pages:?}");
            let (visible, _) = visible(ListKind::Tools, &lists, None);
            let tools = visible.tools.iter().map(|tool| tool.definition);
            let tools: Vec<_> = tools
                .map(|text| std::str::from_utf8(text).unwrap())
                .collect();
            let expected = format!(r#""tools":[{}],"#, tools.join(","));
            let (merged, _) = merged(&gateway, pages);
            assert!(merged.contains(&expected), "{merged}: {expected}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_excluded_is_not_listed() {
        let gateway = gateway(r#"[{"name":"a","tools":{"include":["g*"],"exclude":["*2"]}}]"#);
        let page = r#"{"tools":[{"name":"g1"},{"name":"g2"},{"name":"h"}]}"#;
        let (merged, left_out) = merged(&gateway, &[&[page]]);
        assert!(
            merged.contains(r#""tools":[{"name":"a__g1"}],"#),
            "{merged}"
        );
        assert_eq!(left_out, 0);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_page_is_searched_once_however_many_lists_have_it() {
        let gateway = two();
        let page = |name: &str| {
            let page = format!(r#"{{"tools":[{{"name":"{name}"}}]}}"#);
            let server = &gateway.servers[0];
            Rc::new(ListPage::parse(ListKind::Tools, server, &page, usize::MAX).unwrap())
        };
        let (kept, new) = (page("x"), page("y"));
        let searched = |pages: &[&Rc<ListPage>]| {
            let mut list = ServerList::default();
            for page in pages {
                list.add(Rc::clone(page), CacheHints::NONE);
            }
            let names = list.unsearched().map(|(entry, _)| entry.name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(searched(&[&kept]), ["a__x"]);
        assert_eq!(searched(&[&kept, &new]), ["a__y"]);
        assert_eq!(searched(&[&kept, &new]), [""; 0]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_file_belongs_to_the_skill_in_whose_directory_it_is() {
        let gateway = gateway(r#"[{"name":"a","toolPrefix":""}]"#);
        let page = r#"{"skills":[{"uri":"skill://a/SKILL.md"},{"uri":"skill://a/b/SKILL.md"},{"uri":"skill://cSKILL.md"},{"uri":"SKILL.md"},{"uri":"skill://d"}]}"#;
        let page =
            ListPage::parse(ListKind::Skills, &gateway.servers[0], page, usize::MAX).unwrap();
        let mut entries = ServerList::default();
        entries.add(Rc::new(page), CacheHints::NONE);
        for (uri, directory) in [
            ("skill://a/SKILL.md", Some("skill://a/")),
            ("skill://a/x/y.md", Some("skill://a/")),
            ("skill://a/b/y.md", Some("skill://a/b/")),
            ("skill://ab", None),
            ("skill://c/x", None),
            ("skill://d/x", None),
            ("x", None),
        ] {
            assert_eq!(entries.skill_path(uri), directory.map(str::len), "{uri}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_template_is_known_by_what_stands_before_its_variables() {
        let gateway = gateway(r#"[{"name":"a","toolPrefix":""}]"#);
        let page = r#"{"resourceTemplates":[{"uriTemplate":"file:///{x}"},{"uriTemplate":"http://h/all"}]}"#;
        let page =
            ListPage::parse(ListKind::Templates, &gateway.servers[0], page, usize::MAX).unwrap();
        let mut entries = ServerList::default();
        entries.add(Rc::new(page), CacheHints::NONE);
        assert_eq!(
            entries.template_literal("file:///a/b"),
            Some("file:///".len())
        );
        assert_eq!(entries.template_literal("http://h/all"), None);
        assert_eq!(entries.template_literal("data:x"), None);
        assert!(entries.has("http://h/all"));
    }
}
