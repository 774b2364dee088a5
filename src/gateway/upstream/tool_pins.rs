//! Compares the tools of a server's list with the pins of the server.

use crate::config::{PinPolicy, Server, ServerPins};
use crate::mcp::list::ListKind;
use crate::mcp::tool_definition;
use crate::memory::OVERHEAD;
use crate::seal;

/// The digest of the tool with the list entry `entry`: the SHA-256 of the [canonical
/// form](tool_definition::canonical) of its definition. `None` where the definition has no such
/// form.
pub fn digest(entry: &str) -> Option<[u8; 32]> {
    let canonical = tool_definition::canonical(entry)?;
    Some(seal::sha256(&canonical))
}

/// A digest as the configuration writes it: `sha256:` and its hexadecimal digits.
pub fn text(digest: &[u8; 32]) -> String {
    let digits = digest.map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", digits.concat())
}

/// The comparison of the tools of one page with the pins of the server.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct PinnedPage {
    tools: Vec<ComparedTool>,
}

/// A tool of a page.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
struct ComparedTool {
    /// The index of its pin. If it has no pin: the server's own name of the tool.
    pin: Result<usize, String>,
    /// Its definition is the pinned one.
    is_as_pinned: bool,
    /// The filters `include` and `exclude` allow it.
    is_offered: bool,
}

impl PinnedPage {
    /// Compares an `entry` of a list of this kind, which the server calls `own`, with the pins of
    /// `server`. Gives `true` if no list may show the entry.
    pub fn hides(&mut self, kind: ListKind, server: &Server, own: &str, entry: &str) -> bool {
        let Some(pins) = server.pins.as_ref().filter(|_| kind == ListKind::Tools) else {
            return false;
        };
        let place = pins.place(own);
        let pinned = place.and_then(|place| pins.digest(place));
        let is_as_pinned = pinned.is_some_and(|pinned| digest(entry).as_ref() == Some(pinned));
        self.tools.push(ComparedTool {
            pin: place.ok_or_else(|| own.to_owned()),
            is_as_pinned,
            is_offered: server.allows(kind, own),
        });
        !is_as_pinned && pins.policy == PinPolicy::Hide
    }

    /// About how many bytes of memory it takes up.
    pub fn bytes(&self) -> usize {
        let names = self.tools.iter().filter_map(|tool| tool.pin.as_ref().err());
        let names = names.map(|name| name.len().saturating_add(OVERHEAD));
        let tools = self.tools.len().saturating_mul(size_of::<ComparedTool>());
        names.fold(tools, usize::saturating_add)
    }
}

/// The result for one tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinVerdict {
    /// Its definition is the pinned one.
    AsPinned,
    /// Its definition is another one than the pinned one, or it has no pin.
    Changed,
    /// The list of the server does not have it.
    Unlisted,
}

/// The results for the whole list of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinVerdicts {
    /// The result for the tool of each pin.
    pinned: Vec<PinVerdict>,
    /// The first bytes of the digests of the names of all tools without a pin.
    others: Vec<[u8; 8]>,
}

impl PinVerdicts {
    /// The results for all `pages` of the list of the server with these `pins`. If a tool is listed
    /// twice, both entries must have the pinned definition.
    pub fn of<'p>(pins: &ServerPins, pages: impl Iterator<Item = &'p PinnedPage>) -> Self {
        let mut verdicts = Self {
            pinned: vec![PinVerdict::Unlisted; pins.names().len()],
            others: Vec::new(),
        };
        for tool in pages.flat_map(|page| &page.tools) {
            let place = match &tool.pin {
                Ok(place) => *place,
                Err(name) => {
                    verdicts.others.push(short(name));
                    continue;
                }
            };
            if let Some(verdict) = verdicts.pinned.get_mut(place) {
                *verdict = match (*verdict, tool.is_as_pinned) {
                    (PinVerdict::Changed, _) | (_, false) => PinVerdict::Changed,
                    (_, true) => PinVerdict::AsPinned,
                };
            }
        }
        verdicts
    }

    /// The result for the tool that the server calls `own`. `pins` must be the same as in
    /// [`PinVerdicts::of`].
    pub fn verdict(&self, pins: &ServerPins, own: &str) -> PinVerdict {
        match pins.place(own) {
            Some(place) => {
                let verdict = self.pinned.get(place).copied();
                verdict.unwrap_or(PinVerdict::Changed)
            }
            None if self.others.contains(&short(own)) => PinVerdict::Changed,
            None => PinVerdict::Unlisted,
        }
    }

    /// About how many bytes of memory it takes up.
    pub fn bytes(&self) -> usize {
        let others = self.others.len().saturating_mul(size_of::<[u8; 8]>());
        others.saturating_add(self.pinned.len())
    }
}

/// The tools that have changed, and the pinned tools that the list does not have. The names are the
/// server's own.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct PinNews<'a> {
    /// The tools that have changed.
    pub changed: Vec<&'a str>,
    /// The tools that the list lacks.
    pub unlisted: Vec<&'a str>,
}

impl<'a> PinNews<'a> {
    /// From the `pages` of the list with these `verdicts`. Tools that the configuration hides are
    /// not reported.
    pub fn of(
        pins: &'a ServerPins,
        verdicts: &PinVerdicts,
        pages: impl Iterator<Item = &'a PinnedPage>,
    ) -> Self {
        let is_news = |tool: &&ComparedTool| !tool.is_as_pinned && tool.is_offered;
        let changed = pages.flat_map(|page| &page.tools).filter(is_news);
        let names: Vec<&str> = pins.names().collect();
        let name = |tool: &'a ComparedTool| match &tool.pin {
            Ok(place) => names.get(*place).copied(),
            Err(name) => Some(name.as_str()),
        };
        let changed = changed.filter_map(name).collect();
        let unlisted = names.iter().zip(&verdicts.pinned);
        let unlisted = unlisted.filter(|(_, verdict)| **verdict == PinVerdict::Unlisted);
        let unlisted = unlisted.map(|(name, _)| *name).collect();
        Self { changed, unlisted }
    }
}

