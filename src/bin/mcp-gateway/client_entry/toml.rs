//! Entries in a file of TOML.

use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use super::entry::{EntryValue, Members};

/// The entry `name` of the table `list` in the file.
///
/// # Errors
/// The text is not TOML, or `list` is not a table.
pub(super) fn find(text: &str, list: &str, name: &str) -> Result<Option<Value>, String> {
    let document = parse(text)?;
    let Some(entries) = document.get(list) else {
        return Ok(None);
    };
    let entries = entries.as_table_like().ok_or_else(|| no_table(list))?;
    Ok(entries.get(name).map(json))
}

/// The text with the entry `name` in the table `list`.
///
/// # Errors
/// Those of `find`.
pub(super) fn put(text: &str, list: &str, name: &str, members: &Members) -> Result<String, String> {
    let mut document = parse(text)?;
    // An implicit table has no header of its own; only its entries have headers.
    let mut implicit = Table::new();
    implicit.set_implicit(true);
    let entries = document.entry(list).or_insert(Item::Table(implicit));
    let entries = entries.as_table_like_mut().ok_or_else(|| no_table(list))?;
    match entries.get_mut(name).and_then(Item::as_table_like_mut) {
        Some(entry) => {
            entry.clear();
            fill(entry, members);
        }
        None => {
            let mut entry = Table::new();
            fill(&mut entry, members);
            entries.insert(name, Item::Table(entry));
        }
    }
    Ok(document.to_string())
}

fn fill(table: &mut dyn TableLike, members: &Members) {
    for (name, member) in members {
        let item = match member {
            EntryValue::Text(text) => value(text),
            EntryValue::List(items) => value(items.iter().collect::<Array>()),
        };
        table.insert(name, item);
    }
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    let parsed = text.parse();
    parsed.map_err(|error: toml_edit::TomlError| format!("not TOML: {}", error.to_string().trim()))
}

fn no_table(list: &str) -> String {
    format!("{list}: must be a table")
}

/// The texts in `item` as JSON. Entries of the gateway contain only texts, so other values need not
/// be read.
fn json(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        let members = table.iter();
        return members
            .map(|(name, item)| (name.to_owned(), json(item)))
            .collect();
    }
    if let Some(items) = item.as_array() {
        return items
            .iter()
            .map(|item| Value::from(item.as_str()))
            .collect();
    }
    Value::from(item.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        let text = |text: &str| EntryValue::Text(text.to_owned());
        vec![
            ("url", text("http://g/mcp")),
            ("args", EntryValue::List(vec!["a".to_owned()])),
        ]
    }

    #[test]
    fn an_entry_is_added_and_the_rest_stays_as_it_is() {
        let entry = "url = \"http://g/mcp\"\nargs = [\"a\"]\n";
        for (before, after) in [
            ("", format!("[servers.gw]\n{entry}")),
            (
                "model = \"o\" # mine\n\n[servers.b]\nurl='http://b'\n\n# the end\n[tui]\nx = 1\n",
                format!(
                    "model = \"o\" # mine\n\n[servers.b]\nurl='http://b'\n\n[servers.gw]\n{entry}\n# the end\n[tui]\nx = 1\n"
                ),
            ),
            (
                "# ours\n[servers.gw]\ncommand = \"old\"\n[servers.gw.env]\nA = \"1\"\n[tui]\n",
                format!("# ours\n[servers.gw]\n{entry}[tui]\n"),
            ),
            (
                "servers = { b = { url = \"http://b\" } }\n",
                "servers = { b = { url = \"http://b\" } , gw = { url = \"http://g/mcp\", args = [\"a\"] } }\n".to_owned(),
            ),
        ] {
            let put = put(before, "servers", "gw", &members()).unwrap();
            assert_eq!(put, after);
            let found = find(&put, "servers", "gw").unwrap().unwrap();
            assert_eq!(found, serde_json::json!({"url":"http://g/mcp","args":["a"]}));
        }
    }

    #[test]
    fn a_file_that_is_broken_or_means_something_else_is_refused() {
        for (text, reason) in [
            ("[servers", "not TOML: "),
            ("[a]\n[a]\n", "not TOML: "),
            ("servers = 1\n", "servers: must be a table"),
            ("[[servers]]\n", "servers: must be a table"),
        ] {
            for error in [
                find(text, "servers", "gw").unwrap_err(),
                put(text, "servers", "gw", &members()).unwrap_err(),
            ] {
                assert!(error.starts_with(reason), "{text}: {error}");
            }
        }
    }
}
