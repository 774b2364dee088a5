//! The JSON-RPC messages of a client, and their answers.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mcp_gateway::mcp::{
    CLIENT_CAPABILITIES_KEY, CLIENT_INFO_KEY, LAST_EVENT_HEADER, METHOD_HEADER, NAME_HEADER,
    PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION_KEY, SESSION_HEADER, header_value, jsonrpc, method,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, StreamedMessages};
use super::{ClientError, McpClient, SpokenVersion, client_info};

/// How long to wait before the client asks for the rest of an answer.
const RESUME_AFTER: Duration = Duration::from_millis(500);

impl McpClient {
    /// The result of `method`.
    ///
    /// # Errors
    /// There is no result within the time limit.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.request_with(method, params, HeaderMap::new()).await
    }

    /// The result of `method`, sent with additional headers.
    ///
    /// # Errors
    /// There is no result within the time limit; or the server requires input from the user first.
    pub(crate) async fn request_with(
        &self,
        method: &str,
        params: Value,
        headers: HeaderMap,
    ) -> Result<Value, ClientError> {
        let (result, _) = self.exchange(method, params, headers).await?;
        if result.get("resultType").and_then(Value::as_str) == Some("input_required") {
            return Err(ClientError::InputRequired(wanted(&result)));
        }
        Ok(result)
    }

    /// The result of `method`, and the headers of its response.
    pub(super) async fn exchange(
        &self,
        method: &str,
        params: Value,
        mut headers: HeaderMap,
    ) -> Result<(Value, HeaderMap), ClientError> {
        let id = self
            .last_id
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        headers.extend(self.headers());
        let params = match self.spoken {
            SpokenVersion::Modern(version) => {
                headers.extend(modern_headers(method, &params));
                with_meta(params, version)
            }
            SpokenVersion::Initializing | SpokenVersion::Legacy(_) => params,
        };
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.limited(async {
            let response = self.endpoint.post(headers, &message).await?;
            let headers = response.headers().clone();
            Ok((self.result(response, id).await?, headers))
        })
        .await
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, method: &str) -> Result<(), ClientError> {
        let message = json!({"jsonrpc": "2.0", "method": method});
        let sent = self.endpoint.post(self.headers(), &message);
        self.limited(sent).await.map(drop)
    }

    /// The result of `work`, within the time limit of one answer.
    pub(super) async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let limit = self.endpoint.time_limit;
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::TimedOut(limit)),
        }
    }

    /// The headers that every message has.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let (version, session) = match &self.spoken {
            SpokenVersion::Initializing => return headers,
            SpokenVersion::Modern(version) => (*version, None),
            SpokenVersion::Legacy(session) => (&*session.version, session.id.as_ref()),
        };
        if let Ok(version) = HeaderValue::from_str(version) {
            headers.insert(PROTOCOL_VERSION_HEADER, version);
        }
        if let Some(id) = session {
            headers.insert(SESSION_HEADER, id.clone());
        }
        headers
    }

    /// The result of the request `id` in `response`.
    async fn result(&self, response: Response, id: u64) -> Result<Value, ClientError> {
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let refusal = answer::message(response).await?;
            let detail = refusal.pointer("/error/message").and_then(Value::as_str);
            return Err(ClientError::Status {
                code: status.as_u16(),
                detail: detail.map(str::to_owned),
            });
        }
        if answer::is_event_stream(&response) {
            return self.result_in_events(response, id).await;
        }
        let message = answer::message(response).await?;
        outcome(message, id).unwrap_or_else(|| {
            let what = "a message, but not the response".to_owned();
            Err(ClientError::NotMcp(what))
        })
    }

    /// The result of the request `id` in an event stream. Refuses requests of the server. If the
    /// stream ends too early, asks for the rest, if this is possible.
    async fn result_in_events(&self, first: Response, id: u64) -> Result<Value, ClientError> {
        let mut reader = StreamedMessages::new(first);
        loop {
            while let Some(message) = reader.next().await? {
                if message.get("method").is_some() {
                    self.refuse(&message).await?;
                } else if let Some(outcome) = outcome(message, id) {
                    return outcome;
                }
            }
            let last_event = reader.last_event.as_deref().filter(|id| !id.is_empty());
            let last_event = last_event.and_then(|id| HeaderValue::from_bytes(id).ok());
            let (SpokenVersion::Legacy(_), Some(last_event)) = (&self.spoken, last_event) else {
                return Err(ClientError::Unfinished);
            };
            tokio::time::sleep(RESUME_AFTER).await;
            let mut headers = self.headers();
            headers.insert(LAST_EVENT_HEADER, last_event);
            let rest = self.endpoint.get(headers).await?;
            if !answer::is_event_stream(&rest) {
                return Err(ClientError::Unfinished);
            }
            reader = StreamedMessages::new(rest);
        }
    }

    /// Answers a request of the server with an error, since this client has no capabilities.
    /// Notifications need no answer.
    async fn refuse(&self, message: &Value) -> Result<(), ClientError> {
        let Some(id) = message.get("id") else {
            return Ok(());
        };
        let asked = message.get("method").and_then(Value::as_str);
        let answer = if asked == Some(method::PING) {
            json!({"jsonrpc": "2.0", "id": id, "result": {}})
        } else {
            let asked = asked.unwrap_or_default().to_owned();
            let refused = self.refused.lock();
            let mut refused = refused.unwrap_or_else(PoisonError::into_inner);
            refused.insert(asked);
            let error = json!({"code": jsonrpc::METHOD_NOT_FOUND, "message": "Method not found"});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        self.endpoint.post(self.headers(), &answer).await?;
        Ok(())
    }
}

