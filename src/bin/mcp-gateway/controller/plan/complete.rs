//! A gateway with its servers: makes its objects and its status.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::assembled::Fitting;
use super::conditions::ConditionVerdict;
use super::gateway::GatewayBase;
use super::server::PreparedServer;
use super::source::ServerSource;
use super::status::{self, ServerState};
use super::waiting;
use super::waiting_parts::WaitingParts;
use super::{
    FINALIZER, ObjectFault, Plan, PlanSettings, owner, platform, programmed, service_url, variables,
};
use crate::controller::kinds::MCPGateway;
use crate::controller::name::{ObjectName, text};
use crate::controller::snapshot::{ReadObject, Readable, Snapshot};
use crate::kubernetes::endpoints;
use crate::kubernetes::model::WantedServer;
use crate::kubernetes::object::Object;

/// A gateway with its servers that have no faults.
pub(super) struct CompleteGateway<'a> {
    pub(super) name: &'a ObjectName,
    pub(super) gateway: &'a MCPGateway,
    pub(super) base: GatewayBase<'a>,
    pub(super) servers: Fitting<'a>,
    /// The prefixes of the servers, by their names.
    pub(super) prefixes: BTreeMap<String, String>,
    /// The servers with faults, which are left out.
    pub(super) faulty: Vec<WantedServer>,
}

