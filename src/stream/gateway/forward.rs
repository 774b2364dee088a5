//! Forwards a message to one server, through Envoy's router.

use std::borrow::Cow;

use crate::config::{Server, ServerId};
use crate::gateway::routing::request_headers::{McpHeaders, RequestBody};
use crate::gateway::routing::subscriptions::{self, UnusableSubscriptions};
use crate::gateway::routing::{forwarding, request_headers};
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::translate::request::{ModernMeta, UntranslatableRequest, with_id};
use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::session_aliases::SessionAliases;
use crate::gateway::translate::task_ids::TaskAliases;
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::Worker;
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::list::ListKind;
use crate::mcp::{self, Message, json, method, version};
use crate::policy::Refusal;
use crate::policy::access::TOO_MANY_SUBSCRIPTIONS;
use crate::policy::attributes::Chosen;
use crate::policy::export::{Export, LONGEST};
use crate::stream::context::GatewayContext;
use crate::stream::effects::{
    change_request_headers, count_call, count_message, export, set_request_headers,
};
use crate::stream::event::Effect;
use crate::stream::gateway::lookup::unknown_method;
use crate::stream::gateway::route::{Destination, NamedTarget};
use crate::stream::gateway::{Client, IncomingMessage, param_headers, tasks, views};
use crate::stream::phase::Transition;
use crate::stream::response::routed::RoutedRequest;

/// Forwards a request to a server, with the server's own name of the tool, prompt or resource.
///
/// # Errors
/// The request cannot be translated for this server.
pub(super) fn forward_request(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
    mut destination: Destination<'_>,
    target: Option<&NamedTarget<'_>>,
) -> Result<Transition, Refusal> {
    if let Some(waits) = views::ask_first(cx, &request, &destination, target)? {
        return Ok(waits);
    }
    let message = request.message;
    let server = destination.server;
    let mut tasks = tasks::of_request(cx, &request, server)?;
    let aliases = tasks.take_aliases();
    let (translation, mut edits) = translate(cx, &request, &mut destination, aliases)?;
    edits.extend(rename_edits(server, message, target)?);
    edits.extend(views::argument_edits(server, message, target)?);
    edits.extend(tasks.edits);
    // If the gateway has rewritten the message, the body of the HTTP request still has the client's
    // message.
    let is_changed = !edits.is_empty() || request.rewritten.is_some();
    let upstream_name = target.map(|target| &*target.upstream_name);
    let name = upstream_name.or(tasks.upstream_id.as_deref());
    let name = name.map(Cow::Borrowed).or(message.name());
    let protocol = &destination.protocol;
    let session = protocol.session();
    let mut arguments = param_headers::of_call(cx, &request, server, protocol, target);
    arguments.extend(views::change_headers(
        cx, &request, server, protocol, target,
    ));
    let change = RequestChange {
        upstream_name,
        headers: McpHeaders {
            method: Some(message.method()),
            name: name.as_deref(),
            version: protocol.version(),
            session: session.and_then(|session| session.id.as_deref()),
        },
        arguments,
        body: is_changed.then(|| edit::apply(message.text, edits)),
    };
    let effects = change_request(cx, request, server, change)?;
    let routed = RoutedRequest::to_server(server, translation);
    let routed = routed.watched(message.method(), cx.worker.now());
    Ok(Transition::routed(effects, routed))
}

/// The translation between the client and the server of `destination`, and the edits that the era
/// of the server needs in the client's message. The translation takes the lease, and the `aliases`
/// of tasks if both have the same era.
fn translate(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    destination: &mut Destination<'_>,
    aliases: Option<TaskAliases>,
) -> Result<(Translation, Vec<Edit>), Refusal> {
    let (message, server) = (request.message, destination.server);
    let translated = match (&request.client, &destination.protocol) {
        (Client::Modern, UpstreamProtocol::Modern(version)) => {
            let translation = Translation::modern(server, message).with_tasks(aliases);
            return Ok((translation, version_edits(message, version)?));
        }
        (Client::Legacy(session), UpstreamProtocol::Legacy(_)) => {
            let sealing = cx.worker.sealing.as_ref();
            let mark = sealing.and_then(|sealing| sealing.mark(server.id));
            if let (None, Some(id), Some(mark)) = (cx.gateway.single_server(), message.id(), mark) {
                cx.worker.requests.remember(&session.id, id, mark);
            }
            let names = session_aliases(cx.worker, session, server, SentMessage::Request)?;
            let translation = Translation::legacy(server, Some(message), names);
            return Ok((translation.with_tasks(aliases), Vec::new()));
        }
        (Client::Legacy(session), UpstreamProtocol::Modern(version)) => {
            let meta = ModernMeta {
                protocol_version: version,
                capabilities: &session.capabilities,
                info: session.info.as_deref(),
            };
            Translation::to_modern(server, message, meta)
        }
        (Client::Modern, UpstreamProtocol::Legacy(_)) => {
            let id = cx.worker.next_id();
            let lease = destination.lease.take();
            Translation::to_legacy(server, message, &id, cx.gateway, lease)
        }
    };
    translated.map_err(|why| untranslatable(request, why))
}

