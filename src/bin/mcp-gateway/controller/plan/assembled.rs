//! Assembles a gateway with its servers.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use mcp_gateway::config::{ConfigError, Server};
use serde_json::{Map, Value};

use super::complete::CompleteGateway;
use super::filter::{self, ServerSection};
use super::gateway::{self, GatewayBase};
use super::server::{self, PreparedServer};
use super::source::{REGISTRATION, ServerSource};
use super::status::{self, ServerState};
use super::{ObjectFault, Plan, PlanSettings, ServerQuestion, owner};
use crate::controller::kinds::{MCPGateway, MCPServerSpec};
use crate::controller::name::ObjectName;
use crate::controller::snapshot::{ReadObject, Readable, Snapshot};
use crate::kubernetes::model::{Backend, Platform, WantedServer};

/// The most bytes of the sections of all servers, as JSON. They are in one object together with the
/// rest of the configuration, and an API server accepts objects of about 1.5 MB.
const LONGEST_SECTIONS: usize = 640 * 1024;
/// The longest name of a server in the filter's configuration.
const LONGEST_NAME: usize = 64;

/// A gateway while its servers are collected.
pub(super) struct AssembledGateway<'a> {
    name: &'a ObjectName,
    gateway: &'a MCPGateway,
    base: Result<GatewayBase<'a>, ObjectFault>,
    candidates: Vec<Candidate<'a>>,
}

/// A server that asks to be behind a gateway.
pub(super) struct Candidate<'a> {
    pub(super) source: &'a ServerSource<'a>,
    pub(super) prepared: Result<PreparedServer, ObjectFault>,
}

