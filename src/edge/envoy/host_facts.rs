//! What Envoy knows about the caller of a request.

use super::plugin::Plugin;
use super::property;
use crate::edge::abi::value;
use crate::http::Headers;
use crate::policy::authorization::Principal;
use crate::stream::{HostFacts, Stream};

/// What Envoy knows about the caller of a request with these `headers`. Call it
/// while Envoy has the headers: later, an expression over headers would be true
/// or false without an error.
pub(super) fn of(headers: &Headers, stream: &Stream, plugin: &Plugin) -> HostFacts {
    let config = &plugin.config;
    let identity = stream.identity();
    if config.authorization.is_none() && identity.is_none() {
        return HostFacts::default();
    }
    let path = headers.get(":path").unwrap_or_default();
    if !config.endpoints.contains(path) {
        return HostFacts::default();
    }
    let metadata = |namespace: &str, path: &[String]| {
        let place = ["metadata", "filter_metadata", namespace];
        let path = path.iter().map(String::as_str);
        property::bytes(&place.into_iter().chain(path).collect::<Vec<_>>())
    };
    let rights = config.authorization.as_ref().map(|authorization| {
        let expressions = plugin.expressions.iter();
        let sources = authorization.sources.iter();
        Principal {
            verdicts: expressions
                .map(|token| value::verdict(property::evaluate(*token).as_deref()))
                .collect(),
            scopes: sources
                .map(|source| value::scopes(metadata(&source.namespace, &source.path).as_deref()))
                .collect(),
            endpoint: None,
        }
    });
    HostFacts {
        identity: identity
            .and_then(|(namespace, path)| String::from_utf8(metadata(namespace, path)?).ok()),
        rights: rights.unwrap_or_default(),
    }
}
