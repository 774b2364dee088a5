//! A client's request made one of the server's: prefixes come off in the body
//! by splicing, and the headers say what the body then says.

use std::borrow::Cow;
use std::ops::Range;

use super::edit::{self, Edit};
use super::kind::Kind;
use crate::config::Server;
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::message::Params;
use crate::mcp::{self, header_value, json, method};

/// What a request is about: the one name that says which server it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// What it names.
    pub kind: Kind,
    /// The name or URI, as the client has it.
    pub name: Cow<'a, str>,
    /// Where that stands in the body.
    span: Range<usize>,
}

/// Why a request is for no server.
#[derive(Debug, PartialEq, Eq)]
pub enum Aimless {
    /// This method is about nothing that servers have.
    Method,
    /// The member of `params` that says what it is about is missing, or no string.
    Member(&'static str),
}

impl<'a> Target<'a> {
    /// What the request of `method` with this `body` and its `params` is about.
    ///
    /// # Errors
    /// It is about nothing, or does not say.
    pub fn of(method: &str, body: &str, params: &Params<'a>) -> Result<Self, Aimless> {
        let (kind, member) = match method {
            method::TOOLS_CALL => (Kind::Tools, "name"),
            method::PROMPTS_GET => (Kind::Prompts, "name"),
            method::RESOURCES_READ
            | method::RESOURCES_SUBSCRIBE
            | method::RESOURCES_UNSUBSCRIBE => (Kind::Resources, "uri"),
            method::COMPLETION => return Self::of_completion(body, params),
            _ => return Err(Aimless::Method),
        };
        Self::at(kind, member, body, params.get(member))
    }

    /// A completion is about a prompt or a resource template, which `ref` names.
    fn of_completion(body: &str, params: &Params<'a>) -> Result<Self, Aimless> {
        const MISSING: Aimless = Aimless::Member("ref");
        let reference = params.get("ref").ok_or(MISSING)?;
        let (mut kind, mut name, mut uri) = (None, None, None);
        let mut has_lookalike = params.has_lookalike("ref");
        let shape = json::members(reference, |member, value| {
            has_lookalike |= is_lookalike(&member, &["type", "name", "uri"]);
            match member.as_ref() {
                "type" => kind = json::string(value),
                "name" => name = Some(value),
                "uri" => uri = Some(value),
                _ => {}
            }
        });
        // What a server could read as another reference is none.
        if !matches!(shape, Ok(json::Shape::Object { unique: true })) || has_lookalike {
            return Err(MISSING);
        }
        match kind.as_deref() {
            Some("ref/prompt") => Self::at(Kind::Prompts, "ref.name", body, name),
            Some("ref/resource") => Self::at(Kind::Templates, "ref.uri", body, uri),
            _ => Err(Aimless::Member("ref.type")),
        }
    }

    fn at(
        kind: Kind,
        member: &'static str,
        body: &str,
        value: Option<&'a str>,
    ) -> Result<Self, Aimless> {
        let missing = || Aimless::Member(member);
        let value = value.ok_or_else(missing)?;
        Ok(Self {
            kind,
            name: json::string(value).ok_or_else(missing)?,
            span: json::span(body, value).ok_or_else(missing)?,
        })
    }

    /// The edit that puts `own` in place of the name.
    pub fn rename(&self, own: &str) -> Edit {
        Edit {
            range: self.span.clone(),
            new: json::quoted(own).into(),
        }
    }

    /// `body` with `own` in place of the name; everything else byte for byte.
    pub fn renamed(&self, body: &str, own: &str) -> Option<Vec<u8>> {
        Some(edit::apply(body, vec![self.rename(own)]))
    }
}

/// What the headers of a request to a server say.
#[derive(Debug)]
pub struct Heading<'a> {
    /// Its method, where it is a request.
    pub method: Option<&'a str>,
    /// What the server calls what it is about.
    pub name: Option<&'a str>,
    /// The protocol version.
    pub version: Option<String>,
    /// The server's session.
    pub session: Option<&'a str>,
}

