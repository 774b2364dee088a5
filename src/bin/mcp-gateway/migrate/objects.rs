//! Turns the Kubernetes objects of an older gateway into `MCPServer` and `MCPGateway`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::gateway::{self, GatewayOptions, MigratedGateway};
use super::input::{SourceObjects, invalid};
use super::report::{MigrationReport, ReportEntry};
use super::server::{self, MigratedServer, ServerOptions, full_name};
use super::{ExitError, MigrateArguments, Migration};
use crate::config_file::check;
use crate::config_file::kubernetes::objects::{group, kind, name, namespace};
use crate::config_file::kubernetes::registration::ServerRegistration;
use crate::config_file::kubernetes::{Documents, no_servers};
use crate::kubernetes::model::{Authentication, JwtKeys};
use crate::problem::Problem;
use crate::syntax::tree::{self, Node};
use crate::syntax::yaml;

const CALLERS: &str = "--jwt-issuer ISSUER --jwt-audience AUDIENCE --jwks-uri URL, or --anonymous";

/// Problems, each with its object.
type ObjectProblems<'a> = Vec<(&'a Node, Problem)>;

/// Migrates the objects of `source`.
///
/// # Errors
/// An object has an error, or an option is missing.
pub(super) fn migrate(
    source: &SourceObjects,
    arguments: &MigrateArguments,
) -> Result<Migration, ExitError> {
    let documents = Documents::new(&source.objects);
    let mut problems: ObjectProblems<'_> = Vec::new();
    let ours: Vec<&Node> = source.objects.iter().filter(|it| is_ours(it)).collect();
    let registrations = documents.registrations.iter();
    let registrations: Vec<&ServerRegistration<'_>> = registrations
        .filter(|registration| !is_ours(registration.document))
        .collect();
    if registrations.is_empty() && ours.is_empty() {
        let first = source.objects.first();
        problems.extend(first.map(|first| (first, no_servers(&source.objects))));
    }
    let gateway = migrated_gateway(source, &registrations, arguments, &mut problems)?;
    let options = ServerOptions {
        share_credentials: arguments.share_credentials,
        gateway_ref: gateway.as_ref().map(|gateway| gateway.reference.clone()),
    };
    let mut servers = Vec::new();
    for registration in &registrations {
        match server::server(registration, &documents, &options) {
            Ok(server) => servers.push(server),
            Err(problem) => problems.push((registration.document, problem)),
        }
    }
    if problems.is_empty() {
        problems.extend(refused(gateway.as_ref(), &servers, &registrations));
    }
    problems.extend(namesakes(&registrations));
    if !problems.is_empty() {
        return Err(shown(source, problems));
    }
    Ok(Migration {
        files: files(gateway.as_ref(), &servers, &ours)?,
        report: report(source, gateway, servers, &registrations, &ours),
    })
}

/// Shows all `problems`, grouped by files.
fn shown(source: &SourceObjects, problems: ObjectProblems<'_>) -> ExitError {
    let mut files: Vec<(PathBuf, Vec<Problem>)> = Vec::new();
    for (object, problem) in problems {
        let path = source.file(object);
        match files.iter_mut().find(|(file, _)| file == path) {
            Some((_, problems)) => problems.push(problem),
            None => files.push((path.to_owned(), vec![problem])),
        }
    }
    for (file, mut problems) in files {
        problems.sort_by_key(|problem| problem.line);
        invalid(&file, &problems);
    }
    ExitError::InvalidFile
}

/// Whether `object` is of this gateway already. The first versions of the older gateway have the
/// same kinds.
fn is_ours(object: &Node) -> bool {
    let of_older = [
        "targetRef",
        "targetRefs",
        "toolPrefix",
        "path",
        "credentialRef",
    ];
    group(object) == "mcp.kagenti.com"
        && match kind(object) {
            "MCPServer" => object.get("spec").is_some_and(|spec| {
                let fields = match &spec.kind {
                    tree::NodeKind::Object(fields) => &**fields,
                    _ => &[],
                };
                fields.iter().any(|(name, _)| !of_older.contains(&&**name))
            }),
            "MCPGateway" => object.at(&["spec", "targetRefs"]).is_none(),
            _ => false,
        }
}

/// The `authentication` of an `MCPGateway`.
fn authentication_spec(authentication: Authentication) -> Value {
    let Authentication::Jwt(jwt) = authentication else {
        return json!({"anonymous": true});
    };
    let (name, keys) = match jwt.keys {
        JwtKeys::Uri(uri) => ("jwksURI", uri),
        JwtKeys::Inline(set) => ("jwks", set),
    };
    json!({"jwt": {"issuer": jwt.issuer, "audiences": jwt.audiences, name: keys}})
}

