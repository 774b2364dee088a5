//! The names and the labels of objects.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::model::{WantedGateway, WantedServer};

/// The label that names the gateway of an object.
pub(crate) const GATEWAY_LABEL: &str = "mcp.kagenti.com/gateway";

/// The label that names the namespace of the gateway of an object.
pub(crate) const NAMESPACE_LABEL: &str = "mcp.kagenti.com/gateway-namespace";

/// The most characters of the name of a gateway, and of a server, in the name of an object. With
/// the parts between and after them, the name has at most 63 characters.
const LONGEST_GATEWAY: usize = 24;
const LONGEST_SERVER: usize = 30;

/// The digits of a hash in a name.
const HASH_DIGITS: usize = 10;

/// The last parts of the names of objects that are not for a server.
const ROLES: [&str; 3] = ["endpoint", "metadata", "nowhere"];

/// Whether `name` could be such a last part: a role, perhaps with a number.
fn is_role(name: &str) -> bool {
    let (word, number) = name.rsplit_once('-').unwrap_or((name, ""));
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    ROLES.contains(&name) || ROLES.contains(&word) && is_number
}

/// The name of a gateway in names and labels, which has no dot.
pub(crate) fn gateway(name: &str) -> String {
    part(name, LONGEST_GATEWAY)
}

/// The name of the object with the variables of the proxy.
pub(crate) fn proxy(name: &str) -> String {
    format!("{}-proxy", gateway(name))
}

/// The name of the object that has this `role`.
pub(super) fn role(wanted: &WantedGateway, role: &str) -> String {
    format!("{}.{role}", gateway(&wanted.name))
}

/// The name of the objects of `server`. It is different from those of other servers, and from each
/// [`role`].
pub(super) fn server(wanted: &WantedGateway, server: &WantedServer) -> String {
    format!(
        "{}.{}",
        gateway(&wanted.name),
        part(&server.name, LONGEST_SERVER)
    )
}

/// The name of an object of `server` in another namespace, which may also have objects of another
/// gateway with the same name.
pub(super) fn server_elsewhere(wanted: &WantedGateway, of: &WantedServer) -> String {
    let hash = hash(&wanted.namespace);
    let hash: String = hash.chars().take(6).collect();
    format!("{}.{hash}", server(wanted, of))
}

/// The name of the object for the host `host`.
pub(super) fn host(wanted: &WantedGateway, host: &str) -> String {
    format!("{}.{}", gateway(&wanted.name), part(host, LONGEST_SERVER))
}

/// `metadata` of an object.
pub(super) fn metadata(wanted: &WantedGateway, namespace: &str, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/managed-by": "mcp-gateway",
            GATEWAY_LABEL: gateway(&wanted.name),
            NAMESPACE_LABEL: wanted.namespace,
        },
    })
}

/// `name` as a label of RFC 1123 with at most `longest` characters. Different names give different
/// labels: a changed name ends with a hash, and no other name has such an end.
fn part(name: &str, longest: usize) -> String {
    let fit = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let fitted: String = name.chars().map(fit).collect();
    let fitted = fitted.trim_matches('-');
    if fitted == name && name.len() <= longest && !is_role(name) && !has_hash(name) {
        return name.to_owned();
    }
    let kept: String = fitted.chars().take(longest - HASH_DIGITS - 1).collect();
    let kept = kept.trim_end_matches('-');
    let hash = hash(name);
    if kept.is_empty() {
        // The name of a Service must start with a letter.
        format!("x-{hash}")
    } else {
        format!("{kept}-{hash}")
    }
}

/// Whether `name` has the end of a name that [`part`] has changed.
fn has_hash(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, end)| {
        end.len() == HASH_DIGITS && end.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The first digits of SHA-256 of `text`.
pub(super) fn hash(text: &str) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(text).iter().take(HASH_DIGITS / 2) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_that_fits_stays() {
        for name in ["weather", "git-hub", "a", "0", "a-b-c-1a2b3c4d"] {
            assert_eq!(part(name, LONGEST_SERVER), name);
        }
    }

    #[test]
    fn names_that_are_changed_are_labels_and_stay_different() {
        let long = "a".repeat(64);
        let longer = format!("{}b", "a".repeat(63));
        let crafted = part("a_b", LONGEST_SERVER);
        let names = [
            "a-b",
            "a_b",
            "a.b",
            "A-b",
            "A_B",
            "-a-b",
            "a-b-",
            "_",
            ".",
            "-",
            "--",
            &long,
            &longer,
            "endpoint",
            "metadata",
            "nowhere",
            "Endpoint",
            &crafted,
            "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q",
        ];
        let labels: BTreeSet<String> = names
            .iter()
            .map(|name| part(name, LONGEST_SERVER))
            .collect();
        assert_eq!(labels.len(), names.len(), "{labels:?}");
        for label in labels {
            assert!(label.len() <= LONGEST_SERVER, "{label}");
            assert!(!is_role(&label), "{label}");
            let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(label.chars().all(is_fit), "{label}");
            assert!(!label.starts_with('-') && !label.ends_with('-'), "{label}");
        }
    }

    #[test]
    fn the_same_name_always_gives_the_same_label() {
        assert_eq!(part("git_hub", LONGEST_SERVER), "git-hub-9221a94f3c");
    }
}
