//! The headers of a server, whose values may be in Secrets. The controller gives the values only to
//! the proxy, as environment variables.

use serde_json::{Value, json};

use super::ObjectFault;
use super::variables::{SecretVariable, digest};
use crate::controller::kinds::{HeaderSource, SecretKey};
use crate::controller::name::{ObjectName, is_object_name};
use crate::controller::snapshot::{ReadObject, Readable, Snapshot};

/// The headers of `server` for the filter's configuration, and the variables with their values.
/// Secrets that have to be read go to `reads`.
///
/// # Errors
/// A Secret does not exist or has not been read yet, or its value is not valid in a header.
pub(super) fn resolve(
    snapshot: &Snapshot,
    server: &ObjectName,
    headers: &[HeaderSource],
    reads: &mut Vec<Readable>,
) -> Result<(Vec<Value>, Vec<SecretVariable>), ObjectFault> {
    let mut entries = Vec::new();
    let mut variables = Vec::new();
    let mut fault = None;
    for (at, header) in headers.iter().enumerate() {
        let name = &header.name;
        let Some(source) = &header.value_from else {
            entries.push(json!({"name": name, "value": header.value}));
            continue;
        };
        let reference = &source.secret_key_ref;
        if !is_object_name(&reference.name) {
            let path = format!("spec.headers[{at}].valueFrom.secretKeyRef.name");
            fault = fault.or(Some(ObjectFault::not_a_name(&path, &reference.name)));
            continue;
        }
        let secret = Readable::Secret(ObjectName::new(&server.namespace, &reference.name));
        reads.push(secret.clone());
        match value(snapshot, &secret, reference, at) {
            Ok((value, version)) => {
                let variable = variable_name(server, name);
                entries.push(json!({"name": name, "valueFromEnv": variable}));
                variables.push(SecretVariable {
                    name: variable,
                    value,
                    version,
                });
            }
            // All Secrets must be collected for reading, so the first fault is reported at the end.
            Err(found) => fault = fault.or(Some(found)),
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok((entries, variables)),
    }
}

/// The value at the key, and the version of the Secret.
fn value(
    snapshot: &Snapshot,
    secret: &Readable,
    reference: &SecretKey,
    at: usize,
) -> Result<(String, String), ObjectFault> {
    let path = format!("spec.headers[{at}].valueFrom.secretKeyRef");
    let SecretKey { name, key } = reference;
    let (data, version) = match snapshot.read(secret) {
        Some(ReadObject::Present {
            data,
            resource_version,
            ..
        }) => (data, resource_version),
        Some(ReadObject::Missing) => {
            let message = format!(
                "{path}.name: there is no Secret {name:?} in the namespace of the MCPServer; create it"
            );
            return Err(ObjectFault::references("SecretNotFound", message));
        }
        Some(ReadObject::Refused(reason)) => {
            let message = format!("{path}: the controller cannot read Secret {name:?}: {reason}");
            return Err(ObjectFault::references("SecretNotReadable", message));
        }
        None => {
            let message = format!("{path}: the Secret has not been read yet");
            return Err(ObjectFault::references("Pending", message));
        }
    };
    let bytes = data.get(key).ok_or_else(|| {
        let message = format!("{path}.key: Secret {name:?} has no key {key:?}; add it");
        ObjectFault::references("SecretKeyNotFound", message)
    })?;
    let is_sendable = |byte: &u8| matches!(byte, b' '..=b'~');
    if bytes.is_empty() || !bytes.iter().all(is_sendable) {
        let message = format!(
            "{path}: the value in Secret {name:?} is empty, or has a line break or another character that no header can have; create it with printf or --from-literal"
        );
        return Err(ObjectFault::references("SecretInvalid", message));
    }
    Ok((String::from_utf8_lossy(bytes).into_owned(), version.clone()))
}

/// The name of the variable for a header of a server. It never changes, and no other header has it.
pub(super) fn variable_name(server: &ObjectName, header: &str) -> String {
    let header = header.to_ascii_lowercase();
    format!(
        "MCP_HEADER_{}",
        digest([&*server.to_string(), &header]).to_ascii_uppercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_belongs_to_one_header_of_one_server() {
        let server = ObjectName::new("a", "b");
        let name = variable_name(&server, "X-Key");
        assert_eq!(name, variable_name(&server, "x-key"));
        assert_ne!(name, variable_name(&server, "x-key2"));
        assert_ne!(name, variable_name(&ObjectName::new("a", "c"), "x-key"));
        assert!(name.starts_with("MCP_HEADER_"), "{name}");
    }
}
