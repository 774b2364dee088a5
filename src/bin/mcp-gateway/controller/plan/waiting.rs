//! Objects that wait for the pods of the proxy. The filter refuses its whole configuration if it
//! names a variable that the pod does not have. So a new variable is added to all pods first, and
//! then to the configuration. A removed variable is first removed from the configuration.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::assembled::prefix;
use super::complete::CompleteGateway;
use super::deployment::{self, DeploymentPods};
use super::gateway::SESSION_KEYS;
use super::server::PreparedServer;
use super::source::ServerSource;
use super::variables::{self, SecretVariable};
use super::waiting_parts::WaitingParts;
use super::written::{self, WrittenConfig};
use super::{gateway_of, owner};
use crate::controller::difference::is_as_wanted;
use crate::controller::name::{ObjectName, text};
use crate::controller::snapshot::{ReadObject, Readable, Snapshot};
use crate::controller::watched::{
    self, ENVOY_GATEWAY_OWNER, ENVOY_GATEWAY_PROXIES, ISTIO_OWNER, ISTIO_PROXIES, KINDS, WatchScope,
};
use crate::kubernetes;
use crate::kubernetes::model::{Platform, ProxyVariable, WantedGateway, WantedServer};
use crate::kubernetes::names;
use crate::kubernetes::object::Object;
use crate::kubernetes::variables::VERSION;

/// The label of a proxy of Envoy Gateway with the namespace of its Gateway.
const OWNING_NAMESPACE: &str = "gateway.envoyproxy.io/owning-gateway-namespace";

/// The objects of a gateway that its proxies are ready for.
pub(super) struct ReadyObjects {
    /// The objects to write, without owners.
    pub(super) objects: Vec<Object>,
    /// The objects that must stay unchanged.
    pub(super) kept: BTreeSet<(&'static str, ObjectName)>,
    /// The variables for the Secret; `None` if the Secret must stay unchanged.
    pub(super) variables: Option<Vec<SecretVariable>>,
    pub(super) waiting: WaitingParts,
}

/// The data for making the objects of a gateway.
struct Making<'a> {
    gateway: &'a CompleteGateway<'a>,
    snapshot: &'a Snapshot,
    /// The Secret with the variables.
    secret: &'a ObjectName,
    /// The filter's configuration in the cluster; `None` if there is none.
    written: Option<&'a WrittenConfig>,
    /// The variables for the pods.
    variables: Vec<SecretVariable>,
}

/// The objects of `gateway`, whose variables are in the Secret `secret`.
///
/// # Errors
/// The filter refuses the configuration.
pub(super) fn ready_objects(
    gateway: &CompleteGateway<'_>,
    snapshot: &Snapshot,
    secret: &ObjectName,
) -> Result<ReadyObjects, String> {
    let platform = gateway.base.wanted.platform;
    let written = written::config(snapshot, platform, gateway.name);
    let own = std::iter::once(&gateway.base.session_keys);
    let of_servers = gateway.servers.iter().flat_map(|(_, it)| &it.variables);
    let mut making = Making {
        gateway,
        snapshot,
        secret,
        written: written.as_ref(),
        variables: own.chain(of_servers).cloned().collect(),
    };
    let has_keys = names_keys(&gateway.base.wanted.config);
    let wanted = making.variables.iter().map(|it| it.name.clone());
    let wanted = wanted.filter(|name| has_keys || name != SESSION_KEYS);
    let wanted: BTreeSet<String> = wanted.collect();
    making.add_old_variables();
    let all = making.all(&wanted);
    let objects = kubernetes::objects(&all)?;
    let pods = making.pods(&all, &objects);
    let told = written.as_ref().map(|it| &it.variables);
    let is_new = |name: &str| told.is_none_or(|told| !told.contains(name));
    let mut ready = match pods.filter(|_| wanted.iter().any(|it| is_new(it))) {
        None => ReadyObjects {
            objects,
            kept: BTreeSet::new(),
            variables: None,
            waiting: WaitingParts::default(),
        },
        Some(pods) => making.without_new_variables(all, objects, pods)?,
    };
    let told_next = written::among(platform, &ready.objects).unwrap_or_default();
    let is_going = |name: &String| !told_next.variables.contains(name);
    if told.is_some_and(|told| told.iter().any(is_going)) {
        // The pods keep the variable until no configuration names it any more.
        let kept = ready.objects.iter().filter(|it| making.is_proxy(it));
        ready.kept.extend(kept.filter_map(|it| key(it.value())));
        ready.objects.retain(|it| !making.is_proxy(it));
    } else {
        ready.variables = Some(making.variables);
    }
    Ok(ready)
}

