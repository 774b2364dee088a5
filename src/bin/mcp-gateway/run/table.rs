//! The servers and how they are, as a table.

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use mcp_gateway::config::{Config, Server};

use super::probe::ServerStatus;

/// One line for each server, in the order of the configuration; colours are in it.
pub(crate) fn table(config: &Config, states: &[ServerStatus]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["server", "prefix", "era", "tools", "state"]);
    let servers = config.gateway.iter().flat_map(|gateway| &gateway.servers);
    for (server, state) in servers.zip(states) {
        table.add_row(row(server, state));
    }
    let lines = table.lines();
    let lines: Vec<String> = lines.map(|line| coloured(line.trim_end())).collect();
    lines.join("\n")
}

fn row(server: &Server, state: &ServerStatus) -> [String; 5] {
    let prefix = if server.tool_prefix.is_empty() {
        "–"
    } else {
        &server.tool_prefix
    };
    let (era, tools, state) = match state {
        ServerStatus::Up { era, tools } => {
            let tools = tools.map_or_else(|| "–".to_owned(), |tools| tools.to_string());
            (era.clone(), tools, "up".to_owned())
        }
        ServerStatus::Down(why) => ("–".to_owned(), "–".to_owned(), format!("down: {why}")),
    };
    [server.name.clone(), prefix.to_owned(), era, tools, state]
}

fn coloured(line: &str) -> String {
    let (words, colour) = if line.ends_with(" up") {
        ("up", AnsiColor::Green)
    } else if line.contains(" down: ") {
        ("down: ", AnsiColor::Red)
    } else {
        return line.to_owned();
    };
    let style = Style::new().fg_color(Some(colour.into()));
    match line.rfind(words).and_then(|at| line.split_at_checked(at)) {
        Some((before, words)) => format!("{before}{style}{words}{style:#}"),
        None => line.to_owned(),
    }
}
