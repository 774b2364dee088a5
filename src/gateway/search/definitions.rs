//! The definitions of `search_tools` and `call_tool`, and the list that clients get with them.

use crate::config::{Gateway, ServerId, ToolSearch};
use crate::gateway::search::reserved;
use crate::gateway::upstream::list_page::ListEntry;
use crate::mcp::json::push_string;

/// The definition of `search_tools` up to its description.
const SEARCH_START: &str = r#"{"name":"search_tools","title":"Search tools","description":"#;
/// The rest of it, and the definition of `call_tool`.
const SEARCH_END: &str = concat!(
    r#","inputSchema":{"type":"object","properties":{"#,
    r#""query":{"type":"string","description":"What the tool should do, in a few words, such as: create an issue in a repository"},"#,
    r#""limit":{"type":"integer","minimum":1,"maximum":50,"description":"The most tools to give"}},"required":["query"]},"#,
    r#""outputSchema":{"type":"object","properties":{"#,
    r#""tools":{"type":"array","items":{"type":"object"},"description":"The definitions of the tools that match best, the best first"},"#,
    r#""total":{"type":"integer","description":"How many tools match"}},"required":["tools","total"]},"#,
    r#""annotations":{"readOnlyHint":true,"openWorldHint":false}},"#,
    r#"{"name":"call_tool","title":"Call a tool","#,
    r#""description":"Calls a tool that search_tools has found. Give the name of the tool, and arguments that match its inputSchema. The result is that of the tool.","#,
    r#""inputSchema":{"type":"object","properties":{"#,
    r#""name":{"type":"string","description":"The name of the tool, as search_tools gives it"},"#,
    r#""arguments":{"type":"object","description":"The arguments of the tool, as its inputSchema describes them","additionalProperties":true}},"required":["name"]}}"#,
);

/// The tools that a caller may see.
#[derive(Default)]
pub struct VisibleTools<'l> {
    /// The tools in the order of the list.
    pub tools: Vec<VisibleTool<'l>>,
    /// A tool with the name `search_tools` or `call_tool`, and its server.
    pub taken: Option<(ServerId, &'static str)>,
}

/// A tool that a caller may see.
#[derive(Clone, Copy)]
pub struct VisibleTool<'l> {
    /// Its server.
    pub server: ServerId,
    /// Its entry in the list of the server.
    pub entry: &'l ListEntry,
    /// The JSON text of the entry.
    pub definition: &'l [u8],
}

impl VisibleTools<'_> {
    /// Checks whether `entry` has the name of a search tool. To be called for each entry of a list,
    /// whether the caller may see it or not.
    pub fn note(&mut self, server: ServerId, entry: &ListEntry) {
        if let (None, Some(name)) = (self.taken, reserved(entry.listed_name())) {
            self.taken = Some((server, name));
        }
    }

    /// Whether the caller may see so many tools that the list shows the search tools in their
    /// place.
    pub fn are_many(&self, search: &ToolSearch) -> bool {
        self.taken.is_none() && self.tools.len() > search.threshold
    }

    /// Writes `search_tools`, `call_tool` and the tools that are always shown, at the end of `out`,
    /// as a JSON array.
    pub fn push(&self, out: &mut Vec<u8>, search: &ToolSearch, gateway: &Gateway) {
        let mut names: Vec<&str> = Vec::new();
        let mut last = None;
        // All tools of one server are next to each other.
        for VisibleTool { server, .. } in &self.tools {
            if last.replace(*server) != Some(*server) {
                names.extend(gateway.server(*server).map(|server| server.name.as_str()));
            }
        }
        let description = format!(
            "Finds tools by words. There are {} tools, of these servers: {}. They are not listed here: search for what you want to do, then use call_tool with the name of a tool that was found.",
            self.tools.len(),
            names.join(", ")
        );
        out.push(b'[');
        out.extend_from_slice(SEARCH_START.as_bytes());
        push_string(out, &description);
        out.extend_from_slice(SEARCH_END.as_bytes());
        let is_shown = |name: &str| search.always.iter().any(|glob| glob.matches(name));
        let tools = self.tools.iter();
        for tool in tools.filter(|tool| is_shown(tool.entry.listed_name())) {
            out.push(b',');
            out.extend_from_slice(tool.definition);
        }
        out.push(b']');
    }
}
