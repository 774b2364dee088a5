//! `authorization`: decides whether a caller may send a message and, in policy mode, which entries
//! of a list the caller sees.

use std::rc::Rc;

use crate::config::Config;
use crate::gateway::translate::translation::Translation;
use crate::http::Headers;
use crate::mcp::Message;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::policy::Refusal;
use crate::policy::access::{self, Access};
use crate::stream::event::{Effect, HostFacts};
use crate::stream::phase::Transition;
use crate::stream::request::is_strict;
use crate::stream::response::routed::RoutedRequest;

/// Checks that the caller may send `message`, and that policies can read what the message is about.
///
/// # Errors
/// The caller may not send it, or policies cannot read what it is about.
pub(in crate::stream) fn authorize(
    config: &Config,
    message: &Message<'_>,
    facts: &HostFacts,
) -> Result<(), Refusal> {
    // If other traffic than MCP may pass, names of other types may, too.
    let accesses = Access::of(message, is_strict(config))?;
    access::check_uris(&accesses)?;
    match &config.authorization {
        Some(authorization) => authorization.permit(&facts.rights, &accesses),
        None => Ok(()),
    }
}

/// In policy mode: a request for a list, so that the response must show only what the caller may
/// use. `None` where the filter does not change the response.
pub(in crate::stream) fn filter_list(
    config: &Rc<Config>,
    message: &Message<'_>,
    era: Era,
    facts: &HostFacts,
) -> Option<RoutedRequest> {
    config.authorization.as_ref()?;
    let kind = ListKind::of(message.method())?;
    let id = message.id()?.to_owned();
    Some(filtered(config, facts, era, Some((kind, id))))
}

/// In policy mode: a request that the filter does not read. A legacy server may answer a GET with a
/// stream that repeats a list, so the filter reads that response.
pub(in crate::stream) fn pass_unread(
    config: &Rc<Config>,
    headers: &Headers,
    facts: &HostFacts,
) -> Transition {
    if config.authorization.is_none() || headers.get(":method") != Some(b"GET") {
        return Transition::release(Vec::new());
    }
    // Only legacy clients send GET.
    let routed = filtered(config, facts, Era::Legacy, None);
    Transition::routed(vec![refuse_compression()], routed)
}

/// Without `hold`, the headers of a request go on before the filter has read the message. Any such
/// message may be a list request, so the response must be readable.
pub(in crate::stream) fn prepare_filtering(config: &Config) -> Option<Effect> {
    let may_filter = config.authorization.is_some() && !config.hold;
    may_filter.then(refuse_compression)
}

/// Removes `accept-encoding`, since the filter cannot read a compressed response.
pub(in crate::stream) fn refuse_compression() -> Effect {
    Effect::RemoveRequestHeader("accept-encoding".to_owned())
}

fn filtered(
    config: &Rc<Config>,
    facts: &HostFacts,
    era: Era,
    list: Option<(ListKind, String)>,
) -> RoutedRequest {
    let principal = facts.rights.clone();
    let translation = Translation::policy_mode(Rc::clone(config), principal, era, list);
    RoutedRequest::to_upstream(translation)
}
