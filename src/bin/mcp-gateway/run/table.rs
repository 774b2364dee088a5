//! The servers and their statuses as a table.

use std::collections::HashMap;
use std::iter;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use mcp_gateway::config::{Config, Server};
use mcp_gateway::mcp::list::ListKind;

use super::probe::ServerStatus;
use super::reason;

/// The text of an empty cell.
const NONE: &str = "–";
/// The state of a server that has not answered yet.
const NO_ANSWER: &str = "no answer yet";
/// The longest name of a tool that all clients accept.
const LONGEST_NAME: usize = 64;

/// A table with one line for each server, in the order of the configuration, with colours. Notes
/// about the names of the tools are below it.
pub(super) fn table(config: &Config, statuses: &[ServerStatus]) -> String {
    let servers = config.gateway.iter().flat_map(|gateway| &gateway.servers);
    let servers: Vec<(&Server, &ServerStatus)> = servers.zip(statuses).collect();
    let rows: Vec<[String; 5]> = servers
        .iter()
        .map(|(server, status)| row(server, status))
        .collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["server", "prefix", "era", "tools", "state"]);
    table.add_rows(rows.clone());
    let states = rows.iter().map(|[.., state]| &**state);
    let lines = table.lines().zip(iter::once("").chain(states));
    let lines = lines.map(|(line, state)| coloured(line.trim_end(), state));
    let notes = match config
        .gateway
        .as_ref()
        .map(|gateway| gateway.views.as_slice())
    {
        Some([_, ..]) => notes_of_endpoints(config, statuses),
        _ => notes(&servers),
    };
    lines.chain(notes).collect::<Vec<_>>().join("\n")
}

/// Notes about problems with the names of the tools of `servers`.
fn notes(servers: &[(&Server, &ServerStatus)]) -> Vec<String> {
    collisions(servers)
        .into_iter()
        .chain(long_names(servers))
        .collect()
}

/// The same notes for each endpoint, which has its own servers and hides some of their tools.
fn notes_of_endpoints(config: &Config, statuses: &[ServerStatus]) -> Vec<String> {
    let views = config.gateway.iter().flat_map(|gateway| &gateway.views);
    let lines = views.flat_map(|view| {
        let servers = view.servers.iter();
        let seen: Vec<(&Server, ServerStatus)> = servers
            .filter_map(|server| Some((server, statuses.get(server.id.index())?)))
            .map(|(server, status)| (server, seen_by(server, status)))
            .collect();
        let seen: Vec<(&Server, &ServerStatus)> = seen
            .iter()
            .map(|(server, status)| (*server, status))
            .collect();
        let endpoint = view.endpoint.as_deref().unwrap_or_default();
        let endpoint = if endpoint.is_empty() { "/" } else { endpoint };
        let notes = notes(&seen).into_iter();
        notes
            .map(|note| format!("endpoint {endpoint}: {note}"))
            .collect::<Vec<_>>()
    });
    lines.collect()
}

/// `status` without the tools that the endpoint of `server` hides.
fn seen_by(server: &Server, status: &ServerStatus) -> ServerStatus {
    let mut seen = status.clone();
    if let ServerStatus::Up { tools, .. } = &mut seen {
        tools.retain(|tool| server.allows(ListKind::Tools, tool));
    }
    seen
}

fn row(server: &Server, status: &ServerStatus) -> [String; 5] {
    let prefix = match &*server.tool_prefix {
        "" => NONE,
        prefix => prefix,
    };
    let (era, tools, state) = match status {
        ServerStatus::Up { era, tools, hidden } => {
            let offered = tools.len();
            let tools = match hidden {
                0 => offered.to_string(),
                _ => format!("{offered} of {}", offered.saturating_add(*hidden)),
            };
            (era.clone(), tools, up(server, offered, *hidden))
        }
        ServerStatus::Asked => (NONE.to_owned(), NONE.to_owned(), NO_ANSWER.to_owned()),
        ServerStatus::Down(reason) => (NONE.to_owned(), NONE.to_owned(), format!("down: {reason}")),
    };
    [server.name.clone(), prefix.to_owned(), era, tools, state]
}

/// The state of a server that is up.
fn up(server: &Server, offered: usize, hidden: usize) -> String {
    if offered > 0 || hidden == 0 {
        return "up".to_owned();
    }
    let field = if server.tools.include.is_empty() {
        "exclude"
    } else {
        "include"
    };
    format!("up, but 0 tools: {field} hides {hidden}")
}

