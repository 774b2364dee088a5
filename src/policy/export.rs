//! The attributes of a request as later filters see them: filter state, and
//! headers that Envoy's `header_to_metadata` copies into dynamic metadata.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::attributes::{Attributes, Chosen};
use super::extract::Extracted;
use super::{Refusal, Status, protobuf_value};
use crate::mcp::header_value;
use crate::mcp::json;
use crate::mcp::json::object::push_object;
use crate::mcp::method::Subject;

/// Every header that this filter exports to later ones. Headers of a client with
/// these names are removed from every request.
pub const HEADERS: &[&str] = &[
    METHOD_HEADER,
    "x-mcp-toolname",
    "x-mcp-promptname",
    "x-mcp-resourceuri",
    "x-mcp-servername",
    CLUSTER_HEADER,
    PARAMS_HEADER,
];

/// The header that the routes of gateway mode name in `cluster_header`.
pub const CLUSTER_HEADER: &str = "x-mcp-cluster";
const METHOD_HEADER: &str = "x-mcp-method";
const PARAMS_HEADER: &str = "x-mcp-params";

/// The keys of filter state. Each value is a CEL string and lives as long as the
/// request. Envoy puts `wasm.` before the key.
pub const STATE: &[&str] = &[
    "mcp",
    STATUS,
    "mcp.method",
    "mcp.name",
    "mcp.tool",
    "mcp.prompt",
    "mcp.resource",
    "mcp.server",
    "mcp.id",
    "mcp.protocol_version",
    "mcp.group",
    ERROR,
];

const STATUS: &str = "mcp.status";
const ERROR: &str = "mcp.error";

/// The longest value that can be exported, in bytes. Envoy's `header_to_metadata`
/// drops longer values without an error, and a policy that denies by them would not
/// match.
pub const LONGEST: usize = 8191;

/// Where the attributes are exported: `requestStorageMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// The headers that `header_to_metadata` copies.
    pub dynamic_metadata: bool,
    /// Filter state.
    pub filter_state: bool,
}

/// What later filters see.
#[derive(Default, PartialEq, Eq)]
pub struct Export {
    /// Keys and values of filter state.
    pub state: Vec<(&'static str, Vec<u8>)>,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
}

impl Export {
    /// The export of a message that was refused, or passed without being read.
    pub fn status(status: Status, storage: Storage) -> Self {
        let mut export = Self::default();
        if storage.filter_state {
            export.state.push((STATUS, status.as_str().into()));
        }
        export
    }

    /// The export of how a call failed that a server answered.
    pub fn error(error: &str, storage: Storage) -> Self {
        let mut export = Self::default();
        if storage.filter_state {
            export.state.push((ERROR, error.into()));
        }
        export
    }

    /// The export of a request that goes to a server and has no message.
    ///
    /// # Errors
    /// A value is longer than [`LONGEST`].
    pub fn chosen(chosen: &Chosen, storage: Storage) -> Result<Self, Refusal> {
        let mut export = Self::status(Status::Ok, storage);
        export.server(chosen)?;
        if storage.filter_state {
            let server = chosen.server.as_str();
            export.state.push(("mcp.server", server.into()));
        }
        Ok(export)
    }

    /// The export of a message that was understood and then refused, without its status.
    /// No later filter gets the message, so there are no headers, and what is too long is
    /// left out.
    pub fn refused(attributes: &Attributes<'_>, storage: Storage) -> Self {
        let mut export = Self::default();
        if storage.filter_state {
            for (key, value, _) in texts(attributes) {
                if value.len() <= LONGEST {
                    export.state.push((key, value.into()));
                }
            }
            let object = object(attributes);
            if object.len() <= LONGEST {
                export.state.push(("mcp", object));
            }
        }
        export
    }

    fn server(&mut self, chosen: &Chosen) -> Result<(), Refusal> {
        self.header("x-mcp-servername", &chosen.server, "server")?;
        self.header(CLUSTER_HEADER, &chosen.cluster, "cluster")
    }

