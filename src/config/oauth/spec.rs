//! `oauth` as the user writes it.

use serde_json::Value;

use crate::config::ConfigError;
use crate::config::fields::{Fields, FromValue, OptionalFields};
use crate::config::text::{NonEmptyText, text};
use crate::http::url::Url;

pub(super) const RESOURCE_NAME: &str = "MCP Server";
pub(super) const RESOURCE: &str = "/mcp";
pub(super) const BEARER_METHODS: &[&str] = &["header"];
pub(super) const ALL_BEARER_METHODS: &[&str] = &["header", "body", "query"];
pub(super) const SCOPES: &[&str] = &["basic"];

/// The OAuth protected resource, or `false`.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(untagged, inline)
)]
pub(in crate::config) enum OauthSpec {
    /// Off, also if environment variables would switch it on. All plugins of a VM
    /// share these variables.
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("const" = false)))]
    Off,
    On(Box<OauthResourceSpec>),
}

/// The OAuth protected resource (RFC 9728). The filter serves its metadata at
/// `/.well-known/oauth-protected-resource` and at the same path with the path of
/// an endpoint after it. It also completes the `www-authenticate` header of each
/// 401 of an endpoint. It does not check tokens. An empty object switches this on
/// with every default. Fields without a variable go into the metadata as they
/// are, under their names in snake_case.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(in crate::config) struct OauthResourceSpec {
    /// The name of the resource, for people. If absent, the variable
    /// `OAUTH_RESOURCE_NAME` gives it.
    #[cfg_attr(feature = "schema", schemars(extend("default" = RESOURCE_NAME)))]
    pub(super) resource_name: Option<NonEmptyText>,
    /// The resource that clients ask tokens for: an absolute http or https URL
    /// without a fragment, or a path, which the filter completes with the scheme
    /// and host that the client used. Clients refuse metadata of another resource
    /// than the one that they called. If absent, the variable `OAUTH_RESOURCE`
    /// gives it; then the default, or the first of `paths` where `/mcp` is no
    /// endpoint. With several endpoints each one has its own metadata, with its
    /// own path as the resource, unless this is a URL.
    #[cfg_attr(
        feature = "schema",
        schemars(extend("default" = RESOURCE), regex(pattern = r"^(https?://[^/?#@]|/$|/[^/])"))
    )]
    pub(super) resource: Option<String>,
    /// The issuers of the authorization servers whose tokens are accepted:
    /// absolute http or https URLs without a fragment. If absent, the variable
    /// `OAUTH_AUTHORIZATION_SERVERS` gives them, with commas between them.
    #[cfg_attr(
        feature = "schema",
        schemars(extend("default" = []), with = "Option<Vec<HttpUrl>>")
    )]
    pub(super) authorization_servers: Option<Vec<String>>,
    /// How clients may send the token: `header`, `body` or `query`. If absent, the
    /// variable `OAUTH_BEARER_METHODS_SUPPORTED` gives them, with commas between
    /// them.
    #[cfg_attr(
        feature = "schema",
        schemars(extend(
            "default" = BEARER_METHODS,
            "items" = { "type": "string", "enum": ALL_BEARER_METHODS }
        ))
    )]
    pub(super) bearer_methods_supported: Option<Vec<String>>,
    /// The scopes of the resource, without blanks, quotes and backslashes. The
    /// challenge of a 401 names them too. If absent, the variable
    /// `OAUTH_SCOPES_SUPPORTED` gives them, with commas between them.
    #[cfg_attr(feature = "schema", schemars(extend("default" = SCOPES), with = "Option<Vec<Scope>>"))]
    pub(super) scopes_supported: Option<Vec<String>>,
    /// Where the resource's own public keys are: an absolute http or https URL.
    pub(super) jwks_uri: Option<HttpUrl>,
    /// The algorithms with which the resource signs its answers.
    pub(super) resource_signing_alg_values_supported: Option<Vec<String>>,
    /// A page for developers: an absolute http or https URL.
    pub(super) resource_documentation: Option<HttpUrl>,
    /// A page on how clients may use the data: an absolute http or https URL.
    pub(super) resource_policy_uri: Option<HttpUrl>,
    /// The terms of service: an absolute http or https URL.
    pub(super) resource_tos_uri: Option<HttpUrl>,
    /// Whether tokens are bound to the client's TLS certificate (RFC 8705).
    pub(super) tls_client_certificate_bound_access_tokens: Option<bool>,
    /// The types of authorization details that the resource supports (RFC 9396).
    pub(super) authorization_details_types_supported: Option<Vec<String>>,
    /// The algorithms of DPoP proofs that the resource supports (RFC 9449).
    pub(super) dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// Whether the resource requires tokens that are bound by DPoP (RFC 9449).
    pub(super) dpop_bound_access_tokens_required: Option<bool>,
    /// The metadata as a signed JWT (RFC 9728, section 2.2).
    pub(super) signed_metadata: Option<String>,
    /// Whether the filter itself answers 401, with the challenge, if a request to an
    /// endpoint does not have exactly one header `Authorization: Bearer …` with a token and
    /// with this spelling of `Bearer`. This is for control planes whose authentication lets
    /// requests without a token pass, such as Istio's; and Envoy's `jwt_authn` finds no
    /// token after `bearer` in lower case. The filter does not check the token:
    /// authentication must do this. `bearerMethodsSupported` must be `["header"]` with it.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) require_token: bool,
}

