//! Turns a server of an older gateway into an `MCPServer`.

use serde_json::{Map, Value, json};

use super::report::ReportEntry;
use crate::config_file::kubernetes::objects::{kind, name, namespace};
use crate::config_file::kubernetes::registration::ServerRegistration;
use crate::config_file::kubernetes::{Documents, RoutedServer};
use crate::config_file::older_gateway::OlderField;
use crate::problem::Problem;
use crate::syntax::tree::Node;
use crate::syntax::yaml;

/// The key of a ConfigMap with certificates of authorities.
const CERTIFICATES: &str = "ca.crt";
/// The key of a Secret with a credential.
const TOKEN: &str = "token";

/// The options for migrating servers.
pub(super) struct ServerOptions {
    pub(super) share_credentials: bool,
    /// The `gatewayRef` of all servers.
    pub(super) gateway_ref: Option<Value>,
}

/// A server that was migrated.
pub(super) struct MigratedServer {
    /// The `MCPServer`.
    pub(super) object: Value,
    pub(super) report: ReportEntry,
}

/// The `MCPServer` for `registration`, one of `documents`.
///
/// # Errors
/// Its route has no server as its backend, or the value of a field cannot be used.
pub(super) fn server(
    registration: &ServerRegistration<'_>,
    documents: &Documents<'_>,
    options: &ServerOptions,
) -> Result<MigratedServer, Problem> {
    let document = registration.document;
    let title = format!("{} {}", kind(document), full_name(document, name(document)));
    let becomes = format!("MCPServer {}", full_name(document, registration.name()));
    let mut report = ReportEntry::new(&title, Some(&becomes));
    let routed = documents.routed(registration)?;
    let mut spec = Map::new();
    target(&mut spec, registration, routed.as_ref(), &mut report)?;
    if let Some(gateway) = &options.gateway_ref {
        spec.insert("gatewayRef".to_owned(), gateway.clone());
    }
    prefix(&mut spec, registration, &mut report);
    if let Some(hostname) = routed.as_ref().and_then(|it| it.hostname.as_deref()) {
        spec.insert("hostname".to_owned(), json!(hostname));
    }
    if routed.as_ref().is_some_and(|it| it.needs_tls) {
        spec.insert("tls".to_owned(), json!({}));
    }
    for (field, node) in registration.fields() {
        let path = format!("spec.{field}");
        match &**field {
            "targetRef" | "targetRefs" | "prefix" | "toolPrefix" => {}
            "path" => {
                spec.insert("path".to_owned(), node.value());
                report.carried(&path, assigned("path", &node.value()));
            }
            "state" => state(&mut spec, node, registration, &mut report)?,
            "credentialRef" if options.share_credentials => {
                credential(&mut spec, node, &mut report);
            }
            "caCertSecretRef" => certificates(&mut spec, node, document, &mut report),
            _ => other(&path, field, node, &mut report),
        }
    }
    annotations(document, &mut report);
    let mut metadata = json!({"name": registration.name()});
    if document.at(&["metadata", "namespace"]).is_some() {
        set(&mut metadata, "namespace", namespace(document));
    }
    let object = json!({
        "apiVersion": "mcp.kagenti.com/v1alpha1",
        "kind": "MCPServer",
        "metadata": metadata,
        "spec": spec,
    });
    Ok(MigratedServer { object, report })
}

