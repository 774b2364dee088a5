//! Where an MCP server answers, and the HTTP requests to it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Method, Response, Url, redirect};
use serde_json::Value;

use super::error::ClientError;

/// What a client takes as an answer.
const MESSAGE_TYPES: &str = "application/json, text/event-stream";
const EVENT_STREAM: &str = "text/event-stream";

/// The URL of a server, with what every request to it has.
pub(crate) struct McpEndpoint {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    /// How long one answer may take.
    pub(super) time_limit: Duration,
}

impl McpEndpoint {
    /// Whether each request has credentials of the user.
    pub(crate) fn has_credentials(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// The server at `url`, which gets `headers` with each request. `ca_file` has the
    /// certificates of the authorities to trust, if not those of the system.
    ///
    /// # Errors
    /// `url` is not one of HTTP, or `ca_file` cannot be used.
    pub(crate) fn new(
        url: &str,
        headers: HeaderMap,
        ca_file: Option<&Path>,
        time_limit: Duration,
    ) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
        let mut builder = builder();
        if is_loopback(&parsed) {
            builder = builder.no_proxy();
        }
        if parsed.scheme() != "https" {
            // Without TLS, a machine without certificates of authorities is good enough.
            builder = builder.tls_certs_only([]);
        } else if let Some(file) = ca_file {
            builder = builder.tls_certs_only(certificates(file)?);
        }
        Self::build(builder, parsed, headers, time_limit)
    }

    /// The server behind the Unix socket `socket`, at the path `path`.
    ///
    /// # Errors
    /// `path` is no path.
    pub(crate) fn on_socket(
        socket: &Path,
        path: &str,
        headers: HeaderMap,
        time_limit: Duration,
    ) -> Result<Self, String> {
        let url = Url::parse(&format!("http://localhost{path}"))
            .map_err(|error| format!("{path}: {error}"))?;
        let builder = builder().tls_certs_only([]).unix_socket(socket);
        Self::build(builder, url, headers, time_limit)
    }

    /// The server at `url`, whose host is at `address` where that is given. `authorities` has
    /// certificates in PEM of those to trust; without, they are those of the system.
    ///
    /// # Errors
    /// `url` is not one of HTTP, or `authorities` has something else.
    #[cfg(feature = "controller")]
    pub(crate) fn at_address(
        url: &str,
        address: Option<std::net::SocketAddr>,
        headers: HeaderMap,
        authorities: &[Vec<u8>],
        time_limit: Duration,
    ) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
        // The proxies of the gateway use none either.
        let mut builder = builder().no_proxy();
        if let Some((address, host)) = address.zip(url.host_str()) {
            builder = builder.resolve(host, address);
        }
        if url.scheme() != "https" {
            builder = builder.tls_certs_only([]);
        } else if !authorities.is_empty() {
            let mut trusted = Vec::new();
            for pem in authorities {
                let found = Certificate::from_pem_bundle(pem);
                trusted.extend(found.map_err(|_| "ca.crt has no certificates in PEM".to_owned())?);
            }
            builder = builder.tls_certs_only(trusted);
        }
        Self::build(builder, url, headers, time_limit)
    }

    fn build(
        builder: ClientBuilder,
        url: Url,
        headers: HeaderMap,
        time_limit: Duration,
    ) -> Result<Self, String> {
        let client = builder.build().map_err(|error| {
            let reason = ClientError::from(error);
            format!("cannot set up TLS: {reason}; name a file of certificates with --ca-file or $SSL_CERT_FILE")
        })?;
        Ok(Self {
            client,
            url,
            headers,
            time_limit,
        })
    }

    /// Posts `message`. The response has whatever status the server gives.
    pub(super) async fn post(
        &self,
        headers: HeaderMap,
        message: &Value,
    ) -> Result<Response, ClientError> {
        let request = self
            .request(Method::POST, headers, MESSAGE_TYPES)
            .header(CONTENT_TYPE, "application/json")
            .body(message.to_string());
        Ok(request.send().await?)
    }

    /// Opens an event stream.
    pub(super) async fn get(&self, headers: HeaderMap) -> Result<Response, ClientError> {
        let request = self.request(Method::GET, headers, EVENT_STREAM);
        Ok(request.send().await?)
    }

    /// Ends a session.
    pub(super) async fn delete(&self, headers: HeaderMap) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, headers, MESSAGE_TYPES);
        request.send().await?;
        Ok(())
    }

    fn request(
        &self,
        method: Method,
        headers: HeaderMap,
        accept: &'static str,
    ) -> reqwest::RequestBuilder {
        let request = self.client.request(method, self.url.clone());
        // The user's headers win.
        request
            .header(ACCEPT, accept)
            .headers(headers)
            .headers(self.headers.clone())
    }
}

/// What all clients have in common. A redirect would carry credentials elsewhere.
fn builder() -> ClientBuilder {
    // Another part of the program may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let name = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
    reqwest::Client::builder()
        .user_agent(HeaderValue::from_static(name))
        .redirect(redirect::Policy::none())
}

/// A proxy for other places does not reach this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, String> {
    let failed = |reason: String| format!("{}: {reason}", file.display());
    let bytes = fs::read(file).map_err(|error| failed(error.to_string()))?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(failed("has no certificates in PEM".to_owned())),
    }
}
