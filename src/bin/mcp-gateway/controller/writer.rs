//! Writes the wanted objects that are not in the cluster yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt as _};
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{error, info};

use super::difference::{is_as_wanted, with_digest};
use super::kinds::{MCPGateway, MCPServer};
use super::metrics::ControllerMetrics;
use super::name::{ObjectName, text};
use super::plan::{FINALIZER, MANAGER, Plan, SESSION_KEYS_KEY, gateway_of, is_owned};
use super::snapshot::{ReadObject, Readable, Snapshot};
use super::watch::resource;
use super::watched::{self, KINDS, WatchScope};

/// The kinds that protect a route.
const PROTECTING: &[&str] = &[
    "AuthorizationPolicy",
    "EnvoyExtensionPolicy",
    "EnvoyFilter",
    "EnvoyPatchPolicy",
    "RequestAuthentication",
    "SecurityPolicy",
];
/// The most objects that are written at the same time.
const AT_A_TIME: usize = 8;
/// The number of bytes of a session key.
const KEY_LENGTH: usize = 32;
/// The longest reason that is kept.
const LONGEST_REASON: usize = 512;

/// Writes into the cluster.
pub(super) struct Writer {
    client: Client,
    metrics: Arc<ControllerMetrics>,
}

/// The reasons why objects could not be written, by their kinds and names.
pub(super) type Refusals = BTreeMap<(String, ObjectName), String>;

impl Writer {
    pub(super) fn new(client: Client, metrics: Arc<ControllerMetrics>) -> Self {
        Self { client, metrics }
    }

    /// Writes the objects that `plan` wants and `snapshot` does not have.
    pub(super) async fn write(&self, snapshot: &Snapshot, plan: &Plan) -> Refusals {
        // Routes are deleted before the policies that protect them, and created after them.
        let mut refusals = self.delete(snapshot, plan, true).await;
        let is_route = |it: &&Value| text(it, "/kind") == "HTTPRoute";
        let (routes, others): (Vec<&Value>, Vec<&Value>) = plan.objects.iter().partition(is_route);
        let refused = self.apply_all(snapshot, &others).await;
        let unprotected = unprotected(&others, &refused);
        let is_protected =
            |it: &&&Value| gateway_of(it).is_none_or(|it| !unprotected.contains(&it));
        let routes: Vec<&Value> = routes.iter().filter(is_protected).copied().collect();
        refusals.extend(refused);
        refusals.extend(self.apply_all(snapshot, &routes).await);
        refusals.extend(self.delete(snapshot, plan, false).await);
        refusals
    }

    /// Whether a Secret differs from the one that `plan` wants.
    pub(super) fn changes_secrets(&self, snapshot: &Snapshot, plan: &Plan) -> bool {
        let mut secrets = plan
            .objects
            .iter()
            .filter(|it| text(it, "/kind") == "Secret");
        !plan.unwanted_secrets.is_empty()
            || secrets.any(|it| !is_written(snapshot, &ObjectName::of(it), it))
    }

