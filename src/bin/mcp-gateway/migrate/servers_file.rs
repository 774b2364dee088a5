//! Turns a `servers:` file of an older gateway into the configuration of the filter.

use serde_json::{Value, json};

use super::input::{SourceFile, invalid};
use super::report::{MigrationReport, ReportEntry};
use super::{ExitError, Migration};
use crate::config_file::older_gateway::OlderField;
use crate::config_file::servers_file::UnprefixedTools;
use crate::config_file::{self, ReadOptions};
use crate::problem::Problem;
use crate::syntax::tree::{self, Node, NodeKind};
use crate::syntax::yaml;
use crate::variables::placeholder::Placeholders;

/// The fields with credentials of servers.
const CREDENTIALS: [&str; 3] = ["credential", "credentialEnvVar", "auth"];

/// Migrates `file`. With `share_credentials`, its servers get their credentials.
///
/// # Errors
/// The file has errors.
pub(super) fn migrate(file: SourceFile, share_credentials: bool) -> Result<Migration, ExitError> {
    let SourceFile {
        path,
        mut documents,
    } = file;
    if let Some(document) = documents.first()
        && !matches!(
            document.get("servers").map(|it| &it.kind),
            Some(NodeKind::List(_))
        )
    {
        let reason = "has no list `servers`: this is not the file of an older MCP gateway";
        let fix =
            "name its file; other files of servers need no migration, `check` and `run` take them";
        let problem = Problem::new(document.line, "", reason).fix(fix);
        return Err(invalid(&path, &[problem]));
    }
    let mut shared = Vec::new();
    let before = documents.first().cloned();
    if share_credentials && let Some(document) = documents.first_mut() {
        shared = document
            .items_mut("servers")
            .iter_mut()
            .map(credential)
            .collect();
    }
    let options =
        ReadOptions::new(&path, Placeholders::Keep).with_unprefixed(UnprefixedTools::Explicit);
    let after = config_file::read_documents(documents, &options)
        .map_err(|problems| invalid(&path, &problems))?;
    let text = yaml::block(&after.tree).map_err(|error| error.to_string())?;
    Ok(Migration {
        files: vec![("servers.yaml", text)],
        report: before.map_or_else(MigrationReport::default, |before| {
            report(&before, &after.tree, &shared)
        }),
    })
}

/// Replaces the credential of `server` with a header. Returns the environment variable of the
/// header's value; `None` if the server has no credential.
fn credential(server: &mut Node) -> Option<String> {
    let field = CREDENTIALS.iter().find(|it| server.get(it).is_some())?;
    let variable = match server.text(&["credentialEnvVar"]) {
        Some(variable) => variable.to_owned(),
        None => variable(server.text(&["name"]).unwrap_or_default()),
    };
    server.remove(field);
    let header = json!([{"name": "authorization", "valueFromEnv": variable}]);
    let header = tree::documents(&header.to_string()).ok()?.pop()?;
    server.set("headers", header.kind);
    Some(variable)
}

/// The environment variable with the credential of the server `name`.
fn variable(name: &str) -> String {
    let fitting = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    };
    let name: String = name.chars().map(fitting).collect();
    format!(
        "{}_CREDENTIAL",
        name.trim_start_matches(|c: char| !c.is_ascii_alphabetic())
    )
}

/// The report about the file `before`, which becomes `after`. `shared` are the variables with the
/// credentials of its servers.
fn report(before: &Node, after: &Node, shared: &[Option<String>]) -> MigrationReport {
    let mut report = MigrationReport::default();
    let servers = |file| {
        Node::get(file, "servers")
            .map_or(&[][..], Node::items)
            .iter()
    };
    let shared = shared
        .iter()
        .map(Option::as_deref)
        .chain(std::iter::repeat(None));
    for ((before, after), variable) in servers(before).zip(servers(after)).zip(shared) {
        report.entries.push(server(before, after, variable));
    }
    let mut of_file = ReportEntry::new("the file", Some("servers.yaml"));
    let NodeKind::Object(members) = &before.kind else {
        return report;
    };
    for (name, _) in members.iter().filter(|(name, _)| name != "servers") {
        let field = OlderField::of_files().iter().find(|it| it.name == name);
        match field {
            Some(field) => left_out(&mut of_file, field),
            None if name == "maxBodyBytes" => {
                of_file.carried(name, assigned(after, "maxRequestBodySize"));
            }
            None => of_file.carried(name, assigned(after, name)),
        }
    }
    if !of_file.is_empty() {
        report.entries.push(of_file);
    }
    report
}

/// The report about the server `before`.
fn server(before: &Node, after: &Node, variable: Option<&str>) -> ReportEntry {
    let named = |server: &Node| server.text(&["name"]).unwrap_or_default().to_owned();
    let mut entry = ReportEntry::new(&named(before), Some(&named(after)));
    let NodeKind::Object(members) = &before.kind else {
        return entry;
    };
    for (name, node) in members {
        let field = OlderField::of_servers().iter().find(|it| it.name == name);
        match (&**name, field) {
            ("prefix" | "toolPrefix", _) => entry.carried(name, assigned(after, "toolPrefix")),
            ("state" | "enabled", _) => {
                let is_off = after.get("enabled").is_some_and(|it| it.value() == false);
                entry.carried(name, format!("enabled: {}", !is_off));
            }
            (_, Some(_)) if CREDENTIALS.contains(&&**name) && variable.is_some() => {
                let variable = variable.unwrap_or_default();
                let becomes = format!("headers: authorization from the variable {variable}");
                // A credential is the whole value of its header.
                let value = match &**name {
                    "auth" => "'Bearer …' with the token",
                    _ => "'…' with the value",
                };
                let line = node.line;
                let task = format!("export {variable}={value} of line {line}, where Envoy runs");
                entry.carried_if(name, &becomes, task);
            }
            (_, Some(field)) if !field.is_missed(node) => {
                entry.no_effect(name, field.why_not_missed())
            }
            (_, Some(field)) if CREDENTIALS.contains(&&**name) => {
                let instead = "--share-credentials, if every client may use it";
                entry.left_out(name, field.reason, Some(instead.to_owned()));
            }
            (_, Some(field)) => left_out(&mut entry, field),
            (_, None) => entry.carried(name, assigned(after, name)),
        }
    }
    let has_prefix = ["prefix", "toolPrefix"]
        .iter()
        .any(|it| before.get(it).is_some());
    if !has_prefix {
        let becomes = "toolPrefix: \"\", so that tools keep their names";
        entry.carried("without a prefix", becomes);
    }
    entry
}

fn left_out(entry: &mut ReportEntry, field: &OlderField) {
    entry.left_out(field.name, field.reason, field.instead.map(str::to_owned));
}

/// The member `name` of `object` in YAML.
fn assigned(object: &Node, name: &str) -> String {
    let value = object.get(name).map_or(Value::Null, Node::value);
    let text = yaml::flow(&value).unwrap_or_default();
    format!("{name}: {text}")
}
