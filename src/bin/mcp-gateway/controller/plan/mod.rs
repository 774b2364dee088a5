//! The wanted state of the cluster, as a pure function of the known state.

mod assembled;
mod backend;
mod complete;
mod conditions;
mod deployment;
mod fault;
mod filter;
mod gateway;
mod grants;
mod headers;
mod notice;
mod owner;
mod platform;
mod programmed;
mod selector;
mod server;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod variables;
mod waiting;
mod waiting_parts;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use mcp_gateway::config::Server;
use serde_json::Value;

use self::assembled::{AssembledGateway, Candidate};
pub(crate) use self::fault::{FaultyPart, ObjectFault};
pub(crate) use self::gateway::SESSION_KEYS_KEY;
pub(crate) use self::notice::Notice;
pub(crate) use self::owner::{MANAGED_BY, MANAGER, gateway_of, is_owned};
use super::kinds::{MCPGateway, MCPGatewayStatus, MCPServerStatus};
use super::name::{ObjectName, text};
use super::snapshot::{ReadObject, Readable, Snapshot};
use crate::kubernetes::model::Platform;

/// The reason of a condition that is false because the pods of the proxy are not ready yet.
pub(crate) const WAITING_FOR_PROXIES: &str = "WaitingForProxies";

/// The finalizer of a gateway: its deletion waits for the controller.
pub(crate) const FINALIZER: &str = "mcp.kagenti.com/variables";

/// The options of the controller.
#[derive(Debug, Clone)]
pub(crate) struct PlanSettings {
    /// Envoy runs without a control plane and without a Gateway.
    pub(crate) is_standalone: bool,
    /// The image with the filter, for gateways that set none.
    pub(crate) image: String,
    /// The namespace of Envoy Gateway's proxies; empty for the namespace of the Gateway.
    pub(crate) proxy_namespace: String,
    /// Whether the controller asks servers whether they are up.
    pub(crate) asks: bool,
    /// Whether no server may be at an address that each pod has for itself, such as `localhost`.
    pub(crate) refuses_local_servers: bool,
}

/// The wanted state. It is not `Debug`, since it contains values of Secrets.
#[derive(Default)]
pub(crate) struct Plan {
    /// The objects, with their owners, in the order of writing.
    pub(crate) objects: Vec<Value>,
    /// The gateways whose objects must stay unchanged, with their names in labels.
    pub(crate) kept: BTreeSet<ObjectName>,
    /// Other objects that must stay unchanged, by their kinds and names.
    pub(crate) kept_objects: BTreeSet<(&'static str, ObjectName)>,
    /// The gateways that get the finalizer: when they are deleted, they wait until the controller
    /// has removed their objects in other namespaces.
    pub(crate) held: Vec<ObjectName>,
    /// The deleted gateways that wait for this.
    pub(crate) going: Vec<ObjectName>,
    /// Secrets written by this program that are not needed any more, with their gateways.
    pub(crate) unwanted_secrets: BTreeMap<ObjectName, ObjectName>,
    /// Secrets with session keys to create, without their data.
    pub(crate) session_keys: Vec<Value>,
    /// The objects to read by name for this plan.
    pub(crate) reads: BTreeSet<Readable>,
    pub(crate) servers: BTreeMap<ObjectName, MCPServerStatus>,
    pub(crate) gateways: BTreeMap<ObjectName, MCPGatewayStatus>,
    /// The servers to ask.
    pub(crate) questions: BTreeMap<ObjectName, ServerQuestion>,
    /// The events to publish.
    pub(crate) notices: Vec<Notice>,
}

impl Plan {
    /// Whether all objects that it depends on have been read.
    pub(crate) fn is_complete(&self, snapshot: &Snapshot) -> bool {
        self.reads.iter().all(|it| snapshot.read(it).is_some())
    }

    /// Leaves the objects of `gateways` as they are.
    pub(crate) fn hold_back(&mut self, gateways: &[ObjectName]) {
        let labels: Vec<ObjectName> = gateways.iter().map(owner::label).collect();
        self.objects
            .retain(|it| gateway_of(it).is_none_or(|it| !labels.contains(&it)));
        self.kept.extend(labels);
    }

    /// The deleted gateways of which nothing is left, if the objects `refused`, by their kinds and
    /// names, could not be written or deleted.
    pub(crate) fn gone<'r>(
        &self,
        snapshot: &Snapshot,
        refused: impl IntoIterator<Item = &'r (String, ObjectName)>,
    ) -> Vec<ObjectName> {
        let mut of_secrets = BTreeSet::new();
        let mut labels = BTreeSet::new();
        for (kind, name) in refused {
            of_secrets.extend(self.unwanted_secrets.get(name).filter(|_| kind == "Secret"));
            labels.extend(snapshot.get(kind, name).and_then(gateway_of));
        }
        let is_gone =
            |it: &&ObjectName| !of_secrets.contains(it) && !labels.contains(&owner::label(it));
        self.going.iter().filter(is_gone).cloned().collect()
    }
}

