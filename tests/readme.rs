//! README's blocks work as written: commands run, and print what the block
//! after them says; YAML and JSON are what they claim to be.

#![cfg(not(target_family = "wasm"))]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use mcp_gateway::config::Config;

struct Block {
    language: String,
    text: String,
}

fn root() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}

fn page() -> String {
    std::fs::read_to_string(format!("{}/README.md", root())).expect("README.md")
}

fn blocks() -> Vec<Block> {
    let page = page();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        // A block in a list is indented.
        let line = line.strip_prefix("  ").unwrap_or(line);
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                })
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The demo, up until dropped.
struct Demo(Child);

impl Demo {
    fn start() -> Self {
        let mut child = Command::new("./scripts/demo")
            .current_dir(root())
            .stdout(Stdio::piped())
            .spawn()
            .expect("./scripts/demo");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let up = lines
            .map_while(Result::ok)
            .any(|line| line.contains("Ctrl-C ends the demo"));
        let demo = Self(child);
        assert!(up, "the demo did not come up");
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
fn commands_print_what_the_page_says() {
    let blocks = blocks();
    let mut demo = None;
    let mut run = 0;
    for (at, block) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.language == "sh")
    {
        if block.text.contains("./scripts/demo") {
            // It has the same ports.
            demo = None;
        } else if demo.is_none() && block.text.contains("127.0.0.1:10000") {
            demo = Some(Demo::start());
        }
        let output = Command::new("bash")
            .args(["-ec", &block.text])
            .current_dir(root())
            .output()
            .expect("bash");
        let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        assert!(
            output.status.success(),
            "{}\n{printed}{}",
            block.text,
            String::from_utf8_lossy(&output.stderr)
        );
        let promised = blocks.get(at + 1).filter(|next| next.language == "text");
        for line in promised.iter().flat_map(|next| next.text.lines()) {
            assert!(
                printed.contains(line),
                "{}\nprinted\n{printed}\nbut the page says\n{line}",
                block.text
            );
        }
        run += 1;
    }
    assert!(run >= 6 && demo.is_some(), "README has {run} commands");
}

#[test]
fn json_blocks_are_configurations() {
    // The variables that the page names.
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let keys =
        |name: &str| matches!(name, "MCP_SESSION_KEYS" | "CALENDAR_KEY").then(|| key.to_owned());
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "json") {
        Config::parse_with(block.text.as_bytes(), &keys)
            .unwrap_or_else(|error| panic!("{error} in\n{}", block.text));
        seen += 1;
    }
    assert!(seen > 0);
}

/// Shipped configurations hold what the page shows, line for line: so it is
/// Envoy that reads the page's YAML, when those run.
#[test]
fn yaml_blocks_stand_in_the_shipped_configurations() {
    let mut shipped = Vec::new();
    yaml_below(&format!("{}/envoy", root()), &mut shipped);
    yaml_below(&format!("{}/deploy", root()), &mut shipped);
    let normal = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    };
    let shipped: Vec<_> = shipped.iter().map(|text| normal(text)).collect();
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        // The plugin's own JSON differs from place to place, and is tested as such.
        let lines: Vec<String> = normal(&block.text)
            .into_iter()
            .filter(|line| !line.starts_with('{') || line.ends_with(']'))
            .collect();
        let found = shipped.iter().any(|file| in_order(file, &lines));
        assert!(found, "no shipped configuration holds\n{}", block.text);
        seen += 1;
    }
    assert!(seen >= 3);
}

/// The text of every YAML file in this folder and below it.
fn yaml_below(folder: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect(folder) {
        let path = entry.expect("an entry").path();
        let name = path.to_str().expect("UTF-8");
        if path.is_dir() {
            yaml_below(name, found);
        } else if name.ends_with(".yaml") {
            found.push(std::fs::read_to_string(&path).expect(name));
        }
    }
}

/// Whether all of `lines` stand in `file` in this order.
fn in_order(file: &[String], lines: &[String]) -> bool {
    let mut rest = file.iter();
    lines.iter().all(|line| rest.any(|have| have == line))
}

/// What the configuration takes is on the page. Of RFC 9728 the page names the
/// fields that most need, and says that the others are there.
#[test]
fn every_field_of_the_configuration_is_on_the_page() {
    const RFC_9728: &[&str] = &[
        "jwksUri",
        "resourceDocumentation",
        "resourcePolicyUri",
        "resourceTosUri",
        "signedMetadata",
        "dpopSigningAlgValuesSupported",
        "dpopBoundAccessTokensRequired",
    ];
    let page = page();
    let mut seen = 0;
    for entry in std::fs::read_dir(format!("{}/src/config", root())).expect("src/config") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("text");
        for (at, _) in text.match_indices("fields.") {
            let rest = text[at..].lines().next().unwrap_or_default();
            let Some(name) = rest.split('"').nth(1) else {
                continue;
            };
            seen += 1;
            assert!(
                page.contains(name) || RFC_9728.contains(&name),
                "README does not name {name}"
            );
        }
    }
    assert!(seen > 50, "{seen} fields");
}
