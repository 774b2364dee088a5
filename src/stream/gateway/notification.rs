//! Notifications of a legacy client: which servers get them.

use crate::config::{Server, ServerId};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::session::Session;
use crate::gateway::translate::ids;
use crate::gateway::upstream::call::Call;
use crate::http::Headers;
use crate::mcp::json::edit;
use crate::mcp::method;
use crate::policy::Refusal;
use crate::stream::context::GatewayContext;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::legacy::original_id;
use crate::stream::gateway::tasks;

/// The servers that get a notification.
#[derive(Clone, Copy)]
enum Recipients {
    All,
    One(ServerId),
}

impl Recipients {
    fn includes(self, server: &Server) -> bool {
        match self {
            Self::All => true,
            Self::One(id) => server.id == id,
        }
    }
}

/// Sends a notification to the servers that it is about, if there are any.
///
/// # Errors
/// The request lacks a header that one of these servers must get.
pub(super) fn forward_notification(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    session: &Session,
    method: &str,
) -> Result<(), Refusal> {
    let message = request.message;
    let text = message.text.as_bytes();
    match method {
        // The gateway has sent this notification itself when the session began. A second one could
        // arrive after later messages.
        method::INITIALIZED => Ok(()),
        method::PROGRESS => {
            // The progress is about a request of one server, which chose the token.
            let token = ids::reference(message);
            let original = token.and_then(|token| original_id(cx, session, token));
            if let Some((id, token)) = original
                && let Some(server) = cx.gateway.server(id)
                && let Some(edit) = ids::reference_edit(message, &token)
            {
                let mut edits = tasks::of_request(cx, request, server)?.edits;
                edits.push(edit);
                let body = edit::apply(message.text, edits);
                let to = Recipients::One(id);
                return notify_servers(cx, session, to, (method, &body), request.headers);
            }
            Ok(())
        }
        method::CANCELLED => match cancelled_at(cx, request, session) {
            Some(server) => {
                let to = Recipients::One(server);
                notify_servers(cx, session, to, (method, text), request.headers)
            }
            None => Ok(()),
        },
        method if method.starts_with("notifications/") => notify_servers(
            cx,
            session,
            Recipients::All,
            (method, text),
            request.headers,
        ),
        // This is a request without an id. No server gets it: the server could carry it out,
        // although policies have not checked it as a request.
        _ => Ok(()),
    }
}

/// The server that the cancelled request went to.
fn cancelled_at(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    session: &Session,
) -> Option<ServerId> {
    let id = ids::reference(request.message)?;
    match cx.gateway.single_server() {
        Some(server) => Some(server.id),
        None => {
            let mark = cx.worker.requests.server(&session.id, id)?;
            cx.worker.sealing.as_ref()?.server(mark)
        }
    }
}

/// Sends a notification, with this method and text, to those recipients that are legacy servers of
/// the session.
///
/// # Errors
/// The request lacks a header that one of these servers must get.
fn notify_servers(
    cx: &mut GatewayContext<'_>,
    session: &Session,
    to: Recipients,
    (method, message): (&str, &[u8]),
    headers: &Headers,
) -> Result<(), Refusal> {
    let servers = cx.gateway.servers.iter();
    let notified: Vec<_> = servers
        .filter(|server| to.includes(server))
        .filter_map(|server| Some((server, session.part(server.id)?.link()?)))
        .collect();
    let ids: Vec<ServerId> = notified.iter().map(|(server, _)| server.id).collect();
    let carried = CallerHeaders::of(headers, cx.gateway, &ids)?;
    for (server, link) in notified {
        let call = Call::tell(server, &link, Some(method), message.to_vec(), &carried);
        cx.worker.outbox.push(call);
    }
    Ok(())
}
