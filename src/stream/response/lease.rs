//! What becomes of a session of the gateway's own that a request was routed in.

use std::rc::Rc;

use crate::config::Gateway;
use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::stream::response::routed::{ResponseBody, RoutedRequest};
use crate::stream::{Phase, Stream};

impl RoutedRequest {
    /// The gateway's own session may be why.
    pub(in crate::stream) fn failed_in_session(
        &mut self,
        failure: &Failure,
        gateway: &Gateway,
        worker: &mut Worker,
    ) {
        match failure {
            // Some servers say 400 when they know a session no longer.
            Failure::SessionLost | Failure::Status(400) => {
                if let Some(held) = self.translation.take_lease() {
                    if let Some(key) = &held.key {
                        worker.pool.remove(key, &held.session);
                    }
                    if *failure != Failure::SessionLost {
                        worker.end_session(
                            gateway,
                            held.server,
                            &held.session,
                            held.headers.passthrough_headers(held.server),
                        );
                    }
                }
            }
            _ => {
                if let Some(held) = self.translation.lease() {
                    worker.pool.doubt(held);
                }
            }
        }
    }
}

impl Stream {
    /// The request is over: the gateway's own session is free again, and its
    /// server is told where nobody waits for the answer any more.
    pub(in crate::stream) fn routed_over(&mut self, worker: &mut Worker) {
        let (Phase::Routed(routed), Some(gateway)) = (&mut self.phase, &self.config.gateway) else {
            return;
        };
        let is_over = routed.answered || matches!(routed.body, ResponseBody::Instead(_));
        let released = routed.translation.release(is_over);
        let server = routed.server.and_then(|id| gateway.server(id));
        if let (Some((held, told)), Some(server)) = (released, server) {
            if routed.answered && !matches!(routed.body, ResponseBody::Instead(_)) {
                worker.pool.confirm(&held, worker.now());
            }
            let session = Rc::clone(&held.session);
            worker
                .outbox
                .extend(told.map(|told| Call::tell(server, &session, told, &held.headers)));
            worker.release(&held, gateway);
        }
    }
}
