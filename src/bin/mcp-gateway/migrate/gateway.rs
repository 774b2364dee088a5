//! Turns the gateway of an older product, an `MCPGatewayExtension`, into an `MCPGateway`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::GatewayName;
use super::report::ReportEntry;
use super::server::{assigned, full_name, set};
use crate::config_file::kubernetes::objects::{self, kind, name, namespace};
use crate::syntax::tree::{Node, NodeKind};

/// The name of an `MCPGateway` that is not made from an object.
const DEFAULT_NAME: &str = "mcp";

/// The fields that need no counterpart, and the reasons.
const NEEDLESS: [(&str, &str); 8] = [
    ("privateHost", "nothing goes through the gateway twice"),
    (
        "backendPingIntervalSeconds",
        "the gateway asks servers only when clients send requests",
    ),
    (
        "httpRouteManagement",
        "the controller writes the routes of the endpoint",
    ),
    ("envoyFilter", "the controller puts the filter in its place"),
    ("logLevel", "the log is Envoy's"),
    (
        "protocolMode",
        "clients and servers of all versions work at the same time",
    ),
    (
        "sessionStore",
        "each session is encrypted in its id, and nothing is stored",
    ),
    (
        "invalidToolPolicy",
        "clients get each tool as its server lists it",
    ),
];

/// The fields with an effect that is missing here: why they have no counterpart, and what the user
/// can do instead.
const MISSED: [(&str, &str, &str); 3] = [
    (
        "trustedHeadersKey",
        "the gateway decides by rules which tools a caller sees and calls",
        "config: { authorization: { … } }",
    ),
    (
        "urlElicitation",
        "the gateway does not ask clients for tokens",
        "clients send their token in a header that `passthroughHeaders` names",
    ),
    (
        "caCertBundleRef",
        "each server names its own authorities",
        "tls: { caCertificateRefs: [{ name: … }] } of each MCPServer, and a ConfigMap in its namespace",
    ),
];

/// Reads the name of a Gateway.
pub(super) fn reference(text: &str) -> Result<GatewayName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(GatewayName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err("must be NAMESPACE/NAME, such as gateway-system/mcp".to_owned()),
    }
}

/// The options of an `MCPGateway`: its Gateway and its servers.
pub(super) struct GatewayOptions<'a> {
    pub(super) gateway: &'a GatewayName,
    pub(super) listener: Option<&'a str>,
    pub(super) authentication: Value,
    /// The namespaces of its servers.
    pub(super) namespaces: BTreeSet<&'a str>,
}

/// A gateway that was migrated.
pub(super) struct MigratedGateway {
    /// The `MCPGateway`.
    pub(super) object: Value,
    /// The `gatewayRef` of its servers.
    pub(super) reference: Value,
    pub(super) report: Option<ReportEntry>,
}

/// The `MCPGateway` that replaces `extension`, or a new one. The Gateway of the extension may be
/// among `all`.
pub(super) fn gateway(
    extension: Option<&Node>,
    all: &[Node],
    options: &GatewayOptions<'_>,
) -> MigratedGateway {
    let GatewayName {
        namespace,
        name: gateway,
    } = options.gateway;
    let name = extension.map_or(DEFAULT_NAME, name);
    let mut target = json!({
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": gateway,
    });
    if let Some(listener) = options.listener {
        set(&mut target, "sectionName", listener);
    }
    let mut spec = Map::new();
    spec.insert("targetRef".to_owned(), target);
    let report = extension.map(|extension| {
        let becomes = format!("MCPGateway {namespace}/{name}");
        let title = format!("{} {}", kind(extension), full_name(extension, name));
        let mut report = ReportEntry::new(&title, Some(&becomes));
        fields(extension, all, options.gateway, &mut spec, &mut report);
        report
    });
    spec.insert("authentication".to_owned(), options.authentication.clone());
    spec.insert(
        "allowedServers".to_owned(),
        json!({"namespaces": allowed(namespace, &options.namespaces)}),
    );
    MigratedGateway {
        object: json!({
            "apiVersion": "mcp.kagenti.com/v1alpha1",
            "kind": "MCPGateway",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }),
        reference: json!({"name": name, "namespace": namespace}),
        report,
    }
}

