//! Lists of a server as tables for people.

use comfy_table::{Table, presets};
use mcp_gateway::mcp::list::ListKind;
use mcp_gateway::mcp::method::Subject;
use serde_json::Value;

use super::arguments::Parameters;
use super::text::{NONE, first_line};

/// A table with a line for each of `entries`, or a sentence that there are none.
pub(super) fn table(kind: ListKind, entries: &[Value]) -> String {
    if entries.is_empty() {
        return format!("There are no {}s.", kind.noun());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // The last word of "resource template" is enough.
    let first = kind.noun().rsplit(' ').next().unwrap_or_default();
    let second = match kind.subject() {
        Subject::Tool | Subject::Prompt => "needs",
        Subject::Resource => "type",
    };
    table.set_header([first, second, "description"]);
    for entry in entries {
        table.add_row(row(kind, entry));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}

fn row(kind: ListKind, entry: &Value) -> [String; 3] {
    let second = match kind.subject() {
        Subject::Tool => needs(&Parameters::of_tool(entry)),
        Subject::Prompt => needs(&Parameters::of_prompt(entry)),
        Subject::Resource => text(entry, "mimeType"),
    };
    [text(entry, kind.key()), second, description(entry)]
}

fn needs(parameters: &Parameters<'_>) -> String {
    match parameters.required() {
        [] => NONE.to_owned(),
        names => first_line(&names.join(", ")),
    }
}

fn text(entry: &Value, key: &str) -> String {
    let text = entry.get(key).and_then(Value::as_str);
    text.map_or_else(|| NONE.to_owned(), first_line)
}

/// The title, or the first line of the description, or for a resource its name.
fn description(entry: &Value) -> String {
    let title = entry
        .get("title")
        .or_else(|| entry.pointer("/annotations/title"));
    let shown = [title, entry.get("description"), entry.get("name")]
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find(|text| !text.trim().is_empty());
    shown.map_or_else(|| NONE.to_owned(), first_line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_line_for_each_entry() {
        let tools = [
            json!({"name": "a", "description": "Says a.\nAnd more.", "inputSchema": {"required": ["x", "y"]}}),
            json!({"name": "long_name", "title": "A title", "description": "b", "inputSchema": {}}),
            json!({"name": "c", "annotations": {"title": "Old title"}}),
            json!({"name": "\u{1b}[31md"}),
        ];
        let prompts = [json!({"name": "p", "arguments": [{"name": "q", "required": true}]})];
        let resources = [json!({"uri": "file:///a", "name": "A", "mimeType": "text/plain"})];
        for (kind, entries, expected) in [
            (
                ListKind::Tools,
                &tools[..],
                &[
                    "tool needs description",
                    "a x, y Says a.",
                    "long_name – A title",
                    "c – Old title",
                    "�[31md – �[31md",
                ][..],
            ),
            (
                ListKind::Prompts,
                &prompts,
                &["prompt needs description", "p q p"],
            ),
            (
                ListKind::Resources,
                &resources,
                &["resource type description", "file:///a text/plain A"],
            ),
            (
                ListKind::Templates,
                &[],
                &["There are no resource templates."],
            ),
        ] {
            let shown = table(kind, entries);
            let lines: Vec<String> = shown
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            assert_eq!(lines, expected);
        }
    }
}
