//! Decides which of several replicas writes: the one that holds a Lease.

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::task::JoinHandle;

/// How long the Lease stays with a replica that is gone, in seconds.
const DURATION: u64 = 15;
/// How long before its end the Lease is renewed, in seconds.
const GRACE: u64 = 5;

/// Whether this replica writes, and the task that holds the Lease.
pub(super) struct Leadership {
    pub(super) is_leader: Receiver<bool>,
    task: Option<JoinHandle<Result<LeaseManager, LeaseManagerError>>>,
    /// If there is no Lease, this keeps the channel open.
    _alone: Option<Sender<bool>>,
}

impl Leadership {
    /// Tries to get the Lease `name` in `namespace`, as `identity`.
    ///
    /// # Errors
    /// The API server does not answer.
    pub(super) async fn by_lease(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
    ) -> Result<Self, String> {
        let manager = LeaseManagerBuilder::new(client, name)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await
            .map_err(|error| format!("the Lease {namespace}/{name} cannot be used: {error}"))?;
        let (is_leader, task) = manager.watch().await;
        let task = Some(task);
        Ok(Self {
            is_leader,
            task,
            _alone: None,
        })
    }

    /// The state of the only replica, which needs no Lease.
    pub(super) fn alone() -> Self {
        let (alone, is_leader) = watch::channel(true);
        Self {
            is_leader,
            task: None,
            _alone: Some(alone),
        }
    }

    /// Releases the Lease for another replica.
    pub(super) async fn end(self) {
        drop(self.is_leader);
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}