/// The `MCPGateway` for the extension in `source`, or for the option `--gateway`.
fn migrated_gateway<'a>(
    source: &'a SourceObjects,
    registrations: &[&ServerRegistration<'a>],
    arguments: &MigrateArguments,
    problems: &mut ObjectProblems<'a>,
) -> Result<Option<MigratedGateway>, ExitError> {
    let is_extension = |object: &&Node| kind(object) == "MCPGatewayExtension";
    let mut extensions = source.objects.iter().filter(is_extension);
    let extension = extensions.next();
    for other in extensions {
        let path = format!("MCPGatewayExtension {}", name(other));
        let reason = "is a second one: each gateway is migrated with its own servers";
        let fix = "migrate its file with its servers in another call";
        problems.push((other, Problem::new(other.line, path, reason).fix(fix)));
    }
    let authentication = arguments.authentication.read()?.map(authentication_spec);
    let Some(extension) = extension else {
        let Some(gateway) = &arguments.gateway else {
            return Ok(None);
        };
        let reason = || {
            format!("--gateway makes an MCPGateway, which needs to know who may call: {CALLERS}")
        };
        let authentication = authentication.ok_or_else(reason)?;
        let options = GatewayOptions {
            gateway,
            listener: arguments.listener.as_deref(),
            authentication,
            namespaces: namespaces(registrations),
        };
        return Ok(Some(gateway::gateway(None, &source.objects, &options)));
    };
    let path = format!("MCPGatewayExtension {}", name(extension));
    let mut wrong = |reason: &str, fix: String| {
        let problem = Problem::new(extension.line, path.clone(), reason);
        problems.push((extension, problem.fix(fix)));
    };
    if authentication.is_none() {
        let issuer = issuer(source).map(|issuer| format!(" (the AuthPolicy has {issuer})"));
        let fix = format!("{CALLERS}{}", issuer.unwrap_or_default());
        wrong("does not say who may call, and an MCPGateway has to", fix);
    }
    if arguments.gateway.is_none() {
        let (namespace, name) = gateway::current(extension);
        let fix = format!(
            "--gateway NAMESPACE/NAME; another one than {namespace}/{name} lets both serve"
        );
        wrong("becomes an MCPGateway, which needs a Gateway", fix);
    }
    let (Some(gateway), Some(authentication)) = (&arguments.gateway, authentication) else {
        return Ok(None);
    };
    let options = GatewayOptions {
        gateway,
        listener: arguments.listener.as_deref(),
        authentication,
        namespaces: namespaces(registrations),
    };
    let migrated = gateway::gateway(Some(extension), &source.objects, &options);
    Ok(Some(migrated))
}

fn namespaces<'a>(registrations: &[&ServerRegistration<'a>]) -> BTreeSet<&'a str> {
    let documents = registrations.iter().map(|it| it.document);
    documents.map(namespace).collect()
}

/// The issuer of tokens in a policy of Kuadrant.
fn issuer(source: &SourceObjects) -> Option<&str> {
    let policies = source.objects.iter().filter(|it| kind(it) == "AuthPolicy");
    let rules = policies.filter_map(|policy| {
        let defaults = policy.at(&["spec", "defaults", "rules", "authentication"]);
        defaults.or_else(|| policy.at(&["spec", "rules", "authentication"]))
    });
    let mut identities = rules.flat_map(|rules| match &rules.kind {
        tree::NodeKind::Object(members) => &**members,
        _ => &[],
    });
    identities.find_map(|(_, identity)| identity.text(&["jwt", "issuerUrl"]))
}

/// The problems that the filter finds in the configuration made from these objects.
fn refused<'a>(
    gateway: Option<&MigratedGateway>,
    servers: &[MigratedServer],
    registrations: &[&ServerRegistration<'a>],
) -> ObjectProblems<'a> {
    let config = gateway.and_then(|gateway| gateway.object.pointer("/spec/config"));
    let mut config = config
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let section = |(number, server): (usize, &MigratedServer)| {
        let path = server.object.pointer("/spec/path").and_then(Value::as_str);
        let mut section = Map::new();
        section.insert("name".to_owned(), json!(format!("s{number}")));
        let url = format!("http://server{}", path.unwrap_or("/mcp"));
        section.insert("url".to_owned(), json!(url));
        for field in ["toolPrefix", "path", "hostname", "enabled"] {
            if let Some(value) = server.object.pointer(&format!("/spec/{field}")) {
                section.insert(field.to_owned(), value.clone());
            }
        }
        Value::Object(section)
    };
    let sections: Vec<Value> = servers.iter().enumerate().map(section).collect();
    config.insert("servers".to_owned(), Value::Array(sections));
    let text = Value::Object(config).to_string();
    let Some(tree) = tree::documents(&text).ok().and_then(|mut it| it.pop()) else {
        return Vec::new();
    };
    let Err(problems) = check::check(&tree) else {
        return Vec::new();
    };
    let of_server = |problem: &Problem| {
        let rest = problem.path.strip_prefix("servers[")?;
        let (number, field) = rest.split_once("].")?;
        let registration = registrations.get(number.parse::<usize>().ok()?)?;
        let (field, line) = match (field, registration.prefix()) {
            ("toolPrefix", Some((field, node))) => (field, node.line),
            _ => (format!("spec.{field}"), registration.document.line),
        };
        let path = format!("{}: {field}", registration.title());
        Some((registration.document, problem.clone().at(line, path)))
    };
    let first = registrations.first().map(|it| it.document);
    let any = |problem: Problem| {
        let path = problem.path.clone();
        first.map(|document| (document, problem.at(0, path)))
    };
    problems
        .into_iter()
        .filter_map(|problem| of_server(&problem).or_else(|| any(problem)))
        .collect()
}