/// Refuses each of `gateways` that has the same listener as an older one, since policies apply to a
/// whole listener. `gateways` are in the order of their age.
pub(super) fn refuse_conflicts<'n>(
    gateways: &[(&'n ObjectName, &MCPGateway)],
    assembled: &mut BTreeMap<&'n ObjectName, AssembledGateway<'_>>,
) {
    for (at, (name, _)) in gateways.iter().enumerate() {
        let mut older = gateways.iter().take(at).map(|(name, _)| *name);
        let own = assembled.get(name);
        let conflict = older.find(|other| {
            let both = own.zip(assembled.get(other));
            both.is_some_and(|(own, other)| own.is_at_same_place(other))
        });
        if let Some(other) = conflict {
            let message = format!(
                "spec.targetRef: MCPGateway {other} already uses this listener; name another listener in sectionName, or delete one of the two"
            );
            if let Some(gateway) = assembled.get_mut(name) {
                gateway.base = Err(ObjectFault::object("Conflict", message));
            }
        }
    }
}

impl<'a> AssembledGateway<'a> {
    pub(super) fn new(
        name: &'a ObjectName,
        gateway: &'a MCPGateway,
        base: Result<GatewayBase<'a>, ObjectFault>,
    ) -> Self {
        Self {
            name,
            gateway,
            base,
            candidates: Vec::new(),
        }
    }

    fn is_at_same_place(&self, other: &Self) -> bool {
        let at = self.gateway.spec.target_ref.as_ref();
        let Some((at, there)) = at.zip(other.gateway.spec.target_ref.as_ref()) else {
            return false;
        };
        let is_same = self.name.namespace == other.name.namespace && at.name == there.name;
        // Istio's policies apply to a whole Gateway.
        let is_whole = self
            .base
            .as_ref()
            .is_ok_and(|it| it.wanted.platform == Platform::Istio);
        let sections = (&at.section_name, &there.section_name);
        is_same
            && (is_whole
                || sections.0.is_none()
                || sections.1.is_none()
                || sections.0 == sections.1)
    }

    /// The data that the gateway needs for the server of `source`.
    ///
    /// # Errors
    /// The server has an error, or another server has its name or its prefix.
    pub(super) fn prepare(
        &self,
        snapshot: &Snapshot,
        source: &ServerSource<'_>,
        spec: &MCPServerSpec,
        reads: &mut Vec<Readable>,
    ) -> Result<PreparedServer, ObjectFault> {
        let base = self.base.as_ref().map_err(|_| self.not_accepted())?;
        let prepared = server::prepare(snapshot, base, source, spec, reads);
        let known = || self.candidates.iter().map(|it| it.source);
        let name = &source.name.name;
        if let Some(other) = known().find(|it| it.name.name == *name) {
            let message = format!(
                "metadata.name: {} {} has the same name behind MCPGateway {}; rename one of the two",
                other.kind, other.name, self.name
            );
            return Err(ObjectFault::object("NameConflict", message));
        }
        let prefix = prefix(&spec.settings, name);
        let same = known().find(|it| {
            let other = it.spec.as_ref();
            !prefix.is_empty()
                && other.is_ok_and(|spec| self::prefix(&spec.settings, &it.name.name) == prefix)
        });
        if let Some(other) = same {
            let message = format!(
                "spec.toolPrefix: {} {} has the same prefix {prefix:?} behind MCPGateway {}; choose another",
                other.kind, other.name, self.name
            );
            return Err(ObjectFault::object("PrefixConflict", message));
        }
        let prepared = prepared?;
        match self.other_tls(&prepared) {
            None => Ok(prepared),
            Some(other) => {
                let message = format!(
                    "spec.tls: {} {} behind MCPGateway {} has the same host and port, with other TLS settings; Istio has one setting for both, so use the same in both",
                    other.kind, other.name, self.name
                );
                Err(ObjectFault::object("HostConflict", message))
            }
        }
    }

    /// Another server with the host and port of `server`, but with other TLS settings, if the
    /// platform cannot tell them apart.
    fn other_tls(&self, server: &PreparedServer) -> Option<&ServerSource<'a>> {
        let base = self.base.as_ref().ok()?;
        let address = |it: &PreparedServer| match &it.wanted.backend {
            Some(Backend::Host { host, port }) => Some((host.to_ascii_lowercase(), *port)),
            _ => None,
        };
        let own = address(server).filter(|_| base.wanted.platform == Platform::Istio)?;
        let mut others = self.candidates.iter();
        let other = others.find(|it| {
            let other = it.prepared.as_ref().ok().filter(|_| is_enabled(it.source));
            other.is_some_and(|other| {
                address(other).as_ref() == Some(&own) && other.wanted.tls != server.wanted.tls
            })
        });
        other.map(|it| it.source)
    }

    fn not_accepted(&self) -> ObjectFault {
        let message = format!("MCPGateway {} cannot be used; see its status", self.name);
        ObjectFault::references("GatewayNotAccepted", message)
    }

    pub(super) fn add(&mut self, candidate: Candidate<'a>) {
        self.candidates.push(candidate);
    }

    /// Adds the wanted objects of the gateway to `plan`.
    pub(super) fn complete(
        mut self,
        snapshot: &Snapshot,
        settings: &PlanSettings,
        now: &Time,
        plan: &mut Plan,
        reads: &mut Vec<Readable>,
    ) {
        let (name, gateway) = (self.name, self.gateway);
        self.candidates.sort_by_key(|it| it.source.age());
        let base = match self.base {
            Ok(base) => base,
            Err(fault) => {
                if fault.reason == "Pending" {
                    plan.session_keys
                        .extend(missing_keys(snapshot, name, gateway));
                }
                refuse(name, gateway, &fault, self.candidates, now, plan);
                return;
            }
        };
        let (fitting, servers, faulty) = match fit(&base, self.candidates) {
            Ok(all) => all,
            Err((fault, candidates)) => {
                // Each server alone is valid, but the gateway with all of them is not.
                refuse(name, gateway, &fault, candidates, now, plan);
                return;
            }
        };
        for (source, fault) in &faulty {
            ServerState::faulty(source, Some(name), fault).say(plan, now);
        }
        let prefix_of = |it: &Server| (it.name.to_string(), it.tool_prefix.clone());
        let complete = CompleteGateway {
            name,
            gateway,
            base,
            servers: fitting,
            prefixes: servers.iter().map(prefix_of).collect(),
            faulty: faulty.into_iter().filter_map(in_config).collect(),
        };
        for server in servers.into_iter().filter(|_| settings.asks) {
            // Each server has the headers of its own object, whatever the order is.
            let mut all = complete.servers.iter();
            let own = all.find(|(_, it)| it.wanted.name == *server.name);
            if let Some((source, prepared)) = own {
                let question = ServerQuestion {
                    origin: prepared.origin.clone(),
                    server,
                    certified_name: prepared.wanted.tls.as_ref().map(|it| it.hostname.clone()),
                    authorities: prepared.authorities.clone(),
                };
                plan.questions.insert(source.name.clone(), question);
            }
        }
        complete.say(snapshot, settings, now, plan, reads);
    }
}

/// Reports that `gateway` and all its servers cannot be used because of `fault`.
fn refuse(
    name: &ObjectName,
    gateway: &MCPGateway,
    fault: &ObjectFault,
    candidates: Vec<Candidate<'_>>,
    now: &Time,
    plan: &mut Plan,
) {
    let status = status::of_refused_gateway(gateway, fault, now);
    plan.gateways.insert(name.clone(), status);
    plan.kept.insert(owner::label(name));
    for Candidate { source, prepared } in candidates {
        let message = format!("MCPGateway {name} cannot be used; see its status");
        let of_gateway = || ObjectFault::references("GatewayNotAccepted", message);
        let fault = prepared.err().unwrap_or_else(of_gateway);
        ServerState::faulty(source, Some(name), &fault).say(plan, now);
    }
}

/// The Secret with the session keys of `gateway`, if it does not exist.
fn missing_keys(snapshot: &Snapshot, name: &ObjectName, gateway: &MCPGateway) -> Option<Value> {
    let secret = gateway::session_keys_name(name, gateway);
    let read = snapshot.read(&Readable::Secret(secret.clone()))?;
    let object = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace,
            "labels": owner::labels(name),
        },
        "type": "Opaque",
    });
    let object = owner::owned(object, owner::gateway(name, gateway));
    (*read == ReadObject::Missing).then_some(object)
}

