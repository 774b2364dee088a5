//! The metadata document (RFC 9728 section 2), except for the value of `resource`,
//! which may depend on the request.

use super::spec::{A_SCOPE, A_URL, ALL_BEARER_METHODS, OauthResourceSpec, is_http_url, is_scope};
use crate::config::ConfigError;
use crate::http::protected_resource::{ProtectedResource, ResourceIdentifier};
use crate::mcp::json;

/// The fields that every document has.
pub(super) struct RequiredMetadata {
    pub(super) name: String,
    pub(super) identifier: ResourceIdentifier,
    pub(super) servers: Vec<String>,
    pub(super) methods: Vec<String>,
    pub(super) scopes: Vec<String>,
}

impl RequiredMetadata {
    /// Checks the values, from the configuration or from environment variables.
    ///
    /// # Errors
    /// The first value that clients could not use.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        each("authorizationServers", &self.servers, is_http_url, A_URL)?;
        each(
            "bearerMethodsSupported",
            &self.methods,
            |method| ALL_BEARER_METHODS.contains(&method),
            "must be header, body or query",
        )?;
        each("scopesSupported", &self.scopes, is_scope, A_SCOPE)
    }

    /// The protected resource. Its document is in two parts: before and after the value of
    /// `resource`.
    pub(super) fn resource(
        self,
        spec: &OauthResourceSpec,
        per_endpoint: bool,
    ) -> ProtectedResource {
        let mut before = Document::default();
        before.text("resource_name", Some(&self.name));
        before.name("resource");
        let mut after = Document::default();
        after.texts("authorization_servers", Some(&self.servers));
        after.texts("bearer_methods_supported", Some(&self.methods));
        after.texts("scopes_supported", Some(&self.scopes));
        others(spec, &mut after);
        let text = |document: Document| String::from_utf8(document.0).unwrap_or_default();
        ProtectedResource {
            identifier: self.identifier,
            per_endpoint,
            before: format!("{{{}", text(before)),
            after: format!(",{}}}", text(after)),
            scope: self.scopes.join(" "),
        }
    }
}

/// The other fields of RFC 9728 section 2.
fn others(spec: &OauthResourceSpec, document: &mut Document) {
    for (name, url) in [
        ("jwks_uri", &spec.jwks_uri),
        ("resource_documentation", &spec.resource_documentation),
        ("resource_policy_uri", &spec.resource_policy_uri),
        ("resource_tos_uri", &spec.resource_tos_uri),
    ] {
        document.text(name, url.as_ref().map(|url| url.as_str()));
    }
    document.texts(
        "resource_signing_alg_values_supported",
        spec.resource_signing_alg_values_supported.as_deref(),
    );
    document.texts(
        "authorization_details_types_supported",
        spec.authorization_details_types_supported.as_deref(),
    );
    document.texts(
        "dpop_signing_alg_values_supported",
        spec.dpop_signing_alg_values_supported.as_deref(),
    );
    document.flag(
        "tls_client_certificate_bound_access_tokens",
        spec.tls_client_certificate_bound_access_tokens,
    );
    document.flag(
        "dpop_bound_access_tokens_required",
        spec.dpop_bound_access_tokens_required,
    );
    document.text("signed_metadata", spec.signed_metadata.as_deref());
}

fn each(
    field: &str,
    values: &[String],
    fits: fn(&str) -> bool,
    reason: &str,
) -> Result<(), ConfigError> {
    match values.iter().enumerate().find(|(_, value)| !fits(value)) {
        Some((at, value)) => Err(refused(&format!("{field}[{at}]"), value, reason)),
        None => Ok(()),
    }
}

/// An error about the field or its environment variable, which have the same meaning.
pub(super) fn refused(field: &str, value: &str, reason: &str) -> ConfigError {
    ConfigError::new(format!("oauth.{field}"), format!("{value:?} {reason}"))
}

/// The members of a JSON object.
#[derive(Default)]
struct Document(Vec<u8>);

impl Document {
    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        json::push_string(&mut self.0, name);
        self.0.push(b':');
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            json::push_string(&mut self.0, value);
        }
    }

    fn texts(&mut self, name: &str, values: Option<&[String]>) {
        let Some(values) = values else { return };
        self.name(name);
        json::push_strings(&mut self.0, values);
    }

    fn flag(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.name(name);
            self.0
                .extend_from_slice(if value { b"true" } else { b"false" });
        }
    }
}
