//! Translates the messages of one request and its answer, between a client and a server of either
//! era.

use std::rc::Rc;

use crate::config::{Config, Gateway, Server, UriPrefix};
use crate::gateway::routing::forwarding;
use crate::gateway::session::alias::AliasKind;
use crate::gateway::translate::filtered_list::FilteredList;
use crate::gateway::translate::pooled_request::PooledRequest;
use crate::gateway::translate::request::{self, ModernMeta, UntranslatableRequest};
use crate::gateway::translate::resource_uris::ResultShape;
use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::session_aliases::SessionAliases;
use crate::gateway::translate::task_ids::TaskAliases;
use crate::gateway::translate::translation_kind::TranslationKind;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::session_loss;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::era::Era;
use crate::mcp::json::edit::Edit;
use crate::mcp::list::ListKind;
use crate::mcp::{Message, json, method};
use crate::policy::authorization::Principal;
use crate::policy::export::LONGEST;
use crate::policy::failed_request::FailedRequest;

/// Translates the messages that a server sends in answer to one request.
pub struct Translation {
    /// The JSON text of the request's id, as the client knows it; `None` where the request is a
    /// GET, or its id is unknown.
    pub id: Option<String>,
    /// The shape of the result that answers the request.
    pub(super) shape: ResultShape,
    /// How clients know the server's URIs.
    pub(super) uri_prefix: UriPrefix,
    /// Whether the server gets credentials of the caller.
    pub has_credentials: bool,
    pub(super) kind: TranslationKind,
    /// Makes the client's ids of the server's tasks; `None` where the client cannot use the
    /// server's tasks.
    pub(super) tasks: Option<TaskAliases>,
}

impl Translation {
    /// The translation between a modern client, which sent `message`, and a modern server.
    pub fn modern(server: &Server, message: &Message<'_>) -> Self {
        Self::new(server, message, TranslationKind::BothModern)
    }

    /// The translation between a legacy client and a legacy server. If there is no `message`, the
    /// client sent a GET.
    pub fn legacy(server: &Server, message: Option<&Message<'_>>, aliases: SessionAliases) -> Self {
        let kind = TranslationKind::BothLegacy(aliases);
        match message {
            Some(message) => Self::new(server, message, kind),
            None => Self {
                id: None,
                // A resumed stream may have the result of any request.
                shape: ResultShape::Unknown,
                uri_prefix: server.uri_prefix.clone(),
                has_credentials: forwarding::passes_credentials(server),
                kind,
                tasks: None,
            },
        }
    }

    /// This translation, with these ids for the server's tasks.
    pub fn with_tasks(self, tasks: Option<TaskAliases>) -> Self {
        Self { tasks, ..self }
    }

    /// The translation between a legacy client, which sent `message`, and a modern server, which
    /// gets `meta`. Also gives the edits that make `message` a modern request.
    ///
    /// # Errors
    /// [`UntranslatableRequest`].
    pub fn to_modern(
        server: &Server,
        message: &Message<'_>,
        meta: ModernMeta<'_>,
    ) -> Result<(Self, Vec<Edit>), UntranslatableRequest> {
        let method = message.method();
        // Tasks of the two eras are different protocols with the same name.
        if method::is_legacy_only(method) || method.starts_with(method::TASKS) {
            return Err(UntranslatableRequest::UnknownMethod);
        }
        let edits = request::to_modern(message, meta).ok_or(UntranslatableRequest::NotARequest)?;
        Ok((
            Self::new(server, message, TranslationKind::LegacyToModern),
            edits,
        ))
    }