impl CompleteGateway<'_> {
    /// Adds the objects and the statuses to `plan`.
    pub(super) fn say(
        &self,
        snapshot: &Snapshot,
        settings: &PlanSettings,
        now: &Time,
        plan: &mut Plan,
        reads: &mut Vec<Readable>,
    ) {
        let (objects, waiting) = match self.objects(snapshot, settings, plan, reads) {
            Ok(found) => found,
            Err(reason) => {
                let fault = ObjectFault::object("InvalidConfig", format!("spec.config: {reason}"));
                let status = status::of_refused_gateway(self.gateway, &fault, now);
                plan.gateways.insert(self.name.clone(), status);
                plan.kept.insert(owner::label(self.name));
                let verdict = ConditionVerdict::no("GatewayNotAccepted", fault.message);
                self.say_servers(snapshot, settings, now, plan, |_| verdict.clone());
                return;
            }
        };
        let values = |server: Option<&str>| {
            let own = objects.iter().filter(move |it| it.server() == server);
            own.map(Object::value).collect::<Vec<_>>()
        };
        let mut programmed = programmed::verdict(snapshot, &values(None));
        if let Some(gateway) = self.base.place.gateway {
            programmed = programmed::of_gateway(gateway).and(programmed);
        }
        let of_server = |server: &PreparedServer| {
            let name = &server.wanted.name;
            let own = values(Some(name));
            let verdict = programmed::verdict(snapshot, &own).and(programmed.clone());
            verdict.after(waiting.of_server(name))
        };
        let (is_any_ready, tools) = self.say_servers(snapshot, settings, now, plan, of_server);
        let own = objects
            .iter()
            .map(|it| owner::owned(self.annotated(it), self.owner(it)));
        let mut owned: Vec<Value> = own.collect();
        // Policies come before the routes that they protect.
        owned.sort_by_key(|it| text(it, "/kind") == "HTTPRoute");
        let url = match self.base.place.gateway {
            Some(_) => platform::url(
                &self.base.place,
                &self.base.wanted.hostnames,
                &self.base.path,
            ),
            None => service_url(&owned, &self.base.path),
        };
        plan.objects.extend(owned);
        let hint = (!self.base.variables_reach).then(|| {
            format!(
                "each proxy has its own session key, so sessions end with their proxy; to keep them, {}",
                self.base.variables_fix
            )
        });
        let hints = hint.into_iter().chain(self.missing_servers());
        let hints: Vec<String> = hints
            .chain(platform::open_listeners(&self.base.place))
            .collect();
        let hint = Some(hints.join("; ")).filter(|hint| !hint.is_empty());
        let facts = status::GatewayFacts {
            programmed: programmed.after(waiting.of_gateway()),
            is_any_ready,
            hint,
            url,
            servers: u32::try_from(self.servers.len()).unwrap_or(u32::MAX),
            tools,
        };
        let status = status::of_gateway(self.gateway, &facts, now);
        plan.gateways.insert(self.name.clone(), status);
    }

    /// A text about servers that `endpoints` name but that do not exist. The endpoints work without
    /// them.
    fn missing_servers(&self) -> Option<String> {
        let names = self.servers.iter().map(|(_, it)| &*it.wanted.name);
        let names: Vec<&str> = names.collect();
        let mut config = self.base.wanted.config.clone();
        let (missing, _) = endpoints::fit(&mut config, &names, "");
        (!missing.is_empty()).then(|| {
            format!(
                "spec.config.endpoints: left out, since no MCPServer of this gateway has the name: {}",
                missing.join(", ")
            )
        })
    }

    /// Adds the statuses of the servers to `plan`. Gives whether a server is ready, and how many
    /// tools the servers have.
    fn say_servers(
        &self,
        snapshot: &Snapshot,
        settings: &PlanSettings,
        now: &Time,
        plan: &mut Plan,
        programmed: impl Fn(&PreparedServer) -> ConditionVerdict,
    ) -> (bool, u32) {
        let mut tools = 0u32;
        let mut is_any_ready = false;
        for (source, prepared) in &self.servers {
            let answer = snapshot.answers.get(&source.name);
            let verdict = programmed(prepared);
            let state = ServerState::served(source, self.name, verdict, answer, settings.asks)
                .with_prefix(self.prefixes.get(&prepared.wanted.name));
            let (is_ready, count) = state.say(plan, now);
            is_any_ready |= is_ready;
            tools = tools.saturating_add(count);
        }
        (is_any_ready, tools)
    }

    /// `object`. If it is for a server, it has an annotation with the object that asks for the
    /// server.
    fn annotated(&self, object: &Object) -> Value {
        let server = object.server().and_then(|name| {
            let mut servers = self.servers.iter();
            servers.find(|(_, it)| it.wanted.name == name)
        });
        let value = object.value().clone();
        match server {
            Some((source, _)) => owner::for_server(value, &source.title()),
            None => value,
        }
    }

    /// The owner of `object`: the gateway in the gateway's namespace, a server in other namespaces.
    fn owner(&self, object: &Object) -> Value {
        let namespace = text(object.value(), "/metadata/namespace");
        if namespace == self.name.namespace {
            return owner::gateway(self.name, self.gateway);
        }
        let of_server = |it: &&(&ServerSource<'_>, PreparedServer)| {
            object.server() == Some(&it.1.wanted.name) && it.0.name.namespace == namespace
        };
        match self.servers.iter().find(of_server) {
            Some((source, _)) => owner::server(source),
            None => Value::Array(Vec::new()),
        }
    }

    /// The objects that serve the gateway, without owners. The Secret, and objects that must stay
    /// unchanged, go to `plan`.
    ///
    /// # Errors
    /// The filter refuses the configuration.
    fn objects(
        &self,
        snapshot: &Snapshot,
        settings: &PlanSettings,
        plan: &mut Plan,
        reads: &mut Vec<Readable>,
    ) -> Result<(Vec<Object>, WaitingParts), String> {
        let secret = variables::secret_name(settings, self.base.wanted.platform, self.name);
        reads.push(Readable::Secret(secret.clone()));
        let read = snapshot.read(&Readable::Secret(secret.clone()));
        if let Some(ReadObject::Present {
            is_written: false, ..
        }) = read
        {
            return Err(format!(
                "the controller did not make the Secret {secret}, but needs its name; give that Secret another name"
            ));
        }
        let ready = waiting::ready_objects(self, snapshot, &secret)?;
        plan.kept_objects.extend(ready.kept);
        let is_elsewhere = secret.namespace != self.name.namespace;
        if let Some(variables) = ready.variables {
            let object = variables::secret(&secret, &owner::labels(self.name), &variables);
            let object = if is_elsewhere {
                // An object in another namespace cannot have an owner.
                object
            } else {
                owner::owned(object, owner::gateway(self.name, self.gateway))
            };
            plan.objects.push(object);
        }
        let finalizers = self.gateway.metadata.finalizers.iter().flatten();
        if is_elsewhere && !finalizers.into_iter().any(|it| it == FINALIZER) {
            plan.held.push(self.name.clone());
        }
        Ok((ready.objects, ready.waiting))
    }
}
