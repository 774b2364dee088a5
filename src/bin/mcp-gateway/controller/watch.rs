//! Watches the objects of a kind.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt as _, watcher::Error as WatchError};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::metrics::ControllerMetrics;
use super::name::ObjectName;
use super::plan::{MANAGED_BY, MANAGER};
use super::store::KnownCluster;
use super::watched::{WatchScope, WatchedKind};

/// How often to check whether an absent kind exists now.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How many times in a row an existing kind must be absent until the controller accepts it.
const ABSENCES: u32 = 3;

/// Watches the objects of `kind` for ever. A kind that the cluster does not have has no objects. If
/// the kind existed before, it must be absent for a while: an API server may not find it for a
/// moment when its definition changes.
pub(super) async fn follow(
    client: Client,
    kind: &'static WatchedKind,
    store: Arc<KnownCluster>,
    metrics: Arc<ControllerMetrics>,
) {
    let mut absences = ABSENCES;
    loop {
        for version in kind.versions {
            let resource = resource(kind, version);
            if follow_version(&client, kind, &resource, &store, &metrics).await {
                absences = 0;
            }
        }
        // It exists in no version.
        absences = absences.saturating_add(1);
        if absences > ABSENCES {
            debug!(kind = kind.key, "the cluster does not have this kind");
            store.set_absent(kind);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// `kind` in `version`, for the API.
pub(super) fn resource(kind: &WatchedKind, version: &str) -> ApiResource {
    ApiResource {
        group: kind.group.to_owned(),
        version: version.to_owned(),
        api_version: kind.api_version(version),
        kind: kind.kind.to_owned(),
        plural: kind.plural.to_owned(),
    }
}

/// Watches the objects of one version until the cluster does not have it any more. Gives whether
/// the cluster had it.
async fn follow_version(
    client: &Client,
    kind: &'static WatchedKind,
    resource: &ApiResource,
    store: &KnownCluster,
    metrics: &ControllerMetrics,
) -> bool {
    let mut was_there = false;
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let config = match kind.scope {
        WatchScope::All => watcher::Config::default(),
        WatchScope::Written => {
            watcher::Config::default().labels(&format!("{MANAGED_BY}={MANAGER}"))
        }
        WatchScope::Labelled(label) => watcher::Config::default().labels(label),
    };
    let mut events = pin!(watcher(api, config).default_backoff().into_stream());
    let mut listed = BTreeMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                if let Some((name, object)) = kept(object, resource) {
                    listed.insert(name, Arc::new(object));
                }
            }
            Ok(Event::InitDone) => {
                let objects = std::mem::take(&mut listed);
                info!(kind = kind.key, objects = objects.len(), "listed");
                store.change(|snapshot| {
                    snapshot.replace(kind.key, objects);
                    true
                });
                store.set_listed(kind);
                was_there = true;
            }
            Ok(Event::Apply(object)) => {
                if let Some((_, object)) = kept(object, resource) {
                    store.change(|snapshot| {
                        snapshot.insert(kind.key, object);
                        true
                    });
                }
            }
            Ok(Event::Delete(object)) => {
                let name =
                    ObjectName::new(&object.namespace().unwrap_or_default(), &object.name_any());
                store.change(|snapshot| {
                    snapshot.remove(kind.key, &name);
                    true
                });
            }
            Err(error) if is_absent(&error) => break,
            Err(error) => {
                metrics.watch_failed(kind.key);
                warn!(kind = kind.key, %error, "cannot be watched; trying again");
            }
        }
    }
    was_there
}

/// The parts of an object that are kept: without the managed fields, which are the largest part.
fn kept(mut object: DynamicObject, resource: &ApiResource) -> Option<(ObjectName, Value)> {
    object.metadata.managed_fields = None;
    // The items of a list have no `kind` and `apiVersion`.
    object.types = Some(kube::core::TypeMeta {
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
    });
    let value = serde_json::to_value(object).ok()?;
    Some((ObjectName::of(&value), value))
}

/// Whether the cluster does not have the kind.
fn is_absent(error: &WatchError) -> bool {
    let inner = match error {
        WatchError::InitialListFailed(inner)
        | WatchError::WatchStartFailed(inner)
        | WatchError::WatchFailed(inner) => inner,
        WatchError::WatchError(status) => return status.code == 404,
        WatchError::NoResourceVersion => return false,
    };
    matches!(inner, kube::Error::Api(status) if status.code == 404)
}
