//! Resource URIs on their way through the gateway. Each gets its prefix, which a reader based on
//! serde checks, and nothing else changes.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::config::{APP, Config, Server, UriPrefix};
use mcp_gateway::gateway::routing::subscriptions::{self, UnusableSubscriptions};
use mcp_gateway::gateway::translate::resource_uris::ResultShape;
use mcp_gateway::gateway::translate::server_message::{MessageKind, ServerMessage};
use mcp_gateway::mcp::Message;
use mcp_gateway::mcp::json::edit;
use mcp_gateway_fuzz::{Members, raw, string, unique};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const NAME: &str = "a.b-c";
const PREFIX: &str = "a.b-c+";

thread_local! {
    /// The server whose resources have this prefix.
    static SERVER: Server = Config::parse(br#"{"servers":[{"name":"a.b-c"}]}"#)
        .ok()
        .and_then(|config| config.gateway)
        .and_then(|gateway| gateway.servers.into_iter().next())
        .expect("a server");
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    asked: What,
    message: Sent<'a>,
    subscribed: Vec<&'a str>,
    foreign: Option<&'a str>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum What {
    Tool,
    Prompt,
    Resource,
    Unknown,
    Task,
    Skill,
    Other,
}

#[derive(Arbitrary, Debug)]
enum Sent<'a> {
    /// Members, in this order, and perhaps several times.
    Object(Vec<Member<'a>>),
    /// Content blocks, in a result.
    Blocks(Vec<Vec<Part<'a>>>),
    Text(&'a str),
}

/// A member of a content block.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Link,
    Embedded,
    Text,
    Uri(&'a str),
    Resource(Vec<Part<'a>>),
}

#[derive(Arbitrary, Debug)]
struct Member<'a> {
    name: u8,
    /// Its name is written with an escape, `\u0061`.
    escaped: bool,
    value: Tree<'a>,
}

#[derive(Arbitrary, Debug)]
enum Tree<'a> {
    Object(Vec<Member<'a>>),
    Array(Vec<Tree<'a>>),
    /// One of [`WORDS`].
    Word(u8),
    Text(&'a str),
    /// Any text, if it is JSON.
    Json(&'a str),
}

const NAMES: &[&str] = &[
    "id",
    "method",
    "params",
    "result",
    "error",
    "content",
    "messages",
    "contents",
    "type",
    "uri",
    "resource",
    "notifications",
    "resourceSubscriptions",
    "structuredContent",
];
const WORDS: &[&str] = &[
    "resource_link",
    "resource",
    "text",
    UPDATED,
    ACKNOWLEDGED,
    TASKS,
    "ping",
];
const UPDATED: &str = "notifications/resources/updated";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const TASKS: &str = "notifications/tasks";

fn object(members: &[Member<'_>]) -> String {
    let member = |member: &Member<'_>| {
        let name = NAMES[usize::from(member.name) % NAMES.len()];
        let name = if member.escaped {
            let units = name.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            json!(name).to_string()
        };
        format!("{name} : {}", member.value.json())
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!("{{{} }}", members.join(" ,"))
}

fn block(parts: &[Part<'_>]) -> String {
    let part = |part: &Part<'_>| match part {
        Part::Link => r#""type":"resource_link""#.to_owned(),
        Part::Embedded => r#""type" : "resource""#.to_owned(),
        Part::Text => r#""type":"text""#.to_owned(),
        Part::Uri(uri) => format!("\"uri\": {}", json!(uri)),
        Part::Resource(parts) => format!("\"resource\":{}", block(parts)),
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    format!("{{{}}}", parts.join(","))
}

impl Tree<'_> {
    fn json(&self) -> String {
        match self {
            Self::Object(members) => object(members),
            Self::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(Self::json).collect();
                format!("[{}\n]", elements.join(",\t"))
            }
            Self::Word(word) => json!(WORDS[usize::from(*word) % WORDS.len()]).to_string(),
            Self::Text(text) => json!(text).to_string(),
            Self::Json(text) => raw(text).map_or("0".to_owned(), |raw| raw.get().to_owned()),
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let text = match &input.message {
        Sent::Object(members) => object(members),
        Sent::Blocks(blocks) => {
            let blocks: Vec<String> = blocks.iter().map(|parts| block(parts)).collect();
            let (first, all) = (
                blocks.first().map_or("[]", String::as_str),
                blocks.join(","),
            );
            let result = format!(
                r#""content":[{all}],"messages":[{{"content":{first}}}],"contents":[{all}]"#
            );
            format!(r#"{{"id":1,"result":{{"result":{{{result}}},{result}}}}}"#)
        }
        Sent::Text(text) => (*text).to_owned(),
    };
    server(&text, input.asked);
    client(&input.subscribed, input.foreign);
});

fn server(text: &str, what: What) {
    let asked = match what {
        What::Tool => ResultShape::Tool,
        What::Prompt => ResultShape::Prompt,
        What::Resource => ResultShape::Resource,
        What::Unknown => ResultShape::Unknown,
        What::Task => ResultShape::Task,
        What::Skill => ResultShape::Skill,
        What::Other => ResultShape::Other,
    };
    let prefix = UriPrefix::of(NAME);
    let read = ServerMessage::read(text, asked, &prefix);
    let without = ServerMessage::read(text, asked, &UriPrefix::NONE)
        .map(|read| (read.kind, read.id, read.uri_edits));
    let members = raw(text).and_then(Members::of);
    let Some(Members(members)) = members else {
        assert!(read.is_err(), "{text}");
        return;
    };
    let all = |name: &str| -> Vec<&RawValue> {
        let named = members.iter().filter(|(at, _)| at == name.as_bytes());
        named.map(|(_, value)| *value).collect()
    };
    let (ids, methods) = (all("id"), all("method"));
    let (results, errors, params) = (all("result"), all("error"), all("params"));
    let method = methods.first().and_then(|method| string(method));
    let is_one = ids.len() < 2
        && results.len().max(params.len()) <= 16
        && match methods.len() {
            0 => results.is_empty() != errors.is_empty(),
            1 => method.is_some() && results.is_empty() && errors.is_empty(),
            _ => false,
        };
    assert_eq!(read.is_ok(), is_one, "{text}");
    let Ok(read) = read else { return };

    let id = ids.first().map(|id| id.get());
    assert_eq!(read.id, id);
    let kind = match (method, ids.is_empty(), results.is_empty()) {
        (Some(method), true, _) => MessageKind::Notification(method.into()),
        (Some(method), false, _) => MessageKind::Request(method.into()),
        (None, _, false) => MessageKind::Response,
        (None, _, true) => MessageKind::Error,
    };
    assert!(read.kind == kind);

    let contents = match kind {
        MessageKind::Response => texts(&results),
        MessageKind::Error => Vec::new(),
        MessageKind::Request(_) | MessageKind::Notification(_) => texts(&params),
    };
    assert_eq!(read.contents, contents);

    let mut uris = Vec::new();
    for result in results {
        of_result(result, what, &mut uris);
    }
    if let MessageKind::Notification(method) = &kind {
        for params in params {
            of_params(params, method, &mut uris);
        }
    }
    let mut starts: Vec<(usize, &RawValue)> = uris
        .iter()
        .map(|uri| (uri.get().as_ptr().addr() - text.as_ptr().addr(), *uri))
        .collect();
    starts.sort_unstable_by_key(|(start, _)| *start);
    starts.dedup_by_key(|(start, _)| *start);
    let (mut expected, mut done) = (String::new(), 0);
    for (start, uri) in &starts {
        if let Some(own) = app(uri) {
            expected.push_str(&text[done..*start]);
            expected.push_str(&json!(prefix.to_client(&own)).to_string());
            done = start + uri.get().len();
        } else {
            expected.push_str(&text[done..=*start]);
            expected.push_str(PREFIX);
            done = start + 1;
        }
    }
    expected.push_str(&text[done..]);
    let expected = Some(expected).filter(|_| !starts.is_empty());
    let renamed = read
        .edited(Vec::new())
        .map(|renamed| String::from_utf8(renamed).expect("UTF-8"));
    assert_eq!(renamed, expected, "{text}");

    if let Some(renamed) = renamed {
        // A tree cannot have the same member twice.
        let whole = raw(text).expect("JSON");
        if let (Ok(mut tree), Some(true)) =
            (serde_json::from_str::<Value>(text), unique(whole, 100))
        {
            in_tree(&mut tree, what);
            let parsed = serde_json::from_str::<Value>(&renamed);
            assert_eq!(parsed.ok(), Some(tree), "{text}");
        }
    }
    assert!(without == Ok((kind, id, Vec::new())));
}

fn texts<'a>(values: &[&'a RawValue]) -> Vec<&'a str> {
    values.iter().map(|value| value.get()).collect()
}

/// The values of all members `name`, if `raw` is an object.
fn get<'a>(raw: &'a RawValue, name: &str) -> Vec<&'a RawValue> {
    let members = Members::of(raw).map_or(Vec::new(), |members| members.0);
    let named = members.into_iter().filter(|(at, _)| at == name.as_bytes());
    named.map(|(_, value)| value).collect()
}

/// The elements, if `raw` is an array.
fn elements(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn of_result<'a>(result: &'a RawValue, what: What, uris: &mut Vec<&'a RawValue>) {
    if matches!(what, What::Tool | What::Unknown) {
        for content in get(result, "content") {
            of_blocks(content, uris);
        }
    }
    if matches!(what, What::Prompt | What::Unknown) {
        for message in get(result, "messages").into_iter().flat_map(elements) {
            for content in get(message, "content") {
                of_blocks(content, uris);
            }
        }
    }
    if matches!(what, What::Resource | What::Unknown) {
        for content in get(result, "contents").into_iter().flat_map(elements) {
            of_member(content, uris);
        }
    }
    if matches!(what, What::Skill | What::Unknown) {
        for skill in get(result, "skill") {
            of_member(skill, uris);
            for file in get(skill, "resources").into_iter().flat_map(elements) {
                of_member(file, uris);
            }
        }
    }
    if what_has_meta(what) {
        for meta in get(result, "_meta") {
            let nested = get(meta, "ui").into_iter();
            let nested = nested.flat_map(|ui| get(ui, "resourceUri"));
            let all = nested.chain(get(meta, "ui/resourceUri"));
            uris.extend(all.filter(|uri| app(uri).is_some()));
        }
    }
    if matches!(what, What::Task) {
        for result in get(result, "result") {
            of_result(result, What::Unknown, uris);
        }
    }
}

fn of_blocks<'a>(content: &'a RawValue, uris: &mut Vec<&'a RawValue>) {
    for block in elements(content).into_iter().chain([content]) {
        let kinds: Vec<_> = get(block, "type").into_iter().filter_map(string).collect();
        if kinds.iter().any(|kind| kind == "resource_link") {
            of_member(block, uris);
        }
        if kinds.iter().any(|kind| kind == "resource") {
            for resource in get(block, "resource") {
                of_member(resource, uris);
            }
        }
    }
}

fn of_member<'a>(object: &'a RawValue, uris: &mut Vec<&'a RawValue>) {
    uris.extend(get(object, "uri").into_iter().filter(is_string));
}

/// The URI of an app, if `raw` is one.
fn app(raw: &RawValue) -> Option<String> {
    let uri = string(raw)?.to_string();
    uri.starts_with(APP).then_some(uri)
}

fn is_string(raw: &&RawValue) -> bool {
    raw.get().starts_with('"')
}

fn of_params<'a>(params: &'a RawValue, method: &str, uris: &mut Vec<&'a RawValue>) {
    match method {
        UPDATED => of_member(params, uris),
        ACKNOWLEDGED => {
            for filter in get(params, "notifications") {
                let lists = get(filter, "resourceSubscriptions").into_iter();
                uris.extend(lists.flat_map(elements).filter(is_string));
            }
        }
        TASKS => of_result(params, What::Task, uris),
        _ => {}
    }
}