/// The standard headers of a modern request, without its version.
fn modern_headers(method: &str, params: &Value) -> HeaderMap {
    let name = method::name_param(method).and_then(|key| params.get(key)?.as_str());
    let name = name.map(|name| (NAME_HEADER, header_value::encode(name)));
    let headers = [(METHOD_HEADER, method.into())].into_iter().chain(name);
    headers
        .filter_map(|(name, value)| {
            let name = HeaderName::from_static(name);
            Some((name, HeaderValue::from_str(&value).ok()?))
        })
        .collect()
}

/// `params` with the `_meta` members that all modern requests have.
fn with_meta(mut params: Value, version: &str) -> Value {
    let meta = json!({
        PROTOCOL_VERSION_KEY: version,
        CLIENT_CAPABILITIES_KEY: {},
        CLIENT_INFO_KEY: client_info(),
    });
    if let Some(params) = params.as_object_mut() {
        params.insert("_meta".to_owned(), meta);
    }
    params
}

/// The outcome of the request `id` in `message`; `None` if the message is not a response to it. An
/// error may have no id.
fn outcome(mut message: Value, id: u64) -> Option<Result<Value, ClientError>> {
    let answered = message.get("id").unwrap_or(&Value::Null);
    let is_own = answered.as_u64() == Some(id);
    if let Some(result) = message.get_mut("result").filter(|_| is_own) {
        return Some(Ok(result.take()));
    }
    let is_own = is_own || message.get("id").unwrap_or(&Value::Null).is_null();
    let error = message.get("error").filter(|_| is_own)?;
    let text = error.get("message").and_then(Value::as_str);
    Some(Err(ClientError::Rpc {
        code: error
            .get("code")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        message: text.unwrap_or("an error without a message").to_owned(),
    }))
}

/// The methods of the client that an incomplete result asks for.
fn wanted(result: &Value) -> Vec<String> {
    let requests = result.get("inputRequests").and_then(Value::as_object);
    let methods = requests.into_iter().flatten().filter_map(|(_, request)| {
        let method = request.get("method")?.as_str()?;
        Some(method.to_owned())
    });
    let methods: BTreeSet<String> = methods.collect();
    methods.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_belongs_to_its_request() {
        let failed = |code, message: &str| {
            let message = message.to_owned();
            Some(Err(ClientError::Rpc { code, message }))
        };
        for (message, expected) in [
            (
                json!({"id": 7, "result": {"a": 1}}),
                Some(Ok(json!({"a": 1}))),
            ),
            (json!({"id": 8, "result": {}}), None),
            (json!({"result": {}}), None),
            (
                json!({"id": 7, "error": {"code": -1, "message": "no"}}),
                failed(-1, "no"),
            ),
            (
                json!({"id": null, "error": {"code": -1, "message": "no"}}),
                failed(-1, "no"),
            ),
            (
                json!({"error": {}}),
                failed(0, "an error without a message"),
            ),
            (
                json!({"id": 8, "error": {"code": -1, "message": "no"}}),
                None,
            ),
            (json!({"id": 7}), None),
        ] {
            assert_eq!(outcome(message.clone(), 7), expected, "{message}");
        }
    }

    #[test]
    fn a_name_in_other_letters_is_encoded_in_its_header() {
        let headers = modern_headers(method::TOOLS_CALL, &json!({"name": "größe"}));
        assert_eq!(headers[METHOD_HEADER], "tools/call");
        assert_eq!(headers[NAME_HEADER], "=?base64?Z3LDtsOfZQ==?=");
        let headers = modern_headers(method::TOOLS_LIST, &json!({"name": "x"}));
        assert!(!headers.contains_key(NAME_HEADER));
    }

    #[test]
    fn what_a_result_waits_for_is_named_once() {
        let elicitation = json!({"method": "elicitation/create"});
        let result = json!({"inputRequests": {"a": elicitation, "b": elicitation, "c": {"method": "roots/list"}}});
        assert_eq!(wanted(&result), ["elicitation/create", "roots/list"]);
        assert_eq!(wanted(&json!({})), [""; 0]);
    }
}
