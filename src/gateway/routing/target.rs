//! The tool, prompt or resource that a client's request names, and the edit that writes the
//! server's own name in its place.

use std::borrow::Cow;
use std::ops::Range;

use crate::mcp::Message;
use crate::mcp::json::edit::Edit;
use crate::mcp::list::ListKind;
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::message::Params;
use crate::mcp::{json, method};

/// The tool, prompt or resource that a request names. The name says which server gets the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// The kind of thing that it names.
    pub kind: ListKind,
    /// The name or URI that the client sent.
    pub name: Cow<'a, str>,
    /// The bytes of the body where the JSON string of the name is.
    span: Range<usize>,
}

/// Why a request names nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Untargeted {
    /// This method names no tool, prompt or resource.
    Method,
    /// This member of `params`, which has the name, is missing or not a string.
    Member(&'static str),
}

impl<'a> Target<'a> {
    /// The target of the request `message`.
    ///
    /// # Errors
    /// The method has no target, or the request does not name it.
    pub fn of(message: &Message<'a>) -> Result<Self, Untargeted> {
        let params = message.params().ok_or(Untargeted::Method)?;
        let method = message.method();
        if method == method::COMPLETION {
            return Self::of_completion(message.text, params);
        }
        let kind = ListKind::named_by(method).ok_or(Untargeted::Method)?;
        let member = kind.key();
        Self::named_by(kind, member, message.text, params.get(member))
    }

    /// A completion is about a prompt or a resource template: `ref` names it.
    fn of_completion(body: &str, params: &Params<'a>) -> Result<Self, Untargeted> {
        const MISSING: Untargeted = Untargeted::Member("ref");
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
        // If another member looks like `ref`, the server could read a different reference than the
        // gateway.
        if !matches!(shape, Ok(json::Shape::Object { unique: true })) || has_lookalike {
            return Err(MISSING);
        }
        match kind.as_deref() {
            Some("ref/prompt") => Self::named_by(ListKind::Prompts, "ref.name", body, name),
            Some("ref/resource") => Self::named_by(ListKind::Templates, "ref.uri", body, uri),
            _ => Err(Untargeted::Member("ref.type")),
        }
    }

    fn named_by(
        kind: ListKind,
        member: &'static str,
        body: &str,
        value: Option<&'a str>,
    ) -> Result<Self, Untargeted> {
        let missing = || Untargeted::Member(member);
        let value = value.ok_or_else(missing)?;
        Ok(Self {
            kind,
            name: json::string(value).ok_or_else(missing)?,
            span: json::span(body, value).ok_or_else(missing)?,
        })
    }

    /// The edit that replaces the name with `upstream_name`, the server's own name.
    pub fn rename(&self, upstream_name: &str) -> Edit {
        Edit {
            range: self.span.clone(),
            new: json::quoted(upstream_name).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::json::edit;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn target(body: &str) -> Result<(ListKind, String, String), Untargeted> {
        let message = Message::parse(body.as_bytes()).unwrap();
        let target = Target::of(&message)?;
        let renamed = edit::apply(body, vec![target.rename("\"ä")]);
        let renamed = String::from_utf8(renamed).unwrap();
        Ok((target.kind, target.name.into_owned(), renamed))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_the_name_changes_in_the_body() {
        for (kind, name, body, expected) in [
            (
                ListKind::Tools,
                "w__get",
                r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "name" : "w__get", "arguments":{"name":"w__get","x":1.10}}} "#,
                r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "name" : "\"ä", "arguments":{"name":"w__get","x":1.10}}} "#,
            ),
            (
                ListKind::Prompts,
                "w__get",
                r#"{"params":{"n\u0061me":"\u0077__g\u0065t"},"method":"prompts/get","id":1,"jsonrpc":"2.0"}"#,
                r#"{"params":{"n\u0061me":"\"ä"},"method":"prompts/get","id":1,"jsonrpc":"2.0"}"#,
            ),
            (
                ListKind::Resources,
                "w+file:///x",
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"n","uri":"w+file:\/\/\/x"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"n","uri":"\"ä"}}"#,
            ),
            (
                ListKind::Skills,
                "w+skill://a/SKILL.md",
                r#"{"jsonrpc":"2.0","id":1,"method":"skills/get","params":{"uri":"w+skill://a/SKILL.md"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"skills/get","params":{"uri":"\"ä"}}"#,
            ),
            (
                ListKind::Prompts,
                "w__p",
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"w__p"},"argument":{"name":"w__p","value":""}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"\"ä"},"argument":{"name":"w__p","value":""}}}"#,
            ),
            (
                ListKind::Templates,
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
            ("tools/call", "{}", Untargeted::Member("name")),
            ("tools/call", r#"{"name":1}"#, Untargeted::Member("name")),
            (
                "resources/read",
                r#"{"name":"x"}"#,
                Untargeted::Member("uri"),
            ),
            ("skills/get", "{}", Untargeted::Member("uri")),
            ("skills/list", "{}", Untargeted::Method),
            ("completion/complete", "{}", Untargeted::Member("ref")),
            (
                "completion/complete",
                r#"{"ref":[]}"#,
                Untargeted::Member("ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x"}}"#,
                Untargeted::Member("ref.type"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt"}}"#,
                Untargeted::Member("ref.name"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x","name":"y"}}"#,
                Untargeted::Member("ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x","Name":"y"}}"#,
                Untargeted::Member("ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"x"},"Ref":{}}"#,
                Untargeted::Member("ref"),
            ),
            ("tasks/get", r#"{"taskId":"x"}"#, Untargeted::Method),
            ("nobody/knows", "{}", Untargeted::Method),
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            assert_eq!(target(&body), Err(why), "{body}");
        }
    }
}