/// Problems of two servers that would become the same object.
fn namesakes<'a>(registrations: &[&ServerRegistration<'a>]) -> ObjectProblems<'a> {
    let key = |it: &ServerRegistration<'a>| (namespace(it.document), it.name());
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for registration in registrations {
        if !seen.insert(key(registration)) {
            let document = registration.document;
            let path = format!("{}: metadata.name", registration.title());
            let reason = format!(
                "there are two servers {:?} in namespace {:?}",
                registration.name(),
                namespace(document)
            );
            let problem = Problem::new(document.line, path, reason);
            problems.push((document, problem.fix("rename one of them")));
        }
    }
    problems
}

/// The files of the output.
fn files(
    gateway: Option<&MigratedGateway>,
    servers: &[MigratedServer],
    ours: &[&Node],
) -> Result<Vec<(&'static str, String)>, String> {
    let text = |objects: Vec<Value>| {
        let texts = objects.iter().map(yaml::block);
        let texts = texts.collect::<Result<Vec<_>, _>>();
        texts
            .map(|texts| texts.join("---\n"))
            .map_err(|error| error.to_string())
    };
    let of_kind = |of_kind: &'static str| {
        let ours = ours.iter().filter(move |it| kind(it) == of_kind);
        ours.map(|object| object.value())
    };
    let gateways = gateway.iter().map(|it| it.object.clone());
    let servers = servers.iter().map(|it| it.object.clone());
    let all = [
        (
            "mcp-gateways.yaml",
            gateways.chain(of_kind("MCPGateway")).collect::<Vec<_>>(),
        ),
        (
            "mcp-servers.yaml",
            servers.chain(of_kind("MCPServer")).collect(),
        ),
    ];
    let written = all.into_iter().filter(|(_, objects)| !objects.is_empty());
    written
        .map(|(name, objects)| Ok((name, text(objects)?)))
        .collect()
}

fn report(
    source: &SourceObjects,
    gateway: Option<MigratedGateway>,
    servers: Vec<MigratedServer>,
    registrations: &[&ServerRegistration<'_>],
    ours: &[&Node],
) -> MigrationReport {
    let mut report = MigrationReport::default();
    let has_gateway = gateway.is_some();
    report.entries.extend(gateway.and_then(|it| it.report));
    report
        .entries
        .extend(servers.into_iter().map(|it| it.report));
    report
        .entries
        .extend(source.objects.iter().filter_map(without_counterpart));
    for object in ours {
        let name = full_name(object, name(object));
        report.notes.push(format!(
            "{} {name} is of this gateway already, and is written as it is",
            kind(object)
        ));
    }
    if !has_gateway && !registrations.is_empty() {
        report.notes.push("no MCPGateway is written: --gateway NAMESPACE/NAME makes one, and lets the servers name it".to_owned());
    }
    let is_namesake = |it: &&&ServerRegistration<'_>| {
        group(it.document) == "mcp.kagenti.com"
            && kind(it.document) == "MCPServer"
            && !it.is_listed()
    };
    if registrations.iter().any(|it| is_namesake(&it)) {
        report.notes.push("the MCPServers have the group, the kind and the names of the older ones, and replace them: stop the older gateway's controller before you apply them; its broker continues to serve".to_owned());
    }
    report
}

/// The report about an object that has no counterpart.
fn without_counterpart(object: &Node) -> Option<ReportEntry> {
    let title = format!("{} {}", kind(object), full_name(object, name(object)));
    let mut entry = ReportEntry::new(&title, None);
    match (group(object), kind(object)) {
        ("mcp.kagenti.com" | "mcp.kuadrant.io", "MCPVirtualServer") => entry.left_out(
            "spec",
            "the gateway has no virtual servers that clients choose by a header",
            Some("a second MCPGateway with another path, and MCPServers of its own whose `tools: { include: […] }` names these tools without their prefixes".to_owned()),
        ),
        ("kuadrant.io", _) => entry.left_out(
            "spec",
            "policies of Kuadrant are for the Gateway and the routes of the older gateway",
            Some("authentication: --jwt-issuer …; who may call which tool: config: { authorization: { … } } of the MCPGateway; rates: a policy of the Gateway".to_owned()),
        ),
        _ => return None,
    }
    Some(entry)
}