    /// Adds the finalizer to the gateways `held`, and removes it from `going`. Gives those of which
    /// the API server refuses this.
    pub(super) async fn write_finalizers(
        &self,
        held: &[ObjectName],
        going: &[ObjectName],
    ) -> Vec<ObjectName> {
        let held = held.iter().map(|name| (name, &[FINALIZER][..]));
        let going = going.iter().map(|name| (name, &[][..]));
        let mut refused = Vec::new();
        for (name, finalizers) in held.chain(going) {
            let object = json!({
                "apiVersion": format!("{}/v1alpha1", super::kinds::GROUP),
                "kind": "MCPGateway",
                "metadata": {"name": name.name, "finalizers": finalizers},
            });
            let api: Api<MCPGateway> = Api::namespaced(self.client.clone(), &name.namespace);
            let parameters = PatchParams::apply(MANAGER).force();
            let result = api
                .patch(&name.name, &parameters, &Patch::Apply(&object))
                .await;
            self.metrics.wrote("MCPGateway", "apply");
            match result {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    error!(kind = "MCPGateway", name = %name, %error, "the finalizer cannot be written");
                    refused.push(name.clone());
                }
                Ok(_) => {}
            }
        }
        refused
    }

    /// Writes the statuses that differ from those in `plan`. A failed write is tried again.
    pub(super) async fn write_statuses(&self, snapshot: &Snapshot, plan: &Plan) -> bool {
        let servers = plan
            .servers
            .iter()
            .map(|(name, status)| ("MCPServer", name, json(status)));
        let gateways = plan
            .gateways
            .iter()
            .map(|(name, status)| ("MCPGateway", name, json(status)));
        let writes = servers.chain(gateways).filter_map(|(kind, name, status)| {
            let live = snapshot.get(kind, name)?;
            let is_there = live.get("status").is_some_and(|it| *it == status);
            (!is_there).then(|| self.write_status(kind, name, status))
        });
        let done: Vec<bool> = stream::iter(writes)
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        done.into_iter().all(|it| it)
    }

    async fn write_status(&self, kind: &'static str, name: &ObjectName, status: Value) -> bool {
        let resource = if kind == "MCPServer" {
            ApiResource::erase::<MCPServer>(&())
        } else {
            ApiResource::erase::<MCPGateway>(&())
        };
        let object = json!({
            "apiVersion": resource.api_version,
            "kind": kind,
            "status": status,
        });
        let written = self
            .api(&resource, &name.namespace)
            .patch_status(
                &name.name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(&object),
            )
            .await;
        self.metrics.wrote(kind, "status");
        match written {
            // The object was deleted in the meantime.
            Err(kube::Error::Api(status)) if status.code == 404 => true,
            Err(error) => {
                error!(kind, name = %name, %error, "the status cannot be written");
                false
            }
            Ok(_) => true,
        }
    }

    /// Creates the Secrets with session keys that do not exist. Existing ones are never changed.
    pub(super) async fn make_session_keys(&self, plan: &Plan) -> Refusals {
        let mut refusals = Refusals::new();
        for object in &plan.session_keys {
            let name = ObjectName::of(object);
            let mut key = [0; KEY_LENGTH];
            let made = match getrandom::fill(&mut key) {
                Ok(()) => {
                    self.create_secret(object, &name, &STANDARD.encode(key))
                        .await
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = made {
                refusals.insert(("Secret".to_owned(), name), reason);
            }
        }
        refusals
    }

    async fn create_secret(
        &self,
        object: &Value,
        name: &ObjectName,
        key: &str,
    ) -> Result<(), String> {
        let mut object = object.clone();
        if let Value::Object(members) = &mut object {
            members.insert("stringData".to_owned(), json!({(SESSION_KEYS_KEY): key}));
        }
        let api = self.api(&secrets(), &name.namespace);
        let object: DynamicObject =
            serde_json::from_value(object).map_err(|_| "a bug".to_owned())?;
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&parameters, &object).await {
            Ok(_) => {
                self.metrics.wrote("Secret", "create");
                info!(kind = "Secret", name = %name, "keys of sessions made");
                Ok(())
            }
            // Another replica, or the user, has created it first.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(reason(&error)),
        }
    }

    async fn apply_all(&self, snapshot: &Snapshot, objects: &[&Value]) -> Refusals {
        let writes = objects.iter().filter_map(|object| {
            let name = ObjectName::of(object);
            let kind = text(object, "/kind");
            if kind == "Secret" {
                return (!is_written(snapshot, &name, object)).then(|| (*object).clone());
            }
            let wanted = with_digest((*object).clone());
            let live = snapshot.get(kind, &name);
            let is_there = live.is_some_and(|live| is_as_wanted(live, &wanted));
            (!is_there).then_some(wanted)
        });
        let writes = writes.map(async |object| {
            let key = (text(&object, "/kind").to_owned(), ObjectName::of(&object));
            let result = self.apply(&object).await;
            (key, result)
        });
        let done: Vec<_> = stream::iter(writes).buffered(AT_A_TIME).collect().await;
        let failed = done
            .into_iter()
            .filter_map(|(key, result)| Some((key, result.err()?)));
        failed.collect()
    }

    async fn apply(&self, object: &Value) -> Result<(), String> {
        let kind = text(object, "/kind");
        let name = ObjectName::of(object);
        let (group, version) = match text(object, "/apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text(object, "/apiVersion")),
        };
        let resource = match watched::of_kind(kind) {
            Some(known) if known.group == group => resource(known, version),
            _ if kind == "Secret" => secrets(),
            _ => {
                return Err(format!(
                    "the controller does not know the kind {kind} of {group:?}"
                ));
            }
        };
        let api = self.api(&resource, &name.namespace);
        let parameters = PatchParams::apply(MANAGER).force();
        let result = api
            .patch(&name.name, &parameters, &Patch::Apply(object))
            .await;
        self.metrics.wrote(kind, "apply");
        match result {
            Ok(_) => {
                info!(kind, name = %name, "applied");
                Ok(())
            }
            // The API server's message about a Secret may contain a part of it.
            Err(_) if kind == "Secret" => {
                error!(kind, name = %name, "cannot be applied");
                Err("the API server refuses it".to_owned())
            }
            Err(error) => {
                let reason = reason(&error);
                error!(kind, name = %name, reason, "cannot be applied");
                Err(reason)
            }
        }
    }

    /// Deletes objects that this program has written and that are not wanted any more.
    async fn delete(&self, snapshot: &Snapshot, plan: &Plan, routes: bool) -> Refusals {
        let wanted: BTreeSet<(&str, ObjectName)> = plan
            .objects
            .iter()
            .map(|it| (text(it, "/kind"), ObjectName::of(it)))
            .collect();
        let mut refusals = Refusals::new();
        for kind in KINDS.iter().filter(|it| (it.kind == "HTTPRoute") == routes) {
            if matches!(kind.scope, WatchScope::Labelled(_)) {
                continue;
            }
            for (name, object) in snapshot.all(kind.kind) {
                let gateway = gateway_of(object).filter(|_| is_owned(object));
                let is_unwanted = gateway.is_some_and(|it| !plan.kept.contains(&it))
                    && !plan.kept_objects.contains(&(kind.kind, name.clone()))
                    && !wanted.contains(&(kind.kind, name.clone()));
                let is_going = object.pointer("/metadata/deletionTimestamp").is_some();
                if is_unwanted && !is_going {
                    let version = text(object, "/apiVersion").rsplit('/').next();
                    let resource = resource(kind, version.unwrap_or_default());
                    if let Err(reason) = self.delete_one(&resource, name).await {
                        refusals.insert((kind.kind.to_owned(), name.clone()), reason);
                    }
                }
            }
        }
        if !routes {
            for name in plan.unwanted_secrets.keys() {
                if let Err(reason) = self.delete_one(&secrets(), name).await {
                    refusals.insert(("Secret".to_owned(), name.clone()), reason);
                }
            }
        }
        refusals
    }

    async fn delete_one(&self, resource: &ApiResource, name: &ObjectName) -> Result<(), String> {
        let api = self.api(resource, &name.namespace);
        let result = api.delete(&name.name, &DeleteParams::default()).await;
        match result {
            Ok(_) => {
                self.metrics.wrote(&resource.kind, "delete");
                info!(kind = resource.kind, name = %name, "deleted");
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => {
                let reason = reason(&error);
                error!(kind = resource.kind, name = %name, reason, "cannot be deleted");
                Err(reason)
            }
        }
    }

    fn api(&self, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }
}

/// The gateways with a policy among the `refused` objects. They get no new route.
fn unprotected(objects: &[&Value], refused: &Refusals) -> BTreeSet<ObjectName> {
    let is_refused = |it: &&&Value| {
        let kind = text(it, "/kind");
        let key = (kind.to_owned(), ObjectName::of(it));
        PROTECTING.contains(&kind) && refused.contains_key(&key)
    };
    let objects = objects.iter().filter(is_refused);
    objects.filter_map(|it| gateway_of(it)).collect()
}

fn secrets() -> ApiResource {
    ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&())
}

/// Whether the Secret `name` has exactly the data of `wanted`.
fn is_written(snapshot: &Snapshot, name: &ObjectName, wanted: &Value) -> bool {
    let read = snapshot.read(&Readable::Secret(name.clone()));
    let Some(ReadObject::Present { data, .. }) = read else {
        return false;
    };
    let live: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(STANDARD.encode(value))))
        .collect();
    wanted.get("data") == Some(&Value::Object(live))
}

fn reason(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    text.chars().take(LONGEST_REASON).collect()
}

fn json(status: &impl Serialize) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}