fn short(name: &str) -> [u8; 8] {
    let digest = seal::sha256(name.as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::upstream::list_page::ListPage;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn pin(entry: &str) -> String {
        text(&digest(entry).unwrap())
    }

    /// This is the digest that `printf %s '{"name":"x"}' | sha256sum` prints.
    #[wasm_bindgen_test(unsupported = test)]
    fn a_digest_is_what_other_programs_make() {
        let expected = "sha256:0229d37e33daae149bf40543a5ce1db4459d10f830d5139279aa2bfd5f6485a1";
        assert_eq!(pin(r#"{ "name": "\u0078", "_meta": {} }"#), expected);
        // The example in docs/guides/pins.md.
        let expected = "sha256:29cee5793cdf159abf71037f12256337f26df459e8f903b75ec46ef25ebb50da";
        let entry = r#"{"_meta":{"version":2},"description":"Gr\u00fc\u00dft","name":"greet","inputSchema":{"type":"object","properties":{"who":{"type":"string","maxLength":64}}}}"#;
        assert_eq!(pin(entry), expected);
    }

    fn server(policy: &str, rest: &str) -> Server {
        let (x, y) = (pin(r#"{"name":"x"}"#), pin(r#"{"name":"y","title":"Y"}"#));
        let config = format!(
            r#"{{"servers":[{{"name":"a"{rest}}}],"pins":{{"policy":"{policy}","servers":{{"a":{{"tools":{{"x":"{x}","y":"{y}"}}}}}}}}}}"#
        );
        let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
        gateway.servers.into_iter().next().unwrap()
    }

    /// The names that a page with these tools shows, and the results for `x`, `y` and `z`.
    fn page(server: &Server, tools: &str) -> (Vec<String>, [PinVerdict; 3]) {
        let result = format!(r#"{{"tools":[{tools}]}}"#);
        let page = ListPage::parse(ListKind::Tools, server, &result, usize::MAX).unwrap();
        let pins = server.pins.as_ref().unwrap();
        let verdicts = PinVerdicts::of(pins, [&page.pins].into_iter());
        let verdicts = ["x", "y", "z"].map(|name| verdicts.verdict(pins, name));
        let names = page.entries.into_iter().map(|entry| entry.name);
        (names.collect(), verdicts)
    }

    const GOOD: &str = r#"{"name":"x","_meta":{"v":2}},{"title":"Y","name":"y"}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn tools_as_pinned_are_shown() {
        use PinVerdict::{AsPinned, Unlisted};
        for policy in ["WARN", "HIDE", "DENY"] {
            let shown = page(&server(policy, ""), GOOD);
            let names = ["a__x", "a__y"].map(str::to_owned).to_vec();
            assert_eq!(shown, (names, [AsPinned, AsPinned, Unlisted]));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_has_changed_and_what_is_new_is_hidden_on_request_only() {
        use PinVerdict::{AsPinned, Changed, Unlisted};
        for (tools, hidden, verdicts) in [
            (
                r#"{"name":"x","description":"poisoned"},{"name":"z"}"#,
                &["a__x", "a__z"][..],
                [Changed, Unlisted, Changed],
            ),
            (
                r#"{"name":"x"},{"name":"x","title":"2"}"#,
                &["a__x"],
                [Changed, Unlisted, Unlisted],
            ),
            (
                r#"{"name":"x","title":"2"},{"name":"x"}"#,
                &["a__x"],
                [Changed, Unlisted, Unlisted],
            ),
            (
                r#"{"name":"y","title":"Y","inputSchema":{"a":1,"a":1}}"#,
                &["a__y"],
                [Unlisted, Changed, Unlisted],
            ),
            (
                r#"{"name":"x"},{"name":"y","title":"Y","title":"Y"}"#,
                &["a__y"],
                [AsPinned, Changed, Unlisted],
            ),
        ] {
            for (policy, is_hidden) in [("WARN", false), ("HIDE", true), ("DENY", false)] {
                let (names, found) = page(&server(policy, ""), tools);
                assert_eq!(found, verdicts, "{tools}");
                let gone = tools.matches("\"name\":").count() - names.len();
                assert_eq!(gone, if is_hidden { hidden.len() } else { 0 }, "{tools}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_the_configuration_hides_is_no_news() {
        let server = server("DENY", r#","tools":{"exclude":["z","y"]}"#);
        let tools = r#"{"name":"x"},{"name":"y","title":"2"},{"name":"z"}"#;
        let result = format!(r#"{{"tools":[{tools}]}}"#);
        let page = ListPage::parse(ListKind::Tools, &server, &result, usize::MAX).unwrap();
        let pins = server.pins.as_ref().unwrap();
        let pages = || [&page.pins].into_iter();
        let verdicts = PinVerdicts::of(pins, pages());
        let news = PinNews::of(pins, &verdicts, pages());
        assert_eq!(news, PinNews::default());
        // Another view of the same server may allow this tool, so the result is there.
        assert_eq!(verdicts.verdict(pins, "y"), PinVerdict::Changed);
        assert_eq!(verdicts.verdict(pins, "z"), PinVerdict::Changed);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_lists_are_not_compared() {
        let server = server("HIDE", "");
        let page = ListPage::parse(
            ListKind::Prompts,
            &server,
            r#"{"prompts":[{"name":"z"}]}"#,
            usize::MAX,
        );
        assert_eq!(page.unwrap().entries.len(), 1);
    }
}
