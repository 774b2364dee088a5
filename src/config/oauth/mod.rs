//! `oauth`: the OAuth protected resource.

mod document;
mod spec;

use self::document::{RequiredMetadata, refused};
use self::spec::{BEARER_METHODS, OauthResourceSpec, RESOURCE, RESOURCE_NAME, SCOPES};
pub(super) use self::spec::{OauthSpec, Scope};
use super::cors::CorsSpec;
use super::text::NonEmptyText;
use super::{ConfigError, Endpoints};
use crate::http::cors::Cors;
use crate::http::protected_resource::{ProtectedResource, ResourceIdentifier};

/// The environment variables of the first five fields.
const VARIABLES: [&str; 5] = [
    "OAUTH_RESOURCE_NAME",
    "OAUTH_RESOURCE",
    "OAUTH_AUTHORIZATION_SERVERS",
    "OAUTH_BEARER_METHODS_SUPPORTED",
    "OAUTH_SCOPES_SUPPORTED",
];

/// `oauth`.
#[derive(Debug, Clone)]
pub struct Oauth {
    /// The metadata and the challenges.
    pub resource: ProtectedResource,
    /// Whether the filter itself answers 401 to a request without a token.
    pub requires_token: bool,
    /// The origins that may read the metadata: all, unless `cors` lists some.
    pub cors: Cors,
}

impl Oauth {
    /// This, with the origins of `cors` if it is configured.
    pub(super) fn with_cors(self, cors: Option<&Cors>) -> Self {
        let own = self.cors;
        Self {
            cors: cors.cloned().unwrap_or(own),
            ..self
        }
    }
}

/// The protected resource, from the configuration and, where a field is absent, from the
/// environment variables that `variable` reads. `None` if `spec` is absent and no variable is set,
/// and if it is off.
///
/// # Errors
/// A value that clients could not use.
pub(super) fn check(
    spec: Option<&OauthSpec>,
    variable: &dyn Fn(&str) -> Option<String>,
    endpoints: &Endpoints,
) -> Result<Option<Oauth>, ConfigError> {
    let variables = VARIABLES.map(variable);
    let absent = OauthResourceSpec::default();
    let spec = match spec {
        Some(OauthSpec::Off) => return Ok(None),
        Some(OauthSpec::On(spec)) => spec,
        None if variables.iter().all(Option::is_none) => return Ok(None),
        None => &absent,
    };
    let [name, resource, servers, methods, scopes] = variables;
    let required = RequiredMetadata {
        name: text(
            spec.resource_name.as_ref().map(NonEmptyText::as_str),
            name,
            RESOURCE_NAME,
        ),
        identifier: identifier(&text(
            spec.resource.as_deref(),
            resource,
            default_resource(endpoints),
        ))?,
        servers: list(spec.authorization_servers.as_ref(), servers, &[]),
        methods: list(
            spec.bearer_methods_supported.as_ref(),
            methods,
            BEARER_METHODS,
        ),
        scopes: list(spec.scopes_supported.as_ref(), scopes, SCOPES),
    };
    required.check()?;
    if spec.require_token && required.methods != ["header"] {
        let reason = "needs bearerMethodsSupported: [\"header\"], since the filter looks for a token nowhere else";
        return Err(ConfigError::new("oauth.requireToken", reason));
    }
    let per_endpoint = endpoints.paths().is_none_or(|paths| paths.len() != 1);
    Ok(Some(Oauth {
        resource: required.resource(spec, per_endpoint),
        requires_token: spec.require_token,
        cors: CorsSpec::default().check(&[])?,
    }))
}

fn identifier(resource: &str) -> Result<ResourceIdentifier, ConfigError> {
    ResourceIdentifier::parse(resource).ok_or_else(|| {
        refused(
            "resource",
            resource,
            "must be an absolute http or https URL, or a path",
        )
    })
}

/// The default of `resource`: `/mcp`, or the first endpoint if `/mcp` is not an endpoint. Clients
/// refuse metadata of another resource than the one that they called. If `/` is an endpoint, its
/// metadata is at the location without a path.
fn default_resource(endpoints: &Endpoints) -> &str {
    match endpoints.paths() {
        Some(paths) if paths.contains(&"") => "/",
        Some(paths) if !paths.contains(&RESOURCE) => paths.first().copied().unwrap_or("/"),
        _ => RESOURCE,
    }
}

/// The configured text, or else the variable's, or else the default.
fn text(configured: Option<&str>, variable: Option<String>, default: &str) -> String {
    let variable = variable.map(|value| value.trim().to_owned());
    configured
        .map(str::to_owned)
        .or(variable.filter(|value| !value.is_empty()))
        .unwrap_or_else(|| default.to_owned())
}

/// The configured list, or else the variable's, or else the default.
fn list(
    configured: Option<&Vec<String>>,
    variable: Option<String>,
    default: &[&str],
) -> Vec<String> {
    let variable = variable.map(|value| {
        let items = value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect::<Vec<_>>()
    });
    configured
        .cloned()
        .or(variable.filter(|items| !items.is_empty()))
        .unwrap_or_else(|| default.iter().map(|item| (*item).to_owned()).collect())
}

#[cfg(test)]
mod tests;
