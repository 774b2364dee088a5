//! Signed tokens (RFC 7515, RFC 7518 section 3.4): the tokens of service accounts in
//! Kubernetes, and the access tokens of an authorization server.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::harness::setup;

pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The expiry time of tokens: the year 2100.
const END: u64 = 4_102_444_800;

/// A private key that signs tokens.
pub(crate) struct Key(p256::SecretKey);

impl Key {
    /// The key that is made from this seed.
    pub(crate) fn new(seed: u8) -> Self {
        Self(p256::SecretKey::from_slice(&[seed; 32]).expect("a scalar of the curve"))
    }

    /// A file `name` with the public key, as a JSON Web Key Set.
    pub(crate) fn jwks(&self, name: &str) -> PathBuf {
        let key = self.0.public_key().to_jwk_string();
        let mut key: Value = serde_json::from_str(&key).expect("JSON");
        key["kid"] = "test".into();
        key["alg"] = "ES256".into();
        key["use"] = "sig".into();
        let path = setup::files().join(name);
        fs::write(&path, json!({ "keys": [key] }).to_string()).expect("a file with the key");
        path
    }

    /// The token of the service account `name` in the namespace `default`.
    pub(crate) fn account(&self, name: &str) -> String {
        self.sign(&claims(name))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": "test", "typ": "JWT" });
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature: Signature = SigningKey::from(&self.0).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The claims of `token` if this key has signed it. To check this, the claims are
    /// signed again: the same claims always give the same token.
    pub(crate) fn read(&self, token: &str) -> Option<Value> {
        let claims = token.split('.').nth(1)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims = serde_json::from_slice(&claims).ok()?;
        (self.sign(&claims) == token).then_some(claims)
    }
}

pub(crate) fn claims(account: &str) -> Value {
    json!({
        "iss": ISSUER,
        "aud": ["mcp"],
        "sub": role(account),
        "exp": END,
    })
}

/// The claims of an access token for this audience (RFC 9068 section 2.2).
pub(crate) fn access(issuer: &str, audience: &str, scope: &str) -> Value {
    json!({
        "iss": issuer,
        "aud": audience,
        "sub": "test",
        "exp": END,
        "scope": scope,
    })
}

pub(crate) fn role(account: &str) -> String {
    format!("system:serviceaccount:default:{account}")
}