/// A line of the table, which ends with `state`. The first word of the state is coloured.
fn coloured(line: &str, state: &str) -> String {
    let colour = match state.get(..2) {
        Some("up") => AnsiColor::Green,
        Some(_) if state == NO_ANSWER => AnsiColor::Yellow,
        Some(_) => AnsiColor::Red,
        None => return line.to_owned(),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let end = state.find([',', ':']).unwrap_or(state.len());
    match (line.strip_suffix(state), state.split_at_checked(end)) {
        (Some(before), Some((word, rest))) => format!("{before}{style}{word}{style:#}{rest}"),
        _ => line.to_owned(),
    }
}

/// The names of all tools, as clients see them, with their servers.
fn names<'a>(
    servers: &'a [(&Server, &ServerStatus)],
) -> impl Iterator<Item = (&'a Server, String)> {
    servers.iter().flat_map(|(server, status)| {
        let tools = match status {
            ServerStatus::Up { tools, .. } => &**tools,
            ServerStatus::Asked | ServerStatus::Down(_) => &[],
        };
        let named = |tool: &String| (*server, format!("{}{tool}", server.tool_prefix));
        tools.iter().map(named)
    })
}

/// A line for each pair of servers with tools of the same name. The first server keeps the name.
fn collisions(servers: &[(&Server, &ServerStatus)]) -> Vec<String> {
    let mut owners: HashMap<String, &Server> = HashMap::new();
    let mut lost: Vec<(&Server, &Server, Vec<String>)> = Vec::new();
    for (server, name) in names(servers) {
        let owner = *owners.entry(name.clone()).or_insert(server);
        if owner.id == server.id {
            continue;
        }
        let known = lost
            .iter_mut()
            .find(|(loser, winner, _)| (loser.id, winner.id) == (server.id, owner.id));
        match known {
            Some((_, _, names)) => names.push(name),
            None => lost.push((server, owner, vec![name])),
        }
    }
    let lines = lost.into_iter().map(|(loser, winner, names)| {
        format!(
            "{} missing from {}, because {} has tools of the same names ({}): give one of the servers a different toolPrefix",
            counted(&names, "is", "are"),
            loser.name,
            winner.name,
            example(&names),
        )
    });
    lines.collect()
}

/// A line about the names that some clients do not accept.
fn long_names(servers: &[(&Server, &ServerStatus)]) -> Option<String> {
    let is_long = |name: &String| name.chars().count() > LONGEST_NAME;
    let names: Vec<String> = names(servers)
        .map(|(_, name)| name)
        .filter(is_long)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} too long for some clients (limit {LONGEST_NAME} characters) ({}): use a shorter toolPrefix",
            counted(&names, "has a name that is", "have names that are"),
            example(&names),
        )
    })
}

fn counted(names: &[String], one: &str, several: &str) -> String {
    match names.len() {
        1 => format!("1 tool {one}"),
        count => format!("{count} tools {several}"),
    }
}

