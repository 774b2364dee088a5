//! The references from one message to another: ids, progress tokens, and the `requestId` of a
//! cancellation. A server and its client use different values for them, and the gateway replaces
//! them. All of them are JSON texts, as they are in the message. Only strings and numbers count.

use crate::gateway::translate::server_message::{MessageKind, ServerMessage};
use crate::mcp::json::edit::{Edit, MOST_REPLACED};
use crate::mcp::message::{Content, is_id, is_same_id};
use crate::mcp::{Message, PROGRESS_TOKEN, json, method};

/// The edits that replace the references in a server's own message with aliases: the id of a
/// request and its progress token, or the `requestId` of a cancellation. `alias` makes an alias.
/// `None` where `message` has too many of them.
pub fn alias_edits(
    message: &ServerMessage<'_>,
    mut alias: impl FnMut(&str) -> String,
) -> Option<Vec<Edit>> {
    let names = match &message.kind {
        MessageKind::Request(_) => {
            let metas = values(&message.contents, "_meta");
            let tokens = values(&metas, PROGRESS_TOKEN);
            message.id.into_iter().chain(tokens).collect()
        }
        MessageKind::Notification(name) if name == method::CANCELLED => {
            values(&message.contents, "requestId")
        }
        _ => Vec::new(),
    };
    if names.len() > MOST_REPLACED {
        return None;
    }
    let names = names.into_iter().filter(|name| is_id(name));
    let edits =
        names.filter_map(|name| Edit::replace(message.text, name, json::quoted(&alias(name))));
    Some(edits.collect())
}

/// The edit that gives a server's response to the request `from` the id `to`; `None`
/// where `message` is not that response.
pub fn response_id_edit(message: &ServerMessage<'_>, from: &str, to: &str) -> Option<Edit> {
    if !message.answers(from) {
        return None;
    }
    Edit::replace(message.text, message.id?, to)
}

/// The edits that replace the token `from` with `to` in a server's `notifications/progress`. `None`
/// where `message` has another method or another token, has several tokens that differ, or has too
/// many tokens.
pub fn progress_edits(message: &ServerMessage<'_>, from: &str, to: &str) -> Option<Vec<Edit>> {
    if !matches!(&message.kind, MessageKind::Notification(name) if name == method::PROGRESS) {
        return None;
    }
    let tokens = values(&message.contents, PROGRESS_TOKEN);
    let count = tokens.len();
    if !(1..=MOST_REPLACED).contains(&count) || !tokens.iter().all(|token| is_same_id(token, from))
    {
        return None;
    }
    let edits = tokens
        .into_iter()
        .map(|token| Edit::replace(message.text, token, to));
    edits.collect()
}

/// The value by which a client's notification refers to a request: its progress token, or the id of
/// the request that it cancels. `None` for other messages, and where a server could read another
/// value.
pub fn reference<'a>(message: &Message<'a>) -> Option<&'a str> {
    let Content::Notification { method, params } = &message.content else {
        return None;
    };
    let name = match method.as_ref() {
        method::PROGRESS => PROGRESS_TOKEN,
        method::CANCELLED => "requestId",
        _ => return None,
    };
    let value = params.get(name).filter(|value| is_id(value));
    value.filter(|_| !params.has_lookalike(name))
}

/// The edit that makes the client's notification `message` refer to `to`; `None` where it has no
/// [`reference`].
pub fn reference_edit(message: &Message<'_>, to: &str) -> Option<Edit> {
    Edit::replace(message.text, reference(message)?, to)
}

