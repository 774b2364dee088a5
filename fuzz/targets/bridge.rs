//! Messages between the eras. The text after the edits must be equal to a tree after the same
//! changes, made with serde. All members must keep their places and their number.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::config::UriPrefix;
use mcp_gateway::gateway::translate::ids;
use mcp_gateway::gateway::translate::request::{self, ModernMeta};
use mcp_gateway::gateway::translate::resource_uris::ResultShape;
use mcp_gateway::gateway::translate::result::{self, ModernFields, UntranslatableResult};
use mcp_gateway::gateway::translate::server_message::{MessageKind, ServerMessage};
use mcp_gateway::mcp::Message;
use mcp_gateway::mcp::json::edit::{self, Edit};
use mcp_gateway_fuzz::{Members, raw, string};
use serde_json::json;
use serde_json::value::RawValue;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// The kind of message, where its members are, and the white space between them.
    kind: u8,
    turn: u8,
    blank: u8,
    id: Value<'a>,
    method: u8,
    content: Vec<Member<'a>>,
    more: Vec<Member<'a>>,
    hints: bool,
    has_info: bool,
}

#[derive(Arbitrary, Debug)]
struct Member<'a> {
    name: u8,
    /// Its name is written with an escape, `\u0061`.
    escaped: bool,
    value: Value<'a>,
}

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Object(Vec<Member<'a>>),
    Word(u8),
    Json(&'a str),
}

const NAMES: &[&str] = &[
    "_meta",
    "_meta",
    "progressToken",
    "ProgressToken",
    "requestId",
    "resultType",
    "ttlMs",
    "cacheScope",
    "name",
    VERSION,
    CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    SERVER_INFO,
    "io.modelcontextprotocol/related-task",
    "params",
    "result",
    "id",
    "x",
];
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const WORDS: &[&str] = &[
    "1",
    "1.0",
    "-7",
    "\"t\"",
    "\"\\u0074\"",
    "\"\"",
    "null",
    "[ ]",
    "\"complete\"",
    "\"task\"",
    "{ }",
];
const METHODS: &[&str] = &[
    "tools/call",
    "resources/read",
    "notifications/progress",
    "notifications/cancelled",
];
const BLANKS: &[&str] = &["", " ", "\n\t", "\r\n"];
/// The longest id or token that may replace a client's.
const ALIAS: &str = r#""gw-0123456789-0123456789-0123""#;

fn object(members: &[Member<'_>], blank: &str) -> String {
    let member = |member: &Member<'_>| {
        let name = NAMES[usize::from(member.name) % NAMES.len()];
        let name = if member.escaped {
            let units = name.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            json!(name).to_string()
        };
        format!("{blank}{name}{blank}:{}", member.value.json(blank))
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!("{{{}{blank}}}", members.join(&format!("{blank},")))
}

impl Value<'_> {
    fn json(&self, blank: &str) -> String {
        match self {
            Self::Object(members) => object(members, blank),
            Self::Word(word) => WORDS[usize::from(*word) % WORDS.len()].to_owned(),
            Self::Json(text) => raw(text).map_or("0".to_owned(), |raw| raw.get().to_owned()),
        }
    }
}

/// The objects of a message, as deep as the gateway reads it. Deeper values stay texts.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Object(Vec<(Vec<u8>, Tree)>),
    Text(String),
}

impl Tree {
    /// The tree down to the members of `_meta`.
    fn of(text: &str) -> Option<Self> {
        Some(Self::read(raw(text)?, 3))
    }

    fn read(value: &RawValue, levels: usize) -> Self {
        let members = if levels > 0 { Members::of(value) } else { None };
        match members {
            Some(Members(members)) => {
                let member = |(name, value)| (name, Self::read(value, levels - 1));
                Self::Object(members.into_iter().map(member).collect())
            }
            None => Self::Text(value.get().to_owned()),
        }
    }

    /// Every value of the member `name`.
    fn all(&mut self, name: &str) -> Vec<&mut Tree> {
        match self {
            Self::Object(members) => {
                let named = members.iter_mut().filter(|(at, _)| at == name.as_bytes());
                named.map(|(_, value)| value).collect()
            }
            Self::Text(_) => Vec::new(),
        }
    }

