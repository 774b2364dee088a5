//! HTTP methods of a legacy session beside POST: GET opens the server's own
//! stream of events, DELETE ends the session (MCP 2025-11-25, transports).

use crate::config::{Gateway, Protocol};
use crate::gateway::routing::forwarding;
use crate::gateway::routing::request_headers::{self, McpHeaders};
use crate::gateway::session::alias::{self, AliasKind};
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::translation::Translation;
use crate::gateway::worker::Worker;
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::mcp::{self, Invalid, version};
use crate::policy::Refusal;
use crate::policy::attributes::Chosen;
use crate::policy::export::Export;
use crate::stream::gateway::sending::naming;
use crate::stream::outcome::{count, forwarded, shown};
use crate::stream::response::routed::RoutedRequest;
use crate::stream::{BufferedRequest, Effect, Phase, Stream};

impl Stream {
    /// Why a request with these headers is not served, whatever its body says.
    pub(in crate::stream) fn unserved(
        &self,
        gateway: &Gateway,
        headers: &Headers,
    ) -> Option<Refusal> {
        let mut versions = headers.all(mcp::PROTOCOL_VERSION_HEADER);
        let is_modern = versions.any(|version| {
            let version = std::str::from_utf8(version).unwrap_or_default();
            version::is_modern(version.trim())
        });
        let resumes = headers.get(mcp::LAST_EVENT_HEADER).is_some();
        let sole = gateway.single_server();
        let has_stream = sole.is_some_and(|server| server.protocol != Protocol::Modern);
        match headers.get(":method") {
            Some(b"POST") => None,
            Some(b"DELETE") if !is_modern => None,
            Some(b"GET") if !is_modern && (has_stream || resumes) => None,
            _ => Some(self.not_served(is_modern, has_stream)),
        }
    }

    fn not_served(&self, is_modern: bool, has_stream: bool) -> Refusal {
        Refusal::HttpMethod(match (self.config.cors.is_some(), is_modern, has_stream) {
            (false, true, _) => "POST",
            (true, true, _) => "POST, OPTIONS",
            (false, false, false) => "POST, DELETE",
            (true, false, false) => "POST, DELETE, OPTIONS",
            (false, false, true) => "GET, POST, DELETE",
            (true, false, true) => "GET, POST, DELETE, OPTIONS",
        })
    }

    /// A request that is no POST.
    pub(in crate::stream) fn without_message(
        &mut self,
        reading: &BufferedRequest,
        body: &[u8],
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let config = std::rc::Rc::clone(&self.config);
        let gateway = config.gateway.as_ref().ok_or(Refusal::Internal)?;
        let headers = &reading.headers;
        let metadata = reading.known.identity.as_deref();
        if headers.get(":method") == Some(b"DELETE") {
            return self.end_session(gateway, headers, metadata, worker);
        }
        if !body.is_empty() {
            return Err(Refusal::Body(Invalid::NotJsonRpc("GET has no body")));
        }
        let session = self.session(gateway, headers, metadata, worker)?;
        self.listen(gateway, headers, &session, worker)
    }

    /// Opens the stream of a sole server, or goes on with that of the server
    /// whose last event is named.
    fn listen(
        &mut self,
        gateway: &Gateway,
        headers: &Headers,
        session: &std::rc::Rc<Session>,
        worker: &Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let last = headers.get(mcp::LAST_EVENT_HEADER);
        let resumed = last.map(|last| {
            let name = std::str::from_utf8(last).ok()?;
            let servers = &gateway.servers;
            let keys = worker.sealing.as_ref()?.keys();
            alias::resolve(keys, AliasKind::Event, &session.id, servers, name)
        });
        let sole = gateway.single_server();
        let is_sole = sole.is_some();
        let (server, last) = match resumed {
            Some(Some((server, event))) => (server, Some(event)),
            Some(None) if is_sole => return Err(Refusal::UnknownEvent),
            resumed => match (resumed, sole) {
                (None, Some(sole)) => (sole.id, None),
                _ => return Err(self.not_served(false, is_sole)),
            },
        };
        let server = gateway.server(server).ok_or(Refusal::Internal)?;
        let link = session.part(server.id).and_then(SessionPart::link);
        let Some(link) = link.filter(|link| link.id.is_some()) else {
            return Err(self.not_served(false, false));
        };
        let heading = McpHeaders {
            method: None,
            name: None,
            version: Some(link.version.to_owned()),
            session: link.id.as_deref(),
        };
        let routed = forwarding::header_mutation(headers, Era::Legacy, server)?;
        let mut effects: Vec<Effect> = forwarded(routed).collect();
        let set = request_headers::headers(server, &heading, None);
        effects.extend(
            set.into_iter()
                .map(|(name, value)| Effect::SetRequestHeader(name, value)),
        );
        effects.extend(last.map(|last| Effect::SetRequestHeader(mcp::LAST_EVENT_HEADER, last)));
        let chosen = Chosen {
            server: server.name.clone(),
            cluster: server.cluster.clone(),
        };
        effects.extend(shown(Export::chosen(&chosen, self.config.storage)?));
        let calls = self
            .config
            .metrics
            .server(server.id.index())
            .map(|server| server.calls);
        effects.extend(count(calls, 1));
        effects.push(Effect::ClearRouteCache);
        let names = naming(worker, session, server, SentMessage::Nothing)?;
        let translation = Translation::legacy(server, None, names);
        self.phase = Phase::Routed(RoutedRequest::new(server, translation));
        Ok(effects)
    }
}
