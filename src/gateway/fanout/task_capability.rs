//! The capability for tasks that the gateway offers a client: what `initialize` (MCP 2025-11-25,
//! "Tasks", "Capabilities") and `server/discover` (SEP-2663) say of tasks.

use crate::gateway::fanout::merged_capabilities::DiscoveredServer;
use crate::mcp::client_capabilities::{TASKS_EXTENSION, declares_extension};
use crate::mcp::era::Era;
use crate::mcp::json;

/// The capability that a client of this `era` gets: its name, and its value as a JSON text. `None`
/// where no server of the same era has tasks: the gateway does not translate tasks between the
/// eras. It does not merge `tasks/list`, so it never offers that part.
pub(super) fn merged(servers: &[DiscoveredServer<'_>], era: Era) -> Option<(&'static str, String)> {
    let own = servers.iter().filter(|server| !server.is_bridged);
    let mut offers = own.map(|server| server.description.capabilities_json.as_str());
    if era == Era::Modern {
        let has_tasks = offers.any(|offer| declares_extension(offer, TASKS_EXTENSION));
        return has_tasks.then(|| ("extensions", format!("{{\"{TASKS_EXTENSION}\":{{}}}}")));
    }
    let with_tasks: Vec<_> = offers
        .filter(|offer| has(offer, &["tasks", "requests", "tools", "call"]))
        .collect();
    with_tasks.first()?;
    let can_cancel = with_tasks
        .iter()
        .any(|offer| has(offer, &["tasks", "cancel"]));
    let cancel = if can_cancel { r#""cancel":{},"# } else { "" };
    let value = format!(r#"{{{cancel}"requests":{{"tools":{{"call":{{}}}}}}}}"#);
    Some(("tasks", value))
}

/// Whether the object `text` has something other than `null` at `path`.
fn has(text: &str, path: &[&str]) -> bool {
    match path {
        [] => text != "null",
        [first, rest @ ..] => {
            let values = json::values(text, first);
            values.into_iter().any(|value| has(value, rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::upstream::server_description::ServerDescription;
    use std::rc::Rc;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The capability that a client gets if the servers have these capabilities.
    fn offered(servers: &[(&str, bool)], era: Era) -> Option<String> {
        let describe = |(capabilities, is_bridged): &(&str, bool)| {
            let result =
                format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities}}}"#);
            let (description, _) = ServerDescription::read_initialize(&result, None).unwrap();
            DiscoveredServer {
                name: "a",
                description: Rc::new(description),
                is_bridged: *is_bridged,
            }
        };
        let servers: Vec<_> = servers.iter().map(describe).collect();
        merged(&servers, era).map(|(name, value)| format!("{name}:{value}"))
    }

    const LEGACY: &str = r#"{"tools":{},"tasks":{"list":{},"requests":{"tools":{"call":{}}}}}"#;
    const CANCEL: &str = r#"{"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}}"#;
    const MODERN: &str = r#"{"extensions":{"x/y":{},"io.modelcontextprotocol/tasks":{}}}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn tasks_are_offered_in_the_form_of_the_clients_era() {
        let call = r#""requests":{"tools":{"call":{}}}}"#;
        for (servers, era, expected) in [
            (
                vec![(LEGACY, false)],
                Era::Legacy,
                Some(format!("tasks:{{{call}")),
            ),
            (
                vec![("{}", false), (LEGACY, false), (CANCEL, false)],
                Era::Legacy,
                Some(format!(r#"tasks:{{"cancel":{{}},{call}"#)),
            ),
            (
                vec![("{}", false), (MODERN, false)],
                Era::Modern,
                Some(r#"extensions:{"io.modelcontextprotocol/tasks":{}}"#.to_owned()),
            ),
        ] {
            assert_eq!(offered(&servers, era), expected, "{servers:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_no_server_has_in_the_clients_era_is_not_offered() {
        for (servers, era) in [
            (vec![], Era::Legacy),
            (vec![(LEGACY, true)], Era::Legacy),
            (vec![(MODERN, true)], Era::Modern),
            (vec![(LEGACY, false)], Era::Modern),
            (vec![(MODERN, false)], Era::Legacy),
            (vec![(r#"{"tasks":{"cancel":{}}}"#, false)], Era::Legacy),
            (
                vec![(r#"{"tasks":{"requests":{"tools":{"call":null}}}}"#, false)],
                Era::Legacy,
            ),
            (
                vec![(r#"{"tasks":null,"extensions":null}"#, false)],
                Era::Legacy,
            ),
            (vec![(r#"{"extensions":{"x/y":{}}}"#, false)], Era::Modern),
        ] {
            assert_eq!(offered(&servers, era), None, "{servers:?} {era:?}");
        }
    }
}
