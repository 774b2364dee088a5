//! A cluster made of documents.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

use crate::controller::name::{ObjectName, text};
use crate::controller::plan::{Plan, PlanSettings, is_owned, plan};
use crate::controller::snapshot::{ReadObject, Readable, ServerAnswer, Snapshot};
use crate::controller::watched;
use crate::syntax::tree;

const BASE: &str = include_str!("base.yaml");

/// A cluster, and the objects in it that can be read by name.
pub(super) struct ClusterDocuments {
    pub(super) snapshot: Snapshot,
    readable: BTreeMap<Readable, ReadObject>,
    /// Whether Envoy runs without a control plane.
    pub(super) is_standalone: bool,
    /// Whether the controller asks the servers.
    pub(super) asks: bool,
}

/// The plan for a cluster.
pub(super) struct Planned {
    pub(super) snapshot: Snapshot,
    pub(super) plan: Plan,
}

fn name(text: &str) -> (&str, ObjectName) {
    let (kind, name) = text.split_once(' ').unwrap_or(("", text));
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    (kind, ObjectName::new(namespace, name))
}

impl ClusterDocuments {
    pub(super) fn base() -> Self {
        let mut cluster = Self {
            snapshot: Snapshot::default(),
            readable: BTreeMap::new(),
            is_standalone: false,
            asks: true,
        };
        cluster.add(BASE);
        cluster
    }

    /// Adds documents, or replaces those with their names.
    pub(super) fn add(&mut self, documents: &str) {
        if documents.is_empty() {
            return;
        }
        for document in tree::documents(documents).unwrap() {
            let object = document.value();
            if object["kind"] == "Secret" {
                let data = object["stringData"].as_object().unwrap().iter();
                let present = ReadObject::Present {
                    resource_version: text(&object, "/metadata/resourceVersion").to_owned(),
                    is_written: false,
                    data: data
                        .map(|(key, value)| {
                            (key.clone(), value.as_str().unwrap().as_bytes().to_vec())
                        })
                        .collect(),
                };
                self.readable
                    .insert(Readable::Secret(ObjectName::of(&object)), present);
            } else {
                let kind = watched::of_kind(text(&object, "/kind")).unwrap();
                self.snapshot.insert(kind.kind, object);
            }
        }
    }

    /// Writes `plan` as the controller does, and accepts it as the control plane does.
    pub(super) fn write(&mut self, plan: &Plan) {
        let key = |it: &Value| (text(it, "/kind").to_owned(), ObjectName::of(it));
        let wanted: Vec<_> = plan.objects.iter().map(key).collect();
        for kind in watched::KINDS.iter().filter(|it| it.key == it.kind) {
            let all = self.snapshot.all(kind.kind);
            let unwanted = all.filter(|(name, object)| {
                let is_wanted = wanted.contains(&(kind.kind.to_owned(), (*name).clone()));
                let is_kept = plan.kept_objects.contains(&(kind.kind, (*name).clone()));
                is_owned(object) && !is_wanted && !is_kept
            });
            let unwanted: Vec<ObjectName> = unwanted.map(|(name, _)| name.clone()).collect();
            for name in unwanted {
                self.snapshot.remove(kind.kind, &name);
            }
        }
        for object in &plan.objects {
            if object["kind"] == "Secret" {
                let data = object["data"].as_object().unwrap().iter();
                let data = data.map(|(key, value)| {
                    let value = STANDARD.decode(value.as_str().unwrap()).unwrap();
                    (key.clone(), value)
                });
                let present = ReadObject::Present {
                    resource_version: "1".into(),
                    is_written: true,
                    data: data.collect(),
                };
                self.readable
                    .insert(Readable::Secret(ObjectName::of(object)), present);
            } else {
                let kind = watched::of_kind(text(object, "/kind")).unwrap();
                self.snapshot.insert(kind.kind, accepted(object.clone()));
            }
        }
        self.keep_statuses(plan);
    }

    /// Removes an object, as `Service team/weather`.
    pub(super) fn remove(&mut self, object: &str) {
        let (kind, name) = name(object);
        if kind == "Secret" {
            self.readable.remove(&Readable::Secret(name)).unwrap();
        } else {
            assert!(self.snapshot.get(kind, &name).is_some(), "{object}");
            self.snapshot.remove(kind, &name);
        }
    }

