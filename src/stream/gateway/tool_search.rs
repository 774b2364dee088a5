//! Calls of `search_tools` and `call_tool`, if `toolSearch` is configured. Whether these tools
//! exist depends on how many tools the caller may see, so the gateway reads the lists first.

use crate::config::{ServerId, ToolSearch};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::merged_capabilities::write_server_info;
use crate::gateway::fanout::merged_list;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::search::arguments::{SearchArguments, inner_call};
use crate::gateway::search::definitions::{VisibleTool, VisibleTools};
use crate::gateway::search::param_headers::param_headers;
use crate::gateway::search::ranking::{Ranked, rank};
use crate::gateway::search::{SEARCH_TOOLS, reserved};
use crate::http::Reply;
use crate::mcp::era::Era;
use crate::mcp::json::object::push_object;
use crate::mcp::json::{push_array, push_string};
use crate::mcp::list::ListKind;
use crate::mcp::message::Content;
use crate::mcp::{Message, jsonrpc, method};
use crate::policy::access::Access;
use crate::policy::{Refusal, Status};
use crate::stream::context::GatewayContext;
use crate::stream::gateway::continuation::{Continuation, SuspendedRequest};
use crate::stream::gateway::fanout::suspend;
use crate::stream::gateway::lookup::look_up;
use crate::stream::gateway::{IncomingMessage, answer_here, short_names};
use crate::stream::phase::Transition;
use crate::stream::request::authorization::authorize;

/// Which of the two tools `message` calls, if `toolSearch` is configured.
pub(super) fn called(cx: &GatewayContext<'_>, message: &Message<'_>) -> Option<&'static str> {
    cx.gateway.tool_search.as_ref()?;
    let is_call = matches!(message.content, Content::Request { .. })
        && message.method() == method::TOOLS_CALL;
    message
        .name()
        .filter(|_| is_call)
        .and_then(|it| reserved(&it))
}

/// Reads the lists of tools, which the answer depends on.
///
/// # Errors
/// The request lacks a header or an identity that a server must get.
pub(super) fn start(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    let servers = cx.gateway.server_ids();
    let operation = Operation::List(ListKind::Tools);
    suspend(cx, request, operation, &servers, Continuation::SearchTools)
}

/// Continues after the lists were read: answers the search, or calls the inner tool. If the caller
/// sees so few tools that the search tools do not exist, the call is treated like any other call.
///
/// # Errors
/// The gateway refuses the call.
pub(super) fn finish(
    cx: &mut GatewayContext<'_>,
    fanout: Fanout,
    request: IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    let search = cx.gateway.tool_search.as_ref().ok_or(Refusal::Internal)?;
    let name = called(cx, request.message).ok_or(Refusal::Internal)?;
    if let Some(refusal) = fanout.refused(cx.gateway) {
        // If the caller may not call the inner tool, it gets that refusal and not the failure of
        // the servers.
        return match inner_call(request.message) {
            Ok(text) if name != SEARCH_TOOLS => Ok(go_on_with(cx, &request, text, Err(refusal))),
            _ => Err(refusal),
        };
    }
    let is_complete = !fanout.lacks_servers();
    let lists = fanout.lists(ListKind::Tools);
    let authorization = cx.config.authorization.as_ref();
    let rights = authorization.map(|authorization| (authorization, &request.facts.rights));
    let (visible, _) = merged_list::visible(ListKind::Tools, &lists, rights);
    if let Some((server, name)) = visible.taken {
        warn_of_name(cx, server, name);
        authorize(cx.config, request.message, request.facts)?;
        return look_up(cx, request);
    }
    // If a server does not answer now, the caller seems to see fewer tools. Then the search tools
    // still exist, so that tools that were found stay callable.
    let is_searched = visible.are_many(search) || !is_complete;
    if !is_searched || !may_list(cx, &request) {
        authorize(cx.config, request.message, request.facts)?;
        return Err(Refusal::UnknownName(ListKind::Tools, name.to_owned()));
    }
    if name == SEARCH_TOOLS {
        return answer(cx, &request, search, &visible);
    }
    let text = inner_call(request.message)?;
    let headers = inner_headers(&text, &visible);
    Ok(go_on_with(cx, &request, text, Ok(headers)))
}

