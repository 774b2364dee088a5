//! Plugin configurations. The filter must refuse them with one line, or read them in the same way
//! in every form that Envoy may give.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_gateway::config::Config;
use mcp_gateway_fuzz::{raw, unique};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let read = shown(bytes);
    assert_eq!(read, shown(bytes));
    let config = match read {
        Ok(config) => config,
        Err(line) => {
            // The line goes into Envoy's log, where a line break would start a new entry.
            assert!(!line.contains(char::is_control), "{line:?}");
            return;
        }
    };
    // Serde's reader uses the last of two members. Ours is compared only if no member is there
    // twice.
    let text = std::str::from_utf8(bytes).ok();
    if text.and_then(raw).and_then(|raw| unique(raw, 64)) != Some(true) {
        return;
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let value = snake_case(value);
    let text = serde_json::to_vec(&value).expect("JSON");
    assert_eq!(shown(&text).as_ref(), Ok(&config));
    if let Some(Kind::StructValue(message)) = protobuf(&value) {
        assert_eq!(shown(&message.encode_to_vec()).as_ref(), Ok(&config));
    }
});

fn shown(bytes: &[u8]) -> Result<String, String> {
    Config::parse(bytes)
        .map(|config| format!("{config:?}"))
        .map_err(|error| error.to_string())
}

/// The same configuration with the field names of the proto file, and without nulls.
fn snake_case(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(snake_case).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (snake(&name), snake_case(value)))
            .collect(),
        other => other,
    }
}

fn snake(name: &str) -> String {
    let words = name.chars().flat_map(|c| {
        let split = c.is_ascii_uppercase().then_some('_');
        split.into_iter().chain([c.to_ascii_lowercase()])
    });
    words.collect()
}

/// The same configuration as protobuf; `None` if a number does not fit into a double.
fn protobuf(value: &Value) -> Option<Kind> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let wrapped = |value| {
        Some(prost_types::Value {
            kind: Some(protobuf(value)?),
        })
    };
    Some(match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => {
            Kind::NumberValue(number.as_f64().filter(|number| number.abs() < EXACT)?)
        }
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(elements) => {
            let values = elements.iter().map(wrapped).collect::<Option<_>>()?;
            Kind::ListValue(ListValue { values })
        }
        Value::Object(members) => {
            let wrapped = |(name, value): (&String, _)| Some((name.clone(), wrapped(value)?));
            let fields = members.iter().map(wrapped).collect::<Option<_>>()?;
            Kind::StructValue(Struct { fields })
        }
    })
}