    /// Adds a ConfigMap with one value.
    pub(super) fn config_map(&mut self, object: &str, key: &str, value: &str) {
        let present = ReadObject::Present {
            resource_version: "1".into(),
            is_written: false,
            data: BTreeMap::from([(key.into(), value.into())]),
        };
        self.readable
            .insert(Readable::ConfigMap(name(object).1), present);
    }

    pub(super) fn read(&mut self, object: &str, read: ReadObject) {
        self.readable.insert(Readable::Secret(name(object).1), read);
    }

    pub(super) fn answer(&mut self, server: &str, answer: ServerAnswer) {
        self.snapshot.answers.insert(name(server).1, answer);
    }

    /// Writes the statuses of `plan`.
    pub(super) fn keep_statuses(&mut self, plan: &Plan) {
        let servers = plan
            .servers
            .iter()
            .map(|(name, it)| ("MCPServer", name, json!(it)));
        let gateways = plan
            .gateways
            .iter()
            .map(|(name, it)| ("MCPGateway", name, json!(it)));
        for (kind, name, status) in servers.chain(gateways) {
            let mut object = self.snapshot.get(kind, name).unwrap().clone();
            object["status"] = status;
            self.snapshot.insert(kind, object);
        }
    }

    /// The plan at the time `now`, after all objects that it depends on have been read.
    pub(super) fn plan_at(&mut self, now: &str) -> Planned {
        let settings = PlanSettings {
            is_standalone: self.is_standalone,
            image: "example.com/filter:1".into(),
            proxy_namespace: "proxies".into(),
            asks: self.asks,
            refuses_local_servers: true,
        };
        let now = Time(now.parse().unwrap());
        for _ in 0..3 {
            let wanted = plan(&self.snapshot, &settings, &now);
            let read = wanted.reads.iter().map(|it| {
                let read = self.readable.get(it).cloned();
                (it.clone(), read.unwrap_or(ReadObject::Missing))
            });
            self.snapshot.set_read(read.collect());
        }
        let wanted = plan(&self.snapshot, &settings, &now);
        assert!(wanted.is_complete(&self.snapshot));
        Planned {
            snapshot: self.snapshot.clone(),
            plan: wanted,
        }
    }

    /// Writes the plan, accepts it as the control plane does, and gives the objects.
    pub(super) fn settle(&mut self) -> Vec<Value> {
        let planned = self.plan_at("2026-11-27T00:00:00Z");
        let mut written = Vec::new();
        for object in planned
            .plan
            .objects
            .iter()
            .filter(|it| it["kind"] != "Secret")
        {
            let object = accepted(object.clone());
            let kind = watched::of_kind(text(&object, "/kind")).unwrap();
            self.snapshot.insert(kind.kind, object.clone());
            written.push(object);
        }
        written
    }

    /// The plan after everything has been written and accepted.
    pub(super) fn settled(mut self) -> Planned {
        self.settle();
        self.plan_at("2026-11-27T00:00:00Z")
    }
}

impl Planned {
    /// The conditions of a server in one line.
    pub(super) fn server(&self, server: &str) -> String {
        line(&self.plan.servers[&name(server).1].conditions)
    }

    /// The conditions of a gateway in one line.
    pub(super) fn gateway(&self, gateway: &str) -> String {
        line(&self.plan.gateways[&name(gateway).1].conditions)
    }

    pub(super) fn condition_of_server(&self, name: &ObjectName, kind: &str) -> Condition {
        let conditions = &self.plan.servers[name].conditions;
        conditions
            .iter()
            .find(|it| it.type_ == kind)
            .unwrap()
            .clone()
    }

    pub(super) fn condition_of_gateway(&self, name: &ObjectName, kind: &str) -> Condition {
        let conditions = &self.plan.gateways[name].conditions;
        conditions
            .iter()
            .find(|it| it.type_ == kind)
            .unwrap()
            .clone()
    }

    /// The servers that the controller asks, which are the served ones, the oldest first.
    pub(super) fn served(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.plan.questions.iter().collect();
        all.sort_by_key(|(_, question)| question.server.id.index());
        all.into_iter().map(|(name, _)| &*name.name).collect()
    }
}

/// `object` as the control plane accepts it.
fn accepted(mut object: Value) -> Value {
    let condition = json!({"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1});
    let said = json!([{"conditions": [condition]}]);
    object["metadata"]["generation"] = json!(1);
    object["status"] = json!({"ancestors": said, "parents": said});
    object
}

fn line(conditions: &[Condition]) -> String {
    let parts: Vec<String> = conditions
        .iter()
        .map(|it| format!("{}={}", it.type_, it.status))
        .collect();
    parts.join(" ")
}
