//! Bodies. If the filter accepts a body, every reader must read the same message in it. If it
//! refuses a body as invalid JSON, the body must be invalid JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_gateway::mcp::message::{Content, ParseError};
use mcp_gateway::mcp::{self, Invalid, Message, json, method};
use mcp_gateway_fuzz::{Members, raw, string, unique};
use serde_json::Value;
use serde_json::value::RawValue;

fuzz_target!(|body: &[u8]| {
    let text = std::str::from_utf8(body).ok();
    let whole = text.and_then(raw);
    match (Message::parse(body), whole) {
        (Ok(message), Some(whole)) => accepted(&message, whole),
        (Err(error), whole) => refused(body, &error, whole),
        (Ok(message), None) => panic!("no JSON, but {}", message.text),
    }
    if let Some(text) = text {
        names(text, whole);
    }
});

/// Checks that every reader reads `message` in `whole`.
fn accepted(message: &Message<'_>, whole: &RawValue) {
    let envelope = Members::of(whole).expect("an object");
    let version = agreed(&envelope, "jsonrpc").and_then(string);
    assert_eq!(version.as_deref(), Some("2.0"));
    let id = agreed(&envelope, "id");
    assert_eq!(message.id(), id.map(RawValue::get));
    let method = agreed(&envelope, "method").map(|method| string(method).expect("a string"));
    assert_eq!(
        message.method(),
        method.as_deref().unwrap_or(method::RESPONSE)
    );
    let answers = ["result", "error"].map(|name| agreed(&envelope, name).is_some());
    let kind = (
        method.is_some(),
        id.is_some(),
        answers.iter().any(|there| *there),
    );
    match message.content {
        Content::Request { .. } => assert_eq!(kind, (true, true, false)),
        Content::Notification { .. } => assert_eq!(kind, (true, false, false)),
        Content::Response { .. } => assert_eq!(kind, (false, true, true)),
    }
    if let Some(read) = message.params() {
        let members =
            agreed(&envelope, "params").map(|params| Members::of(params).expect("an object"));
        let members = members.unwrap_or(Members(Vec::new()));
        let meta = agreed(&members, "_meta").map(|meta| Members::of(meta).expect("an object"));
        let meta = meta.unwrap_or(Members(Vec::new()));
        for (read, name) in [
            (read.meta.protocol_version, mcp::PROTOCOL_VERSION_KEY),
            (read.meta.client_capabilities, mcp::CLIENT_CAPABILITIES_KEY),
            (read.meta.client_info, mcp::CLIENT_INFO_KEY),
        ] {
            assert_eq!(read, exact(&meta, name).map(RawValue::get), "{name}");
        }
        if let Some(param) = method::name_param(message.method()) {
            let name = if read.has_lookalike(param) {
                // Other code refuses the lookalike when it reads this parameter.
                exact(&members, param)
            } else {
                agreed(&members, param)
            };
            assert_eq!(read.get(param), name.map(RawValue::get));
            assert_eq!(message.name().map(String::from), name.and_then(string));
        }
    }
    // Serde's own reader refuses some numbers and half surrogate pairs.
    if let Ok(value) = serde_json::from_str::<Value>(whole.get()) {
        assert_eq!(value["method"].as_str(), method.as_deref());
        assert_eq!(
            value.get("id"),
            id.map(|id| serde_json::from_str(id.get()).expect("JSON"))
                .as_ref()
        );
    }
}

/// The value for readers that accept only the exact `name`.
fn exact<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    let (first, last) = (members.first(name), members.last(name));
    assert_eq!(first.map(RawValue::get), last.map(RawValue::get), "{name}");
    first
}

/// The value that all readers read for `name`.
fn agreed<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    let value = exact(members, name);
    let forgiving = members.forgiving(name);
    assert_eq!(
        value.map(RawValue::get),
        forgiving.map(RawValue::get),
        "{name}"
    );
    value
}

fn refused(body: &[u8], error: &ParseError<'_>, whole: Option<&RawValue>) {
    let Some(whole) = whole else {
        assert!(matches!(error.why, Invalid::NotJson(_)));
        assert_eq!(error.id, None);
        return;
    };
    assert!(!matches!(error.why, Invalid::NotJson(_)));
    let members = Members::of(whole).map_or(Vec::new(), |members| members.0);
    let ids: Vec<_> = members.iter().filter(|(name, _)| name == b"id").collect();
    let echoed = match ids.as_slice() {
        [(_, id)] if !id.get().starts_with(['{', '[', 't', 'f', 'n']) => Some(id.get()),
        _ => None,
    };
    assert_eq!(error.id, echoed);
    if let Some(id) = error.id {
        assert!(
            body.as_ptr_range().contains(&id.as_ptr()),
            "borrowed from the body"
        );
    }
}

/// Checks that names that are there twice are found at any depth.
fn names(text: &str, whole: Option<&RawValue>) {
    let found = json::unique(text);
    match whole {
        // The second name may come before the text that is not JSON.
        None => assert_ne!(found, Ok(true)),
        Some(whole) => {
            if let Some(expected) = unique(whole, 64) {
                assert_eq!(found, Ok(expected));
            }
        }
    }
}
