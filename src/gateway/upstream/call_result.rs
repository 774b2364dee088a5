//! Reads a server's response to a call.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, Protocol, Server};
use crate::gateway::routing::forwarding;
use crate::gateway::upstream::call::{Call, CallContent, CallResponse, UpstreamRequest};
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::page_key::PageKey;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::upstream::server_description::ServerDescription;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::json::{self, Reader};
use crate::mcp::response::JsonRpcError;
use crate::mcp::version;

/// A server's answer, after the gateway has read it.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub enum CallResult {
    /// The result of `server/discover`.
    Discovered(Rc<ServerDescription>),
    /// An error of `server/discover`: the server does not support the version of the request, but
    /// supports this version.
    OtherVersion(&'static str),
    /// The answer of a legacy server to `server/discover`.
    Legacy,
    /// The result of `initialize`, and the session that is open now.
    Opened(Rc<ServerDescription>, Rc<UpstreamSession>),
    /// The result of a list request: a page.
    Page {
        /// The page.
        page: Rc<ListPage>,
        /// For how long, and by whom, it may be kept.
        cache_hints: CacheHints,
        /// Only the caller that asked first may have the page, although the call was shared.
        private: bool,
    },
    /// The answer to a message that has no result, or an empty one.
    Done,
    /// The server has no such method.
    NoMethod,
    /// The server has forgotten the session.
    SessionLost,
    /// The server failed.
    Failed(Failure),
    /// The call was shared, but its answer is for another caller only: this caller has to ask
    /// again.
    NotShared,
    /// The call was shared, and the time of the caller that made it is over. This caller has time
    /// left, so it asks again.
    AskAgain,
}

impl CallResult {
    /// Whether only the caller that asked first may have it.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Page { private, .. } => *private,
            // Only the owner of a session may have the answers in it.
            Self::Opened(..) | Self::SessionLost => true,
            // A failure has no data of the caller in it. If all callers asked again, they would
            // only add load to a server that is failing.
            Self::Discovered(_)
            | Self::OtherVersion(_)
            | Self::Legacy
            | Self::Done
            | Self::NoMethod
            | Self::Failed(_)
            | Self::NotShared
            | Self::AskAgain => false,
        }
    }
}

/// A page that every client may get for some time.
pub struct CacheablePage {
    /// The key of the page.
    pub key: PageKey,
    /// The page.
    pub page: Rc<ListPage>,
    /// The JSON text of the result with the page.
    pub text: String,
    /// For how long.
    pub ttl: Duration,
}