/// The headers to set on a request to `server`; `length` is that of the body,
/// where it was changed.
pub fn headers(
    server: &Server,
    heading: &Heading<'_>,
    length: Option<usize>,
) -> Vec<(&'static str, String)> {
    let encoded = |value: &str| header_value::encode(value).into_owned();
    let mut headers = vec![
        (":path", server.path.clone()),
        (":authority", server.authority.clone()),
    ];
    headers.extend(heading.method.map(|it| (mcp::METHOD_HEADER, encoded(it))));
    // The header repeats a parameter that not every method has.
    let has_name = heading.method.and_then(method::name_param).is_some();
    let name = heading.name.filter(|_| has_name);
    headers.extend(name.map(|it| (mcp::NAME_HEADER, encoded(it))));
    let version = heading.version.as_deref();
    headers.extend(version.map(|it| (mcp::PROTOCOL_VERSION_HEADER, encoded(it))));
    let session = heading.session;
    headers.extend(session.map(|it| (mcp::SESSION_HEADER, it.to_owned())));
    headers.extend(length.map(|length| ("content-length", length.to_string())));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::Message;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn target(body: &str) -> Result<(Kind, String, String), Aimless> {
        let message = Message::parse(body.as_bytes()).unwrap();
        let target = Target::of(message.method(), body, message.params().unwrap())?;
        let renamed = String::from_utf8(target.renamed(body, "\"ä").unwrap()).unwrap();
        Ok((target.kind, target.name.into_owned(), renamed))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_the_name_changes_in_the_body() {
        for (kind, name, body, expected) in [
            (
                Kind::Tools,
                "w__get",
                r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "name" : "w__get", "arguments":{"name":"w__get","x":1.10}}} "#,
                r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "name" : "\"ä", "arguments":{"name":"w__get","x":1.10}}} "#,
            ),
            (
                Kind::Prompts,
                "w__get",
                r#"{"params":{"n\u0061me":"\u0077__g\u0065t"},"method":"prompts/get","id":1,"jsonrpc":"2.0"}"#,
                r#"{"params":{"n\u0061me":"\"ä"},"method":"prompts/get","id":1,"jsonrpc":"2.0"}"#,
            ),
            (
                Kind::Resources,
                "w+file:///x",
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"n","uri":"w+file:\/\/\/x"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"n","uri":"\"ä"}}"#,
            ),
            (
                Kind::Prompts,
                "w__p",
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"w__p"},"argument":{"name":"w__p","value":""}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"\"ä"},"argument":{"name":"w__p","value":""}}}"#,
            ),
            (
                Kind::Templates,
                "w+f:{x}",
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"uri":"w+f:{x}","type":"ref/resource"}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"uri":"\"ä","type":"ref/resource"}}}"#,
            ),
        ] {
            assert_eq!(
                target(body),
                Ok((kind, name.into(), expected.into())),
                "{body}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_that_does_not_say_what_it_is_about_is_told_so() {
        for (method, params, why) in [
            ("tools/call", "{}", Aimless::Member("name")),
            ("tools/call", r#"{"name":1}"#, Aimless::Member("name")),
            ("resources/read", r#"{"name":"x"}"#, Aimless::Member("uri")),
            ("completion/complete", "{}", Aimless::Member("ref")),
            (
                "completion/complete",
                r#"{"ref":[]}"#,
                Aimless::Member("ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x"}}"#,
                Aimless::Member("ref.type"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt"}}"#,
                Aimless::Member("ref.name"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x","name":"y"}}"#,
                Aimless::Member("ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x","Name":"y"}}"#,
                Aimless::Member("ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x"},"Ref":{}}"#,
                Aimless::Member("ref"),
            ),
            ("tasks/get", r#"{"taskId":"x"}"#, Aimless::Method),
            ("nobody/knows", "{}", Aimless::Method),
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            assert_eq!(target(&body), Err(why), "{body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_headers_say_what_the_body_says() {
        let config = br#"{"servers":[{"name":"w","path":"/v1","hostname":"h"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let server = &gateway.servers[0];
        let said = |heading: &Heading<'_>, length| {
            let set = headers(server, heading, length);
            set.into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        let heading = Heading {
            method: Some("tools/call"),
            name: Some("Ä"),
            version: Some("2026-07-28".into()),
            session: None,
        };
        assert_eq!(
            said(&heading, Some(7)),
            [
                ":path: /v1",
                ":authority: h",
                "mcp-method: tools/call",
                "mcp-name: =?base64?w4Q=?=",
                "mcp-protocol-version: 2026-07-28",
                "content-length: 7",
            ]
        );
        let heading = Heading {
            method: Some("completion/complete"),
            name: Some("p"),
            version: None,
            session: Some("s"),
        };
        assert_eq!(
            said(&heading, None),
            [
                ":path: /v1",
                ":authority: h",
                "mcp-method: completion/complete",
                "mcp-session-id: s",
            ]
        );
    }
}
