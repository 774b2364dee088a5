//! Turns an MCPGateway into the data that the control plane needs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::platform::{self, EndpointPlace};
use super::variables::SecretVariable;
use super::{ObjectFault, PlanSettings, filter};
use crate::controller::kinds::{AuthenticationSpec, MCPGateway};
use crate::controller::name::{ObjectName, is_object_name, text};
use crate::controller::snapshot::{ReadObject, Readable, Snapshot};
use crate::kubernetes::model::{
    Attachment, Authentication, JwtAuthentication, JwtKeys, Listener, Platform, WantedGateway,
};
use crate::kubernetes::names;

/// The environment variable of the proxy with the session keys.
pub(super) const SESSION_KEYS: &str = "MCP_SESSION_KEYS";
/// The key of the Secret with the session keys.
pub(crate) const SESSION_KEYS_KEY: &str = "keys";
/// The port of Envoy without a control plane.
const STANDALONE_PORT: u16 = 8080;

/// A gateway without faults, and without its servers.
pub(super) struct GatewayBase<'a> {
    pub(super) wanted: WantedGateway,
    pub(super) place: EndpointPlace<'a>,
    pub(super) path: String,
    /// Whether variables reach the proxy: its Gateway must refer to the object that has them.
    pub(super) variables_reach: bool,
    /// What the user can do so that they reach it.
    pub(super) variables_fix: String,
    /// The session keys.
    pub(super) session_keys: SecretVariable,
    /// Whether none of its servers may be at an address that each pod has for itself.
    pub(super) refuses_local_servers: bool,
}

/// The data that the control plane needs for `gateway`. Objects that have to be read go to `reads`.
///
/// # Errors
/// The gateway has an error, or an object that it refers to does not exist.
pub(super) fn base<'a>(
    snapshot: &'a Snapshot,
    settings: &PlanSettings,
    name: &ObjectName,
    gateway: &MCPGateway,
    reads: &mut Vec<Readable>,
) -> Result<GatewayBase<'a>, ObjectFault> {
    let spec = &gateway.spec;
    let session_keys = session_keys_name(name, gateway);
    if !is_object_name(&session_keys.name) {
        let path = "spec.sessionKeysSecretRef.name";
        return Err(ObjectFault::not_a_name(path, &session_keys.name));
    }
    reads.push(Readable::Secret(session_keys.clone()));
    let authentication = authentication(&spec.authentication)?;
    let place = if settings.is_standalone {
        standalone(name)
    } else {
        platform::place(snapshot, &name.namespace, spec.target_ref.as_ref())?
    };
    let (variables_reach, variables_fix) = variables_reach(&place, name);
    let config = config(&spec.config, &spec.path, variables_reach)?;
    let session_keys = session_keys_of(snapshot, &session_keys)?;
    Ok(GatewayBase {
        wanted: WantedGateway {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            platform: place.platform,
            attachment: place.attachment.clone(),
            hostnames: spec.hostnames.clone(),
            image: spec.image.clone().unwrap_or_else(|| settings.image.clone()),
            config: config.clone(),
            authentication,
            servers: Vec::new(),
            variables: Vec::new(),
            variables_version: String::new(),
        },
        place,
        path: first_path(&config).unwrap_or_else(|| spec.path.clone()),
        variables_reach,
        variables_fix,
        session_keys,
        refuses_local_servers: settings.refuses_local_servers,
    })
}

fn standalone(name: &ObjectName) -> EndpointPlace<'static> {
    EndpointPlace {
        platform: Platform::Standalone,
        attachment: Attachment {
            gateway: name.name.clone(),
            section: None,
            listeners: vec![Listener {
                name: "http".to_owned(),
                port: STANDALONE_PORT,
            }],
        },
        gateway: None,
    }
}

fn authentication(spec: &AuthenticationSpec) -> Result<Authentication, ObjectFault> {
    let invalid = |message: &str| Err(ObjectFault::object("Invalid", message));
    let jwt = match (&spec.jwt, spec.anonymous.unwrap_or_default()) {
        (None, true) => return Ok(Authentication::Anonymous),
        (Some(jwt), false) => jwt,
        _ => {
            return invalid("spec.authentication: must have jwt, or anonymous: true, and not both");
        }
    };
    if jwt.audiences.is_empty() {
        return invalid("spec.authentication.jwt.audiences: must have at least one");
    }
    let keys = match (&jwt.jwks_uri, &jwt.jwks) {
        (Some(uri), None) => JwtKeys::Uri(uri.clone()),
        (None, Some(keys)) => {
            let parsed: Option<Value> = serde_json::from_str(keys).ok();
            if !parsed.is_some_and(|it| it.get("keys").is_some_and(Value::is_array)) {
                return invalid(
                    "spec.authentication.jwt.jwks: must be a JSON Web Key Set: {\"keys\": [...]}",
                );
            }
            JwtKeys::Inline(keys.clone())
        }
        _ => return invalid("spec.authentication.jwt: must have jwksURI or jwks, and not both"),
    };
    Ok(Authentication::Jwt(JwtAuthentication {
        issuer: jwt.issuer.clone(),
        audiences: jwt.audiences.clone(),
        keys,
    }))
}