/// Sets the fields of `spec` from the fields of `extension`.
fn fields(
    extension: &Node,
    all: &[Node],
    gateway: &GatewayName,
    spec: &mut Map<String, Value>,
    report: &mut ReportEntry,
) {
    let target = format!("targetRef: Gateway {}, as --gateway says", gateway.name);
    report.carried("spec.targetRef", target);
    hostnames(extension, all, spec, report);
    let mut config = Map::new();
    let members = match extension.get("spec").map(|spec| &spec.kind) {
        Some(NodeKind::Object(members)) => &**members,
        _ => &[],
    };
    for (field, node) in members {
        let path = format!("spec.{field}");
        let needless = NEEDLESS.iter().find(|(name, _)| name == field);
        let missed = MISSED.iter().find(|(name, ..)| name == field);
        match &**field {
            "targetRef" | "publicHost" => {}
            "oauthProtectedResource" => {
                config.insert("oauth".to_owned(), node.value());
                report.carried(&path, "config: oauth, with the same fields");
            }
            "maxBodyBytes" => {
                config.insert("maxRequestBodySize".to_owned(), node.value());
                let becomes = assigned("maxRequestBodySize", &node.value());
                report.carried(&path, format!("config: {becomes}"));
            }
            "urlElicitation" if node.text(&[]) == Some("Disabled") => {
                report.no_effect(&path, "is off");
            }
            _ => match (needless, missed) {
                (Some((_, reason)), _) => report.no_effect(&path, reason),
                (_, Some((_, reason, instead))) => {
                    report.left_out(&path, reason, Some((*instead).to_owned()));
                }
                _ => report.left_out(&path, "is not known to this program", None),
            },
        }
    }
    let guardrails = "mcp.kuadrant.io/guardrails-ref";
    if extension
        .at(&["metadata", "annotations", guardrails])
        .is_some()
    {
        let instead = "put a filter that calls them in front of the gateway".to_owned();
        report.left_out(
            guardrails,
            "the gateway does not call guardrails",
            Some(instead),
        );
    }
    if !config.is_empty() {
        spec.insert("config".to_owned(), Value::Object(config));
    }
}

/// The host name of the endpoint: that of `extension`, or of its listener. If the listener's is a
/// pattern, older gateways use `mcp` in place of the star.
fn hostnames(
    extension: &Node,
    all: &[Node],
    spec: &mut Map<String, Value>,
    report: &mut ReportEntry,
) {
    let public = extension.text(&["spec", "publicHost"]);
    let hostname = match public {
        Some(host) => Some(host.to_owned()),
        None => listener(extension, all)
            .and_then(|listener| listener.text(&["hostname"]))
            .map(|host| match host.strip_prefix('*') {
                Some(rest) => format!("mcp{rest}"),
                None => host.to_owned(),
            }),
    };
    let field = match public {
        Some(_) => "spec.publicHost",
        None => "hostname of the listener",
    };
    if let Some(hostname) = hostname {
        report.carried(field, format!("hostnames: [{hostname}]"));
        spec.insert("hostnames".to_owned(), json!([hostname]));
    }
}

/// The current Gateway of `extension`, as namespace and name.
pub(super) fn current(extension: &Node) -> (&str, &str) {
    let target = |field| extension.text(&["spec", "targetRef", field]);
    let within = target("namespace").unwrap_or(namespace(extension));
    (within, target("name").unwrap_or_default())
}

/// The listener of `extension`.
fn listener<'a>(extension: &Node, all: &'a [Node]) -> Option<&'a Node> {
    let (within, named) = current(extension);
    let section = extension.text(&["spec", "targetRef", "sectionName"])?;
    let gateway = objects::find(all, "Gateway", named, within)?;
    let mut listeners = gateway.at(&["spec", "listeners"])?.items().iter();
    listeners.find(|listener| listener.text(&["name"]) == Some(section))
}

/// The namespaces whose servers the gateway accepts.
fn allowed(own: &str, namespaces: &BTreeSet<&str>) -> Value {
    if namespaces.iter().all(|namespace| *namespace == own) {
        return json!({"from": "Same"});
    }
    let requirement = json!({
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": namespaces,
    });
    json!({"from": "Selector", "selector": {"matchExpressions": [requirement]}})
}