/// The configuration of a server that is left out. It is there, but off, so that references to its
/// name stay valid.
fn in_config((source, fault): (&ServerSource<'_>, ObjectFault)) -> Option<WantedServer> {
    let ObjectName { namespace, name } = source.name.clone();
    let has_name = fault.reason != "NameConflict" && name.len() <= LONGEST_NAME;
    let config = serde_json::json!({"enabled": false});
    has_name.then(|| WantedServer {
        namespace,
        name,
        backend: None,
        tls: None,
        config: config.as_object().cloned().unwrap_or_default(),
        written: None,
    })
}

/// The prefix of the tools of a server with these settings.
pub(super) fn prefix(settings: &Map<String, Value>, name: &str) -> String {
    let own = settings.get("toolPrefix").and_then(Value::as_str);
    own.map_or_else(|| format!("{name}__"), str::to_owned)
}

pub(super) type Fitting<'a> = Vec<(&'a ServerSource<'a>, PreparedServer)>;
type Faulty<'a> = Vec<(&'a ServerSource<'a>, ObjectFault)>;
type Fit<'a> = (Fitting<'a>, Vec<Server>, Faulty<'a>);

/// Splits `candidates` into those that the filter accepts together, in the filter's form, and the
/// others.
///
/// # Errors
/// The filter refuses the whole configuration, and its error names no server.
fn fit<'a>(
    base: &GatewayBase<'_>,
    candidates: Vec<Candidate<'a>>,
) -> Result<Fit<'a>, (ObjectFault, Vec<Candidate<'a>>)> {
    let mut fitting = Vec::new();
    let mut faulty = Vec::new();
    let mut room = LONGEST_SECTIONS;
    for Candidate { source, prepared } in candidates {
        match prepared {
            Ok(_) if !is_enabled(source) => {
                faulty.push((
                    source,
                    ObjectFault::object("Disabled", "spec.enabled is false"),
                ));
            }
            Ok(prepared) => {
                let section = Value::Object(prepared.wanted.config.clone()).to_string();
                match room.checked_sub(section.len()) {
                    None => faulty.push((source, too_long(section.len()))),
                    Some(rest) => {
                        room = rest;
                        fitting.push((source, prepared));
                    }
                }
            }
            Err(fault) => faulty.push((source, fault)),
        }
    }
    loop {
        if fitting.is_empty() {
            return Ok((fitting, Vec::new(), faulty));
        }
        let error = match filter_servers(base, &fitting) {
            Ok(servers) => return Ok((fitting, servers, faulty)),
            Err(error) => error,
        };
        let at = error.path().strip_prefix("servers[").and_then(|it| {
            let (at, _) = it.split_once(']')?;
            at.parse::<usize>().ok()
        });
        match at.filter(|at| *at < fitting.len()) {
            Some(at) => {
                let (source, _) = fitting.remove(at);
                faulty.push((source, server::invalid(&error)));
            }
            None => {
                let fault = ObjectFault::object("InvalidConfig", format!("spec.config: {error}"));
                let candidates = fitting.into_iter().map(|(source, prepared)| Candidate {
                    source,
                    prepared: Ok(prepared),
                });
                let rest = faulty.into_iter().map(|(source, fault)| Candidate {
                    source,
                    prepared: Err(fault),
                });
                return Err((fault, candidates.chain(rest).collect()));
            }
        }
    }
}

/// The fault of a server for whose section of `length` bytes there is no room.
fn too_long(length: usize) -> ObjectFault {
    let message = format!(
        "spec: needs {length} bytes of the configuration of its MCPGateway, and the older servers leave fewer of {LONGEST_SECTIONS}; make it shorter, or use another MCPGateway"
    );
    ObjectFault::object("ConfigTooLong", message)
}

fn is_enabled(source: &ServerSource<'_>) -> bool {
    let spec = source.spec.as_ref();
    let enabled = spec.ok().and_then(|spec| spec.settings.get("enabled"));
    enabled != Some(&Value::Bool(false))
}

fn filter_servers(
    base: &GatewayBase<'_>,
    fitting: &[(&ServerSource<'_>, PreparedServer)],
) -> Result<Vec<Server>, ConfigError> {
    let sections: Vec<ServerSection<'_>> = fitting
        .iter()
        .map(|(_, prepared)| ServerSection {
            name: &prepared.wanted.name,
            origin: &prepared.origin,
            section: &prepared.wanted.config,
        })
        .collect();
    let variables = fitting.iter().flat_map(|(_, prepared)| &prepared.variables);
    let variables: BTreeMap<&str, &str> = variables.map(|it| (&*it.name, &*it.value)).collect();
    filter::servers(&base.wanted.config, &sections, &variables)
}

/// Whether the controller only reads `source` and writes no status for it.
pub(super) fn is_registration(source: &ServerSource<'_>) -> bool {
    source.kind == REGISTRATION
}