text! {
    /// An absolute http or https URL without a fragment.
    HttpUrl,
    [regex(pattern = r"^https?://[^/?#@]")],
    is_http_url,
    A_URL
}

/// Whether `text` is an absolute http or https URL without a fragment.
pub(super) fn is_http_url(text: &str) -> bool {
    Url::parse_http(text).is_some_and(|url| url.fragment().is_none())
}

pub(super) const A_URL: &str = "must be an absolute http or https URL";

text! {
    /// A scope (RFC 6749, section 3.3): visible ASCII without quotes and
    /// backslashes.
    Scope,
    [regex(pattern = r"^[!#-\[\]-~]+$")],
    is_scope,
    A_SCOPE
}

/// `scope-token` of RFC 6749 section 3.3. It needs no escapes, neither in JSON nor
/// in a quoted string.
pub(super) fn is_scope(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

pub(super) const A_SCOPE: &str = "must be visible ASCII without blanks, quotes and backslashes";

impl FromValue for OauthSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Bool(false) => Ok(Self::Off),
            Value::Object(_) => OauthResourceSpec::from_value(path, value)
                .map(|resource| Self::On(Box::new(resource))),
            _ => Err(ConfigError::new(path, "must be an object, or false")),
        }
    }
}

impl OptionalFields for OauthResourceSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("resourceName", &mut self.resource_name);
        fields.set("resource", &mut self.resource);
        fields.set("authorizationServers", &mut self.authorization_servers);
        fields.set("bearerMethodsSupported", &mut self.bearer_methods_supported);
        fields.set("scopesSupported", &mut self.scopes_supported);
        fields.set("jwksUri", &mut self.jwks_uri);
        fields.set(
            "resourceSigningAlgValuesSupported",
            &mut self.resource_signing_alg_values_supported,
        );
        fields.set("resourceDocumentation", &mut self.resource_documentation);
        fields.set("resourcePolicyUri", &mut self.resource_policy_uri);
        fields.set("resourceTosUri", &mut self.resource_tos_uri);
        fields.set(
            "tlsClientCertificateBoundAccessTokens",
            &mut self.tls_client_certificate_bound_access_tokens,
        );
        fields.set(
            "authorizationDetailsTypesSupported",
            &mut self.authorization_details_types_supported,
        );
        fields.set(
            "dpopSigningAlgValuesSupported",
            &mut self.dpop_signing_alg_values_supported,
        );
        fields.set(
            "dpopBoundAccessTokensRequired",
            &mut self.dpop_bound_access_tokens_required,
        );
        fields.set("signedMetadata", &mut self.signed_metadata);
        fields.set("requireToken", &mut self.require_token);
    }
}