/// All values of the member `name` in these objects. An object may have the same member several
/// times.
pub(super) fn values<'a>(objects: &[&'a str], name: &str) -> Vec<&'a str> {
    let values = objects.iter().flat_map(|object| json::values(object, name));
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UriPrefix;
    use crate::gateway::translate::resource_uris::ResultShape;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn read(text: &str) -> ServerMessage<'_> {
        ServerMessage::read(text, ResultShape::Other, &UriPrefix::NONE)
            .unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    fn applied(read: ServerMessage<'_>, edits: Vec<Edit>) -> String {
        let text = read.text.to_owned();
        let edited = read.edited(edits);
        edited.map_or(text, |edited| String::from_utf8(edited).unwrap())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_servers_own_request_gets_another_name_wherever_it_stands() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0", "id" : 1 ,"method":"sampling/createMessage","params":{"id":2,"progressToken":3,"_meta":{"progressToken" : "t\"" ,"x":1}}}"#,
                r#"{"jsonrpc":"2.0", "id" : "<1>" ,"method":"sampling/createMessage","params":{"id":2,"progressToken":3,"_meta":{"progressToken" : "<\"t\\\"\">" ,"x":1}}}"#,
            ),
            (
                r#"{"method":"ping","\u0069d":"a"}"#,
                r#"{"method":"ping","\u0069d":"<\"a\">"}"#,
            ),
            // A client may read these as the reference.
            (
                r#"{"id":1,"method":"x","params":{"_meta":{"progressToken":2,"progressToken":3},"_meta":{"progressToken":4}},"params":{"_met\u0061":{"progressToken":5}}}"#,
                r#"{"id":"<1>","method":"x","params":{"_meta":{"progressToken":"<2>","progressToken":"<3>"},"_meta":{"progressToken":"<4>"}},"params":{"_met\u0061":{"progressToken":"<5>"}}}"#,
            ),
            (
                r#"{"method":"notifications/c\u0061ncelled","params":{"requestId":1.5,"reason":"requestId","requestId":"a"}}"#,
                r#"{"method":"notifications/c\u0061ncelled","params":{"requestId":"<1.5>","reason":"requestId","requestId":"<\"a\">"}}"#,
            ),
        ] {
            let read = read(text);
            let edits = alias_edits(&read, |name| format!("<{name}>")).unwrap();
            assert_eq!(applied(read, edits), expected, "{text}");
        }
        for text in [
            r#"{"id":1,"result":{"requestId":1,"_meta":{"progressToken":1}}}"#,
            r#"{"id":1,"error":{"code":1,"message":""}}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":1,"requestId":1}}"#,
            r#"{"method":"notifications/cancelled","params":{"requestId":null,"_meta":{"progressToken":1}}}"#,
            r#"{"method":"notifications/cancelled","params":["requestId"]}"#,
            r#"{"method":"notifications/cancelled"}"#,
            r#"{"id":null,"method":"ping","params":{"_meta":[],"_meta":{"progressToken":{}}}}"#,
        ] {
            let edits = alias_edits(&read(text), |name| panic!("{name} of {text}"));
            assert_eq!(edits, Some(Vec::new()), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_message_with_very_many_references_gets_no_aliases() {
        for (count, has_aliases) in [(15, true), (16, false), (100_000, false)] {
            let tokens = vec![r#""progressToken":7"#; count].join(",");
            let text = format!(r#"{{"id":1,"method":"x","params":{{"_meta":{{{tokens}}}}}}}"#);
            let mut made = 0_usize;
            let edits = alias_edits(&read(&text), |name| {
                made += 1;
                name.to_owned()
            });
            assert_eq!(edits.is_some(), has_aliases, "{count}");
            assert_eq!(made, if has_aliases { count + 1 } else { 0 });
        }
        let ids = vec![r#""requestId":7"#; 17].join(",");
        let text = format!(r#"{{"method":"notifications/cancelled","params":{{{ids}}}}}"#);
        assert_eq!(alias_edits(&read(&text), |_| panic!()), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_gets_the_id_of_the_request_it_answers() {
        for (text, from, expected) in [
            (
                r#"{"result":{"id":1}, "id" : "gw-1" }"#,
                r#""gw-1""#,
                Some(r#"{"result":{"id":1}, "id" : "own" }"#),
            ),
            (
                r#"{"id":"g\u0077-1","error":{}}"#,
                r#""gw-1""#,
                Some(r#"{"id":"own","error":{}}"#),
            ),
            (
                r#"{"id":1.0,"result":{}}"#,
                "1",
                Some(r#"{"id":"own","result":{}}"#),
            ),
            (r#"{"id":"1","result":{}}"#, "1", None),
            (r#"{"id":null,"error":{}}"#, "1", None),
            (r#"{"error":{}}"#, "1", None),
            (r#"{"id":1,"method":"ping"}"#, "1", None),
        ] {
            let read = read(text);
            let edit = response_id_edit(&read, from, r#""own""#);
            let edited = edit.map(|edit| applied(read, vec![edit]));
            assert_eq!(edited.as_deref(), expected, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn progress_gets_the_token_that_was_asked_for() {
        for (text, expected) in [
            (
                r#"{"method":"notifications/progress","params":{ "progressToken" : 7.0,"progress":7,"_meta":{"progressToken":7}}}"#,
                Some(
                    r#"{"method":"notifications/progress","params":{ "progressToken" : "own","progress":7,"_meta":{"progressToken":7}}}"#,
                ),
            ),
            (
                r#"{"params":{"pro\u0067ressToken":7,"progressToken":7},"params":{"progressToken":7},"method":"notifications\/progress"}"#,
                Some(
                    r#"{"params":{"pro\u0067ressToken":"own","progressToken":"own"},"params":{"progressToken":"own"},"method":"notifications\/progress"}"#,
                ),
            ),
            (
                r#"{"method":"notifications/progress","params":{"progressToken":7,"progressToken":8}}"#,
                None,
            ),
            (
                r#"{"method":"notifications/progress","params":{"progressToken":"7"}}"#,
                None,
            ),
            (r#"{"method":"notifications/progress","params":{}}"#, None),
            (r#"{"method":"notifications/progress"}"#, None),
            (
                r#"{"method":"notifications/message","params":{"progressToken":7}}"#,
                None,
            ),
            (
                r#"{"id":1,"method":"notifications/progress","params":{"progressToken":7}}"#,
                None,
            ),
            (r#"{"id":7,"result":{"progressToken":7}}"#, None),
        ] {
            let read = read(text);
            let edits = progress_edits(&read, "7", r#""own""#);
            let edited = edits.map(|edits| applied(read, edits));
            assert_eq!(edited.as_deref(), expected, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_notification_with_very_many_tokens_is_no_progress() {
        for (count, is_progress) in [(16, true), (17, false), (100_000, false)] {
            let tokens = vec![r#""progressToken":7"#; count].join(",");
            let text = format!(r#"{{"method":"notifications/progress","params":{{{tokens}}}}}"#);
            let edits = progress_edits(&read(&text), "7", r#""own""#);
            assert_eq!(edits.is_some(), is_progress, "{count}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clients_notification_tells_what_it_refers_to() {
        for (method, params, name, expected) in [
            (
                "notifications/progress",
                r#"{"progress":1, "pro\u0067ressToken" : "a" ,"requestId":2}"#,
                Some(r#""a""#),
                r#"{"progress":1, "pro\u0067ressToken" : 77 ,"requestId":2}"#,
            ),
            (
                "notifications/cancelled",
                r#"{"progressToken":1,"requestId":-2}"#,
                Some("-2"),
                r#"{"progressToken":1,"requestId":77}"#,
            ),
            (
                "notifications/progress",
                r#"{"progressToken":{}}"#,
                None,
                "",
            ),
            ("notifications/progress", "{}", None, ""),
            ("notifications/cancelled", r#"{"requestId":null}"#, None, ""),
            (
                "notifications/cancelled",
                r#"{"requestId":1,"RequestId":2}"#,
                None,
                "",
            ),
            (
                "notifications/initialized",
                r#"{"requestId":1,"progressToken":1}"#,
                None,
                "",
            ),
        ] {
            let body =
                |params| format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
            let text = body(params);
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(reference(&message), name, "{text}");
            let edit = reference_edit(&message, "77");
            let edited = edit.map(|edit| crate::mcp::json::edit::apply(&text, vec![edit]));
            let expected = name.map(|_| body(expected).into_bytes());
            assert_eq!(edited, expected, "{text}");
        }
        let request = r#"{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(
            reference(&Message::parse(request.as_bytes()).unwrap()),
            None
        );
    }
}