/// The refusal of a request that cannot be translated for the server.
fn untranslatable(request: &IncomingMessage<'_>, why: UntranslatableRequest) -> Refusal {
    match why {
        UntranslatableRequest::UnknownMethod => unknown_method(request),
        UntranslatableRequest::NotARequest => Refusal::Internal,
        UntranslatableRequest::TokenTooLong => Refusal::TooLong("progressToken", LONGEST),
    }
}

/// The edits that write the `version` into a modern client's message. The gateway speaks this
/// version with the server.
fn version_edits(message: &Message<'_>, version: &str) -> Result<Vec<Edit>, Refusal> {
    let claimed = message
        .params()
        .and_then(|params| params.meta.protocol_version);
    let Some(claimed) = claimed.filter(|text| json::string(text).is_none_or(|it| it != version))
    else {
        return Ok(Vec::new());
    };
    let edit = Edit::replace(message.text, claimed, json::quoted(version));
    Ok(vec![edit.ok_or(Refusal::Internal)?])
}

/// Forwards a client's response to the server that sent the request. `original` is
/// the server's own id of that request, a JSON text.
///
/// # Errors
/// The server has no part in the session.
pub(super) fn forward_response(
    cx: &GatewayContext<'_>,
    request: IncomingMessage<'_>,
    session: &Session,
    server: ServerId,
    original: &str,
) -> Result<Transition, Refusal> {
    let message = request.message;
    let server = cx.gateway.server(server).ok_or(Refusal::Internal)?;
    let link = session.part(server.id).and_then(SessionPart::link);
    let link = link.ok_or(Refusal::UnexpectedResponse)?;
    let edit = with_id(message, original).ok_or(Refusal::Internal)?;
    let mut tasks = tasks::of_request(cx, &request, server)?;
    let mut edits = std::mem::take(&mut tasks.edits);
    edits.push(edit);
    let change = RequestChange {
        upstream_name: None,
        headers: McpHeaders {
            method: None,
            name: None,
            version: Some(link.version),
            session: link.id.as_deref(),
        },
        arguments: Vec::new(),
        body: Some(edit::apply(message.text, edits)),
    };
    let effects = change_request(cx, request, server, change)?;
    let aliases = session_aliases(cx.worker, session, server, SentMessage::Response)?;
    let translation = Translation::legacy(server, Some(message), aliases);
    let translation = translation.with_tasks(tasks.take_aliases());
    let routed = RoutedRequest::to_server(server, translation);
    Ok(Transition::routed(effects, routed))
}

const TRANSFER_ENCODING: &str = "transfer-encoding";

/// How the client's HTTP request changes on its way to a server.
struct RequestChange<'a> {
    /// The server's own name of the tool, prompt or resource.
    upstream_name: Option<&'a str>,
    headers: McpHeaders<'a>,
    /// The effects on the headers that repeat arguments.
    arguments: Vec<Effect>,
    /// The new body; `None` where the body stays the same.
    body: Option<Vec<u8>>,
}

