//! The `_meta` of a merged list. It tells modern clients the gateway's name. It tells all clients
//! which servers the list lacks because they failed.

use crate::config::{Gateway, ServerId};
use crate::gateway::fanout::merged_list::ServerList;
use crate::mcp::era::Era;
use crate::mcp::json::object::ObjectWriter;
use crate::mcp::{MISSING_SERVERS_KEY, SERVER_INFO_KEY, json};

/// Adds the member `_meta` of the merged list of `lists` to `result`, for a client of this era. If
/// no server is missing, only modern clients get it, with the `serverInfo` of the gateway (MCP
/// 2026-07-28, "General fields").
pub(super) fn write_meta(
    result: &mut ObjectWriter<'_>,
    era: Era,
    lists: &[(ServerId, ServerList)],
    gateway: &Gateway,
) {
    let missing = lists.iter().filter(|(_, list)| list.is_missing());
    let missing = missing.filter_map(|(id, _)| gateway.server(*id));
    let names: Vec<&str> = missing.map(|server| &*server.name).collect();
    if names.is_empty() && era == Era::Legacy {
        return;
    }
    result.object("_meta", |meta| {
        if era == Era::Modern {
            meta.json(SERVER_INFO_KEY, &gateway.server_info);
        }
        if !names.is_empty() {
            json::push_strings(meta.member(MISSING_SERVERS_KEY), &names);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::json::object::push_object;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_names_the_servers_that_it_lacks_in_their_order() {
        let config = br#"{"servers":[{"name":"a"},{"name":"b"},{"name":"c"}],"serverInfo":{"name":"g","version":"1"}}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let info = r#""io.modelcontextprotocol/serverInfo":{"name":"g","version":"1"}"#;
        for (era, missing, expected) in [
            (Era::Legacy, vec![], "{}".to_owned()),
            (Era::Modern, vec![], format!(r#"{{"_meta":{{{info}}}}}"#)),
            (
                Era::Legacy,
                vec![0, 2],
                r#"{"_meta":{"io.github.mcp-gateway/missingServers":["a","c"]}}"#.to_owned(),
            ),
            (
                Era::Modern,
                vec![1],
                format!(r#"{{"_meta":{{{info},"io.github.mcp-gateway/missingServers":["b"]}}}}"#),
            ),
        ] {
            let list = |server: &crate::config::Server| {
                let is_missing = missing.contains(&server.id.index());
                let list = is_missing.then(ServerList::missing).unwrap_or_default();
                (server.id, list)
            };
            let lists: Vec<_> = gateway.servers.iter().map(list).collect();
            let mut out = Vec::new();
            push_object(&mut out, |result| write_meta(result, era, &lists, &gateway));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
