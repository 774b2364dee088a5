//! A client's request made one of the server's: prefixes come off in the body
//! by splicing, and the headers say what the body then says.

use std::borrow::Cow;
use std::ops::Range;

use crate::mcp::Message;
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::list::ListKind;
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::message::Params;
use crate::mcp::{json, method};

/// What a request is about: the one name that says which server it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// What it names.
    pub kind: ListKind,
    /// The name or URI, as the client has it.
    pub name: Cow<'a, str>,
    /// Where that stands in the body.
    span: Range<usize>,
}

/// Why a request is for no server.
#[derive(Debug, PartialEq, Eq)]
pub enum Untargeted {
    /// This method is about nothing that servers have.
    Method,
    /// The member of `params` that says what it is about is missing, or no string.
    Member(&'static str),
}

impl<'a> Target<'a> {
    /// What the request `message` is about.
    ///
    /// # Errors
    /// It is about nothing, or does not say.
    pub fn of(message: &Message<'a>) -> Result<Self, Untargeted> {
        let params = message.params().ok_or(Untargeted::Method)?;
        let (kind, member) = match message.method() {
            method::TOOLS_CALL => (ListKind::Tools, "name"),
            method::PROMPTS_GET => (ListKind::Prompts, "name"),
            method::RESOURCES_READ
            | method::RESOURCES_SUBSCRIBE
            | method::RESOURCES_UNSUBSCRIBE => (ListKind::Resources, "uri"),
            method::COMPLETION => return Self::of_completion(message.text, params),
            _ => return Err(Untargeted::Method),
        };
        Self::at(kind, member, message.text, params.get(member))
    }

    /// A completion is about a prompt or a resource template, which `ref` names.
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
        // What a server could read as another reference is none.
        if !matches!(shape, Ok(json::Shape::Object { unique: true })) || has_lookalike {
            return Err(MISSING);
        }
        match kind.as_deref() {
            Some("ref/prompt") => Self::at(ListKind::Prompts, "ref.name", body, name),
            Some("ref/resource") => Self::at(ListKind::Templates, "ref.uri", body, uri),
            _ => Err(Untargeted::Member("ref.type")),
        }
    }

    fn at(
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

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn target(body: &str) -> Result<(ListKind, String, String), Untargeted> {
        let message = Message::parse(body.as_bytes()).unwrap();
        let target = Target::of(&message)?;
        let renamed = String::from_utf8(target.renamed(body, "\"ä").unwrap()).unwrap();
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