    fn path(&mut self, path: &[&str]) -> Vec<&mut Tree> {
        path.iter().fold(vec![self], |found, name| {
            found.into_iter().flat_map(|tree| tree.all(name)).collect()
        })
    }

    fn set(&mut self, members: &[(&str, Tree)]) {
        let mut missing = Vec::new();
        for (name, value) in members {
            let there = self.all(name);
            if there.is_empty() {
                missing.push((name.as_bytes().to_vec(), value.clone()));
            }
            there.into_iter().for_each(|it| *it = value.clone());
        }
        if let Self::Object(members) = self {
            members.splice(0..0, missing);
        }
    }

    fn remove(&mut self, names: &[&str]) {
        if let Self::Object(members) = self {
            members.retain(|(at, _)| !names.iter().any(|name| at == name.as_bytes()));
        }
    }

    fn is_name(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with('"') || text.parse::<f64>().is_ok())
    }

    /// Whether it is the same string or number as `other`.
    fn is(&self, other: &str) -> bool {
        let Self::Text(text) = self else { return false };
        let text_of = |text: &str| raw(text).and_then(string);
        text == other
            || (text_of(text).is_some() && text_of(text) == text_of(other))
            || (text.parse::<f64>().is_ok() && text.parse::<f64>() == other.parse::<f64>())
    }

    fn replace(&mut self, text: &str) {
        *self = Self::Text(text.to_owned());
    }
}

fn text(value: &str) -> Tree {
    Tree::Text(value.to_owned())
}

/// Checks that these edits change `text` into `tree`.
fn check(text: &str, edits: Vec<Edit>, tree: &Tree) -> String {
    let edited = String::from_utf8(edit::apply(text, edits)).expect("UTF-8");
    // A text that was inserted may be an object.
    let expected = Tree::of(&written(tree));
    assert_eq!(Tree::of(&edited), expected, "{text} to {edited}");
    edited
}

