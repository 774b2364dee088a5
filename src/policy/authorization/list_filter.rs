//! Removes the entries that a caller may not see from the list of a server.

use std::borrow::Cow;

use crate::mcp::json::edit::{self, Edit};
use crate::mcp::json::{self, Error, Shape};
use crate::mcp::list::ListKind;
use crate::mcp::lookalike::fold;

/// `text`, a server's JSON-RPC response to a list of `kind`, without the entries for whose names
/// `shows` is false, and without those that have no readable name. The rest stays byte for byte. If
/// `is_personal`, callers may see different lists, so `cacheScope: public` becomes private. `None`
/// if nothing changes.
///
/// # Errors
/// `text` is not a JSON object. The client must not get it, since the filter cannot know what is in
/// it.
pub(super) fn filtered(
    text: &str,
    kind: ListKind,
    is_personal: bool,
    mut shows: impl FnMut(&str) -> bool,
) -> Result<Option<Vec<u8>>, Error> {
    let is_hidden = |entry: &str| match name(entry, kind.key()) {
        Some(name) => !shows(&name),
        None => true,
    };
    let mut list = ListResponse {
        text,
        kind,
        is_personal,
        is_hidden,
        edits: Vec::new(),
    };
    let shape = json::members(text, |name, value| {
        // Some clients treat a lookalike as this member, too.
        if is(&name, "result") {
            list.result(value);
        }
    })?;
    if !matches!(shape, Shape::Object { .. }) {
        let expected = "an object";
        return Err(Error { at: 0, expected });
    }
    let edits = list.edits;
    Ok((!edits.is_empty()).then(|| edit::apply(text, edits)))
}

struct ListResponse<'t, F> {
    text: &'t str,
    kind: ListKind,
    is_personal: bool,
    is_hidden: F,
    edits: Vec<Edit>,
}

impl<F: FnMut(&str) -> bool> ListResponse<'_, F> {
    fn result(&mut self, result: &str) {
        // A result that is not an object has no list.
        let _ = json::members(result, |name, value| {
            if is(&name, self.kind.member()) {
                let gone = edit::remove_elements(self.text, value, &mut self.is_hidden);
                self.edits.extend(gone.into_iter().flatten());
            } else if self.is_personal && is(&name, "cacheScope") && value != r#""private""# {
                self.edits
                    .extend(Edit::replace(self.text, value, r#""private""#));
            }
        });
    }
}

/// Whether some client treats `name` as `known`.
fn is(name: &str, known: &str) -> bool {
    fold(name).eq(fold(known))
}

/// The member `key` of `entry`, if there is exactly one and it is a string.
fn name<'a>(entry: &'a str, key: &str) -> Option<Cow<'a, str>> {
    match json::values(entry, key).as_slice() {
        [name] => json::string(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn without_x(kind: ListKind, text: &str) -> Option<String> {
        let filtered = filtered(text, kind, false, |name| !name.contains('x')).expect(text);
        filtered.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn hidden_entries_go_and_the_rest_stays_byte_for_byte() {
        for (kind, text, expected) in [
            (
                ListKind::Tools,
                r#" {"jsonrpc":"2.0", "id":1.0,"result":{"tools":[ {"name":"a","n":1.10} , {"name":"x"}, {"title":"x","name":"b"}],"nextCursor":"x" }} "#,
                r#" {"jsonrpc":"2.0", "id":1.0,"result":{"tools":[ {"name":"a","n":1.10}, {"title":"x","name":"b"}],"nextCursor":"x" }} "#,
            ),
            (
                ListKind::Tools,
                r#"{"result":{"tools":[{"name":"x"},{"name":"\u0078y"}]}}"#,
                r#"{"result":{"tools":[]}}"#,
            ),
            (
                ListKind::Prompts,
                r#"{"result":{"prompts":[{"name":"x"},{"name":"b"}],"tools":[{"name":"x"}]}}"#,
                r#"{"result":{"prompts":[{"name":"b"}],"tools":[{"name":"x"}]}}"#,
            ),
            (
                ListKind::Resources,
                r#"{"result":{"resources":[{"name":"x","uri":"f:a"},{"name":"b","uri":"f:x"}]}}"#,
                r#"{"result":{"resources":[{"name":"x","uri":"f:a"}]}}"#,
            ),
            (
                ListKind::Templates,
                r#"{"result":{"resourceTemplates":[{"uriTemplate":"f:{x}"},{"uriTemplate":"f:{a}"}]}}"#,
                r#"{"result":{"resourceTemplates":[{"uriTemplate":"f:{a}"}]}}"#,
            ),
        ] {
            assert_eq!(without_x(kind, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_hides_nothing_is_unchanged() {
        for text in [
            r#"{"result":{"tools":[{"name":"a"}],"cacheScope":"public"}}"#,
            r#"{"result":{"tools":[]}}"#,
            r#"{"result":{"tools":{"name":"x"}}}"#,
            r#"{"result":[{"name":"x"}]}"#,
            r#"{"error":{"code":1,"message":"x"}}"#,
            r#"{"method":"notifications/progress","params":{"tools":[{"name":"x"}]}}"#,
        ] {
            assert_eq!(without_x(ListKind::Tools, text), None, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_entry_without_a_readable_name_is_hidden() {
        for entry in [
            "{}",
            "null",
            r#""a""#,
            r#"{"name":1}"#,
            r#"{"Name":"a"}"#,
            r#"{"name":"a","name":"b"}"#,
            r#"{"name":"\ud800"}"#,
        ] {
            let text = format!(r#"{{"result":{{"tools":[{entry},{{"name":"b"}}]}}}}"#);
            let expected = r#"{"result":{"tools":[{"name":"b"}]}}"#;
            assert_eq!(
                without_x(ListKind::Tools, &text).as_deref(),
                Some(expected),
                "{entry}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_that_is_there_twice_is_filtered_twice() {
        let text = r#"{"result":{"tools":[{"name":"x"}],"Tools":[{"name":"x"}]},"Result":{"tools":[{"name":"x"}]}}"#;
        let expected = r#"{"result":{"tools":[],"Tools":[]},"Result":{"tools":[]}}"#;
        assert_eq!(without_x(ListKind::Tools, text).as_deref(), Some(expected));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_cannot_be_read_must_not_pass() {
        for text in [
            "",
            r#"[{"result":{"tools":[{"name":"x"}]}}]"#,
            r#"{"result":{"tools":[{"name":"x","n":NaN}]}}"#,
            "\u{feff}{}",
            "{}{}",
        ] {
            assert!(
                filtered(text, ListKind::Tools, false, |_| true).is_err(),
                "{text}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_personal_list_is_not_shared() {
        let personal = |scope: &str| {
            let text = format!(r#"{{"result":{{"tools":[],"cacheScope": {scope} }}}}"#);
            let changed = filtered(&text, ListKind::Tools, true, |_| true).unwrap();
            changed.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        let expected = r#"{"result":{"tools":[],"cacheScope": "private" }}"#;
        assert_eq!(personal(r#""public""#).as_deref(), Some(expected));
        assert_eq!(personal(r#""p\u0075blic""#).as_deref(), Some(expected));
        assert_eq!(personal(r#""private""#), None);
    }
}
