//! A message of a modern client (MCP 2026-07-28), which has no session.

use crate::gateway::fanout::operation::Operation;
use crate::mcp::list::ListKind;
use crate::mcp::message::Content;
use crate::mcp::method;
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::gateway::fanout::start_for_client;
use crate::stream::gateway::lookup::find_server;
use crate::stream::gateway::session::required_identity;
use crate::stream::gateway::{IncomingMessage, accepted, answer_here, has_cursor};
use crate::stream::phase::Transition;

/// Handles a message.
///
/// # Errors
/// The gateway refuses the message.
pub(super) fn on_message(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    let (id, method, params) = match &request.message.content {
        Content::Response { .. } => return Err(Refusal::UnexpectedResponse),
        // The client has no session, so no server knows what the notification is about.
        Content::Notification { .. } => {
            return answer_here(cx, &request.attributes, accepted());
        }
        Content::Request { id, method, params } => (*id, method.as_ref(), params),
    };
    // The identity is required in any case: the result must not depend on what the worker knows
    // about the server.
    required_identity(cx.gateway, request.headers, request.facts)?;
    let operation = match method {
        method if method::is_legacy_only(method) => {
            return Err(request.client.unknown_method(method));
        }
        method::SERVER_DISCOVER => Operation::Discover,
        method => match ListKind::of(method) {
            Some(kind) => Operation::List(kind),
            None => return find_server(cx, request),
        },
    };
    if has_cursor(params) {
        return Err(Refusal::Cursor);
    }
    let servers = cx.gateway.server_ids();
    start_for_client(cx, &request, id, operation, &servers)
}