impl Making<'_> {
    /// Adds the variables that a server needs in its served form, if its new form waits.
    fn add_old_variables(&mut self) {
        let read = self.snapshot.read(&Readable::Secret(self.secret.clone()));
        let Some(ReadObject::Present { data, .. }) = read else {
            return;
        };
        let sections = self.gateway.servers.iter();
        let sections = sections.filter_map(|(source, prepared)| self.served(source, prepared));
        let names: BTreeSet<&str> = sections.flat_map(written::variables_of).collect();
        let known = |name: &str| self.variables.iter().any(|it| it.name == name);
        let old = names.into_iter().filter(|name| !known(name));
        let old: Vec<SecretVariable> = old
            .filter_map(|name| {
                let value = data.get(name)?;
                Some(SecretVariable {
                    name: name.to_owned(),
                    value: String::from_utf8_lossy(value).into_owned(),
                    version: String::new(),
                })
            })
            .collect();
        self.variables.extend(old);
    }

    /// The section in the served configuration for the server of `source`, if the new section needs
    /// a variable that the filter does not see yet.
    fn served(
        &self,
        source: &ServerSource<'_>,
        prepared: &PreparedServer,
    ) -> Option<&Map<String, Value>> {
        let written = self.written.filter(|_| self.has_new_variable(prepared))?;
        let section = written.servers.get(&prepared.wanted.name)?;
        // Another server may have had its name before. Routes of other namespaces prove nothing:
        // anyone there can write such labels.
        let namespace = &self.gateway.name.namespace;
        let routes = self.snapshot.all("HTTPRoute");
        let mut routes = routes.filter(|(name, _)| name.namespace == *namespace);
        let is_its_own = routes.any(|(_, route)| self.is_of_server(route, source));
        is_its_own.then_some(section)
    }

    fn has_new_variable(&self, server: &PreparedServer) -> bool {
        server.variables.iter().any(|it| !self.is_told(&it.name))
    }

    /// Whether `object` was written for the server of `source` behind this gateway.
    fn is_of_server(&self, object: &Value, source: &ServerSource<'_>) -> bool {
        gateway_of(object) == Some(owner::label(self.gateway.name))
            && owner::server_of(object) == Some(&*source.title())
    }

    /// The gateway with all variables. The filter sees those in `wanted`.
    fn all(&self, wanted: &BTreeSet<String>) -> WantedGateway {
        let servers = self.gateway.servers.iter().map(|(_, it)| it.wanted.clone());
        let servers = servers.chain(self.gateway.faulty.iter().cloned());
        WantedGateway {
            servers: servers.collect(),
            variables: self.references(|name| wanted.contains(name)),
            variables_version: variables::version(&self.variables),
            ..self.gateway.base.wanted.clone()
        }
    }

    fn references(&self, is_told: impl Fn(&str) -> bool) -> Vec<ProxyVariable> {
        variables::references(self.secret, &self.variables, is_told)
    }

    /// A text about the pods that do not have all variables yet. `None` if all pods have them, or
    /// if no Deployment shows it. `objects` are those with all variables.
    fn pods(&self, all: &WantedGateway, objects: &[Object]) -> Option<String> {
        let proxy = objects.iter().find(|it| self.is_proxy(it))?.value();
        let live = self
            .snapshot
            .get(text(proxy, "/kind"), &ObjectName::of(proxy));
        let is_written = live.is_some_and(|live| is_as_wanted(live, proxy));
        self.deployments().find_map(|deployment| {
            let annotations = deployment.pointer("/spec/template/metadata/annotations");
            let version = annotations.and_then(|it| it.get(VERSION)?.as_str());
            let is_told = is_written && version == Some(&*all.variables_version);
            let pods = DeploymentPods::of(deployment);
            if is_told && pods.are_replaced() {
                return None;
            }
            let progress = if is_told {
                pods.progress()
            } else {
                pods.no_progress()
            };
            let title = deployment::title(deployment);
            Some(format!(
                "each pod of {title} has to have a new variable; {progress}"
            ))
        })
    }

    /// The Deployments of the proxies.
    fn deployments(&self) -> impl Iterator<Item = &Value> {
        let wanted = &self.gateway.base.wanted;
        let (key, owner) = match wanted.platform {
            Platform::EnvoyGateway => (ENVOY_GATEWAY_PROXIES, ENVOY_GATEWAY_OWNER),
            Platform::Istio => (ISTIO_PROXIES, ISTIO_OWNER),
            Platform::Standalone => ("", ""),
        };
        let all = self.snapshot.all(key);
        let own = all.filter(move |(name, deployment)| {
            let label = |name: &str| {
                let labels = deployment.pointer("/metadata/labels");
                labels.and_then(|it| it.get(name)?.as_str())
            };
            let namespace = match wanted.platform {
                Platform::EnvoyGateway => label(OWNING_NAMESPACE),
                Platform::Istio | Platform::Standalone => Some(&*name.namespace),
            };
            label(owner) == Some(&*wanted.attachment.gateway)
                && namespace == Some(&*wanted.namespace)
        });
        own.map(|(_, deployment)| deployment)
    }

    /// Whether `object` gives the variables to the pods.
    fn is_proxy(&self, object: &Object) -> bool {
        let kind = match self.gateway.base.wanted.platform {
            Platform::EnvoyGateway => "EnvoyProxy",
            Platform::Istio => "ConfigMap",
            Platform::Standalone => return false,
        };
        text(object.value(), "/kind") == kind
            && object.name() == names::proxy(&self.gateway.name.name)
    }

    /// The objects in which no configuration names a variable that the filter does not see yet.
    /// Served servers stay as they are, and new ones wait for `pods`. `objects` are those of `all`.
    ///
    /// # Errors
    /// The filter refuses the configuration.
    fn without_new_variables(
        &self,
        all: WantedGateway,
        mut objects: Vec<Object>,
        pods: String,
    ) -> Result<ReadyObjects, String> {
        let mut ready = ReadyObjects {
            objects: Vec::new(),
            kept: BTreeSet::new(),
            variables: None,
            waiting: WaitingParts {
                pods,
                has_keys: names_keys(&all.config) && !self.is_told(SESSION_KEYS),
                ..WaitingParts::default()
            },
        };
        let has_keys = ready.waiting.has_keys;
        if has_keys && self.written.is_none() {
            ready.waiting.is_endpoint = true;
            objects.retain(|it| self.is_proxy(it));
            ready.objects = objects;
            return Ok(ready);
        }
        let mut wanted = all;
        if let Some(Value::Object(session)) = wanted.config.get_mut("session")
            && has_keys
        {
            session.remove("keysFromEnv");
        }
        let mut named = self.put_served(&mut wanted, &mut ready);
        if names_keys(&wanted.config) {
            named.insert(SESSION_KEYS);
        }
        wanted.variables = self.references(|name| self.is_told(name) && named.contains(name));
        ready.objects = match kubernetes::objects(&wanted) {
            Ok(objects) => objects,
            Err(_) => {
                // The served form of the servers does not fit the rest of the new configuration.
                let served = wanted.servers.iter_mut().filter(|it| it.written.is_some());
                for server in served {
                    ready.waiting.servers.insert(server.name.clone(), false);
                    switch_off(server);
                }
                ready.kept.clear();
                kubernetes::objects(&wanted)?
            }
        };
        let is_kept = |it: &Object| {
            let server = it.server().and_then(|it| ready.waiting.servers.get(it));
            server == Some(&true)
        };
        ready.objects.retain(|it| !is_kept(it));
        Ok(ready)
    }

    /// Whether the filter sees the variable `name` already.
    fn is_told(&self, name: &str) -> bool {
        self.written.is_some_and(|it| it.variables.contains(name))
    }

    /// Puts the served form of each server that needs a new variable into `wanted`, and switches
    /// the server off where this form does not fit. `ready` gets which servers wait, and their
    /// objects. Gives the variables that the servers in `wanted` name.
    fn put_served(&self, wanted: &mut WantedGateway, ready: &mut ReadyObjects) -> BTreeSet<&str> {
        let servers = self.gateway.servers.iter();
        let without_new = servers.filter(|(_, it)| !self.has_new_variable(it));
        let prefixes: BTreeSet<String> = without_new
            .map(|(_, it)| prefix(&it.wanted.config, &it.wanted.name))
            .collect();
        let is_free = |section: &Map<String, Value>, name: &str| {
            let prefix = prefix(section, name);
            prefix.is_empty() || !prefixes.contains(&prefix)
        };
        let mut named = BTreeSet::new();
        for (server, (source, prepared)) in wanted.servers.iter_mut().zip(&self.gateway.servers) {
            if !self.has_new_variable(prepared) {
                named.extend(prepared.variables.iter().map(|it| &*it.name));
                continue;
            }
            let served = self.served(source, prepared);
            let served = served.filter(|section| is_free(section, &server.name));
            let waiting = &mut ready.waiting.servers;
            waiting.insert(server.name.clone(), served.is_some());
            match served {
                Some(section) => {
                    named.extend(written::variables_of(section));
                    server.written = Some(section.clone());
                    ready.kept.extend(self.objects_of(source));
                }
                None => switch_off(server),
            }
        }
        named
    }

    /// The objects in the cluster that serve the server of `source`. They include all
    /// ServiceEntries of the gateway, since each of them may be for this server.
    fn objects_of(&self, source: &ServerSource<'_>) -> BTreeSet<(&'static str, ObjectName)> {
        let kinds = KINDS
            .iter()
            .filter(|it| !matches!(it.scope, WatchScope::Labelled(_)));
        let objects = kinds.flat_map(|kind| {
            let objects = self.snapshot.all(kind.kind);
            let own = objects.filter(|(_, object)| {
                let is_host = kind.kind == "ServiceEntry"
                    && gateway_of(object) == Some(owner::label(self.gateway.name));
                is_host || self.is_of_server(object, source)
            });
            own.map(|(name, _)| (kind.kind, name.clone()))
        });
        objects.collect()
    }
}

/// Whether `config` names the variable with the keys of sessions.
fn names_keys(config: &Map<String, Value>) -> bool {
    let session = config.get("session");
    let variable = session.and_then(|it| it.get("keysFromEnv")?.as_str());
    variable == Some(SESSION_KEYS)
}

/// Switches `server` off in the configuration, so that references to its name stay valid.
fn switch_off(server: &mut WantedServer) {
    server.backend = None;
    server.tls = None;
    server.written = None;
    server.config = Map::new();
    server
        .config
        .insert("enabled".to_owned(), Value::Bool(false));
}

fn key(object: &Value) -> Option<(&'static str, ObjectName)> {
    let kind = watched::of_kind(text(object, "/kind"))?;
    Some((kind.kind, ObjectName::of(object)))
}