/// The same check in a tree, in which each path is a pointer.
fn in_tree(message: &mut Value, what: What) {
    let rename = |uri: Option<&mut Value>| {
        if let Some(Value::String(uri)) = uri {
            *uri = UriPrefix::of(NAME).to_client(uri).into_owned();
        }
    };
    let rename_app = |uri: Option<&mut Value>| {
        let is_app = |uri: &&mut Value| uri.as_str().is_some_and(|uri| uri.starts_with(APP));
        rename(uri.filter(is_app));
    };
    let blocks = |content: Option<&mut Value>| {
        let mut one = match content {
            Some(Value::Array(several)) => several.iter_mut().collect(),
            content => Vec::from_iter(content),
        };
        for block in &mut one {
            match block.get("type").and_then(Value::as_str) {
                Some("resource_link") => rename(block.get_mut("uri")),
                Some("resource") => rename(block.pointer_mut("/resource/uri")),
                _ => {}
            }
        }
    };
    let each = |list: Option<&mut Value>, then: &dyn Fn(&mut Value)| {
        if let Some(Value::Array(list)) = list {
            list.iter_mut().for_each(then);
        }
    };
    let method = message.get("method").and_then(Value::as_str);
    let (result, what) = match (method, message.get("id")) {
        (None, _) => (message.get_mut("result"), what),
        (Some(UPDATED), None) => return rename(member(message, &["params", "uri"])),
        (Some(ACKNOWLEDGED), None) => {
            let path = ["params", "notifications", "resourceSubscriptions"];
            return each(member(message, &path), &|uri| rename(Some(uri)));
        }
        (Some(TASKS), None) => (message.get_mut("params"), What::Task),
        _ => return,
    };
    let (result, what) = match (result, what) {
        (Some(task), What::Task) => (task.get_mut("result"), What::Unknown),
        other => other,
    };
    let Some(result) = result else { return };
    if matches!(what, What::Tool | What::Unknown) {
        blocks(result.get_mut("content"));
    }
    if matches!(what, What::Prompt | What::Unknown) {
        each(result.get_mut("messages"), &|message| {
            blocks(message.get_mut("content"));
        });
    }
    if matches!(what, What::Resource | What::Unknown) {
        each(result.get_mut("contents"), &|content| {
            rename(content.get_mut("uri"));
        });
    }
    if matches!(what, What::Skill | What::Unknown)
        && let Some(skill) = result.get_mut("skill")
    {
        rename(skill.get_mut("uri"));
        each(skill.get_mut("resources"), &|file| {
            rename(file.get_mut("uri"));
        });
    }
    if what_has_meta(what) {
        rename_app(member(result, &["_meta", "ui", "resourceUri"]));
        rename_app(member(result, &["_meta", "ui/resourceUri"]));
    }
}