/// Whether the Gateway refers to the object with the proxy's variables. If not, also the fix.
fn variables_reach(place: &EndpointPlace<'_>, name: &ObjectName) -> (bool, String) {
    let Some(gateway) = place.gateway else {
        return (true, String::new());
    };
    let (group, kind) = match place.platform {
        Platform::EnvoyGateway => ("gateway.envoyproxy.io", "EnvoyProxy"),
        Platform::Istio | Platform::Standalone => ("", "ConfigMap"),
    };
    let own = names::proxy(&name.name);
    let at = "/spec/infrastructure/parametersRef";
    let field = |field: &str| text(gateway, &format!("{at}/{field}"));
    let reaches = field("group") == group && field("kind") == kind && field("name") == own;
    let fix = format!(
        "set in Gateway {:?}: spec.infrastructure.parametersRef: {{ group: {group:?}, kind: {kind}, name: {own} }}",
        text(gateway, "/metadata/name")
    );
    (reaches, fix)
}

/// The path of the first of `endpoints`, where `config` has them.
fn first_path(config: &Map<String, Value>) -> Option<String> {
    let path = config.get("endpoints")?.get(0)?.get("path")?.as_str()?;
    Some(path.to_owned())
}

/// The filter's configuration, checked by the filter's own code.
fn config(
    own: &Map<String, Value>,
    path: &str,
    variables_reach: bool,
) -> Result<Map<String, Value>, ObjectFault> {
    let mut config = own.clone();
    for field in ["servers", "paths"] {
        if config.contains_key(field) {
            let message = format!("spec.config.{field}: the controller sets it; remove it");
            return Err(ObjectFault::object("InvalidConfig", message));
        }
    }
    if !config.contains_key("endpoints") {
        config.insert("paths".to_owned(), json!([path]));
    }
    let session = config.entry("session").or_insert_with(|| json!({}));
    if let Value::Object(session) = session {
        if session.contains_key("keys") {
            let message = "spec.config.session.keys: keys must not be where everyone can read them; put them into the Secret of spec.sessionKeysSecretRef";
            return Err(ObjectFault::object("InvalidConfig", message));
        }
        if variables_reach {
            session
                .entry("keysFromEnv")
                .or_insert_with(|| Value::from(SESSION_KEYS));
        }
    }
    filter::servers(&config, &[], &BTreeMap::new()).map_err(|error| {
        let field = match error.path() {
            "" => String::new(),
            path => format!(".{path}"),
        };
        let message = format!("spec.config{field}: {}", error.reason());
        ObjectFault::object("InvalidConfig", message)
    })?;
    Ok(config)
}

/// The session keys in the Secret `name`.
///
/// # Errors
/// The Secret does not exist, has not been read yet, or the filter would refuse its value.
fn session_keys_of(snapshot: &Snapshot, name: &ObjectName) -> Result<SecretVariable, ObjectFault> {
    let path = "spec.sessionKeysSecretRef";
    let (data, resource_version) = match snapshot.read(&Readable::Secret(name.clone())) {
        Some(ReadObject::Present {
            data,
            resource_version,
            ..
        }) => (data, resource_version),
        Some(ReadObject::Refused(reason)) => {
            let message = format!(
                "{path}: the controller cannot read Secret {:?}: {reason}",
                name.name
            );
            return Err(ObjectFault::references("SecretNotReadable", message));
        }
        None | Some(ReadObject::Missing) => {
            let message = match snapshot.refused.get(&("Secret".to_owned(), name.clone())) {
                Some(reason) => format!("{path}: the Secret cannot be made: {reason}"),
                None => format!("{path}: the Secret is still to be made or read"),
            };
            return Err(ObjectFault::references("Pending", message));
        }
    };
    let keys = data.get(SESSION_KEYS_KEY);
    if let Some(keys) = keys.map(|it| String::from_utf8_lossy(it).into_owned()) {
        let variables = BTreeMap::from([(SESSION_KEYS, &*keys)]);
        let session = json!({"session": {"keysFromEnv": SESSION_KEYS}});
        let session = session.as_object().cloned().unwrap_or_default();
        if filter::servers(&session, &[], &variables).is_ok() {
            return Ok(SecretVariable {
                name: SESSION_KEYS.to_owned(),
                value: keys,
                version: resource_version.clone(),
            });
        }
    }
    let message = format!(
        "{path}: Secret {:?} needs a key {SESSION_KEYS_KEY:?} with 32 random bytes in base64 (openssl rand -base64 32), or several of them with commas between; or delete it, and the controller makes one",
        name.name
    );
    Err(ObjectFault::references("SecretInvalid", message))
}

/// The name of the Secret with the session keys of `gateway`.
pub(super) fn session_keys_name(name: &ObjectName, gateway: &MCPGateway) -> ObjectName {
    let own = gateway.spec.session_keys_secret_ref.as_ref();
    let secret = own.map_or_else(
        || format!("{}-session-keys", name.name),
        |reference| reference.name.clone(),
    );
    ObjectName::new(&name.namespace, &secret)
}