    /// The export of a message that was understood.
    ///
    /// # Errors
    /// A value is longer than [`LONGEST`]; also where `storage` leaves it out, so that
    /// the same messages are refused in every mode.
    pub fn of(attributes: &Attributes<'_>, storage: Storage) -> Result<Self, Refusal> {
        let mut export = Self::status(Status::Ok, storage);
        // Where nobody sees filter state, it is only measured, and rarely.
        if storage.filter_state || may_be_long(attributes) {
            export.filter_state(attributes, storage)?;
        }
        export.headers.reserve(HEADERS.len());
        let method = encoded(&attributes.method, "method")?;
        if storage.dynamic_metadata {
            export.headers.push((METHOD_HEADER, method.into_owned()));
        }
        if let Some(params) = &attributes.params {
            // Base64 turns three bytes into four.
            let length = protobuf_value::length(params).div_ceil(3);
            check_length(length.saturating_mul(4), "params")?;
            if storage.dynamic_metadata {
                let params = STANDARD.encode(protobuf_value::encode(params));
                export.headers.push((PARAMS_HEADER, params));
            }
        }
        if let Some((subject, name)) = &attributes.subject {
            let (_, header, what) = subject_names(*subject);
            export.header(header, name, what)?;
        }
        if let Some(chosen) = &attributes.server {
            export.server(chosen)?;
        }
        Ok(export)
    }

    /// Adds filter state, where `storage` shows it. Its lengths count in every mode.
    fn filter_state(
        &mut self,
        attributes: &Attributes<'_>,
        storage: Storage,
    ) -> Result<(), Refusal> {
        self.state.reserve(STATE.len());
        for (key, value, what) in texts(attributes) {
            check_length(value.len(), what)?;
            if storage.filter_state {
                self.state.push((key, value.into()));
            }
        }
        let object = object(attributes);
        check_length(object.len(), "message")?;
        if storage.filter_state {
            self.state.push(("mcp", object));
        }
        Ok(())
    }

    fn header(
        &mut self,
        name: &'static str,
        value: &str,
        what: &'static str,
    ) -> Result<(), Refusal> {
        let value = encoded(value, what)?.into_owned();
        self.headers.push((name, value));
        Ok(())
    }
}

/// Refuses a value with too many bytes to be exported. `what` is the noun for the error message.
fn check_length(length: usize, what: &'static str) -> Result<(), Refusal> {
    if length > LONGEST {
        return Err(Refusal::TooLong(what, LONGEST));
    }
    Ok(())
}

/// The header value for `value`. It is refused as by [`check_length`].
fn encoded<'v>(value: &'v str, what: &'static str) -> Result<Cow<'v, str>, Refusal> {
    let value = header_value::encode(value);
    check_length(value.len(), what)?;
    Ok(value)
}

/// What filter state shows of a message as texts: the key, the value, and the noun for
/// an error message.
fn texts<'t>(
    attributes: &'t Attributes<'_>,
) -> impl Iterator<Item = (&'static str, &'t str, &'static str)> {
    let subject = attributes.subject.as_ref().map(|(subject, name)| {
        let (state, _, what) = subject_names(*subject);
        (state, name.as_ref(), what)
    });
    let chosen = attributes.server.as_ref();
    let version = attributes.protocol_version.as_deref();
    let rest = [
        attributes
            .name
            .as_deref()
            .map(|it| ("mcp.name", it, "name")),
        subject,
        chosen.map(|it| ("mcp.server", it.server.as_str(), "server")),
        attributes.id.map(|it| ("mcp.id", it, "id")),
        version.map(|it| ("mcp.protocol_version", it, "protocol version")),
        attributes.group.map(|(_, it)| ("mcp.group", it, "group")),
    ];
    let method = ("mcp.method", attributes.method.as_ref(), "method");
    std::iter::once(method).chain(rest.into_iter().flatten())
}

