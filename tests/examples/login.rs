//! An authorization server. A client gets a token with its secret (RFC 6749 section 4.4),
//! or in exchange for another token (RFC 8693). The token is for the resource that the
//! client names (RFC 8707).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::token::{Key, access};

/// The clients, and the scopes that each one may get.
const CLIENTS: [(&str, &[&str]); 4] = [
    ("guest", &[]),
    ("reader", &["weather:read"]),
    ("admin", &["weather:read", "weather:admin"]),
    ("mcp-gateway", &["weather:read"]),
];
/// The subject for which the server exchanges no token.
pub(crate) const STRANGER: &str = "stranger";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const SECRET: &str = "s3cret";

/// A running server. It ends with the test.
pub(crate) struct Login {
    pub(crate) issuer: String,
}

struct Issuer {
    name: String,
    key: Key,
}

impl Login {
    /// Starts a server that signs with this key.
    pub(crate) async fn start(key: Key) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let issuer = format!("http://{address}");
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        });
        let signer = Arc::new(Issuer {
            name: issuer.clone(),
            key,
        });
        let token = move |headers: HeaderMap, form: String| async move {
            match signer.token(&headers, &form) {
                Ok(token) => says(200, &token),
                Err((status, error)) => says(status, &json!({ "error": error })),
            }
        };
        let router = Router::new()
            .route(
                "/.well-known/oauth-authorization-server",
                get(move || async move { says(200, &metadata) }),
            )
            .route("/token", post(token));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer }
    }
}

impl Issuer {
    /// The response to a request for a token (RFC 6749 sections 5.1 and 5.2).
    fn token(&self, headers: &HeaderMap, form: &str) -> Result<Value, (u16, &'static str)> {
        let form = Url::parse(&format!("http://form/?{form}")).expect("a form");
        let field = |wanted: &str| {
            let mut fields = form.query_pairs();
            fields.find_map(|(name, value)| (name == wanted).then_some(value))
        };
        let sent = headers.get("authorization").and_then(|it| it.to_str().ok());
        // The client sends its credentials in a header or in the form (RFC 6749 section
        // 2.3.1).
        let credentials = match sent {
            Some(basic) => basic.to_owned(),
            None => credentials(
                &field("client_id").unwrap_or_default(),
                &field("client_secret").unwrap_or_default(),
            ),
        };
        let allowed = client(&credentials).ok_or((401, "invalid_client"))?;
        let resource = field("resource").ok_or((400, "invalid_target"))?;
        let (claims, scope) = match field("grant_type").as_deref() {
            Some("client_credentials") => {
                let asked = field("scope").unwrap_or_default();
                let granted: Vec<&str> = asked
                    .split(' ')
                    .filter(|scope| allowed.contains(scope))
                    .collect();
                let scope = granted.join(" ");
                (access(&self.name, &resource, &scope), scope)
            }
            Some(TOKEN_EXCHANGE) => {
                if field("subject_token_type").as_deref() != Some(ACCESS_TOKEN) {
                    return Err((400, "invalid_request"));
                }
                let subject = field("subject_token").unwrap_or_default();
                let subject = self.key.read(&subject).ok_or((400, "invalid_grant"))?;
                if subject["sub"] == STRANGER {
                    return Err((400, "invalid_target"));
                }
                let scope = subject["scope"].as_str().unwrap_or_default().to_owned();
                (exchanged(&self.name, &resource, &subject), scope)
            }
            _ => return Err((400, "unsupported_grant_type")),
        };
        Ok(json!({
            "access_token": self.key.sign(&claims),
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": scope,
        }))
    }
}

/// The claims of the token for `resource` that the server gives in exchange for a token
/// with the claims `subject`.
pub(crate) fn exchanged(issuer: &str, resource: &str, subject: &Value) -> Value {
    let mut claims = subject.clone();
    claims["iss"] = issuer.into();
    claims["aud"] = resource.into();
    claims["act"] = json!({ "sub": "mcp-gateway" });
    claims
}

/// The scopes that the client with these credentials may get.
fn client(sent: &str) -> Option<&'static [&'static str]> {
    let (_, scopes) = CLIENTS.iter().find(|(name, _)| basic(name) == sent)?;
    Some(scopes)
}

/// The `authorization` header of the client `name` (RFC 7617).
pub(crate) fn basic(name: &str) -> String {
    credentials(name, SECRET)
}

fn credentials(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

fn says(status: u16, json: &Value) -> Response {
    let status = axum::http::StatusCode::from_u16(status).expect("a status");
    let headers = [("content-type", "application/json")];
    (status, headers, json.to_string()).into_response()
}