impl Call {
    /// Reads the `response` to this call. `spoken` are the modern versions that the gateway
    /// supports. Also gives the page, if every client may get it.
    pub fn answer(
        &self,
        response: &CallResponse,
        gateway: &Gateway,
        spoken: &[&'static str],
    ) -> (CallResult, Option<CacheablePage>) {
        let Some(server) = gateway.server(self.server) else {
            return (CallResult::Failed(Failure::NoCluster), None);
        };
        let (Some(rpc_id), CallContent::Mcp(request)) = (&self.rpc_id, &self.content) else {
            // Later requests show whether the server received the message.
            return (CallResult::Done, None);
        };
        if self.has_session && response.is_session_lost(rpc_id) {
            return (CallResult::SessionLost, None);
        }
        let longest = gateway.max_response_bytes;
        let answer = match request {
            UpstreamRequest::List(kind, _) => {
                let page = response.result(rpc_id, longest, |reader| {
                    reader.value(|reader| {
                        let start = reader.mark();
                        let page = ListPage::read(*kind, server, reader, gateway.max_list_bytes)?;
                        Ok(self.page(Rc::new(page), || reader.since(start).to_owned()))
                    })
                });
                let page = page.and_then(|page| page);
                return page.unwrap_or_else(|failure| (failed(failure, server), None));
            }
            UpstreamRequest::Discover => match response.result(rpc_id, longest, text) {
                Ok(result) => discovered(&result, server, spoken),
                Err(mut failure) => {
                    // A server that does not know the method may answer without the request's id.
                    if matches!(failure, Failure::Nonsense(_) | Failure::Status(400..=499))
                        && let Some(error) = response.error_of_any_id(longest)
                    {
                        failure = error;
                    }
                    self.undiscovered(failure, response.status(), server, spoken)
                }
            },
            UpstreamRequest::Initialize => match response.result(rpc_id, longest, text) {
                Ok(result) => opened(&result, response.session()),
                Err(failure) => failed(failure, server),
            },
            UpstreamRequest::SetLevel(_) | UpstreamRequest::Ping | UpstreamRequest::Initialized => {
                match response.result(rpc_id, longest, |reader| reader.skip().map(drop)) {
                    Ok(()) => CallResult::Done,
                    Err(failure) => failed(failure, server),
                }
            }
        };
        (answer, None)
    }

    /// The server answered `server/discover` with a failure, as a legacy server does, too.
    fn undiscovered(
        &self,
        failure: Failure,
        status: Option<u16>,
        server: &Server,
        spoken: &[&'static str],
    ) -> CallResult {
        let is_legacy = match (&failure, status) {
            (Failure::Error(JsonRpcError { code, data, .. }), _)
                if code == UNSUPPORTED_VERSION && lists_versions(data.as_deref()) =>
            {
                let supported = versions(data.as_deref().unwrap_or_default(), "supported");
                match version::negotiate(spoken, &supported, None) {
                    Some(version) if self.version != Some(version) => {
                        return CallResult::OtherVersion(version);
                    }
                    _ if has_legacy(&supported) => true,
                    _ => return CallResult::Failed(Failure::Version),
                }
            }
            (Failure::Error(_), Some(200)) => true,
            (Failure::Error(_) | Failure::Status(_), Some(status)) => {
                (400..500).contains(&status) && ![401, 403, 408, 429].contains(&status)
            }
            _ => false,
        };
        // A 421 says nothing about versions: the server does not know the host of the request.
        let is_modern = server.protocol == Protocol::Modern;
        if is_legacy && !(is_modern && status == Some(421)) {
            as_legacy(server)
        } else {
            CallResult::Failed(of_caller(failure, server))
        }
    }

    /// What the gateway does with a page. `text` gives the JSON text of the result with the page.
    fn page(
        &self,
        page: Rc<ListPage>,
        text: impl FnOnce() -> String,
    ) -> (CallResult, Option<CacheablePage>) {
        let Some(share) = &self.share else {
            let result = CallResult::Page {
                cache_hints: page.cache_hints,
                page,
                private: false,
            };
            return (result, None);
        };
        let cache_hints = share.ttl.map_or(page.cache_hints, |ttl| CacheHints {
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            public: true,
        });
        let ttl = Duration::from_millis(cache_hints.ttl_ms);
        let cacheable = (cache_hints.public && !ttl.is_zero()).then(|| CacheablePage {
            key: share.key,
            page: Rc::clone(&page),
            text: text(),
            ttl,
        });
        let result = CallResult::Page {
            page,
            cache_hints,
            private: !cache_hints.public,
        };
        (result, cacheable)
    }
}

/// The JSON text of a result.
fn text(reader: &mut Reader<'_>) -> Result<String, json::Error> {
    reader.skip().map(str::to_owned)
}

/// Reads the result of `server/discover`.
fn discovered(result: &str, server: &Server, spoken: &[&'static str]) -> CallResult {
    match ServerDescription::read_discover(result, spoken) {
        Ok(description) => CallResult::Discovered(Rc::new(description)),
        Err(Failure::Version) if has_legacy(&versions(result, "supportedVersions")) => {
            as_legacy(server)
        }
        Err(failure) => CallResult::Failed(failure),
    }
}

/// Reads the result of `initialize`, and the id of the session.
fn opened(result: &str, session: Option<&str>) -> CallResult {
    match ServerDescription::read_initialize(result, session) {
        Ok((description, session)) => CallResult::Opened(Rc::new(description), Rc::new(session)),
        Err(failure) => CallResult::Failed(failure),
    }
}

/// The server answered another request with a failure.
fn failed(failure: Failure, server: &Server) -> CallResult {
    match of_caller(failure, server) {
        Failure::Error(error) if error.code == "-32601" => CallResult::NoMethod,
        failure => CallResult::Failed(failure),
    }
}

/// The failure. If the server refused credentials that the configuration passes through, it becomes
/// a failure of the caller.
fn of_caller(failure: Failure, server: &Server) -> Failure {
    match failure {
        Failure::Refused(status) if forwarding::passes_credentials(server) => {
            Failure::RefusedCaller(status)
        }
        failure => failure,
    }
}

/// The code of `UnsupportedProtocolVersionError`, whose data has the versions that the server
/// supports (MCP 2026-07-28).
const UNSUPPORTED_VERSION: &str = "-32022";

/// The versions in the member `name` of `object`.
fn versions<'a>(object: &'a str, name: &str) -> Vec<Cow<'a, str>> {
    let lists = json::values(object, name).into_iter();
    lists.flat_map(version::list).collect()
}

/// Whether the gateway supports one of these versions as a legacy version.
fn has_legacy(versions: &[Cow<'_, str>]) -> bool {
    versions.iter().any(|text| version::legacy(text).is_some())
}

/// Whether the data of an error has the versions that the server supports, as modern servers send
/// them.
fn lists_versions(data: Option<&str>) -> bool {
    data.is_some_and(|data| !json::values(data, "supported").is_empty())
}

/// The server is a legacy one. This is an error if the configuration says that the server is
/// modern.
fn as_legacy(server: &Server) -> CallResult {
    match server.protocol {
        Protocol::Modern => CallResult::Failed(Failure::Version),
        Protocol::Auto | Protocol::Legacy => CallResult::Legacy,
    }
}