    /// The translation between a modern client, which sent `message`, and a legacy server. The
    /// request goes to the server in a session of the gateway (`lease`), and has the id `id` there
    /// (a string, not as a JSON text). Also gives the edits that make `message` a legacy request.
    ///
    /// # Errors
    /// [`UntranslatableRequest::NotARequest`], [`UntranslatableRequest::TokenTooLong`].
    pub fn to_legacy(
        server: &Server,
        message: &Message<'_>,
        id: &str,
        gateway: &Gateway,
        lease: Option<SessionLease>,
    ) -> Result<(Self, Vec<Edit>), UntranslatableRequest> {
        const NOT_A_REQUEST: UntranslatableRequest = UntranslatableRequest::NotARequest;
        let client_id = message.id().ok_or(NOT_A_REQUEST)?.to_owned();
        let meta = &message.params().ok_or(NOT_A_REQUEST)?.meta;
        let id = json::quoted(id);
        let legacy = request::to_legacy(message, &id, &id).ok_or(NOT_A_REQUEST)?;
        if legacy.progress_token.is_some_and(|it| it.len() > LONGEST) {
            return Err(UntranslatableRequest::TokenTooLong);
        }
        let pooled = PooledRequest {
            progress_token: legacy
                .progress_token
                .map(|client| (id.clone(), client.to_owned())),
            id,
            client_id,
            wants_log_messages: meta.log_level.is_some(),
            needs_cache_hints: matches!(
                message.method(),
                method::RESOURCES_READ | method::SKILLS_GET
            ),
            server_info: gateway.server_info.clone(),
            lease,
        };
        let kind = TranslationKind::ModernToLegacy(Box::new(pooled));
        Ok((Self::new(server, message, kind), legacy.edits))
    }

    /// The translation in policy mode: lists show only what a caller of this `era` with the rights
    /// of `principal` may use. `list` is the kind of the requested list and the JSON text of the
    /// request's id. It is `None` for a stream of events, which may contain a list.
    pub fn policy_mode(
        config: Rc<Config>,
        principal: Principal,
        era: Era,
        list: Option<(ListKind, String)>,
    ) -> Self {
        let (kind, id) = list.unzip();
        let filtered = FilteredList {
            config,
            principal,
            era,
            kind,
        };
        Self {
            id,
            shape: ResultShape::Other,
            uri_prefix: UriPrefix::NONE,
            has_credentials: false,
            kind: TranslationKind::PolicyMode(filtered),
            tasks: None,
        }
    }

    fn new(server: &Server, message: &Message<'_>, kind: TranslationKind) -> Self {
        Self {
            id: message.id().map(str::to_owned),
            shape: ResultShape::by(message.method()),
            uri_prefix: server.uri_prefix.clone(),
            has_credentials: forwarding::passes_credentials(server),
            kind,
            tasks: None,
        }
    }

    /// About how many bytes of the client's data it holds.
    pub fn size(&self) -> usize {
        let id = self.id.as_ref().map_or(0, String::len);
        match &self.kind {
            TranslationKind::ModernToLegacy(pooled) => id.saturating_add(pooled.size()),
            _ => id,
        }
    }

    /// Whether the gateway must read the server's messages. Otherwise they pass unchanged.
    pub fn must_read_messages(&self) -> bool {
        !matches!(self.kind, TranslationKind::BothModern)
            || !self.uri_prefix.is_empty()
            || self.tasks.is_some()
    }

    /// Whether the client expects an answer.
    pub fn expects_answer(&self) -> bool {
        self.sent_message() == SentMessage::Request
    }

    /// The kind of message that the client sent.
    pub fn sent_message(&self) -> SentMessage {
        match &self.kind {
            TranslationKind::BothLegacy(aliases) => aliases.sent,
            TranslationKind::PolicyMode(FilteredList { kind: None, .. }) => SentMessage::Nothing,
            _ => SentMessage::Request,
        }
    }

    /// Whether the request is in a session that has a session id of the server, so that the server
    /// may have forgotten the session.
    pub fn has_server_session(&self) -> bool {
        match &self.kind {
            TranslationKind::BothLegacy(aliases) => aliases.has_session,
            TranslationKind::ModernToLegacy(pooled) => {
                pooled.session().is_some_and(|session| session.id.is_some())
            }
            TranslationKind::BothModern
            | TranslationKind::LegacyToModern
            | TranslationKind::PolicyMode(_) => false,
        }
    }

    /// Whether a response of the server, with this `status` and `body`, says that the
    /// session is lost.
    pub fn is_session_lost(&self, status: u16, body: &[u8]) -> bool {
        let id = self.id_at_server();
        self.has_server_session() && session_loss::is_session_lost(status, body, id)
    }

    /// Whether the error `text`, with HTTP status 200, may say that the server has forgotten a
    /// session of the gateway.
    pub fn doubts_session(&self, text: &str) -> bool {
        matches!(self.kind, TranslationKind::ModernToLegacy(_))
            && session_loss::is_about_session(text)
    }