/// The first of `names`, which servers have chosen, made safe for a terminal.
fn example(names: &[String]) -> String {
    let first = names.first().map_or("", String::as_str);
    let first = reason::printable(first);
    let more = if names.len() > 1 { ", …" } else { "" };
    format!("{first}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(tools: &[&str], hidden: usize) -> ServerStatus {
        ServerStatus::Up {
            era: "modern".to_owned(),
            tools: tools.iter().map(|&tool| tool.to_owned()).collect(),
            hidden,
        }
    }

    /// The lines of the table of `servers`, JSON texts, without colours and with single
    /// spaces.
    fn lines(servers: &[&str], statuses: &[ServerStatus]) -> Vec<String> {
        let config = format!("{{\"servers\": [{}]}}", servers.join(","));
        let config = Config::parse(config.as_bytes()).unwrap();
        let table = table(&config, statuses);
        let plain = anstream::adapter::strip_str(&table).to_string();
        let lines = plain.lines();
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn a_line_says_how_a_server_is() {
        for (server, status, expected) in [
            (r#"{"name":"a"}"#, up(&["x", "y"], 0), "a a__ modern 2 up"),
            (r#"{"name":"a"}"#, up(&[], 0), "a a__ modern 0 up"),
            (r#"{"name":"a"}"#, up(&["x"], 4), "a a__ modern 1 of 5 up"),
            (
                r#"{"name":"a","toolPrefix":"","tools":{"include":["z"]}}"#,
                up(&[], 12),
                "a – modern 0 of 12 up, but 0 tools: include hides 12",
            ),
            (
                r#"{"name":"a","tools":{"exclude":["*"]}}"#,
                up(&[], 1),
                "a a__ modern 0 of 1 up, but 0 tools: exclude hides 1",
            ),
            (
                r#"{"name":"a"}"#,
                ServerStatus::Down("connection refused".to_owned()),
                "a a__ – – down: connection refused",
            ),
            (
                r#"{"name":"a"}"#,
                ServerStatus::Asked,
                "a a__ – – no answer yet",
            ),
        ] {
            let lines = lines(&[server], &[status]);
            assert_eq!(lines, ["server prefix era tools state", expected]);
        }
    }

    #[test]
    fn notes_tell_of_names_that_clients_will_miss() {
        let long = "x".repeat(62);
        for (servers, statuses, expected) in [
            (
                [
                    r#"{"name":"a","toolPrefix":"p_"}"#,
                    r#"{"name":"b","toolPrefix":"p_"}"#,
                ],
                [up(&["x", "y"], 0), up(&["y"], 0)],
                &[
                    "1 tool is missing from b, because a has tools of the same names (p_y): give one of the servers a different toolPrefix",
                ][..],
            ),
            (
                [
                    r#"{"name":"a","toolPrefix":"p_"}"#,
                    r#"{"name":"b","toolPrefix":""}"#,
                ],
                [up(&["x", "y"], 0), up(&["p_y", "p_x", "z"], 0)],
                &[
                    "2 tools are missing from b, because a has tools of the same names (p_y, …): give one of the servers a different toolPrefix",
                ],
            ),
            (
                [
                    r#"{"name":"a","toolPrefix":"p_"}"#,
                    r#"{"name":"b","toolPrefix":"p_"}"#,
                ],
                [up(&["x\u{7}\ny"], 0), up(&["x\u{7}\ny"], 0)],
                &[
                    "1 tool is missing from b, because a has tools of the same names (p_x y): give one of the servers a different toolPrefix",
                ],
            ),
            (
                [r#"{"name":"a"}"#, r#"{"name":"b"}"#],
                [up(&["x"], 0), up(&["x"], 0)],
                &[],
            ),
            (
                [r#"{"name":"a"}"#, r#"{"name":"b","toolPrefix":""}"#],
                [up(&[&long], 0), up(&[&long], 0)],
                &[
                    "1 tool has a name that is too long for some clients (limit 64 characters) (a__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx): use a shorter toolPrefix",
                ],
            ),
        ] {
            assert_eq!(lines(&servers, &statuses)[3..], *expected);
        }
    }

    #[test]
    fn names_are_compared_within_an_endpoint() {
        let config = r#"{"servers":[{"name":"a"},{"name":"b"}],"prefixMode":"CONDITIONAL","endpoints":[
            {"name":"x","path":"/x","servers":["a"]},{"path":"/y","servers":["b"]},
            {"path":"/","tools":{"exclude":["t"]}}]}"#;
        let config = Config::parse(config.as_bytes()).unwrap();
        let long = "n".repeat(63);
        let statuses = [up(&["t", &long], 0), up(&["t"], 0)];
        let table = table(&config, &statuses);
        let notes: Vec<&str> = table.lines().skip(3).collect();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(
            notes[0].starts_with("endpoint /: 1 tool has a name that is too long"),
            "{notes:?}"
        );
    }

    #[test]
    fn the_first_word_of_a_state_has_a_colour() {
        for (line, state, expected) in [
            ("a  up", "up", "a  \u{1b}[32mup\u{1b}[0m"),
            (
                "up  down: up",
                "down: up",
                "up  \u{1b}[31mdown\u{1b}[0m: up",
            ),
            ("a  up, but", "up, but", "a  \u{1b}[32mup\u{1b}[0m, but"),
            (
                "a  no answer yet",
                "no answer yet",
                "a  \u{1b}[33mno answer yet\u{1b}[0m",
            ),
            ("server state", "", "server state"),
        ] {
            assert_eq!(coloured(line, state), expected);
        }
    }
}
