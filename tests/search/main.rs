//! How well `search_tools` finds tools. A catalogue has tools such as those of real MCP
//! servers, and questions in a user's words. Each question has a list of the right tools.
//! The ranking was tuned with `catalogue.json`, but not with `held_out.json`.

#![cfg(not(target_family = "wasm"))]

use mcp_gateway::gateway::search::ranking::rank;
use serde_json::{Value, json};

/// A question counts as answered if a right tool is among this many first results.
const FIRST: usize = 5;

/// Tools, and questions for which the search must find them.
struct Catalogue {
    /// The definitions of the tools, as in a list of the gateway.
    tools: Vec<Value>,
    servers: usize,
    /// The text of each question, and the names of the right tools.
    questions: Vec<(String, Vec<String>)>,
}

impl Catalogue {
    fn read(text: &str) -> Self {
        let all: Value = serde_json::from_str(text).expect("JSON");
        let servers = all["servers"].as_array().expect("servers");
        let mut tools = Vec::new();
        for server in servers {
            let prefix = server["name"].as_str().expect("a name");
            for tool in server["tools"].as_array().expect("tools") {
                tools.push(definition(prefix, tool));
            }
        }
        let questions = all["questions"].as_array().expect("questions").iter();
        let questions = questions.map(|question| {
            let tools = question["tools"].as_array().expect("tools").iter();
            let tools: Vec<String> = tools.map(|it| it.as_str().unwrap().to_owned()).collect();
            (question["ask"].as_str().expect("ask").to_owned(), tools)
        });
        Self {
            servers: servers.len(),
            questions: questions.collect(),
            tools,
        }
    }

    /// The percentage of the questions for which a right tool is among the first results.
    /// Prints the other questions.
    fn found(&self) -> f64 {
        let texts: Vec<String> = self.tools.iter().map(Value::to_string).collect();
        let name = |at: usize| self.tools[at]["name"].as_str().unwrap();
        let (mut found, mut first) = (0, 0);
        for (question, right) in &self.questions {
            let is_right = |name: &str| right.iter().any(|it| it == name);
            assert!(
                right
                    .iter()
                    .all(|it| self.tools.iter().any(|tool| tool["name"] == **it)),
                "{right:?}"
            );
            let ranked = rank(question, texts.iter().map(|it| it.as_bytes()), 1000);
            let names: Vec<&str> = ranked.best.iter().map(|at| name(*at)).collect();
            let place = names.iter().position(|name| is_right(name));
            first += usize::from(place == Some(0));
            if place.is_some_and(|place| place < FIRST) {
                found += 1;
            } else {
                let shown = &names[..names.len().min(FIRST)];
                println!("  {place:?}: {question:?} wants {right:?}, found {shown:?}");
            }
        }
        let percent = |count: usize| 100.0 * count as f64 / self.questions.len() as f64;
        println!(
            "{} tools of {} servers, {} questions: right tool first {:.0} %, among the first {FIRST} {:.0} %",
            self.tools.len(),
            self.servers,
            self.questions.len(),
            percent(first),
            percent(found)
        );
        percent(found)
    }
}

/// The definition of `tool` as clients of the gateway see it.
fn definition(prefix: &str, tool: &Value) -> Value {
    let mut properties = json!({});
    for (name, description) in tool["parameters"].as_object().expect("parameters") {
        properties[name] = json!({"type": "string"});
        if description != "" {
            properties[name]["description"] = description.clone();
        }
    }
    json!({
        "name": format!("{prefix}__{}", tool["name"].as_str().expect("a name")),
        "description": tool["description"],
        "inputSchema": {"type": "object", "properties": properties},
    })
}

#[test]
fn the_right_tool_is_among_the_first() {
    let catalogue = Catalogue::read(include_str!("catalogue.json"));
    assert!(catalogue.tools.len() >= 300 && catalogue.servers >= 25);
    assert!(catalogue.questions.len() >= 60);
    assert!(catalogue.found() >= 85.0);
}

#[test]
fn so_it_is_with_tools_and_questions_that_the_ranking_was_not_tuned_with() {
    let catalogue = Catalogue::read(include_str!("held_out.json"));
    assert!(catalogue.tools.len() >= 100 && catalogue.questions.len() >= 30);
    assert!(catalogue.found() >= 65.0);
}
