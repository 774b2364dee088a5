//! Names on their way through the gateway. In a call to a server and in a list for a client, only
//! the name must change.

#![no_main]

use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::config::{Config, Gateway, ServerId};
use mcp_gateway::gateway::fanout::merged_list::{self, ListRequest, ServerList};
use mcp_gateway::gateway::routing::names;
use mcp_gateway::gateway::routing::request_headers::{self, McpHeaders, RequestBody};
use mcp_gateway::gateway::routing::target::Target;
use mcp_gateway::gateway::upstream::list_page::ListPage;
use mcp_gateway::mcp::cache_hints::CacheHints;
use mcp_gateway::mcp::era::Era;
use mcp_gateway::mcp::json::edit;
use mcp_gateway::mcp::list::ListKind;
use mcp_gateway::mcp::{self, Message, header_value, method};
use mcp_gateway_fuzz::raw;
use serde_json::{Value, json};

/// Prefixes that are prefixes of each other, and an empty prefix.
const CONFIG: &[u8] = br#"{"servers":[{"name":"a","toolPrefix":"a_"},
    {"name":"b","toolPrefix":"a_b_"},{"name":"c","toolPrefix":""}]}"#;

thread_local! {
    static GATEWAY: OnceCell<Gateway> = const { OnceCell::new() };
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    call: Tool<'a>,
    id: u32,
    prefix: u8,
    lists: [Vec<Tool<'a>>; 3],
}

#[derive(Arbitrary, Debug)]
struct Tool<'a> {
    name: &'a str,
    /// Its name is written with an escape, `\u0061`.
    escaped: bool,
    /// More members, before the name and after it. They are left out if they are not JSON.
    before: &'a str,
    after: &'a str,
}

impl Tool<'_> {
    /// Its name as JSON, with `prefix` before it.
    fn json(&self, prefix: &str) -> String {
        let name = format!("{prefix}{}", self.name);
        if self.escaped {
            let units = name.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            json!(name).to_string()
        }
    }

    /// The text around its name in an object.
    fn around(&self) -> (String, String) {
        let member = |name: &str, value: &str| match raw(value) {
            Some(value) => format!("\"{name}\" : {value}"),
            None => format!("\"{name}\":{}", json!(value)),
        };
        let before = format!("{{ {},\"name\":", member("annotations", self.before));
        (before, format!("\t,{} }}", member("arguments", self.after)))
    }
}

fuzz_target!(|input: Input<'_>| GATEWAY.with(|gateway| {
    let gateway = gateway.get_or_init(|| {
        let config = Config::parse(CONFIG).expect("a configuration");
        config.gateway.expect("a gateway")
    });
    call(&input, gateway);
    lists(&input, gateway);
}));

fn call(input: &Input<'_>, gateway: &Gateway) {
    let prefix = &gateway.servers[usize::from(input.prefix) % 3].tool_prefix;
    let name = format!("{prefix}{}", input.call.name);
    let (before, after) = input.call.around();
    let head = format!(
        r#" {{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{before}"#,
        input.id
    );
    let tail = format!("{after}}}\r\n");
    let body = format!("{head}{}{tail}", input.call.json(prefix));

    let message = Message::parse(body.as_bytes()).ok().expect("a message");
    assert_eq!(message.name().as_deref(), Some(name.as_str()));
    let owners = names::possible_owners(&gateway.servers, ListKind::Tools, &name);
    let servers = gateway.servers.iter();
    let with_prefix = servers.filter(|server| name.starts_with(&server.tool_prefix));
    assert_eq!(owners.len(), with_prefix.count());
    let server = &gateway.servers[usize::from(input.prefix) % 3];
    let own = names::upstream_name(server, ListKind::Tools, &name).expect("its prefix");
    let own = &*own;
    assert_eq!(own, input.call.name);
    let target = Target::of(&message).expect("a target");
    let spliced = edit::apply(&body, vec![target.rename(own)]);
    let expected = format!("{head}{}{tail}", json!(own));
    assert_eq!(String::from_utf8_lossy(&spliced), expected);
    // The result must be JSON, with no other name. It must not be longer than the original, since
    // it must fit into Envoy's buffer.
    assert_eq!(
        Message::parse(&spliced)
            .ok()
            .expect("a message")
            .name()
            .as_deref(),
        Some(own)
    );
    assert!(spliced.len() <= body.len());
    same_but_for_the_name(&body, &spliced, own);
    let changed = RequestBody::Changed(spliced.len());
    let heading = McpHeaders {
        method: Some(method::TOOLS_CALL),
        name: Some(own),
        version: None,
        session: None,
    };
    for (header, value) in request_headers::headers(server, &heading, changed) {
        let expected = match header {
            mcp::NAME_HEADER => own.to_owned(),
            "content-length" => spliced.len().to_string(),
            _ => continue,
        };
        assert_eq!(
            header_value::decode(value.as_bytes()).as_deref(),
            Some(expected.as_str())
        );
    }
}

fn same_but_for_the_name(body: &str, spliced: &[u8], own: &str) {
    // Serde's reader refuses some numbers, and half surrogate pairs.
    if let Ok(mut expected) = serde_json::from_str::<Value>(body) {
        expected["params"]["name"] = Value::from(own);
        assert_eq!(
            serde_json::from_slice::<Value>(spliced).ok(),
            Some(expected)
        );
    }
}

fn lists(input: &Input<'_>, gateway: &Gateway) {
    let mut answered: Vec<(ServerId, ServerList)> = Vec::new();
    let (mut expected, mut left_out, mut seen) = (Vec::new(), 0, HashMap::new());
    for (server, tools) in gateway.servers.iter().zip(&input.lists) {
        let written = tools.iter().map(|tool| {
            let (before, after) = tool.around();
            format!("{before}{}{after}", tool.json(""))
        });
        let written: Vec<String> = written.collect();
        let mut entries = ServerList::default();
        // Each page of a list has one or two entries that may be malformed.
        for page in written.chunks(2) {
            let result = format!("{{\"tools\": [{}]}}", page.join(" , "));
            let page = ListPage::parse(ListKind::Tools, server, &result, usize::MAX)
                .ok()
                .expect("a page");
            assert_eq!(page.cursor, None);
            entries.add(Rc::new(page), CacheHints::NONE);
        }
        for (tool, text) in tools.iter().zip(&written) {
            let name = format!("{}{}", server.tool_prefix, tool.name);
            let (before, after) = tool.around();
            let entry = if server.tool_prefix.is_empty() {
                text.clone()
            } else {
                format!("{before}{}{after}", json!(name))
            };
            // The name belongs to the first server that lists it. If a server repeats an entry byte
            // for byte, this is no collision.
            match seen.entry(name) {
                Entry::Vacant(new) => {
                    new.insert((server.id, entry.clone()));
                    expected.push(entry);
                }
                Entry::Occupied(first) if *first.get() == (server.id, entry) => {}
                Entry::Occupied(_) => left_out += 1,
            }
        }
        answered.push((server.id, entries));
    }
    let mut merged = Vec::new();
    let request = ListRequest {
        kind: ListKind::Tools,
        era: Era::Modern,
        gateway,
        rights: None,
    };
    let omitted = merged_list::push_merged(&mut merged, request, &answered, CacheHints::ALL);
    let text = std::str::from_utf8(&merged).expect("UTF-8");
    assert_eq!(omitted.collisions.len(), left_out);
    assert!(raw(text).is_some(), "{text}");
    let tools = format!(
        r#"{{"resultType":"complete","tools":[{}],"#,
        expected.join(",")
    );
    assert!(text.starts_with(&tools), "{text} instead of {tools}");
}