/// Whether a value in filter state may be longer than [`LONGEST`], computed without making it.
fn may_be_long(attributes: &Attributes<'_>) -> bool {
    /// The most bytes of the names and the punctuation of `wasm.mcp`.
    const REST: usize = 128;
    let params = attributes.params.as_ref().map_or(0, Extracted::most_json);
    let key = attributes.group.map_or(0, |(key, _)| key.len());
    let texts = texts(attributes).map(|(_, value, _)| value.len());
    let texts = texts.fold(key, usize::saturating_add);
    let texts = texts.saturating_mul(json::MOST_ESCAPED);
    texts.saturating_add(params).saturating_add(REST) > LONGEST
}

/// The key of filter state, the header, and the noun for an error message.
fn subject_names(subject: Subject) -> (&'static str, &'static str, &'static str) {
    match subject {
        Subject::Tool => ("mcp.tool", "x-mcp-toolname", "tool name"),
        Subject::Prompt => ("mcp.prompt", "x-mcp-promptname", "prompt name"),
        Subject::Resource => ("mcp.resource", "x-mcp-resourceuri", "resource URI"),
    }
}

/// The names that filter state `wasm.mcp` has by itself, besides `groupMetadataKey`.
pub const MEMBERS: &[&str] = &[
    "jsonrpc",
    "method",
    "id",
    "params",
    "is_mcp_request",
    "server",
];