/// A server to ask.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerQuestion {
    /// Its address, as a URL without a path.
    pub(crate) origin: String,
    /// The server as the filter knows it, with the values of its headers.
    pub(crate) server: Server,
    /// The name that its certificate must have, if it uses TLS.
    pub(crate) certified_name: Option<String>,
    /// The certificates of the trusted authorities, in PEM; empty for those of the system.
    pub(crate) authorities: Vec<Vec<u8>>,
}

/// The wanted state for a cluster in the state `snapshot`, at the time `now`.
pub(crate) fn plan(snapshot: &Snapshot, settings: &PlanSettings, now: &Time) -> Plan {
    let mut plan = Plan::default();
    let mut reads = Vec::new();
    let mut gateways = BTreeMap::new();
    for (name, object) in snapshot.all("MCPGateway") {
        match serde_json::from_value::<MCPGateway>(object.clone()) {
            Ok(gateway) if gateway.metadata.deletion_timestamp.is_some() => {
                going(snapshot, settings, name, &gateway, &mut plan, &mut reads);
            }
            Ok(gateway) => {
                gateways.insert(name.clone(), gateway);
            }
            Err(error) => {
                let fault =
                    ObjectFault::object("Invalid", format!("spec: cannot be read: {error}"));
                let status = status::of_faulty_gateway(object, &fault, now);
                plan.gateways.insert(name.clone(), status);
                plan.kept.insert(owner::label(name));
            }
        }
    }
    let sources = source::all(snapshot);
    let mut assembled: BTreeMap<&ObjectName, AssembledGateway<'_>> = by_age(&gateways)
        .into_iter()
        .map(|(name, gateway)| {
            let base = gateway::base(snapshot, settings, name, gateway, &mut reads);
            (name, AssembledGateway::new(name, gateway, base))
        })
        .collect();
    if !settings.is_standalone {
        assembled::refuse_conflicts(&by_age(&gateways), &mut assembled);
    }
    let mut in_turn = Vec::new();
    let mut homeless = Vec::new();
    for source in &sources {
        match server::with_gateway(snapshot, &gateways, source) {
            Ok((spec, gateway)) => in_turn.push((source, spec, gateway)),
            Err(fault) => homeless.push((source, fault)),
        }
    }
    // A stable sort: servers that have their prefixes already come first, the oldest of them first.
    in_turn.sort_by_key(|(source, _, gateway)| !source.has_its_prefix(gateway));
    for (source, spec, gateway) in in_turn {
        if let Some(gateway) = assembled.get_mut(gateway) {
            let prepared = gateway.prepare(snapshot, source, spec, &mut reads);
            gateway.add(Candidate { source, prepared });
        }
    }
    for (source, fault) in homeless {
        let state = status::ServerState::faulty(source, None, &fault);
        state.say(&mut plan, now);
    }
    for gateway in assembled.into_values() {
        gateway.complete(snapshot, settings, now, &mut plan, &mut reads);
    }
    plan.notices
        .extend(sources.iter().filter_map(notice::of_ignored_fields));
    plan.reads = reads.into_iter().collect();
    plan
}

/// Handles a deleted gateway: none of its objects is wanted any more.
fn going(
    snapshot: &Snapshot,
    settings: &PlanSettings,
    name: &ObjectName,
    gateway: &MCPGateway,
    plan: &mut Plan,
    reads: &mut Vec<Readable>,
) {
    let finalizers = gateway.metadata.finalizers.as_ref();
    if !finalizers.is_some_and(|all| all.iter().any(|it| it == FINALIZER)) {
        return;
    }
    plan.going.push(name.clone());
    let secret = variables::secret_name(settings, Platform::EnvoyGateway, name);
    reads.push(Readable::Secret(secret.clone()));
    // A Secret that cannot be read may be there, so the gateway waits until it can be deleted.
    if let Some(
        ReadObject::Present {
            is_written: true, ..
        }
        | ReadObject::Refused(_),
    ) = snapshot.read(&Readable::Secret(secret.clone()))
    {
        plan.unwanted_secrets.insert(secret, name.clone());
    }
}

/// `gateways`, the oldest first. If two exclude each other, the older one has priority.
fn by_age(gateways: &BTreeMap<ObjectName, MCPGateway>) -> Vec<(&ObjectName, &MCPGateway)> {
    let mut all: Vec<(&ObjectName, &MCPGateway)> = gateways.iter().collect();
    all.sort_by_key(|(name, gateway)| {
        let created = gateway.metadata.creation_timestamp.as_ref();
        (created.map(|time| time.0), (*name).clone())
    });
    all
}

/// The URL of a Service among `objects`, for Envoy without a control plane.
fn service_url(objects: &[Value], path: &str) -> Option<String> {
    let service = objects.iter().find(|it| text(it, "/kind") == "Service")?;
    let port = service.pointer("/spec/ports/0/port")?.as_u64()?;
    let name = ObjectName::of(service);
    Some(format!(
        "http://{}.{}.svc:{port}{path}",
        name.name, name.namespace
    ))
}