/// Logs that a server has a tool with the name of one of the search tools. Each worker logs this
/// once.
pub(super) fn warn_of_name(cx: &mut GatewayContext<'_>, server: ServerId, name: &str) {
    let known = format!("toolSearch {name}");
    if cx.worker.collisions.is_new(ListKind::Tools, &known, server)
        && let Some(server) = cx.gateway.server(server)
    {
        let line = format!(
            "toolSearch is off: server {} has a tool that clients see as {name}; give the server a toolPrefix, or exclude the tool",
            server.name
        );
        cx.worker.notices.push((log::Level::Warn, line));
    }
}

/// Whether the caller may request the list of tools. A search shows the same tools.
fn may_list(cx: &GatewayContext<'_>, request: &IncomingMessage<'_>) -> bool {
    let access = Access {
        method: method::TOOLS_LIST,
        about: None,
    };
    let authorization = cx.config.authorization.as_ref();
    authorization.is_none_or(|it| it.permit(&request.facts.rights, &[access]).is_ok())
}

/// Answers `search_tools`.
fn answer(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    search: &ToolSearch,
    visible: &VisibleTools<'_>,
) -> Result<Transition, Refusal> {
    let arguments = SearchArguments::of(request.message)?;
    let id = request.message.id().ok_or(Refusal::Internal)?;
    let tools = &visible.tools;
    let definitions = tools.iter().map(|tool| tool.definition);
    let limit = arguments.limit.unwrap_or(search.limit);
    let found = rank(&arguments.query, definitions, limit);
    let found = found_json(&found, visible);
    let size = found.len().saturating_mul(2);
    let body = jsonrpc::result(id, size, |out| {
        push_object(out, |result| {
            if request.client.era() == Era::Modern {
                result.string("resultType", "complete");
            }
            let content = result.member("content");
            content.extend_from_slice(br#"[{"type":"text","text":"#);
            push_string(content, &found);
            content.extend_from_slice(b"}]");
            result.json("structuredContent", &found);
            if request.client.era() == Era::Modern {
                write_server_info(result, &cx.gateway.server_info);
            }
        });
    });
    let reply = Reply::json(200, body, Status::Ok.as_str());
    answer_here(cx, &request.attributes, reply)
}

/// The tools that were found, as JSON, with their whole definitions.
fn found_json(found: &Ranked, visible: &VisibleTools<'_>) -> String {
    let mut out = Vec::new();
    push_object(&mut out, |result| {
        let best = found.best.iter().filter_map(|at| visible.tools.get(*at));
        push_array(result.member("tools"), best.map(|tool| tool.definition));
        result.json("total", found.total.to_string());
    });
    // All parts are texts, so this does not fail.
    String::from_utf8(out).unwrap_or_default()
}

/// The headers that repeat arguments of the call `text`, according to the definition of the inner
/// tool.
fn inner_headers(text: &str, visible: &VisibleTools<'_>) -> Vec<(String, String)> {
    let message = Message::read(text).ok();
    let headers = message.as_ref().and_then(|message| {
        let name = message.name()?;
        let mut tools = visible.tools.iter();
        let is_it =
            |tool: &&VisibleTool<'_>| tool.entry.name == name || tool.entry.listed_name() == name;
        let definition = std::str::from_utf8(tools.find(is_it)?.definition).ok()?;
        let arguments = message.params()?.get("arguments")?;
        Some(param_headers(definition, arguments))
    });
    headers.unwrap_or_default()
}

/// Continues with the message `text` in place of the client's, if the caller may send it. `headers`
/// are the headers that repeat its arguments, or the refusal that the caller gets.
fn go_on_with(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    text: String,
    headers: Result<Vec<(String, String)>, Refusal>,
) -> Transition {
    let (headers, refusal) = match headers {
        Ok(headers) => (headers, None),
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    let inner = SuspendedRequest::rewritten(request, text, headers);
    inner.resume(cx, None, |cx, mut inner| {
        let era = inner.client.era();
        if refusal.is_none()
            && let Some(waits) = short_names::ask_first(cx, &mut inner, era)?
        {
            return Ok(waits);
        }
        // This check comes before the lookup of the name, so that the caller does not learn whether
        // the tool exists.
        authorize(cx.config, inner.message, inner.facts)?;
        refusal.map_or_else(|| look_up(cx, inner), Err)
    })
}