/// `name` with the namespace of `document`.
pub(super) fn full_name(document: &Node, name: &str) -> String {
    match document.text(&["metadata", "namespace"]) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

fn target(
    spec: &mut Map<String, Value>,
    registration: &ServerRegistration<'_>,
    routed: Option<&RoutedServer>,
    report: &mut ReportEntry,
) -> Result<(), Problem> {
    let path = registration.target_path();
    let wrong = |node: &Node, field: &str, reason: &str, fix: &str| {
        let path = format!("{}: {path}{field}", registration.title());
        Err(Problem::new(node.line, path, reason).fix(fix))
    };
    let Some(target) = registration.target else {
        let fix = "targetRef: { kind: HTTPRoute, name: … }";
        return wrong(registration.document, "", "is missing", fix);
    };
    let Some(name) = target.text(&["name"]).filter(|name| !name.is_empty()) else {
        return wrong(
            target,
            ".name",
            "is missing",
            "name: the name of the HTTPRoute",
        );
    };
    if let Some(node) = target
        .get("kind")
        .filter(|it| it.text(&[]) != Some("HTTPRoute"))
    {
        let reason = "must be HTTPRoute, as older gateways know no other";
        return wrong(node, ".kind", reason, "kind: HTTPRoute");
    }
    let mut reference = json!({
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "name": name,
    });
    let within = registration.target_namespace();
    let is_foreign = within != namespace(registration.document);
    if is_foreign {
        set(&mut reference, "namespace", within);
    }
    spec.insert("targetRef".to_owned(), reference);
    let mut becomes = format!("targetRef: HTTPRoute {name}");
    if let Some(hostname) = routed.and_then(|it| it.hostname.as_deref()) {
        becomes = format!("{becomes}; hostname: {hostname}");
    }
    let mut tasks = Vec::new();
    if is_foreign {
        tasks.push(format!(
            "a ReferenceGrant in {within} that lets MCPServers of {} name its HTTPRoutes",
            namespace(registration.document)
        ));
    }
    if routed.is_none() {
        tasks.push("add the HTTPRoutes to the files, so that the server gets the host name that it has now: kubectl get httproutes,services -A -o yaml".to_owned());
    }
    if tasks.is_empty() {
        report.carried(&path, becomes);
    } else {
        report.carried_if(&path, &becomes, tasks.join("; "));
    }
    Ok(())
}

fn prefix(
    spec: &mut Map<String, Value>,
    registration: &ServerRegistration<'_>,
    report: &mut ReportEntry,
) {
    match registration.prefix() {
        Some((path, node)) => {
            spec.insert("toolPrefix".to_owned(), node.value());
            report.carried(&path, assigned("toolPrefix", &node.value()));
        }
        None => {
            spec.insert("toolPrefix".to_owned(), json!(""));
            let becomes = "toolPrefix: \"\", so that tools keep their names";
            report.carried("without a prefix", becomes);
        }
    }
}

fn state(
    spec: &mut Map<String, Value>,
    node: &Node,
    registration: &ServerRegistration<'_>,
    report: &mut ReportEntry,
) -> Result<(), Problem> {
    match node.text(&[]) {
        Some("Enabled") => report.carried("spec.state", "enabled: true, which is the default"),
        Some("Disabled") => {
            spec.insert("enabled".to_owned(), json!(false));
            report.carried("spec.state", "enabled: false");
        }
        _ => {
            let path = format!("{}: spec.state", registration.title());
            let problem = Problem::new(node.line, path, "must be Enabled or Disabled");
            return Err(problem.fix("state: Enabled"));
        }
    }
    Ok(())
}

/// The older gateway sends the value of the Secret unchanged; it contains `Bearer `.
fn credential(spec: &mut Map<String, Value>, node: &Node, report: &mut ReportEntry) {
    let secret = node.text(&["name"]).unwrap_or_default();
    let key = node.text(&["key"]).unwrap_or(TOKEN);
    let reference = json!({"name": secret, "key": key});
    let header = json!({"name": "authorization", "valueFrom": {"secretKeyRef": reference}});
    spec.insert("headers".to_owned(), json!([header]));
    let becomes =
        format!("headers: authorization, for every client, from {key} of Secret {secret}");
    report.carried("spec.credentialRef", becomes);
}

fn certificates(
    spec: &mut Map<String, Value>,
    node: &Node,
    document: &Node,
    report: &mut ReportEntry,
) {
    let secret = node.text(&["name"]).unwrap_or_default();
    let key = node.text(&["key"]).unwrap_or(CERTIFICATES);
    let within = namespace(document);
    let reference = json!({"caCertificateRefs": [{"kind": "ConfigMap", "name": secret}]});
    spec.insert("tls".to_owned(), reference);
    let becomes = format!("tls: caCertificateRefs: ConfigMap {secret}");
    let escaped = key.replace('.', "\\.");
    let task = format!(
        "kubectl create configmap {secret} -n {within} --from-literal={CERTIFICATES}=\"$(kubectl get secret {secret} -n {within} -o jsonpath='{{.data.{escaped}}}' | base64 -d)\""
    );
    report.carried_if("spec.caCertSecretRef", &becomes, task);
}

/// Reports a field that has no counterpart.
fn other(path: &str, name: &str, node: &Node, report: &mut ReportEntry) {
    match OlderField::of_object(name) {
        Some(field) if field.is_missed(node) => {
            report.left_out(path, field.reason, field.instead.map(str::to_owned));
        }
        Some(field) => report.no_effect(path, field.why_not_missed()),
        None => report.left_out(path, "is not known to this program", None),
    }
}

/// Reports the annotations that older gateways use as fields.
fn annotations(document: &Node, report: &mut ReportEntry) {
    for (annotation, names) in [
        (
            "mcp.kuadrant.io/guardrails-config-ids",
            &["guardrailsConfigIDs"][..],
        ),
        (
            "mcp.kuadrant.io/experimental-discovery",
            &["tokenURLElicitation", "userSpecificList"],
        ),
    ] {
        if document
            .at(&["metadata", "annotations", annotation])
            .is_none()
        {
            continue;
        }
        for field in names.iter().filter_map(|name| OlderField::of_object(name)) {
            report.left_out(annotation, field.reason, field.instead.map(str::to_owned));
        }
    }
}

/// Sets the member `name` of `object` to `text`.
pub(super) fn set(object: &mut Value, name: &str, text: &str) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), json!(text));
    }
}

/// `field` and its value in YAML.
pub(super) fn assigned(field: &str, value: &Value) -> String {
    let value = yaml::flow(value).unwrap_or_default();
    format!("{field}: {value}")
}