fn written(tree: &Tree) -> String {
    match tree {
        Tree::Text(text) => text.clone(),
        Tree::Object(members) => {
            let member = |(name, value): &(Vec<u8>, Tree)| {
                let name = json!(String::from_utf8_lossy(name));
                format!("{name}:{}", written(value))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let blank = BLANKS[usize::from(input.blank) % BLANKS.len()];
    let id = format!("\"id\":{blank}{}", input.id.json(blank));
    let method = METHODS[usize::from(input.method) % METHODS.len()];
    let method = format!("\"method\"{blank}:\"{method}\"");
    let content = object(&input.content, blank);
    let params = format!("\"params\" :{blank}{content}");
    let jsonrpc = r#""jsonrpc":"2.0""#.to_owned();
    let mut members = match input.kind % 6 {
        0 => vec![jsonrpc, id, method, params],
        1 => vec![jsonrpc, method, params],
        2 => vec![jsonrpc, id, format!("\"result\":{blank}{content}")],
        3 => vec![jsonrpc, id, format!("\"error\":{content}")],
        4 => vec![jsonrpc, id, method],
        _ => vec![jsonrpc, id, method, params, format!("\"x\":{content}")],
    };
    // Some members are there a second time.
    let more = object(&input.more, blank);
    if !input.more.is_empty() {
        members.push(more[1..more.len() - 1].to_owned());
    }
    let turn = usize::from(input.turn) % members.len();
    members.rotate_left(turn);
    let body = format!(
        "{blank}{{{blank}{}{blank}}}",
        members.join(&format!("{blank},{blank}"))
    );
    if Tree::of(&body).is_some_and(|tree| has_half_surrogates(&tree)) {
        return;
    }
    client(&body, input.has_info);
    server(&body, input.hints);
});

/// Whether a name has half a surrogate pair, so that it cannot be written again.
fn has_half_surrogates(tree: &Tree) -> bool {
    match tree {
        Tree::Object(members) => members
            .iter()
            .any(|(name, value)| std::str::from_utf8(name).is_err() || has_half_surrogates(value)),
        Tree::Text(_) => false,
    }
}

fn client(body: &str, has_info: bool) {
    let Ok(message) = Message::parse(body.as_bytes()) else {
        return;
    };
    let tree = Tree::of(body).expect("JSON");

    let legacy = request::to_legacy(&message, ALIAS, ALIAS).expect("its body");
    let mut expected = tree.clone();
    let mut token = None;
    expected
        .all("id")
        .into_iter()
        .for_each(|id| id.replace(ALIAS));
    if message.params().is_some() {
        for meta in expected.path(&["params", "_meta"]) {
            for it in meta.all("progressToken") {
                if it.is_name() {
                    token = Some(written(it));
                    it.replace(ALIAS);
                }
            }
            let only_modern = [
                VERSION,
                CAPABILITIES,
                CLIENT_INFO,
                LOG_LEVEL,
                "ProgressToken",
            ];
            meta.remove(&only_modern);
        }
    }
    assert_eq!(legacy.progress_token, token.as_deref(), "{body}");
    let edited = check(body, legacy.edits, &expected);
    if let Some(params) = message.params() {
        if params.meta.protocol_version.is_some() && params.meta.client_capabilities.is_some() {
            assert!(edited.len() <= body.len(), "{body} to {edited}");
        }
        // The edits must not create a lookalike of a member name.
        assert!(Message::parse(edited.as_bytes()).is_ok(), "{edited}");
    }

    let meta = ModernMeta {
        protocol_version: "2026-07-28",
        capabilities: "{}",
        info: has_info.then_some("{ }"),
    };
    let modern = request::to_modern(&message, meta);
    assert_eq!(modern.is_some(), message.params().is_some());
    if let Some(edits) = modern {
        let mut members = vec![
            (VERSION, text("\"2026-07-28\"")),
            (CAPABILITIES, text("{}")),
        ];
        members.extend(meta.info.map(|info| (CLIENT_INFO, text(info))));
        let mut expected = tree.clone();
        let empty = Tree::Object(Vec::new());
        if expected.all("params").is_empty() {
            expected.set(&[("params", empty.clone())]);
        }
        for params in expected.all("params") {
            if params.all("_meta").is_empty() {
                params.set(&[("_meta", empty.clone())]);
            }
            params
                .all("_meta")
                .into_iter()
                .for_each(|meta| meta.set(&members));
        }
        let edited = check(body, edits, &expected);
        let edited = Message::parse(edited.as_bytes()).ok().expect("a message");
        let said = &edited.params().expect("parameters").meta;
        assert_eq!(said.protocol_version, Some("\"2026-07-28\""));
        assert_eq!(said.client_capabilities, Some("{}"));
    }

    let edit = request::with_id(&message, "7");
    assert_eq!(edit.is_some(), message.id().is_some());
    let mut expected = tree.clone();
    expected
        .all("id")
        .into_iter()
        .for_each(|id| id.replace("7"));
    check(body, Vec::from_iter(edit), &expected);

    let name = match (message.method(), message.id()) {
        ("notifications/progress", None) => "progressToken",
        ("notifications/cancelled", None) => "requestId",
        _ => "",
    };
    let mut expected = tree;
    let mut original = None;
    if message
        .params()
        .is_some_and(|params| !params.has_lookalike(name))
    {
        for it in expected.path(&["params", name]) {
            if it.is_name() {
                original = Some(written(it));
                it.replace("7");
            }
        }
    }
    assert_eq!(ids::reference(&message), original.as_deref(), "{body}");
    let edit = ids::reference_edit(&message, "7");
    assert_eq!(edit.is_some(), original.is_some());
    check(body, Vec::from_iter(edit), &expected);
}

fn server(body: &str, hints: bool) {
    let Ok(read) = ServerMessage::read(body, ResultShape::Other, &UriPrefix::NONE) else {
        return;
    };
    let tree = Tree::of(body).expect("JSON");
    eras(&read, &tree, hints);

    let mut expected = tree.clone();
    let mut originals = Vec::new();
    let paths: &[&[&str]] = match &read.kind {
        MessageKind::Request(_) => &[&["id"], &["params", "_meta", "progressToken"]],
        MessageKind::Notification(name) if name == "notifications/cancelled" => {
            &[&["params", "requestId"]]
        }
        _ => &[],
    };
    for it in paths.iter().flat_map(|path| {
        let found = expected.path(path).into_iter().filter(|it| it.is_name());
        let found: Vec<String> = found
            .map(|it| {
                let original = written(it);
                it.replace(&json!(format!("<{original}>")).to_string());
                original
            })
            .collect();
        found
    }) {
        originals.push(it);
    }
    let mut seen = Vec::new();
    let edits = ids::alias_edits(&read, |name| {
        seen.push(name.to_owned());
        format!("<{name}>")
    });
    match edits {
        Some(edits) => {
            assert_eq!(seen, originals, "{body}");
            check(body, edits, &expected);
        }
        None => assert!(seen.is_empty() && originals.len() > 16, "{body}"),
    }

    for from in ["1", "\"t\"", "-7"] {
        let is_answer = matches!(read.kind, MessageKind::Response | MessageKind::Error);
        let mut expected = tree.clone();
        let mut is_this = false;
        for id in expected.all("id") {
            is_this = is_answer && id.is(from);
            if is_this {
                id.replace(ALIAS);
            }
        }
        let edit = ids::response_id_edit(&read, from, ALIAS);
        assert_eq!(edit.is_some(), is_this, "{body}");
        check(body, Vec::from_iter(edit), &expected);

        let mut expected = tree.clone();
        let is_progress = matches!(&read.kind, MessageKind::Notification(name) if name == "notifications/progress");
        let mut tokens = expected.path(&["params", "progressToken"]);
        let is_this = is_progress && !tokens.is_empty() && tokens.iter().all(|it| it.is(from));
        if is_this {
            tokens.iter_mut().for_each(|it| it.replace(ALIAS));
        }
        let edits = ids::progress_edits(&read, from, ALIAS);
        assert_eq!(edits.is_some(), is_this, "{body}");
        check(body, edits.unwrap_or_default(), &expected);
    }
}

fn eras(read: &ServerMessage<'_>, tree: &Tree, hints: bool) {
    let is_response = matches!(read.kind, MessageKind::Response);
    let (mut modern, mut legacy) = (tree.clone(), tree.clone());
    let (mut has_odd, mut has_other) = (false, false);
    if is_response {
        for result in modern.all("result") {
            has_odd |= matches!(result, Tree::Text(_));
            let mut members = vec![("resultType", text("\"complete\""))];
            if hints {
                members.extend([("ttlMs", text("0")), ("cacheScope", text("\"private\""))]);
            }
            let info = (SERVER_INFO, text("{\"name\":\"g\"}"));
            let metas = result.all("_meta");
            if metas.is_empty() || metas.iter().any(|it| matches!(it, Tree::Text(_))) {
                let mut meta = Tree::Object(Vec::new());
                meta.set(&[info]);
                members.push(("_meta", meta));
            } else {
                for meta in metas {
                    if meta.all(SERVER_INFO).is_empty() {
                        meta.set(&[info.clone()]);
                    }
                }
            }
            result.set(&members);
        }
        for result in legacy.all("result") {
            let others = result.all("resultType");
            has_other |= others.iter().any(|it| !it.is("\"complete\""));
            result.remove(&["resultType", "ttlMs", "cacheScope"]);
        }
    }
    let fields = ModernFields {
        needs_cache_hints: hints,
        server_info: "{\"name\":\"g\"}",
    };
    match result::to_modern(read, fields) {
        Ok(edits) => {
            assert!(!has_odd);
            check(read.text, edits, &modern);
        }
        Err(why) => assert!(has_odd && why == UntranslatableResult::NotAnObject),
    }
    match result::to_legacy(read) {
        Ok(edits) => {
            assert!(!has_odd && !has_other, "{}", read.text);
            check(read.text, edits, &legacy);
        }
        Err(UntranslatableResult::Incomplete) => assert!(has_other, "{}", read.text),
        Err(UntranslatableResult::NotAnObject) => assert!(has_odd, "{}", read.text),
    }
}
