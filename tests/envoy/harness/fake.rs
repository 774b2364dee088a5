//! An MCP server with fixed answers.

use axum::response::{IntoResponse, Response};

use super::capture::{Capture, Recorded};

/// The result for each method, as JSON text. The key for the next page of a list is the method, `#`
/// and the cursor.
pub(crate) type Answers = &'static [(&'static str, &'static str)];

/// Starts a server with these capabilities (JSON text). It answers every method that is not in
/// `answers` with an error, except for `server/discover`.
pub(crate) async fn start(capabilities: &'static str, answers: Answers) -> Capture {
    Capture::start(move |request| answer(request, capabilities, answers)).await
}

/// The answer of such a server to `request`.
pub(crate) fn answer(request: &Recorded, capabilities: &str, answers: Answers) -> Response {
    let message = request.json();
    let method = message["method"].as_str().unwrap_or_default();
    let key = match message["params"]["cursor"].as_str() {
        Some(cursor) => format!("{method}#{cursor}"),
        None => method.to_owned(),
    };
    if let Some((_, result)) = answers.iter().find(|(known, _)| *known == key) {
        return request.result(result);
    }
    if method == "server/discover" {
        return request.result(&format!(
            r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private"}}"#
        ));
    }
    let id = &message["id"];
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found: {key}"}}}}"#
    );
    let json = [("content-type", "application/json")];
    (axum::http::StatusCode::NOT_FOUND, json, error).into_response()
}

impl Capture {
    /// The methods that have been called since the last call of this function, with cursors as in
    /// [`Answers`]. `server/discover` is left out.
    pub(crate) fn asked(&self) -> Vec<String> {
        let all = self.take().into_iter().map(|request| {
            let message = request.json();
            let method = message["method"].as_str().unwrap_or_default().to_owned();
            match message["params"]["cursor"].as_str() {
                Some(cursor) => format!("{method}#{cursor}"),
                None => method,
            }
        });
        all.filter(|method| method != "server/discover").collect()
    }
}
