//! The gateway's own session with a legacy server, in which a modern client's
//! request was sent.

use crate::config::Gateway;
use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::stream::context::StreamContext;
use crate::stream::response::routed::{ResponseBody, RoutedRequest};

impl RoutedRequest {
    /// The server failed. The session may be the reason, and is then not used again.
    pub(super) fn on_failure_in_session(
        &mut self,
        failure: &Failure,
        gateway: &Gateway,
        worker: &mut Worker,
    ) {
        // Some servers answer 400 when they have forgotten a session.
        if !matches!(failure, Failure::SessionLost | Failure::Status(400)) {
            if let Some(lease) = self.translation.lease() {
                worker.pool.doubt(lease);
            }
            return;
        }
        let Some(lease) = self.translation.take_lease() else {
            return;
        };
        if let Some(key) = &lease.key {
            worker.pool.remove(key, &lease.session);
        }
        if *failure != Failure::SessionLost {
            let passed = lease.headers.passthrough_headers(lease.server);
            worker.end_session(gateway, lease.server, &lease.session, passed);
        }
    }

    /// The request is over: other requests may use the session. If the server still
    /// works on the request, it is told to cancel it.
    pub(super) fn release_session(&mut self, cx: &mut StreamContext<'_>) {
        let Some((gateway, server)) = self.gateway_server(cx) else {
            return;
        };
        let is_replaced = matches!(self.body, ResponseBody::Replaced(_));
        let released = self.translation.release(self.is_answered || is_replaced);
        let Some((lease, cancellation)) = released else {
            return;
        };
        let worker = &mut *cx.worker;
        if self.is_answered && !is_replaced {
            worker.pool.confirm(&lease, worker.now());
        }
        if let Some(message) = cancellation {
            let call = Call::tell(server, &lease.session, message, &lease.headers);
            worker.outbox.push(call);
        }
        worker.release(&lease, gateway);
    }
}
