//! The known state of the cluster: watches write it, and the reconciler reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::kinds::GROUP;
use super::snapshot::Snapshot;
use super::watched::{KINDS, WatchedKind};

/// The known state, and whether it is complete.
#[derive(Default)]
pub(super) struct KnownCluster {
    state: Mutex<ClusterState>,
    changed: Notify,
}

#[derive(Default)]
struct ClusterState {
    snapshot: Snapshot,
    /// The kinds whose objects are all known, or that do not exist in the cluster.
    listed: BTreeSet<&'static str>,
}

impl KnownCluster {
    fn lock(&self) -> MutexGuard<'_, ClusterState> {
        // A panic in another task does not damage the values.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.lock().snapshot.clone()
    }

    /// Changes the known state. If `change` returns `true`, the reconciler runs.
    pub(super) fn change(&self, change: impl FnOnce(&mut Snapshot) -> bool) {
        if change(&mut self.lock().snapshot) {
            self.changed.notify_one();
        }
    }

    /// Marks `kind` as complete: all its objects are known.
    pub(super) fn set_listed(&self, kind: &'static WatchedKind) {
        if self.lock().listed.insert(kind.key) {
            self.changed.notify_one();
        }
    }

    /// Marks `kind` as absent in the cluster. If its own kinds are absent, the controller waits for
    /// them, and changes nothing.
    pub(super) fn set_absent(&self, kind: &'static WatchedKind) {
        let mut known = self.lock();
        if kind.group == GROUP {
            known.listed.remove(kind.key);
            return;
        }
        let had_some = known.snapshot.all(kind.key).next().is_some();
        known.snapshot.replace(kind.key, BTreeMap::new());
        if known.listed.insert(kind.key) || had_some {
            self.changed.notify_one();
        }
    }

    /// The kinds whose objects are not known yet.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let known = self.lock();
        let kinds = KINDS.iter().map(|it| it.key);
        kinds.filter(|it| !known.listed.contains(it)).collect()
    }

    /// Waits for a change since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
