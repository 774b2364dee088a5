//! The servers and their statuses as a table.

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use mcp_gateway::config::{Config, Server};

use super::probe::ServerStatus;

/// What a cell shows if there is nothing to say.
const NONE: &str = "–";

/// A table with one line for each server, in the order of the configuration, with
/// colours.
pub(super) fn table(config: &Config, statuses: &[ServerStatus]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["server", "prefix", "era", "tools", "state"]);
    let servers = config.gateway.iter().flat_map(|gateway| &gateway.servers);
    for (server, status) in servers.zip(statuses) {
        table.add_row(row(server, status));
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| coloured(line.trim_end()))
        .collect();
    lines.join("\n")
}

fn row(server: &Server, status: &ServerStatus) -> [String; 5] {
    let prefix = match &*server.tool_prefix {
        "" => NONE,
        prefix => prefix,
    };
    let (era, tools, state) = match status {
        ServerStatus::Up { era, tools } => {
            let tools = tools.map_or_else(|| NONE.to_owned(), |tools| tools.to_string());
            (era.clone(), tools, "up".to_owned())
        }
        ServerStatus::Down(reason) => (NONE.to_owned(), NONE.to_owned(), format!("down: {reason}")),
    };
    [server.name.clone(), prefix.to_owned(), era, tools, state]
}

/// A line of the table, in which the state has a colour.
fn coloured(line: &str) -> String {
    let (state, colour) = if line.ends_with(" up") {
        ("up", AnsiColor::Green)
    } else {
        ("down: ", AnsiColor::Red)
    };
    let style = Style::new().fg_color(Some(colour.into()));
    match line.rfind(state).and_then(|at| line.split_at_checked(at)) {
        Some((before, state)) => format!("{before}{style}{state}{style:#}"),
        None => line.to_owned(),
    }
}
