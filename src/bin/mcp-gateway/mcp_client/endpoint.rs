//! The endpoint of an MCP server, and the HTTP requests to it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Method, Response, Url, redirect};
use serde_json::Value;

use super::error::ClientError;

/// The media types that the client accepts.
const MESSAGE_TYPES: &str = "application/json, text/event-stream";
const EVENT_STREAM: &str = "text/event-stream";

/// The URL of a server, with the headers of all requests.
pub(crate) struct McpEndpoint {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    /// The time limit of one answer.
    pub(super) time_limit: Duration,
}

impl McpEndpoint {
    /// Whether each request has credentials of the user.
    pub(crate) fn has_credentials(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// The server at `url`. All requests have the `headers`. `ca_file` contains the certificates of
    /// the trusted authorities; without it, those of the system are trusted.
    ///
    /// # Errors
    /// `url` is not an HTTP URL, or `ca_file` cannot be used.
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
            // Without TLS, the machine need not have certificates of authorities.
            builder = builder.tls_certs_only([]);
        } else if let Some(file) = ca_file {
            builder = builder.tls_certs_only(certificates(file)?);
        }
        Self::build(builder, parsed, headers, time_limit)
    }

    /// The server behind the Unix socket `socket`, at the path `path`.
    ///
    /// # Errors
    /// `path` is not a path.
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

    /// The server at `url`. If `address` is given, it is the address of the URL's host.
    /// `authorities` are certificates in PEM of the trusted authorities; without any, those of the
    /// system are trusted.
    ///
    /// # Errors
    /// `url` is not an HTTP URL, or `authorities` contains something else.
    #[cfg(feature = "controller")]
    pub(crate) fn at_address(
        url: &str,
        address: Option<std::net::SocketAddr>,
        headers: HeaderMap,
        authorities: &[Vec<u8>],
        time_limit: Duration,
    ) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
        // The gateway's Envoy uses no HTTP proxies, so this client does not either.
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

    /// Posts `message`. The response may have any status.
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
        // The user's headers have priority.
        request
            .header(ACCEPT, accept)
            .headers(headers)
            .headers(self.headers.clone())
    }
}

/// The settings of all clients. Redirects are off, since they would send credentials to another
/// server.
fn builder() -> ClientBuilder {
    // Another part of the program may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let name = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
    reqwest::Client::builder()
        .user_agent(HeaderValue::from_static(name))
        .redirect(redirect::Policy::none())
}

/// Whether the URL is on this machine, where no HTTP proxy is used.
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

/// Whether `pem` has certificates in PEM, and nothing that a reader of PEM refuses.
#[cfg(feature = "controller")]
pub(crate) fn has_certificates(pem: &[u8]) -> bool {
    Certificate::from_pem_bundle(pem).is_ok_and(|found| !found.is_empty())
}
