//! Results of calls, prompts and resources as text for people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The text in the result of a tool. If it has no text, the structured content.
pub(super) fn of_call(result: &Value) -> String {
    let blocks = items(result, "content");
    let shown: Vec<String> = blocks.iter().map(block).collect();
    let is_text = |block: &Value| kind(block) == "text";
    let structured = result.get("structuredContent");
    match structured.filter(|_| !blocks.iter().any(is_text)) {
        Some(structured) => [shown, vec![pretty(structured)]].concat().join("\n"),
        None => shown.join("\n"),
    }
}

/// The messages of a prompt, each with its role.
pub(super) fn of_prompt(result: &Value) -> String {
    let shown = items(result, "messages").iter().map(|message| {
        let role = message.get("role").and_then(Value::as_str).unwrap_or("?");
        let content = message.get("content").unwrap_or(&Value::Null);
        format!("{role}: {}", block(content))
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// The contents of a resource.
pub(super) fn of_resource(result: &Value) -> String {
    let shown = items(result, "contents").iter().map(resource);
    shown.collect::<Vec<_>>().join("\n")
}

fn items<'a>(result: &'a Value, key: &str) -> &'a [Value] {
    let items = result.get(key).and_then(Value::as_array);
    items.map_or(&[][..], Vec::as_slice)
}

fn kind(block: &Value) -> &str {
    let kind = block.get("type").and_then(Value::as_str);
    kind.unwrap_or_default()
}

/// A content block.
fn block(block: &Value) -> String {
    let text = |key: &str| block.get(key).and_then(Value::as_str);
    match (kind(block), block.get("resource")) {
        ("text", _) => text("text").unwrap_or_default().to_owned(),
        (kind @ ("image" | "audio"), _) => data(kind, text("mimeType"), text("data")),
        ("resource", Some(embedded)) => resource(embedded),
        ("resource_link", _) => format!("[resource {}]", text("uri").unwrap_or("?")),
        // The block is of a version of MCP that this program does not know.
        _ => pretty(block),
    }
}

fn resource(resource: &Value) -> String {
    let text = |key: &str| resource.get(key).and_then(Value::as_str);
    match text("text") {
        Some(text) => text.to_owned(),
        None => {
            let name = format!("resource {}", text("uri").unwrap_or("?"));
            data(&name, text("mimeType"), text("blob"))
        }
    }
}

/// A line about data in base64.
fn data(name: &str, media_type: Option<&str>, base64: Option<&str>) -> String {
    let media_type = media_type.unwrap_or("unknown type");
    let size = match STANDARD.decode(base64.unwrap_or_default()) {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(_) => "not base64".to_owned(),
    };
    format!("[{name}: {media_type}, {size}]")
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_is_shown_by_its_content() {
        let text = json!({"type": "text", "text": "hello"});
        for (result, expected) in [
            (json!({"content": [text]}), "hello"),
            (json!({"content": [text, text]}), "hello\nhello"),
            (
                json!({"content": [text], "structuredContent": {"a": 1}}),
                "hello",
            ),
            (
                json!({"content": [], "structuredContent": {"a": 1}}),
                "{\n  \"a\": 1\n}",
            ),
            (json!({"structuredContent": [1]}), "[\n  1\n]"),
            (
                json!({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}),
                "[image: image/png, 3 bytes]",
            ),
            (
                json!({"content": [{"type": "audio", "data": "?", "mimeType": "audio/wav"}]}),
                "[audio: audio/wav, not base64]",
            ),
            (
                json!({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "t"}}]}),
                "t",
            ),
            (
                json!({"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "AAAA"}}]}),
                "[resource a:b: unknown type, 3 bytes]",
            ),
            (
                json!({"content": [{"type": "resource_link", "uri": "a:b", "name": "x"}]}),
                "[resource a:b]",
            ),
            (
                json!({"content": [{"type": "new"}]}),
                "{\n  \"type\": \"new\"\n}",
            ),
            (json!({}), ""),
        ] {
            assert_eq!(of_call(&result), expected, "{result}");
        }
    }

    #[test]
    fn a_prompt_says_who_says_what() {
        let result = json!({"messages": [
            {"role": "user", "content": {"type": "text", "text": "hi"}},
            {"role": "assistant", "content": {"type": "image", "data": "", "mimeType": "image/png"}},
        ]});
        assert_eq!(
            of_prompt(&result),
            "user: hi\nassistant: [image: image/png, 0 bytes]"
        );
    }

    #[test]
    fn a_resource_is_its_text_or_a_line_about_its_data() {
        let result = json!({"contents": [
            {"uri": "a:b", "text": "t"},
            {"uri": "a:c", "blob": "AAAA", "mimeType": "image/png"},
        ]});
        assert_eq!(
            of_resource(&result),
            "t\n[resource a:c: image/png, 3 bytes]"
        );
    }
}
