//! Whether entries of pages can have the same name. A page knows this about its own entries, so a
//! merged list of pages that are kept need not compare all names again.

use std::collections::HashSet;

use crate::gateway::upstream::list_page::{ListEntry, ListPage};

/// The names of the entries of one page that lists show.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum PageNames {
    /// The page has no such entries.
    Empty,
    /// No two entries have the same name.
    Distinct {
        /// The index of the entry with the least name, in the order of bytes.
        least: usize,
        /// The index of the entry with the greatest name.
        greatest: usize,
    },
    /// Some entries have the same name.
    Repeated,
}

impl PageNames {
    /// The names of `entries`.
    pub fn of(entries: &[ListEntry]) -> Self {
        let mut names = HashSet::with_capacity(entries.len());
        let mut range: Option<(Named<'_>, Named<'_>)> = None;
        for (at, entry) in entries.iter().enumerate() {
            if entry.is_shadowed {
                continue;
            }
            let name = entry.listed_name();
            if !names.insert(name) {
                return Self::Repeated;
            }
            let named = (name, at);
            range = match range {
                None => Some((named, named)),
                Some((least, greatest)) => Some((least.min(named), greatest.max(named))),
            };
        }
        range.map_or(Self::Empty, |((_, least), (_, greatest))| Self::Distinct {
            least,
            greatest,
        })
    }
}

/// A name, and the index of its entry.
type Named<'e> = (&'e str, usize);

/// The most pages that [`are_distinct`] compares. A list has one page of each server, or a few.
const MOST_PAGES: usize = 64;

/// Whether it is certain that no two entries of `pages` have the same name: each page has distinct
/// names, and the names of one page are all less or all greater than those of another. This is so
/// for the tools of servers with different prefixes.
pub fn are_distinct<'p>(pages: impl Iterator<Item = &'p ListPage>) -> bool {
    // The least and the greatest name of each page, in order.
    let mut ranges: Vec<(&str, &str)> = Vec::new();
    for page in pages {
        let name = |at: usize| page.entries.get(at).map(ListEntry::listed_name);
        let (least, greatest) = match page.names {
            PageNames::Empty => continue,
            PageNames::Distinct { least, greatest } => (name(least), name(greatest)),
            PageNames::Repeated => return false,
        };
        let (Some(least), Some(greatest)) = (least, greatest) else {
            return false;
        };
        let at = ranges.partition_point(|(_, before)| *before < least);
        let is_apart = ranges.get(at).is_none_or(|(after, _)| greatest < *after);
        if !is_apart || ranges.len() >= MOST_PAGES {
            return false;
        }
        ranges.insert(at, (least, greatest));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Server};
    use crate::mcp::list::ListKind;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn page(server: &Server, names: &[&str]) -> ListPage {
        let tools: Vec<_> = names
            .iter()
            .map(|name| format!(r#"{{"name":"{name}"}}"#))
            .collect();
        let result = format!(r#"{{"tools":[{}]}}"#, tools.join(","));
        ListPage::parse(ListKind::Tools, server, &result, usize::MAX).unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn pages_are_distinct_where_no_name_can_be_in_two() {
        let config = Config::parse(
            br#"{"servers":[{"name":"a","toolPrefix":""},{"name":"b","toolPrefix":"b_"},{"name":"c","toolPrefix":"b_c_"}]}"#,
        );
        let servers = config.unwrap().gateway.unwrap().servers;
        for (lists, expected) in [
            (vec![], true),
            (vec![(0, vec![])], true),
            (vec![(0, vec!["z", "a", "m"])], true),
            (vec![(0, vec!["z", "a", "z"])], false),
            (vec![(0, vec!["x"]), (0, vec!["x"])], false),
            (vec![(0, vec!["a", "aa"]), (1, vec!["a", "z"])], true),
            (
                vec![(1, vec!["a"]), (0, vec!["z"]), (0, vec!["a", "b"])],
                true,
            ),
            // One page is between the names of another, so they may have a name in common.
            (vec![(0, vec!["a", "z"]), (1, vec!["a"])], false),
            (vec![(0, vec!["b_a"]), (1, vec!["a"])], false),
            (vec![(1, vec!["c_x"]), (2, vec!["x"])], false),
            (vec![(1, vec!["a", "z"]), (2, vec!["x"])], false),
            (vec![(0, vec![]), (1, vec!["a"]), (2, vec![])], true),
        ] {
            let pages: Vec<_> = lists
                .iter()
                .map(|(server, names): &(usize, Vec<&str>)| page(&servers[*server], names))
                .collect();
            assert_eq!(are_distinct(pages.iter()), expected, "{lists:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_that_no_list_shows_do_not_count() {
        let config =
            Config::parse(br#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"y"}}}}]}"#);
        let server = &config.unwrap().gateway.unwrap().servers[0];
        // The configuration gives the name y to the tool x.
        let page = page(server, &["x", "y", "z"]);
        assert_eq!(page.entries.len(), 3);
        assert_eq!(
            page.names,
            PageNames::Distinct {
                least: 0,
                greatest: 2
            }
        );
    }
}