    /// The JSON text of the request's id, as the server knows it.
    pub fn id_at_server(&self) -> Option<&str> {
        match &self.kind {
            TranslationKind::ModernToLegacy(pooled) => Some(&pooled.id),
            _ => self.id.as_deref(),
        }
    }

    /// The failure for a 401 or 403 (`status`) of the server.
    pub fn unauthorized_failure(&self, status: u16) -> Failure {
        if self.has_credentials {
            Failure::RefusedCaller(status)
        } else {
            Failure::Refused(status)
        }
    }

    /// Whether the filter runs in policy mode, in which it does not know the server.
    pub fn is_policy_mode(&self) -> bool {
        matches!(self.kind, TranslationKind::PolicyMode(_))
    }

    /// Whether client and server are of different eras.
    pub(super) fn is_bridged(&self) -> bool {
        match self.kind {
            TranslationKind::LegacyToModern | TranslationKind::ModernToLegacy(_) => true,
            TranslationKind::BothModern
            | TranslationKind::BothLegacy(_)
            | TranslationKind::PolicyMode(_) => false,
        }
    }

    /// Whether the gateway has opened the session with the server, so that the client does not know
    /// of it.
    pub fn hides_session(&self) -> bool {
        matches!(self.kind, TranslationKind::ModernToLegacy(_)) || self.joined_session().is_some()
    }

    /// The id of the client's session, if the server joined it after the session began.
    pub fn joined_session(&self) -> Option<&[u8; 16]> {
        match &self.kind {
            TranslationKind::BothLegacy(aliases) if aliases.has_joined => Some(&aliases.session),
            _ => None,
        }
    }

    /// The HTTP status that the client gets for a response with `status`. A legacy client gets 200,
    /// since it could read an HTTP error as the end of its session.
    pub fn status(&self, status: u16) -> u16 {
        match &self.kind {
            TranslationKind::LegacyToModern => 200,
            TranslationKind::BothLegacy(aliases) if aliases.sent == SentMessage::Request => 200,
            _ => status,
        }
    }