/// All attributes as one JSON object, with the layout of the native filter's metadata. Its names are
/// those of [`MEMBERS`].
fn object(attributes: &Attributes<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    push_object(&mut out, |object| {
        object.string("jsonrpc", "2.0");
        object.string("method", &attributes.method);
        if let Some(id) = attributes.id {
            object.json("id", id);
        }
        if let Some(params) = &attributes.params {
            params.push_json(object.member("params"));
        }
        object.json("is_mcp_request", "true");
        if let Some((key, group)) = attributes.group {
            object.string(key, group);
        }
        if let Some(chosen) = &attributes.server {
            object.string("server", &chosen.server);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use crate::mcp::Message;
    use crate::policy::attributes::Chosen;
    use crate::policy::rules::Rules;
    use wasm_bindgen_test::wasm_bindgen_test;

    const BOTH: Storage = Storage {
        dynamic_metadata: true,
        filter_state: true,
    };

    fn export(body: &str, storage: Storage) -> Result<Export, Refusal> {
        let message = Message::parse(body.as_bytes()).unwrap();
        let headers = Headers::from_pairs([("mcp-protocol-version", "2025-11-25")]);
        Export::of(
            &Attributes::of(&message, &headers, &Rules::default())?,
            storage,
        )
    }

    fn state<'a>(export: &'a Export, key: &str) -> Option<&'a str> {
        let (_, value) = export.state.iter().find(|(name, _)| *name == key)?;
        Some(std::str::from_utf8(value).unwrap())
    }

    fn header<'a>(export: &'a Export, key: &str) -> Option<&'a str> {
        export
            .headers
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    }

    fn grouped() -> Rules {
        Rules {
            group_key: Some("group".into()),
            ..Rules::default()
        }
    }

    fn call(name: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":"i","method":"tools/call","params":{{"name":"{name}","arguments":{{}}}}}}"#
        )
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_shows_all_its_attributes() {
        let export = export(&call("get_weather"), BOTH).unwrap();
        assert_eq!(header(&export, "x-mcp-method"), Some("tools/call"));
        assert_eq!(header(&export, "x-mcp-toolname"), Some("get_weather"));
        let params = STANDARD
            .decode(header(&export, "x-mcp-params").unwrap())
            .unwrap();
        assert_eq!(
            params,
            b"\x2a\x17\x0a\x15\x0a\x04name\x12\x0d\x1a\x0bget_weather"
        );
        for (key, value) in [
            ("mcp.method", "tools/call"),
            ("mcp.name", "get_weather"),
            ("mcp.tool", "get_weather"),
            ("mcp.id", "\"i\""),
            ("mcp.protocol_version", "2025-11-25"),
            ("mcp.status", "mcp_ok"),
            (
                "mcp",
                r#"{"jsonrpc":"2.0","method":"tools/call","id":"i","params":{"name":"get_weather"},"is_mcp_request":true}"#,
            ),
        ] {
            assert_eq!(state(&export, key), Some(value), "{key}");
        }
        assert_eq!(state(&export, "mcp.prompt"), None);
        assert_eq!(state(&export, "mcp.server"), None);
        assert_eq!(header(&export, "x-mcp-cluster"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_routed_call_shows_the_servers_name_for_it_and_the_clients() {
        let body = call("weather__get");
        let message = Message::parse(body.as_bytes()).unwrap();
        let headers = Headers::default();
        let rules = grouped();
        let mut attributes = Attributes::of(&message, &headers, &rules).unwrap();
        attributes.route(
            Chosen {
                server: "weather".into(),
                cluster: "c1".into(),
            },
            Some("get"),
        );
        let export = Export::of(&attributes, BOTH).unwrap();
        assert_eq!(state(&export, "mcp.name"), Some("weather__get"));
        assert_eq!(state(&export, "mcp.tool"), Some("get"));
        assert_eq!(state(&export, "mcp.server"), Some("weather"));
        let whole: serde_json::Value =
            serde_json::from_str(state(&export, "mcp").unwrap()).unwrap();
        let names = whole.as_object().unwrap().keys();
        let mut names: Vec<&str> = names
            .map(String::as_str)
            .filter(|it| *it != "group")
            .collect();
        let mut members = MEMBERS.to_vec();
        names.sort_unstable();
        members.sort_unstable();
        assert_eq!(names, members);
        assert!(state(&export, "mcp").unwrap().ends_with(
            r#""params":{"name":"weather__get"},"is_mcp_request":true,"group":"tool","server":"weather"}"#
        ));
        assert_eq!(header(&export, "x-mcp-toolname"), Some("get"));
        assert_eq!(header(&export, "x-mcp-servername"), Some("weather"));
        assert_eq!(header(&export, "x-mcp-cluster"), Some("c1"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_subject_has_its_own_names() {
        for (method, params, key, header_name) in [
            (
                "tools/call",
                r#"{"name":"x"}"#,
                "mcp.tool",
                "x-mcp-toolname",
            ),
            (
                "prompts/get",
                r#"{"name":"x"}"#,
                "mcp.prompt",
                "x-mcp-promptname",
            ),
            (
                "resources/read",
                r#"{"uri":"x"}"#,
                "mcp.resource",
                "x-mcp-resourceuri",
            ),
            (
                "resources/subscribe",
                r#"{"uri":"x"}"#,
                "mcp.resource",
                "x-mcp-resourceuri",
            ),
            (
                "resources/unsubscribe",
                r#"{"uri":"x"}"#,
                "mcp.resource",
                "x-mcp-resourceuri",
            ),
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            let export = export(&body, BOTH).unwrap();
            assert_eq!(state(&export, key), Some("x"), "{method}");
            assert_eq!(header(&export, header_name), Some("x"), "{method}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_response_shows_that_it_is_one() {
        let export = export(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#, BOTH).unwrap();
        assert_eq!(header(&export, "x-mcp-method"), Some("__jsonrpc_response"));
        assert_eq!(header(&export, "x-mcp-params"), None);
        assert_eq!(state(&export, "mcp.id"), Some("5"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn values_that_no_header_can_carry_are_encoded() {
        let export = export(&call("\\u00c4\\n"), BOTH).unwrap();
        assert_eq!(header(&export, "x-mcp-toolname"), Some("=?base64?w4QK?="));
        assert_eq!(state(&export, "mcp.tool"), Some("Ä\n"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn values_that_policies_could_not_see_are_refused_in_every_mode() {
        let method = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        let call_with = |id: usize, name: usize| {
            let id = format!("\"{}\"", "i".repeat(id - 2));
            call(&"x".repeat(name)).replace(r#""i""#, &id)
        };
        // What `wasm.mcp` has besides the id and the name.
        let rest = r#"{"jsonrpc":"2.0","method":"tools/call","id":,"params":{"name":""},"is_mcp_request":true}"#.len();
        // The number and the id `"i"` have this length together.
        let number = |length: usize| {
            let number = format!("0.{}", "1".repeat(length - "0.".len() - r#""i""#.len()));
            call("").replace(r#""name":"""#, &format!(r#""name":{number}"#))
        };
        for (fits, body) in [
            // In x-mcp-params, base64 makes a name a third longer.
            (true, call(&"x".repeat(6123))),
            (false, call(&"x".repeat(6124))),
            // The header encodes a method that is not ASCII, and filter state does not.
            (true, method(&"\u{e4}".repeat(3067))),
            (false, method(&"\u{e4}".repeat(3068))),
            (true, method(&"m".repeat(8191 - 60))),
            (false, method(&"m".repeat(8192))),
            // As protobuf, a number has eight bytes. As JSON, it has all its digits.
            (true, number(8191 - rest + 2)),
            (false, number(8192 - rest + 2)),
            // Neither the id nor the name is too long, but both are in one object.
            (true, call_with(4000, 8191 - rest - 4000)),
            (false, call_with(4000, 8192 - rest - 4000)),
        ] {
            for [dynamic_metadata, filter_state] in [[true, true], [true, false], [false, true]] {
                let storage = Storage {
                    dynamic_metadata,
                    filter_state,
                };
                let refused = matches!(export(&body, storage), Err(Refusal::TooLong(..)));
                assert_eq!(refused, !fits, "{storage:?} {}: {body:.60}", body.len());
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_storage_mode_leaves_out_what_it_names_not() {
        let metadata = export(
            &call("x"),
            Storage {
                dynamic_metadata: true,
                filter_state: false,
            },
        )
        .unwrap();
        assert!(metadata.state.is_empty());
        let state_only = export(
            &call("x"),
            Storage {
                dynamic_metadata: false,
                filter_state: true,
            },
        )
        .unwrap();
        assert_eq!(header(&state_only, "x-mcp-method"), None);
        assert_eq!(header(&state_only, "x-mcp-params"), None);
        assert_eq!(header(&state_only, "x-mcp-toolname"), Some("x"));
        assert_eq!(state(&state_only, "mcp.method"), Some("tools/call"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn every_name_that_is_shown_is_declared_and_stripped() {
        let mut all = Export::default();
        for (method, params) in [
            ("tools/call", r#"{"name":"x"}"#),
            ("prompts/get", r#"{"name":"x"}"#),
            ("resources/read", r#"{"uri":"x"}"#),
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            let message = Message::parse(body.as_bytes()).unwrap();
            let headers = Headers::from_pairs([("mcp-protocol-version", "2025-11-25")]);
            let rules = grouped();
            let mut attributes = Attributes::of(&message, &headers, &rules).unwrap();
            attributes.route(
                Chosen {
                    server: "s".into(),
                    cluster: "c".into(),
                },
                Some("x"),
            );
            let export = Export::of(&attributes, BOTH).unwrap();
            all.state.extend(export.state);
            all.headers.extend(export.headers);
        }
        all.state.extend(Export::error("tool_error", BOTH).state);
        let mut state: Vec<_> = all.state.iter().map(|(key, _)| *key).collect();
        let mut headers: Vec<_> = all.headers.iter().map(|(name, _)| *name).collect();
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names.dedup();
            names
        };
        (state, headers) = (sorted(state), sorted(headers));
        assert_eq!(state, sorted(STATE.to_vec()));
        assert_eq!(headers, sorted(HEADERS.to_vec()));
    }
}
