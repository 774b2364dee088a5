//! What is wanted in the cluster, as a pure function of what is known of it.

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
use self::source::ServerSource;
use super::kinds::{MCPGateway, MCPGatewayStatus, MCPServerStatus};
use super::name::{ObjectName, text};
use super::snapshot::{ReadObject, Readable, Snapshot};
use crate::kubernetes::model::Platform;

/// Why something is not programmed that the pods of the proxy are not ready for.
pub(crate) const WAITING_FOR_PROXIES: &str = "WaitingForProxies";

/// What a gateway waits for when it is deleted.
pub(crate) const FINALIZER: &str = "mcp.kagenti.com/variables";

/// How the controller was started.
#[derive(Debug, Clone)]
pub(crate) struct PlanSettings {
    /// Envoy serves by itself, without a Gateway.
    pub(crate) is_standalone: bool,
    /// The image with the filter, for gateways that name none.
    pub(crate) image: String,
    /// The namespace in which Envoy Gateway runs proxies; empty for that of the Gateway.
    pub(crate) proxy_namespace: String,
    /// Whether the controller asks servers itself.
    pub(crate) asks: bool,
}

/// What is wanted. It is not `Debug`: values of Secrets are in it.
#[derive(Default)]
pub(crate) struct Plan {
    /// The objects, with their owners, in the order in which they are to be written.
    pub(crate) objects: Vec<Value>,
    /// The gateways whose objects are to stay as they are, as labels name them.
    pub(crate) kept: BTreeSet<ObjectName>,
    /// Other objects that are to stay as they are, by their kinds and names.
    pub(crate) kept_objects: BTreeSet<(&'static str, ObjectName)>,
    /// The gateways that are to wait, when they are deleted, until the controller has
    /// removed what is in other namespaces.
    pub(crate) held: Vec<ObjectName>,
    /// The gateways that are deleted, and wait for that.
    pub(crate) going: Vec<ObjectName>,
    /// Secrets of this program that are not needed any more.
    pub(crate) unwanted_secrets: Vec<ObjectName>,
    /// Secrets with keys of sessions that are to be made, without their data.
    pub(crate) session_keys: Vec<Value>,
    /// What has to be read by its name for this plan.
    pub(crate) reads: BTreeSet<Readable>,
    pub(crate) servers: BTreeMap<ObjectName, MCPServerStatus>,
    pub(crate) gateways: BTreeMap<ObjectName, MCPGatewayStatus>,
    /// The servers that are to be asked.
    pub(crate) questions: BTreeMap<ObjectName, ServerQuestion>,
    /// What is said in events.
    pub(crate) notices: Vec<Notice>,
}

impl Plan {
    /// Whether all that it depends on has been read.
    pub(crate) fn is_complete(&self, snapshot: &Snapshot) -> bool {
        self.reads.iter().all(|it| snapshot.read(it).is_some())
    }
}

/// A server that is to be asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerQuestion {
    /// Where it is, as an URL without a path.
    pub(crate) origin: String,
    /// The server as the filter knows it, with the values of its headers.
    pub(crate) server: Server,
    /// The name that its certificate must have, where it speaks TLS.
    pub(crate) certified_name: Option<String>,
    /// The certificates of the authorities to trust, in PEM; none for those of the system.
    pub(crate) authorities: Vec<Vec<u8>>,
}

/// What is wanted where the cluster is as `snapshot` says, at the time `now`.
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
    let mut homeless = Vec::new();
    for source in &sources {
        match candidate(snapshot, &gateways, &mut assembled, source, &mut reads) {
            Ok(()) => {}
            Err(fault) => homeless.push((source, fault)),
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

/// What is to be done for a gateway that is deleted: nothing of it is wanted any more.
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
    if let Some(ReadObject::Present {
        is_written: true, ..
    }) = snapshot.read(&Readable::Secret(secret.clone()))
    {
        plan.unwanted_secrets.push(secret);
    }
}

/// `gateways`, the oldest first: of two that exclude each other it wins.
fn by_age(gateways: &BTreeMap<ObjectName, MCPGateway>) -> Vec<(&ObjectName, &MCPGateway)> {
    let mut all: Vec<(&ObjectName, &MCPGateway)> = gateways.iter().collect();
    all.sort_by_key(|(name, gateway)| {
        let created = gateway.metadata.creation_timestamp.as_ref();
        (created.map(|time| time.0), (*name).clone())
    });
    all
}

/// Adds the server of `source` to its gateway.
///
/// # Errors
/// It has none.
fn candidate<'a, 'g>(
    snapshot: &'a Snapshot,
    gateways: &'g BTreeMap<ObjectName, MCPGateway>,
    assembled: &mut BTreeMap<&'g ObjectName, AssembledGateway<'a>>,
    source: &'a ServerSource<'a>,
    reads: &mut Vec<Readable>,
) -> Result<(), ObjectFault> {
    let spec = source.spec.as_ref().map_err(Clone::clone)?;
    let name = server::gateway_of(snapshot, gateways, source, spec)?;
    if let Some(gateway) = assembled.get_mut(name) {
        let prepared = gateway.prepare(snapshot, source, spec, reads);
        gateway.add(Candidate { source, prepared });
    }
    Ok(())
}

/// The URL of a Service among `objects`, for an Envoy that serves by itself.
fn service_url(objects: &[Value], path: &str) -> Option<String> {
    let service = objects.iter().find(|it| text(it, "/kind") == "Service")?;
    let port = service.pointer("/spec/ports/0/port")?.as_u64()?;
    let name = ObjectName::of(service);
    Some(format!(
        "http://{}.{}.svc:{port}{path}",
        name.name, name.namespace
    ))
}
