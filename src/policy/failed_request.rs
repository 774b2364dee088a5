//! The request that an error answers: it decides about the HTTP status.

use super::Refusal;
use crate::http::Reply;
use crate::mcp::era::Era;
use crate::mcp::message::Content;
use crate::mcp::{Message, method};

/// The request that an error answers, as far as it was understood.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FailedRequest<'a> {
    /// The JSON text of its id; `None` where it is not known.
    id: Option<&'a str>,
    /// It is one request in the session of a legacy client.
    is_in_session: bool,
}

impl<'a> FailedRequest<'a> {
    /// A message that the filter did not understand, or that is not a request in a session. `id` is
    /// the JSON text of its id, where it is known.
    pub fn outside_session(id: Option<&'a str>) -> Self {
        Self {
            id,
            is_in_session: false,
        }
    }

    /// The request with the id `id`, a JSON text, of a client of this `era`. It is not
    /// `initialize`.
    pub fn of_client(id: &'a str, era: Era) -> Self {
        Self {
            id: Some(id),
            is_in_session: era == Era::Legacy,
        }
    }

    /// The request `message` of a client of this `era`.
    pub fn of(message: &Message<'a>, era: Era) -> Self {
        match &message.content {
            Content::Request { id, method, .. } if method != method::INITIALIZE => {
                Self::of_client(id, era)
            }
            _ => Self::outside_session(message.id()),
        }
    }
}

impl Refusal {
    /// The response to `request`. Widely used legacy clients end their whole session after an HTTP
    /// status other than 200. So an error about only one request of a legacy client has the status
    /// 200.
    pub fn reply_to(&self, request: FailedRequest<'_>) -> Reply {
        let mut reply = self.reply(request.id);
        if request.is_in_session && self.is_about_one_request() {
            reply.status = 200;
        }
        reply
    }

    /// Whether it is about one request only: not about the client's session, its credentials or its
    /// HTTP requests as such.
    fn is_about_one_request(&self) -> bool {
        matches!(
            self,
            Self::Servers(_)
                | Self::ServerTimeout(_)
                | Self::Denied { scopes: None, .. }
                | Self::ToolChanged
                | Self::HeaderMissing(_)
                | Self::ResourceUri(_)
                | Self::Memory
                | Self::Internal
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Invalid;
    use crate::mcp::resource_uri::NotNormal;
    use wasm_bindgen_test::wasm_bindgen_test;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call"}"#;

    fn statuses(refusal: &Refusal, text: &str) -> [u16; 2] {
        let message = Message::parse(text.as_bytes()).unwrap();
        [Era::Legacy, Era::Modern].map(|era| {
            let reply = refusal.reply_to(FailedRequest::of(&message, era));
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            let id = message.id().map_or("null", |id| id);
            assert_eq!(body["id"].to_string(), id, "{text}");
            reply.status
        })
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_wrong_with_one_request_ends_no_legacy_session() {
        let denied = |scopes| Refusal::Denied {
            what: String::new(),
            scopes,
        };
        for (refusal, legacy, modern) in [
            (Refusal::Servers(Vec::new()), 200, 502),
            (Refusal::ServerTimeout(String::new()), 200, 504),
            (denied(None), 200, 403),
            (Refusal::ToolChanged, 200, 403),
            (Refusal::HeaderMissing("x".into()), 200, 400),
            (Refusal::Internal, 200, 500),
            (Refusal::Memory, 200, 503),
            (Refusal::ResourceUri(NotNormal::Scheme), 200, 400),
            (denied(Some(vec!["s".into()])), 403, 403),
            (Refusal::CallerRefused(401, Vec::new()), 401, 401),
            (Refusal::CallerRefused(403, Vec::new()), 403, 403),
            (Refusal::HeaderInvalid("x".into()), 400, 400),
            (Refusal::Identity, 403, 403),
            (Refusal::SessionUnknown, 404, 404),
            (Refusal::SessionMissing, 400, 400),
            (Refusal::Body(Invalid::NotJsonRpc("x")), 400, 400),
            (Refusal::BodyTooLarge(1), 413, 413),
            (Refusal::TooLong("params", 1), 400, 400),
        ] {
            assert_eq!(statuses(&refusal, CALL), [legacy, modern], "{refusal:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_request_in_a_session_keeps_its_status() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(statuses(&Refusal::Servers(Vec::new()), text), [502, 502]);
        }
        let unread = FailedRequest::outside_session(Some("7"));
        assert_eq!(Refusal::Internal.reply_to(unread).status, 500);
    }
}
