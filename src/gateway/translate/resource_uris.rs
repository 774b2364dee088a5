//! Finds the URIs of resources in a server's message.

use crate::gateway::upstream::app_uris::{find_in_meta, visit_object};
use crate::gateway::upstream::skill_uris::{find_in_skill, note_uri, visit_array};
use crate::mcp::json::{self, Error, Reader};
use crate::mcp::method;

const RESOURCES_UPDATED: &str = "notifications/resources/updated";
const SUBSCRIPTIONS_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const TASKS: &str = "notifications/tasks";

/// The shape of a result, which says where the URIs of resources are. All results but
/// [`Other`](Self::Other) may also have URIs of apps in `_meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultShape {
    /// The result of `tools/call`: URIs are in `content`.
    Tool,
    /// The result of `prompts/get`: URIs are in `messages`.
    Prompt,
    /// The result of `resources/read`: URIs are in `contents`.
    Resource,
    /// The result of `skills/get`: URIs are in `skill`.
    Skill,
    /// One of the results above, and the message does not say which one: the result of
    /// `tasks/result`, or a response on another stream than its request.
    Unknown,
    /// The result of the modern `tasks/get`: URIs are in the task's `result`, as in
    /// [`Unknown`](Self::Unknown).
    Task,
    /// Any other result. It has no URIs.
    Other,
}

impl ResultShape {
    /// The shape of the result of this `method`.
    pub fn by(method: &str) -> Self {
        match method {
            method::TOOLS_CALL => Self::Tool,
            method::PROMPTS_GET => Self::Prompt,
            method::RESOURCES_READ => Self::Resource,
            method::SKILLS_GET => Self::Skill,
            "tasks/result" => Self::Unknown,
            "tasks/get" => Self::Task,
            _ => Self::Other,
        }
    }
}

/// Reads a result, and adds to `starts` the bytes at which its URIs start.
pub(super) fn find_in_result(
    reader: &mut Reader<'_>,
    shape: ResultShape,
    starts: &mut Vec<usize>,
) -> Result<(), Error> {
    visit_object(reader, &mut |reader, name| match (shape, name) {
        (ResultShape::Tool | ResultShape::Unknown, "content") => find_in_blocks(reader, starts),
        (ResultShape::Prompt | ResultShape::Unknown, "messages") => visit_array(reader, |reader| {
            visit_object(reader, &mut |reader, name| match name {
                "content" => find_in_blocks(reader, starts),
                _ => skip(reader),
            })
        }),
        (ResultShape::Resource | ResultShape::Unknown, "contents") => {
            visit_array(reader, |reader| find_in_resource(reader, starts))
        }
        (ResultShape::Skill | ResultShape::Unknown, "skill") => find_in_skill(reader, starts),
        (ResultShape::Task | ResultShape::Other, "_meta") => skip(reader),
        (_, "_meta") => find_in_meta(reader, starts),
        (ResultShape::Task, "result") => find_in_result(reader, ResultShape::Unknown, starts),
        _ => skip(reader),
    })
}

/// Reads the `params` of a notification, and adds to `starts` the bytes at which its
/// URIs start.
pub(super) fn find_in_notification(
    reader: &mut Reader<'_>,
    method: &str,
    starts: &mut Vec<usize>,
) -> Result<(), Error> {
    match method {
        RESOURCES_UPDATED => find_in_resource(reader, starts),
        SUBSCRIPTIONS_ACKNOWLEDGED => visit_object(reader, &mut |reader, name| match name {
            "notifications" => visit_object(reader, &mut |reader, name| match name {
                "resourceSubscriptions" => visit_array(reader, |reader| note_uri(reader, starts)),
                _ => skip(reader),
            }),
            _ => skip(reader),
        }),
        // The params of this notification have the shape of the result of `tasks/get`.
        TASKS => find_in_result(reader, ResultShape::Task, starts),
        _ => Ok(()),
    }
}

/// Reads one content block, or an array of them.
fn find_in_blocks(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    if reader.peek() == Some(b'[') {
        visit_array(reader, |reader| find_in_block(reader, starts))
    } else {
        find_in_block(reader, starts)
    }
}

fn find_in_block(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    // The type may come after the other members.
    let (mut is_link, mut is_embedded) = (false, false);
    let (mut linked, mut embedded) = (Vec::new(), Vec::new());
    visit_object(reader, &mut |reader, name| match name {
        "type" => {
            let kind = json::string(reader.skip()?);
            is_link |= kind.as_deref() == Some("resource_link");
            is_embedded |= kind.as_deref() == Some("resource");
            Ok(())
        }
        "uri" => note_uri(reader, &mut linked),
        "resource" => find_in_resource(reader, &mut embedded),
        _ => skip(reader),
    })?;
    if is_link {
        starts.append(&mut linked);
    }
    if is_embedded {
        starts.append(&mut embedded);
    }
    Ok(())
}

/// Reads an object whose member `uri` is a URI of a resource.
fn find_in_resource(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    visit_object(reader, &mut |reader, name| match name {
        "uri" => note_uri(reader, starts),
        _ => skip(reader),
    })
}

fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.skip()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UriPrefix;
    use crate::gateway::translate::server_message::ServerMessage;
    use crate::mcp::json::edit::Edit;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The message that a client gets; `None` where it is the server's own text, unchanged.
    fn renamed(text: &str, asked: ResultShape) -> Option<String> {
        let read = ServerMessage::read(text, asked, &UriPrefix::of("w"))
            .unwrap_or_else(|why| panic!("{why}: {text}"));
        let renamed = read.edited(Vec::new());
        renamed.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// In each text, `@` is where the prefix goes.
    fn check(asked: ResultShape, text: &str) {
        let expected = text.contains('@').then(|| text.replace('@', "w+"));
        assert_eq!(renamed(&text.replace('@', ""), asked), expected, "{text}");
    }

    fn response(result: &str) -> String {
        format!(r#" {{"jsonrpc" : "2.0","id":1,"result": {result} }}"#)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_uris_of_a_result_are_renamed_and_nothing_else() {
        const LINK: &str = r#"{"type":"resource_link", "uri" : "@file:///a","name":"uri"}"#;
        const EMBEDDED: &str = r#"{"resource":{"text":"x","uri":"@x:y"},"type":"resource"}"#;
        const TEXT: &str = r#"{"type":"text","text":"file:///a","uri":"a","resource":{"uri":"a"}}"#;
        let blocks = format!("[{TEXT},{LINK} ,{EMBEDDED},1,{{}},[{{}}],null]");
        let plain = blocks.replace('@', "");
        for (asked, result) in [
            (
                ResultShape::Tool,
                format!(
                    r#"{{"content":{blocks},"structuredContent":{{"content":{plain}}},"_meta":{plain},"contents":{plain},"messages":[{{"content":{plain}}}]}}"#
                ),
            ),
            (
                ResultShape::Prompt,
                format!(
                    r#"{{"description":"","messages":[{{"role":"user","content":{LINK}}},{{"content":{EMBEDDED}}},{{"content":{blocks}}},{{"content":"a"}},{{}},1],"content":{plain}}}"#
                ),
            ),
            (
                ResultShape::Resource,
                r#"{"contents":[{"uri":"@a","text":"","_meta":{"uri":"a"}},{"blob":"","uri":"@b"},{"uri":1},"a"],"uri":"a","content":[{"type":"resource_link","uri":"a"}]}"#.to_owned(),
            ),
            (
                ResultShape::Skill,
                format!(
                    r#"{{"skill":{{"frontmatter":{{"uri":"a"}},"resources":[{{"uri":"@a"}},{{"uri":"@b"}},1],"uri":"@a","_meta":{{"uri":"a"}}}},"uri":"a","resources":[{{"uri":"a"}}],"skills":[{{"uri":"a"}}],"contents":{plain}}}"#
                ),
            ),
            (
                ResultShape::Skill,
                r#"{"skill":{"uri":"@a","resources":"dynamic"},"skill":{"uri":"@b","resources":null}}"#.to_owned(),
            ),
            (ResultShape::Unknown, r#"{"skill":{"uri":"@a"}}"#.to_owned()),
            (
                ResultShape::Tool,
                r#"{"skill":{"uri":"a","resources":[{"uri":"a"}]}}"#.to_owned(),
            ),
            (
                ResultShape::Unknown,
                format!(
                    r#"{{"content":{blocks},"contents":[{{"uri":"@a"}}],"messages":[{{"content":{LINK}}}],"result":{{"content":{plain}}}}}"#
                ),
            ),
            (
                ResultShape::Task,
                format!(
                    r#"{{"taskId":"t","status":"completed","result":{{"content":{blocks},"result":{{"content":{plain}}}}},"content":{plain}}}"#
                ),
            ),
            (
                ResultShape::Other,
                format!(r#"{{"content":{plain},"contents":[{{"uri":"a"}}]}}"#),
            ),
        ] {
            check(asked, &response(&result));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn results_of_another_shape_stay_as_they_are() {
        for result in [
            "null",
            "[]",
            "{}",
            r#""content""#,
            r#"{"content":null}"#,
            r#"{"content":"file:///a","isError":true}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}"#,
            r#"{"messages":{},"contents":{"uri":"a"}}"#,
        ] {
            for asked in [ResultShape::Unknown, ResultShape::Task] {
                check(asked, &response(result));
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_stands_there_twice_is_renamed_twice() {
        for text in [
            r#"{"id":1,"result":{"content":[{"type":"resource_link","uri":"@a"}],"content":[{"type":"resource_link","uri":"@a"}]}}"#,
            r#"{"id":1,"result":{"content":[{"uri":"@a","uri":"@b","type":"resource_link","type":"text"}]}}"#,
            r#"{"id":1,"result":{"content":[{"resource":{"uri":"@a"},"type":"resource_link","uri":"@b","type":"resource"}]}}"#,
            r#"{"id":1,"result":{"content":[{"type":"resource_link","uri":"@a"}]},"result":{"content":{"type":"resource_link","uri":"@a"}}}"#,
            r#"{"id":1,"r\u0065sult":{"content":[{"typ\u0065":"r\u0065source_link","\u0075ri":"@\u0061\ud800"}]}}"#,
        ] {
            check(ResultShape::Tool, text);
        }
        let twice = r#"{"method":"notifications/resources/updated","params":{"uri":"@a","uri":"@b"},"params":{"uri":"@c"}}"#;
        check(ResultShape::Other, twice);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn notifications_are_renamed_whatever_was_asked() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"@a","_meta":{"uri":"a"}}}"#,
            r#"{"params":{"uri" : "@a"},"method":"notifications/resources\/updated"}"#,
            r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourcesListChanged":true,"resourceSubscriptions":["@a", "@b",1]},"resourceSubscriptions":["a"]}}"#,
            r#"{"method":"notifications/tasks","params":{"taskId":"t","status":"completed","result":{"content":[{"type":"resource_link","uri":"@a"}]}}}"#,
            r#"{"method":"notifications/message","params":{"uri":"a","data":{"uri":"a"}}}"#,
            r#"{"method":"notifications/resources/updated","params":["a"]}"#,
            r#"{"method":"notifications/resources/updated"}"#,
            // Requests of the server and errors have no URIs.
            r#"{"id":1,"method":"notifications/resources/updated","params":{"uri":"a"}}"#,
            r#"{"id":1,"error":{"code":-32002,"message":"","data":{"uri":"a"}}}"#,
        ] {
            for asked in [ResultShape::Other, ResultShape::Tool, ResultShape::Resource] {
                check(asked, text);
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn without_a_prefix_nothing_changes() {
        let text = r#"{"id":1,"result":{"contents":[{"uri":"a"},{"uri":"ui:\/\/a"}],"_meta":{"ui/resourceUri":"ui://a"}}}"#;
        let (none, prefix) = (UriPrefix::NONE, UriPrefix::of("w"));
        let read = |prefix| ServerMessage::read(text, ResultShape::Resource, prefix).unwrap();
        assert_eq!(read(&none).edited(Vec::new()), None);
        let read = read(&prefix);
        let more = vec![Edit::replace(text, read.id.unwrap(), "2").unwrap()];
        let expected = r#"{"id":2,"result":{"contents":[{"uri":"w+a"},{"uri":"ui://w/a"}],"_meta":{"ui/resourceUri":"ui://w/a"}}}"#;
        assert_eq!(read.edited(more), Some(expected.as_bytes().to_vec()));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_uri_of_an_app_stays_one() {
        let blocks = |uri: &str| {
            format!(
                r#"[{{"type":"resource_link","uri":"{uri}"}},{{"type":"resource","resource":{{"uri":"{uri}","_meta":{{"ui":{{"domain":"a"}}}}}}}}]"#
            )
        };
        let meta = |uri: &str| {
            format!(
                r#"{{"ui":{{"resourceUri":"{uri}"}},"ui/resourceUri":"{uri}","openai/outputTemplate":"ui://a/b","x":"file:///x"}}"#
            )
        };
        for (asked, result) in [
            (
                ResultShape::Tool,
                r#"{"content":BLOCKS,"_meta":META,"structuredContent":{"_meta":OWN}}"#,
            ),
            (
                ResultShape::Prompt,
                r#"{"messages":[{"content":BLOCKS}],"_meta":META}"#,
            ),
            (
                ResultShape::Resource,
                r#"{"contents":[{"uri":"URI","_meta":OWN}],"_meta":META}"#,
            ),
            (ResultShape::Unknown, r#"{"content":BLOCKS,"_meta":META}"#),
            (
                ResultShape::Task,
                r#"{"result":{"content":BLOCKS,"_meta":META},"_meta":OWN}"#,
            ),
        ] {
            let put = |uri: &str| {
                let result = result
                    .replace("BLOCKS", &blocks(uri))
                    .replace("META", &meta(uri));
                response(&result.replace("OWN", &meta("ui://a/b")).replace("URI", uri))
            };
            assert_eq!(renamed(&put("ui://a/b"), asked), Some(put("ui://w/a/b")));
        }
        for (message, expected) in [
            (
                r#"{"method":"notifications/resources/updated","params":{"uri":"ui://a"}}"#,
                Some(r#"{"method":"notifications/resources/updated","params":{"uri":"ui://w/a"}}"#),
            ),
            (
                r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["ui://a","f:x"]}}}"#,
                Some(
                    r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["ui://w/a","w+f:x"]}}}"#,
                ),
            ),
            (r#"{"method":"x","params":{"uri":"ui://a"}}"#, None),
        ] {
            let text = renamed(message, ResultShape::Unknown);
            assert_eq!(text.as_deref(), expected);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_request_says_where_to_look() {
        for (method, asked) in [
            ("tools/call", ResultShape::Tool),
            ("prompts/get", ResultShape::Prompt),
            ("resources/read", ResultShape::Resource),
            ("skills/get", ResultShape::Skill),
            ("tasks/result", ResultShape::Unknown),
            ("tasks/get", ResultShape::Task),
            ("completion/complete", ResultShape::Other),
        ] {
            assert_eq!(ResultShape::by(method), asked);
        }
    }
}
