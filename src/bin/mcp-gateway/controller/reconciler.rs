//! Compares the cluster with the wanted state, and writes the difference: after each change, and at
//! regular times.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info};

use super::asking::Asking;
use super::events::Events;
use super::lease::Leadership;
use super::metrics::ControllerMetrics;
use super::plan::{Plan, PlanSettings, plan};
use super::reader;
use super::snapshot::Snapshot;
use super::store::KnownCluster;
use super::writer::Writer;

/// How long to wait for further changes.
const PAUSE: Duration = Duration::from_millis(200);
/// How often to read objects again that are not watched.
const READ_EVERY: Duration = Duration::from_secs(10);
/// The first wait after an error. Each further wait is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after an error.
const LAST_RETRY: Duration = Duration::from_secs(60);
/// The most rounds of reading, since an object may refer to further ones. A Secret refers to none.
const MAX_READS: usize = 3;

/// Keeps the cluster in the wanted state.
pub(super) struct Reconciler {
    pub(super) client: Client,
    pub(super) settings: PlanSettings,
    pub(super) store: Arc<KnownCluster>,
    pub(super) metrics: Arc<ControllerMetrics>,
    pub(super) writer: Writer,
    pub(super) events: Events,
    pub(super) asking: Asking,
    /// When the objects that are not watched were last read; `None` if they may have changed.
    pub(super) read_at: Option<Instant>,
}

impl Reconciler {
    /// Runs until `stopped`, as long as this replica is the leader.
    pub(super) async fn run(
        &mut self,
        leadership: &mut Leadership,
        stopped: impl Future<Output = ()>,
    ) {
        let mut stopped = pin!(stopped);
        let mut retry = FIRST_RETRY;
        let mut due = Instant::now() + READ_EVERY;
        loop {
            let is_leader = *leadership.is_leader.borrow_and_update();
            self.metrics.set_leader(is_leader);
            if !is_leader {
                self.asking.stop();
            } else if self.store.missing().is_empty() {
                let is_done = self.reconcile_once().await;
                let wait = if is_done { READ_EVERY } else { retry };
                retry = if is_done {
                    FIRST_RETRY
                } else {
                    LAST_RETRY.min(retry * 2)
                };
                due = Instant::now() + wait;
            }
            tokio::select! {
                () = &mut stopped => break,
                () = self.store.changed() => sleep(PAUSE).await,
                () = sleep_until(due), if is_leader => {}
                changed = leadership.is_leader.changed() => {
                    if changed.is_err() {
                        error!("the task that holds the Lease has ended");
                        break;
                    }
                    info!(leader = *leadership.is_leader.borrow(), "leadership has changed");
                }
            }
        }
        self.asking.stop();
    }

    /// Compares and writes once. Gives `true` if nothing is left to do.
    async fn reconcile_once(&mut self) -> bool {
        let started = Instant::now();
        let is_done = match self.read_and_plan().await {
            Ok((snapshot, plan)) => self.write(&snapshot, plan).await,
            Err(error) => {
                error!(%error, "an object cannot be read");
                false
            }
        };
        self.metrics.reconciled(started.elapsed(), is_done);
        is_done
    }

    /// Reads the objects that the plan depends on, until it is complete.
    async fn read_and_plan(&mut self) -> Result<(Snapshot, Plan), kube::Error> {
        let now = Time(Timestamp::now());
        let mut snapshot = self.store.snapshot();
        let mut wanted = plan(&snapshot, &self.settings, &now);
        for _ in 0..MAX_READS {
            let is_recent = self.read_at.is_some_and(|it| it.elapsed() < READ_EVERY);
            if is_recent && wanted.is_complete(&snapshot) {
                break;
            }
            self.read_at = Some(Instant::now());
            let read = reader::read_all(&self.client, &wanted.reads).await?;
            self.store.change(|known| {
                known.set_read(read);
                false
            });
            snapshot = self.store.snapshot();
            wanted = plan(&snapshot, &self.settings, &now);
        }
        Ok((snapshot, wanted))
    }

    async fn write(&mut self, snapshot: &Snapshot, mut wanted: Plan) -> bool {
        self.metrics.count(&wanted);
        self.asking.ask(&wanted.questions);
        if !wanted.session_keys.is_empty() {
            let refusals = self.writer.make_session_keys(&wanted).await;
            if refusals.is_empty() {
                // These objects must be read again before anything else is written.
                self.read_at = None;
                self.store.change(|_| true);
                return true;
            }
            self.store.change(|known| {
                known.refused.extend(refusals);
                false
            });
        }
        let without = self.writer.write_finalizers(&wanted.held, &[]).await;
        wanted.hold_back(&without);
        let wanted = wanted;
        if self.writer.changes_secrets(snapshot, &wanted) {
            self.read_at = None;
        }
        let refusals = self.writer.write(snapshot, &wanted).await;
        let is_written = refusals.is_empty() && without.is_empty();
        let gone = wanted.gone(snapshot, refusals.keys());
        self.writer.write_finalizers(&[], &gone).await;
        self.events.tell(snapshot, &wanted).await;
        let has_statuses = self.writer.write_statuses(snapshot, &wanted).await;
        self.store.change(|known| {
            let is_new = known.refused != refusals;
            known.refused = refusals;
            is_new
        });
        is_written && has_statuses
    }
}
