//! Fields that only older MCP gateways have for a server, in their files and in their Kubernetes
//! objects, and what the user can do instead.

use serde_json::Value;

use crate::syntax::tree::{Node, NodeKind};

/// A field of older gateways that has no counterpart here.
#[derive(Debug)]
pub(crate) struct OlderField {
    pub(crate) name: &'static str,
    /// The reason why it is left out.
    pub(crate) reason: &'static str,
    /// What the user can do instead; `None` if nothing has to be done.
    pub(crate) instead: Option<&'static str>,
    effect: OlderEffect,
}

/// When a field has an effect in an older gateway that is missing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OlderEffect {
    Always,
    /// Only if its value is `true` or `Enabled`.
    IfEnabled,
    Never,
}

const CREDENTIAL: &str = "older gateways send it only with requests for lists; here the server would get it with every call of every client";
const HEADER: &str = "headers: [{ name: authorization, valueFromEnv: … }]";
const GUARDRAILS: &str = "the gateway does not call guardrails";
const FILTER: &str = "put a filter that calls them in front of the gateway";
const AUTHORITIES: &str = "Envoy trusts the authorities of its own file, see --ca-file";
const AUTHORITY_FILE: &str = "add the certificate to that file";
const SEARCH: &str = "the gateway has no search by this field";

/// The fields of a server in a file.
static OF_SERVERS: [OlderField; 11] = [
    always("auth", CREDENTIAL, HEADER),
    always("credential", CREDENTIAL, HEADER),
    always("credentialEnvVar", CREDENTIAL, HEADER),
    always(
        "acl",
        "the gateway decides by rules",
        "write rules in `authorization`",
    ),
    always(
        "tokenURLElicitation",
        "the gateway does not ask clients for tokens",
        "clients send their token in a header that `passthroughHeaders` of the server names",
    ),
    OlderField {
        name: "userSpecificList",
        reason: "without a header of the client, the server does not know which client asks for the list",
        instead: Some("name the header in `passthroughHeaders` of the server"),
        effect: OlderEffect::IfEnabled,
    },
    always("caCert", AUTHORITIES, AUTHORITY_FILE),
    always("guardrailsConfigIDs", GUARDRAILS, FILTER),
    never("category"),
    never("hint"),
    never("tags"),
];

/// The fields that only Kubernetes objects have.
static OF_OBJECTS: [OlderField; 3] = [
    always(
        "credentialRef",
        CREDENTIAL,
        "mcp-gateway migrate --share-credentials, if every client may use it",
    ),
    always("caCertSecretRef", AUTHORITIES, AUTHORITY_FILE),
    always(
        "timeouts",
        "the gateway sets no time limit for calls",
        "let the server or the client limit the time of a call",
    ),
];

/// The fields next to `servers`.
static OF_FILES: [OlderField; 4] = [
    always(
        "virtualServers",
        "the gateway has no virtual servers",
        "tools: { include: […] } of each server",
    ),
    always("guardrails", GUARDRAILS, FILTER),
    always("globalGuardrails", GUARDRAILS, FILTER),
    always("gatewayCACertPEM", AUTHORITIES, AUTHORITY_FILE),
];

const fn always(name: &'static str, reason: &'static str, instead: &'static str) -> OlderField {
    OlderField {
        name,
        reason,
        instead: Some(instead),
        effect: OlderEffect::Always,
    }
}

const fn never(name: &'static str) -> OlderField {
    OlderField {
        name,
        reason: SEARCH,
        instead: None,
        effect: OlderEffect::Never,
    }
}

impl OlderField {
    /// The fields that servers have in files.
    pub(crate) fn of_servers() -> &'static [Self] {
        &OF_SERVERS
    }

    /// The field `name` of the `spec` of an object.
    pub(crate) fn of_object(name: &str) -> Option<&'static Self> {
        let mut all = OF_OBJECTS.iter().chain(&OF_SERVERS);
        all.find(|field| field.name == name)
    }

    /// The fields that files have next to `servers`.
    pub(crate) fn of_files() -> &'static [Self] {
        &OF_FILES
    }

    /// The reason why the effect of the field is not missing here.
    pub(crate) fn why_not_missed(&self) -> &'static str {
        match self.effect {
            OlderEffect::IfEnabled => "is off",
            OlderEffect::Always | OlderEffect::Never => self.reason,
        }
    }

    /// Whether an effect of the field with this value is missing here.
    pub(crate) fn is_missed(&self, value: &Node) -> bool {
        match self.effect {
            OlderEffect::Always => true,
            OlderEffect::IfEnabled => match &value.kind {
                NodeKind::Scalar(Value::Bool(is_enabled)) => *is_enabled,
                _ => value.text(&[]) == Some("Enabled"),
            },
            OlderEffect::Never => false,
        }
    }
}
