//! Tells the user which servers an answer lacks, since they are down.

use mcp_gateway::config::Server;
use mcp_gateway::mcp::list::{ListKind, Naming};

use super::place::AskedEndpoint;
use super::{EndpointRequest, text};
use crate::output::eprintln;

/// Tells on stderr which servers that `request` is about are down: the servers in `missing`, which
/// the lists name, and the servers that a request without an answer is for. If `place` is a
/// gateway that was started for the request, also tells the reasons.
pub(super) fn tell(
    place: &AskedEndpoint,
    request: &EndpointRequest,
    is_answered: bool,
    missing: &[String],
) {
    if is_answered
        && !matches!(
            request,
            EndpointRequest::List(_) | EndpointRequest::Resources
        )
    {
        // The server has answered.
        return;
    }
    let reasons = match place {
        AskedEndpoint::Url(_) | AskedEndpoint::OfRun(_) => Vec::new(),
        AskedEndpoint::Started(gateway) => {
            gateway.reasons(|server| is_missing(server, request, is_answered, missing))
        }
    };
    for reason in &reasons {
        eprintln!("mcp-gateway: {reason}");
    }
    let is_list = is_answered || !matches!(place, AskedEndpoint::Started(_));
    let has_reason = |name: &str| {
        let mut reasons = reasons.iter().filter_map(|it| it.strip_prefix(name));
        reasons.any(|rest| rest.starts_with(" is down"))
    };
    let others = missing.iter().filter(|name| is_list && !has_reason(name));
    let others: Vec<String> = others.map(|name| text::first_line(name)).collect();
    if !others.is_empty() {
        let names = others.join(", ");
        let hint = match place {
            AskedEndpoint::OfRun(_) => "; the table that `mcp-gateway run` prints says why",
            _ => "",
        };
        eprintln!("mcp-gateway: the gateway got no answer from these servers: {names}{hint}");
    }
}

/// Whether `server` should be part of the answer but is not.
fn is_missing(
    server: &Server,
    request: &EndpointRequest,
    is_answered: bool,
    missing: &[String],
) -> bool {
    let (kind, name) = match request {
        // Without a list, no server has answered.
        EndpointRequest::List(_) | EndpointRequest::Resources => {
            return !is_answered || missing.contains(&server.name);
        }
        EndpointRequest::Read(uri) => (ListKind::Resources, uri),
        EndpointRequest::Call { name, .. } => (ListKind::Tools, name),
        EndpointRequest::Prompt { name, .. } => (ListKind::Prompts, name),
    };
    name.starts_with(&*prefix(server, kind))
}

/// The prefix of the names of this server's entries.
fn prefix(server: &Server, kind: ListKind) -> String {
    match kind.naming() {
        Naming::Prefixed => server.tool_prefix.clone(),
        Naming::Uri | Naming::UriTemplate => format!("{}+", server.name),
    }
}
