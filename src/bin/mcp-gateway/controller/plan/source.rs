//! The objects that ask for a server: an `MCPServer`, or an `MCPServerRegistration` of Kuadrant.

use serde_json::{Map, Value, json};

use super::ObjectFault;
use super::assembled::prefix;
use crate::controller::kinds::{MCPServerSpec, MCPServerStatus};
use crate::controller::name::{ObjectName, text};
use crate::controller::snapshot::Snapshot;

/// The kind of Kuadrant that the controller reads.
pub(super) const REGISTRATION: &str = "MCPServerRegistration";

/// The fields of a registration that an MCPServer has, too, with their names there.
const CARRIED: &[(&str, &str)] = &[
    ("targetRef", "targetRef"),
    ("toolPrefix", "toolPrefix"),
    ("prefix", "toolPrefix"),
    ("path", "path"),
];

/// An object that asks for a server.
pub(super) struct ServerSource<'a> {
    pub(super) kind: &'static str,
    pub(super) name: ObjectName,
    pub(super) generation: i64,
    pub(super) uid: &'a str,
    pub(super) api_version: &'a str,
    /// When it was created. If two exclude each other, the older one has priority.
    created: &'a str,
    pub(super) spec: Result<MCPServerSpec, ObjectFault>,
    /// The last status that the controller wrote.
    pub(super) status: MCPServerStatus,
    /// The fields that have no counterpart here.
    pub(super) ignored: Vec<String>,
}

/// All objects that ask for a server, the oldest first.
pub(super) fn all(snapshot: &Snapshot) -> Vec<ServerSource<'_>> {
    let servers = snapshot.all("MCPServer");
    let registrations = snapshot.all(REGISTRATION);
    let mut sources: Vec<ServerSource<'_>> = servers
        .map(|(name, object)| ServerSource::of_server(name, object))
        .chain(registrations.map(|(name, object)| ServerSource::of_registration(name, object)))
        .collect();
    // If they have the same age, an MCPServer comes before a registration with the same name.
    sources.sort_by(|a, b| a.age().cmp(&b.age()));
    sources
}

impl<'a> ServerSource<'a> {
    /// Its kind and name.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    /// Sorts by age.
    pub(super) fn age(&self) -> (&'a str, ObjectName, &'static str) {
        (self.created, self.name.clone(), self.kind)
    }

    /// Whether it has its prefix behind `gateway` already. A server that changes its prefix or its
    /// gateway does not take the prefix of such a server, even if it is older.
    pub(super) fn has_its_prefix(&self, gateway: &ObjectName) -> bool {
        let Ok(spec) = &self.spec else {
            return false;
        };
        let own = prefix(&spec.settings, &self.name.name);
        self.is_behind(gateway) && self.status.tool_prefix == Some(own)
    }

    /// Whether it was behind `gateway` when its status was written.
    pub(super) fn is_behind(&self, gateway: &ObjectName) -> bool {
        self.status.gateway == Some(gateway.to_string())
    }

    fn of_server(name: &ObjectName, object: &'a Value) -> Self {
        let spec = object.get("spec").cloned().unwrap_or_default();
        let status = object.get("status").cloned().unwrap_or_default();
        Self::new("MCPServer", name, object, spec, status, Vec::new())
    }

    fn of_registration(name: &ObjectName, object: &'a Value) -> Self {
        let mut spec = Map::new();
        let mut ignored = Vec::new();
        let fields = object.get("spec").and_then(Value::as_object);
        for (field, value) in fields.into_iter().flatten() {
            if let Some((_, own)) = CARRIED.iter().find(|(it, _)| it == field) {
                spec.insert((*own).to_owned(), value.clone());
            } else if field == "state" {
                spec.insert("enabled".to_owned(), json!(value != "Disabled"));
            } else {
                ignored.push(format!("spec.{field}"));
            }
        }
        ignored.sort_unstable();
        // In older gateways, tools without a configured prefix had no prefix.
        spec.entry("toolPrefix").or_insert_with(|| json!(""));
        Self::new(
            REGISTRATION,
            name,
            object,
            Value::Object(spec),
            Value::Null,
            ignored,
        )
    }

    fn new(
        kind: &'static str,
        name: &ObjectName,
        object: &'a Value,
        spec: Value,
        status: Value,
        ignored: Vec<String>,
    ) -> Self {
        let invalid = |error: serde_json::Error| {
            ObjectFault::object("Invalid", format!("spec: cannot be read: {error}"))
        };
        let generation = object.pointer("/metadata/generation");
        Self {
            kind,
            name: name.clone(),
            generation: generation.and_then(Value::as_i64).unwrap_or_default(),
            uid: text(object, "/metadata/uid"),
            api_version: text(object, "/apiVersion"),
            created: text(object, "/metadata/creationTimestamp"),
            spec: serde_json::from_value(spec).map_err(invalid),
            status: serde_json::from_value(status).unwrap_or_default(),
            ignored,
        }
    }
}
