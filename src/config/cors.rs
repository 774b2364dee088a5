//! `cors`: what browsers on other origins may do.

use serde_json::Value;

use super::ConfigError;
use super::duration::DurationOrZeroSpec;
use super::fields::{Fields, FromValue, NonEmptyVec, OptionalFields};
use super::text::HttpToken;
use crate::http::cors::{Cors, Origin, Origins};
use crate::mcp::param_header;

const METHODS: &[&str] = &["GET", "POST", "DELETE", "OPTIONS"];
const HEADERS: &[&str] = &[
    "content-type",
    "accept",
    "authorization",
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
    "mcp-method",
    "mcp-name",
];
const EXPOSE: &[&str] = &["Mcp-Session-Id", "WWW-Authenticate", "Mcp-Protocol-Version"];
const ANY: &str = "*";

/// What browsers on other origins may do (CORS, the Fetch standard). An empty
/// object switches CORS on with every default.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct CorsSpec {
    /// The origins whose pages may read answers: scheme, host and port in lower
    /// case, such as `https://app.example.com`, without the default port. `*` in
    /// place of one label of the host, except the last, stands for any label:
    /// `https://*.example.com`. `*` in place of the port of `localhost`, `127.0.0.1`
    /// or `[::1]` stands for any port: `http://localhost:*`. `*` alone allows every origin. With a list
    /// without `*`, a request from another origin gets 403.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [ANY])))]
    allow_origins: Option<NonEmptyVec<OriginSpec>>,
    /// The methods in `access-control-allow-methods`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = METHODS)))]
    allow_methods: Option<NonEmptyVec<HttpToken>>,
    /// The headers in `access-control-allow-headers`. The filter adds every
    /// `mcp-param-*` header that a preflight asks for. The default also has the
    /// client's names of all `passthroughHeaders`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = HEADERS)))]
    allow_headers: Option<NonEmptyVec<HttpToken>>,
    /// The headers in `access-control-expose-headers`, which scripts may read.
    #[cfg_attr(feature = "schema", schemars(extend("default" = EXPOSE)))]
    expose_headers: Option<NonEmptyVec<HttpToken>>,
    /// How long a browser may keep the answer to a preflight, rounded down to
    /// seconds (`access-control-max-age`). `0s` makes it ask each time.
    max_age: DurationOrZeroSpec,
    /// Whether browsers may send credentials such as cookies. `true` needs a list
    /// in `allowOrigins`: browsers refuse credentials for `*`.
    allow_credentials: bool,
}

impl Default for CorsSpec {
    fn default() -> Self {
        Self {
            allow_origins: None,
            allow_methods: None,
            allow_headers: None,
            expose_headers: None,
            max_age: DurationOrZeroSpec::from_secs(86_400),
            allow_credentials: false,
        }
    }
}

/// An origin, or `*` for every origin.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        inline,
        with = "String",
        extend("pattern" = r"^(\*|[a-z][a-z0-9+.-]*://[^/?#@A-Z]+)$")
    )
)]
enum OriginSpec {
    Any,
    One(Origin),
}

impl OptionalFields for CorsSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("allowOrigins", &mut self.allow_origins);
        fields.set("allowMethods", &mut self.allow_methods);
        fields.set("allowHeaders", &mut self.allow_headers);
        fields.set("exposeHeaders", &mut self.expose_headers);
        fields.set("maxAge", &mut self.max_age);
        fields.set("allowCredentials", &mut self.allow_credentials);
    }
}

impl FromValue for OriginSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let text = String::from_value(path, value)?;
        if text == ANY {
            return Ok(Self::Any);
        }
        Origin::parse(&text)
            .map(Self::One)
            .map_err(|reason| ConfigError::new(path, format!("{text:?} {reason}")))
    }
}

impl CorsSpec {
    /// Whether browsers may send the client's names of `passthroughHeaders`.
    pub(super) fn uses_passthrough(&self) -> bool {
        self.allow_headers.is_none()
    }

    /// Makes the header value of each list. `forwarded` are the headers that servers get: by
    /// default browsers may send them, too.
    ///
    /// # Errors
    /// Credentials are allowed for every origin.
    pub(super) fn check(&self, forwarded: &[String]) -> Result<Cors, ConfigError> {
        let origins = origins(self.allow_origins.as_ref());
        if self.allow_credentials && origins == Origins::Any {
            return Err(ConfigError::new(
                "cors.allowCredentials",
                "true needs a list in cors.allowOrigins: browsers refuse credentials for \"*\"",
            ));
        }
        let more = forwarded.iter().map(String::as_str);
        let more = more.filter(|name| !HEADERS.contains(name));
        let headers: Vec<&str> = HEADERS.iter().copied().chain(more).collect();
        Ok(Cors {
            origins,
            methods: joined(self.allow_methods.as_ref(), METHODS),
            headers: joined(self.allow_headers.as_ref(), &headers),
            // The schemas of tools name these headers.
            asked_prefix: param_header::PREFIX,
            expose: joined(self.expose_headers.as_ref(), EXPOSE),
            max_age: self.max_age.get().as_secs(),
            credentials: self.allow_credentials,
        })
    }
}

fn origins(listed: Option<&NonEmptyVec<OriginSpec>>) -> Origins {
    let listed = listed.map_or(&[OriginSpec::Any][..], NonEmptyVec::as_slice);
    let listed = listed.iter().map(|origin| match origin {
        OriginSpec::Any => None,
        OriginSpec::One(origin) => Some(origin.clone()),
    });
    listed
        .collect::<Option<_>>()
        .map_or(Origins::Any, Origins::Listed)
}

/// The list as the value of a header.
fn joined(listed: Option<&NonEmptyVec<HttpToken>>, default: &[&str]) -> String {
    let Some(listed) = listed else {
        return default.join(", ");
    };
    let names: Vec<&str> = listed.as_slice().iter().map(HttpToken::as_str).collect();
    names.join(", ")
}
