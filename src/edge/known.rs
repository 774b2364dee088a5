//! What Envoy knows of who sent a request.

use super::property;
use super::shared::Shared;
use crate::http::Headers;
use crate::policy::authorization::{Principal, Verdict};
use crate::policy::scopes;
use crate::stream::{HostFacts, Stream};

/// What Envoy knows of who sent the request. It is asked while the headers
/// are there: expressions over headers that have gone on are true or false
/// without an error.
pub(super) fn of(headers: &Headers, stream: &Stream, shared: &Shared) -> HostFacts {
    let config = &shared.config;
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
        let verdicts = shared.expressions.iter();
        let sources = authorization.sources.iter();
        Principal {
            verdicts: verdicts
                .map(|token| Verdict::of(property::evaluate(*token).as_deref()))
                .collect(),
            scopes: sources
                .map(|source| scopes::read(metadata(&source.namespace, &source.path).as_deref()))
                .collect(),
        }
    });
    HostFacts {
        identity: identity
            .and_then(|(namespace, path)| String::from_utf8(metadata(namespace, path)?).ok()),
        rights: rights.unwrap_or_default(),
    }
}
