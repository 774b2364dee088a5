//! The options that say who may call the endpoint.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kubernetes::model::{Authentication, JwtAuthentication, JwtKeys};
use crate::upstream;

/// Who may call.
#[derive(clap::Args)]
pub(crate) struct AuthenticationArguments {
    /// Everyone who reaches the endpoint may call, without a token
    #[arg(long, conflicts_with = "jwt_issuer")]
    anonymous: bool,
    /// Only callers with a JSON Web Token of this issuer may call
    #[arg(long, value_name = "URL", requires_all = ["jwt_audience", "jwt_keys"])]
    jwt_issuer: Option<String>,
    /// The audience of the tokens, such as the URL of the endpoint; can be repeated
    #[arg(long, value_name = "AUDIENCE", requires = "jwt_issuer")]
    jwt_audience: Vec<String>,
    /// The URL at which the issuer publishes its keys
    #[arg(long, value_name = "URL", requires = "jwt_issuer", group = "jwt_keys")]
    jwks_uri: Option<String>,
    /// The file with the keys, in place of --jwks-uri
    #[arg(long, value_name = "FILE", requires = "jwt_issuer", group = "jwt_keys")]
    jwks: Option<PathBuf>,
}

impl AuthenticationArguments {
    /// Whether one of the options is given.
    pub(crate) fn is_given(&self) -> bool {
        self.anonymous || self.jwt_issuer.is_some()
    }

    /// Who may call; `None` if no option is given.
    ///
    /// # Errors
    /// The file with the keys is not usable, or the URL of the keys is not a URL.
    pub(crate) fn read(&self) -> Result<Option<Authentication>, String> {
        let Some(issuer) = &self.jwt_issuer else {
            return Ok(self.anonymous.then_some(Authentication::Anonymous));
        };
        let keys = match (&self.jwks_uri, &self.jwks) {
            (Some(uri), _) => {
                upstream::parse(uri).ok_or_else(|| {
                    format!("--jwks-uri {uri:?}: must be a URL with http:// or https://")
                })?;
                JwtKeys::Uri(uri.clone())
            }
            (None, Some(file)) => JwtKeys::Inline(key_set(file)?),
            (None, None) => return Err("--jwt-issuer needs --jwks-uri or --jwks".to_owned()),
        };
        Ok(Some(Authentication::Jwt(JwtAuthentication {
            issuer: issuer.clone(),
            audiences: self.jwt_audience.clone(),
            keys,
        })))
    }
}

/// The JSON Web Key Set in `file`, on one line.
fn key_set(file: &Path) -> Result<String, String> {
    let failed = |reason: &str| format!("--jwks {}: {reason}", file.display());
    let text = fs::read_to_string(file).map_err(|error| failed(&error.to_string()))?;
    let keys: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| failed(&format!("is not JSON: {error}")))?;
    match keys.get("keys") {
        Some(serde_json::Value::Array(_)) => Ok(keys.to_string()),
        _ => Err(failed(
            "has no list `keys`, so it is not a JSON Web Key Set",
        )),
    }
}