fn what_has_meta(what: What) -> bool {
    !matches!(what, What::Task | What::Other)
}

/// The member at the end of `path`. Only objects are on the path.
fn member<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    path.iter()
        .try_fold(value, |value, name| value.get_mut(name))
}

/// Checks that the URIs of a client's subscriptions go to the server without the prefix, and that
/// the URIs of the server's acknowledgement get the prefix.
fn client(uris: &[&str], foreign: Option<&str>) {
    let listen = |uris: &[String], method: &str, id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{{"notifications": {{"resourceSubscriptions": {}}}}}}}"#,
            json!(uris)
        )
    };
    let own: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
    let prefix = UriPrefix::of(NAME);
    let client = |uri: &String| prefix.to_client(uri).into_owned();
    let mut prefixed: Vec<String> = own.iter().map(client).collect();
    let acknowledged = listen(&own, ACKNOWLEDGED, "");
    let read = ServerMessage::read(&acknowledged, ResultShape::Other, &prefix);
    let read = read.ok().expect("a message");
    let renamed = read.edited(Vec::new()).unwrap_or(acknowledged.into_bytes());
    assert_eq!(renamed, listen(&prefixed, ACKNOWLEDGED, "").into_bytes());

    prefixed.extend(foreign.map(str::to_owned));
    let body = listen(&prefixed, "subscriptions/listen", r#""id":1,"#);
    let message = Message::parse(body.as_bytes()).ok().expect("a message");
    let sent = SERVER.with(|server| subscriptions::edits(&message, server));
    match foreign {
        Some(uri) if prefix.to_server(uri).is_none() => {
            assert!(sent == Err(UnusableSubscriptions::Foreign(uri.to_owned())));
        }
        Some(_) => {}
        None => {
            let expected = listen(&own, "subscriptions/listen", r#""id":1,"#);
            let edits = sent.ok().expect("the server's own URIs");
            assert_eq!(edits.len(), own.len());
            assert_eq!(edit::apply(&body, edits), expected.into_bytes());
        }
    }
}