/// Changes the client's HTTP request into one to `server`.
fn change_request(
    cx: &GatewayContext<'_>,
    request: IncomingMessage<'_>,
    server: &Server,
    change: RequestChange<'_>,
) -> Result<Vec<Effect>, Refusal> {
    let RequestChange {
        upstream_name,
        headers,
        arguments,
        body,
    } = change;
    let mut attributes = request.attributes;
    attributes.route(chosen(server), upstream_name);
    let era = request.client.era();
    let mut mutation = forwarding::header_mutation(request.headers, era, cx.gateway, server)?;
    let length = body.as_ref().map(Vec::len);
    let changed = length.map_or(RequestBody::Unchanged, RequestBody::Changed);
    let mut set = request_headers::headers(server, &headers, changed);
    // The client may have sent such a header although the body has no such value.
    let unconfirmed = [mcp::NAME_HEADER, mcp::METHOD_HEADER].into_iter();
    let unconfirmed = unconfirmed.filter(|name| {
        !set.iter().any(|(set, _)| set == name) && request.headers.get(name).is_some()
    });
    let unconfirmed: Vec<&str> = unconfirmed.collect();
    // Each change needs a call of the host. A header that is set anyway is not removed first, and
    // one that already has its value is not set.
    let removed = &mut mutation.removed;
    removed.retain(|name| !set.iter().any(|(set, _)| set == name));
    set.retain(|(name, value)| {
        mutation.added.iter().any(|(added, _)| added == name)
            || request.headers.single(name) != Ok(Some(value.as_bytes()))
    });
    // Most calls need 20 to 30 effects.
    let mut effects = Vec::with_capacity(32);
    effects.extend(change_request_headers(mutation));
    if let Some(rewritten) = &request.rewritten {
        let is_modern = headers.version.is_some_and(version::is_modern);
        effects.extend(rewritten.change_headers(request.headers, is_modern));
    }
    effects.extend(arguments);
    let removed = unconfirmed.into_iter().map(str::to_owned);
    effects.extend(removed.map(Effect::RemoveRequestHeader));
    effects.extend(set_request_headers(set));
    if let Some(body) = body {
        // The request has a content-length now, and must not have both headers (RFC 9112 section
        // 6.2).
        if request.headers.get(TRANSFER_ENCODING).is_some() {
            effects.push(Effect::RemoveRequestHeader(TRANSFER_ENCODING.to_owned()));
        }
        effects.push(Effect::ReplaceRequestBody(body));
    }
    effects.extend(count_message(cx.config, &attributes));
    effects.extend(count_call(cx.config, server.id));
    effects.extend(export(Export::of(&attributes, cx.config.storage)?));
    effects.push(Effect::ClearRouteCache);
    if request.has_trailers {
        // Servers get no trailers, and only the headers that the configuration passes through.
        effects.push(Effect::RemoveRequestTrailers);
    }
    Ok(effects)
}

/// The chosen server, as later filters get it.
pub(super) fn chosen(server: &Server) -> Chosen {
    Chosen::of(&server.name, &server.cluster)
}

/// The aliases that a legacy client gets for ids of this server.
///
/// # Errors
/// The worker has no key of sessions.
pub(super) fn session_aliases(
    worker: &Worker,
    session: &Session,
    server: &Server,
    sent: SentMessage,
) -> Result<SessionAliases, Refusal> {
    let sealing = worker.sealing.as_ref().ok_or(Refusal::Internal)?;
    let link = session.part(server.id).and_then(SessionPart::link);
    Ok(SessionAliases {
        keys: sealing.keys().clone(),
        session: session.id,
        server: server.id,
        server_name: server.name.clone(),
        has_session: link.is_some_and(|link| link.id.is_some()),
        has_joined: session.joined.contains(&server.id),
        sent,
    })
}

/// The edits that write the server's own names into the message.
fn rename_edits(
    server: &Server,
    message: &Message<'_>,
    target: Option<&NamedTarget<'_>>,
) -> Result<Vec<Edit>, Refusal> {
    match target {
        Some(NamedTarget {
            target,
            upstream_name,
        }) if target.name != *upstream_name => Ok(vec![target.rename(upstream_name)]),
        None if message.method() == method::LISTEN => subscriptions::edits(message, server)
            .map_err(|why| match why {
                UnusableSubscriptions::Malformed => Refusal::NameMissing("notifications"),
                UnusableSubscriptions::TooMany => TOO_MANY_SUBSCRIPTIONS,
                UnusableSubscriptions::Foreign(uri) => {
                    Refusal::UnknownName(ListKind::Resources, uri)
                }
            }),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_is_put_into_the_version_of_its_server() {
        let request = |version: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{ "name":"t","_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}","x":1.0}}}}}}"#
            )
        };
        let text = request("2027-01-01");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(version_edits(&message, "2027-01-01"), Ok(Vec::new()));
        let edits = version_edits(&message, "2026-07-28").unwrap();
        let edited = String::from_utf8(edit::apply(message.text, edits)).unwrap();
        assert_eq!(edited, request("2026-07-28"));
    }
}
