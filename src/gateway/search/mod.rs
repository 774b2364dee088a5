//! Search over the tools that a caller may see. A list shows `search_tools` and `call_tool` in
//! place of many tools.
//!
//! A search reads the definitions of all tools once, and compares each of their words with the
//! words of the query. The gateway keeps nothing of a search between requests.

pub mod arguments;
pub mod definitions;
pub mod param_headers;
mod query;
pub mod ranking;
mod related;
mod stem;
mod tool_text;
mod words;

use crate::mcp::json::{self, Error, Shape};

/// The name of the tool that finds tools.
pub const SEARCH_TOOLS: &str = "search_tools";
/// The name of the tool that calls a tool.
pub const CALL_TOOL: &str = "call_tool";

/// Calls `visit` with the name and the JSON text of each member of the object `text`, as
/// [`json::members`] does.
///
/// # Errors
/// `text` is not exactly one JSON value.
fn each_member<'a>(text: &'a str, visit: &mut dyn FnMut(&str, &'a str)) -> Result<Shape, Error> {
    json::members(text, |name, value| visit(&name, value))
}

/// `name` as a constant, if it is `search_tools` or `call_tool`.
pub fn reserved(name: &str) -> Option<&'static str> {
    [SEARCH_TOOLS, CALL_TOOL]
        .into_iter()
        .find(|reserved| *reserved == name)
}
