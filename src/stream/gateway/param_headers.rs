//! The headers in which a modern server wants some arguments of a call, too (MCP 2026-07-28, "Custom
//! headers from tool parameters"). A legacy client does not send them, so the gateway does.

use crate::config::Server;
use crate::gateway::fanout::Fanout;
use crate::gateway::routing::names;
use crate::gateway::search::param_headers::{annotations, param_headers};
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::mcp::param_header;
use crate::stream::context::GatewayContext;
use crate::stream::event::Effect;
use crate::stream::gateway::route::NamedTarget;
use crate::stream::gateway::{Client, IncomingMessage};

/// Remembers which parameters have headers, as far as a legacy client's lists show it. Each page is
/// searched once, in the first of these lists that has it.
pub(super) fn learn(cx: &GatewayContext<'_>, fanout: &Fanout) {
    if fanout.caller().era == Era::Modern {
        return;
    }
    for (id, list) in fanout.tool_lists() {
        let Some(server) = cx.gateway.server(id) else {
            continue;
        };
        if cx.worker.servers.era(server) == Some(Era::Legacy) {
            continue;
        }
        let tools = list.unsearched().filter_map(|(entry, definition)| {
            // Most tools have no such parameter.
            let definition = std::str::from_utf8(definition).unwrap_or_default();
            let annotations = definition
                .contains(param_header::ANNOTATION)
                .then(|| annotations(definition))??;
            let own = names::upstream_name(server, ListKind::Tools, &entry.name)?;
            Some((own.into_owned(), annotations))
        });
        cx.worker.param_annotations.learn(server, tools);
    }
}

/// The headers that a legacy client's call of the tool `target` needs at a modern server.
pub(super) fn of_call(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    server: &Server,
    protocol: &UpstreamProtocol,
    target: Option<&NamedTarget<'_>>,
) -> Vec<Effect> {
    let is_bridged = matches!(
        (&request.client, protocol),
        (Client::Legacy(_), UpstreamProtocol::Modern(_))
    );
    let rewritten = request.rewritten.as_ref();
    let has_headers = rewritten.is_some_and(|it| it.param_headers.is_some());
    let tool = target.filter(|it| it.target.kind == ListKind::Tools && is_bridged && !has_headers);
    let arguments = request.message.params().and_then(|it| it.get("arguments"));
    let (Some(tool), Some(arguments)) = (tool, arguments) else {
        return Vec::new();
    };
    let Some(annotations) = cx.worker.param_annotations.of(server, &tool.upstream_name) else {
        return Vec::new();
    };
    let headers = param_headers(&annotations, arguments).into_iter();
    headers
        .map(|(name, value)| Effect::AddRequestHeader(name, value))
        .collect()
}