    /// The client's request, for an error response to it.
    pub fn failed_request(&self) -> FailedRequest<'_> {
        let Some(id) = self.id.as_deref().filter(|_| self.expects_answer()) else {
            return FailedRequest::outside_session(self.id.as_deref());
        };
        let era = match &self.kind {
            TranslationKind::BothLegacy(_) | TranslationKind::LegacyToModern => Era::Legacy,
            TranslationKind::BothModern | TranslationKind::ModernToLegacy(_) => Era::Modern,
            TranslationKind::PolicyMode(list) => list.era,
        };
        FailedRequest::of_client(id, era)
    }

    /// The id that the client gets for the server's event `id`; `None` where the client cannot
    /// resume the stream at this event.
    pub fn event_id(&self, id: &str) -> Option<String> {
        match &self.kind {
            TranslationKind::BothModern | TranslationKind::PolicyMode(_) => Some(id.to_owned()),
            TranslationKind::BothLegacy(aliases) => Some(aliases.alias(AliasKind::Event, id)),
            TranslationKind::LegacyToModern | TranslationKind::ModernToLegacy(_) => None,
        }
    }

    /// The session of the gateway that the request uses.
    pub fn lease(&self) -> Option<&SessionLease> {
        match &self.kind {
            TranslationKind::ModernToLegacy(pooled) => pooled.lease.as_ref(),
            _ => None,
        }
    }

    /// Takes the gateway's session out of the translation: the request does not use it any more.
    pub fn take_lease(&mut self) -> Option<SessionLease> {
        match &mut self.kind {
            TranslationKind::ModernToLegacy(pooled) => pooled.lease.take(),
            _ => None,
        }
    }

    /// Takes the gateway's session out of the translation at the end of the request. If the server
    /// has not answered the request, also gives a notification that cancels the request.
    pub fn release(&mut self, is_answered: bool) -> Option<(SessionLease, Option<Vec<u8>>)> {
        let TranslationKind::ModernToLegacy(pooled) = &mut self.kind else {
            return None;
        };
        let cancellation = (!is_answered).then(|| pooled.cancellation());
        pooled.lease.take().map(|lease| (lease, cancellation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::routing::call_headers::CallerHeaders;
    use crate::gateway::translate::translated::Translated;
    use crate::gateway::upstream::protocol::UpstreamSession;
    use crate::http::Headers;
    use crate::mcp::capabilities::ServerCapabilities;
    use wasm_bindgen_test::wasm_bindgen_test;

    const META: ModernMeta<'_> = ModernMeta {
        protocol_version: "2026-07-28",
        capabilities: "{}",
        info: None,
    };

    fn gateway() -> Gateway {
        let config = br#"{"servers":[{"name":"w","passthroughHeaders":["authorization"],"allowCredentialHeaders":true}]}"#;
        Config::parse(config).unwrap().gateway.unwrap()
    }

    fn parsed(body: &str) -> Message<'_> {
        Message::parse(body.as_bytes()).unwrap()
    }

    fn request(method: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}"}}"#)
    }

    fn lease(gateway: &Gateway) -> SessionLease {
        let server = gateway.servers[0].id;
        let headers = Headers::from_pairs([("authorization", "secret-token")]);
        SessionLease {
            server,
            key: None,
            session: Rc::new(UpstreamSession {
                version: "2025-06-18",
                id: Some("secret-session".into()),
            }),
            capabilities: ServerCapabilities::TOOLS,
            headers: CallerHeaders::of(&headers, gateway, &[server]).unwrap(),
        }
    }

    /// A modern client's request to a legacy server, which gets it with the id `gw-1`.
    fn to_legacy(gateway: &Gateway) -> Translation {
        let body = request("tools/call");
        let (server, lease) = (&gateway.servers[0], Some(lease(gateway)));
        let message = parsed(&body);
        let (translation, _) =
            Translation::to_legacy(server, &message, "gw-1", gateway, lease).unwrap();
        translation
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_missing_method_differs_from_a_message_that_is_no_request() {
        let gateway = gateway();
        let server = &gateway.servers[0];
        let error = |body: &str| {
            let translated = Translation::to_modern(server, &parsed(body), META);
            translated.map(drop).err()
        };
        for method in ["resources/subscribe", "logging/setLevel", "tasks/get"] {
            let expected = Some(UntranslatableRequest::UnknownMethod);
            assert_eq!(error(&request(method)), expected, "{method}");
        }
        assert_eq!(error(&request("tools/call")), None);
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let not_a_request = Some(UntranslatableRequest::NotARequest);
        assert_eq!(error(response), not_a_request);
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        for body in [response, notification] {
            let to_legacy = Translation::to_legacy(server, &parsed(body), "1", &gateway, None);
            assert_eq!(to_legacy.map(drop).err(), not_a_request, "{body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_gateway_answers_for_a_client_that_has_no_session() {
        let translation = to_legacy(&gateway());
        for (request, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":"a\u0062","method":"ping"}"#,
                r#"{"jsonrpc":"2.0","id":"a\u0062","result":{}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.0,"method":"roots/\"list"}"#,
                r#"{"jsonrpc":"2.0","id":1.0,"error":{"code":-32601,"message":"Method not found: roots/\"list: this client declared no such capability"}}"#,
            ),
        ] {
            let reply = Some(expected.as_bytes().to_vec());
            let translated = translation.translate(request);
            assert_eq!(translated, Ok(Translated::Withheld { reply }), "{request}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_without_an_answer_is_cancelled_once() {
        let mut translation = to_legacy(&gateway());
        let (_, cancellation) = translation.release(false).unwrap();
        let expected = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"gw-1","reason":"the client is gone"}}"#;
        assert_eq!(cancellation, Some(expected.as_bytes().to_vec()));
        assert!(translation.release(false).is_none());
        let (_, cancellation) = to_legacy(&gateway()).release(true).unwrap();
        assert_eq!(cancellation, None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_get_has_no_id_and_no_answer() {
        let config = Rc::new(Config::parse(b"{}").unwrap());
        let stream = Translation::policy_mode(config, Principal::default(), Era::Legacy, None);
        assert_eq!(stream.id, None);
        for text in [
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        ] {
            let translated = stream.translate(text);
            let is_answer = |it: &Translated| {
                matches!(
                    it,
                    Translated::Forwarded {
                        is_answer: true,
                        ..
                    }
                )
            };
            assert!(!is_answer(&translated.unwrap()), "{text}");
        }
    }
}
