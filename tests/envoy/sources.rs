//! A chain in which the filters after this one, the authorizer and the server can answer. The
//! header `x-from` says which of them must answer; `x-told`, `x-text` and `x-status` say what.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::http::Request;
use crate::harness::message::modern;
use crate::token::Key;

/// The filters after this one. Each can refuse a request.
const FILTERS: &str = r#"          # 2. Each says no when it is asked to.
          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: DENY
                policies:
                  asked-to:
                    permissions: [{ header: { name: x-from, string_match: { exact: rbac } } }]
                    principals: [{ any: true }]
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                login:
                  issuer: https://login.example.com
                  local_jwks: { filename: JWKS }
              rules:
              - match: { prefix: /, headers: [{ name: x-from, string_match: { exact: jwt_authn } }] }
                requires: { provider_name: login }
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              allowed_headers: { patterns: [{ prefix: x- }] }
              http_service:
                server_uri: { uri: "http://authorizer", cluster: weather, timeout: 20s }
                path_prefix: /authorize
"#;

/// Other requests have no route. Envoy does not ask the authorizer about a request without a route.
const ROUTES: &str = r#"              - match: { prefix: /, headers: [{ name: x-from, string_match: { safe_regex: { regex: "authorizer|server" } } }] }
                route: { cluster: weather, timeout: 0s }
              - match: { prefix: /, headers: [{ name: x-from, string_match: { exact: down } }] }
                route: { cluster: down }

  clusters:
  - name: down
    type: STATIC
    load_assignment: { cluster_name: down }
"#;

/// The chain in front of this server, which is also the authorizer.
pub(crate) fn chain(server: &Capture, json: &str) -> Bootstrap {
    let jwks = Key::new(1).jwks("sources.json");
    let filters = FILTERS.replace("JWKS", jwks.to_str().expect("UTF-8"));
    Bootstrap::policy(server.address)
        .configured(json)
        .replace_block(
            "          # 2. ",
            "          - name: envoy.filters.http.router",
            &filters,
        )
        .replace_block(
            "              - match: { path: /mcp }",
            "  - name: weather",
            ROUTES,
        )
}

/// A `tools/list` request that this source must answer.
pub(crate) fn from(source: &str) -> Request {
    modern("1", "tools/list").header("x-from", source)
}

pub(crate) trait Told {
    /// The server or the authorizer must answer with this field.
    fn told(self, name: &str, value: &str) -> Self;
    /// It must answer with this text, which has this content type.
    fn told_text(self, kind: &str, text: &str) -> Self;
    /// It must answer with this status.
    fn told_status(self, status: u16) -> Self;
}

impl Told for Request {
    fn told(self, name: &str, value: &str) -> Self {
        self.header("x-told", format!("{name}: {value}"))
    }

    fn told_text(self, kind: &str, text: &str) -> Self {
        self.told("content-type", kind).header("x-text", text)
    }

    fn told_status(self, status: u16) -> Self {
        self.header("x-status", status.to_string())
    }
}

/// The server and the authorizer.
pub(crate) async fn server() -> Capture {
    Capture::start(answer).await
}

fn answer(request: &Recorded) -> Response {
    let authorizes = request.target.starts_with("/authorize/");
    if authorizes && request.header("x-from") != Some("authorizer") {
        return StatusCode::OK.into_response();
    }
    let status = request.header("x-status").unwrap_or("200");
    let text = request.header("x-text").unwrap_or_default().to_owned();
    let mut answer = (status.parse::<StatusCode>().expect("a status"), text).into_response();
    // axum sets a content type even for an empty text.
    answer.headers_mut().remove("content-type");
    for told in request.headers.get_all("x-told") {
        // A test gives the authorizer only one field, since Envoy joins several fields into one.
        let told = told.to_str().expect("visible ASCII");
        let (name, value) = told.split_once(": ").expect("name: value");
        let name: HeaderName = name.parse().expect("a name");
        let value: HeaderValue = value.parse().expect("a value");
        answer.headers_mut().append(name, value);
    }
    answer
}
