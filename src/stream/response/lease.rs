//! The gateway's own session with a legacy server, which a client's request used.

use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::stream::context::StreamContext;
use crate::stream::response::routed::RoutedRequest;

impl RoutedRequest {
    /// The server failed, perhaps because of the session. Then the gateway does not use the session
    /// again, or first asks whether the server still has it. The gateway does not end the session,
    /// since other requests may be under way in it.
    pub(super) fn on_failure_in_session(&mut self, failure: &Failure, cx: &mut StreamContext<'_>) {
        let server = self.gateway_server(cx).map(|(_, server)| server);
        let worker = &mut *cx.worker;
        if let (Failure::SessionLost, Some(session), Some(server)) =
            (failure, self.translation.joined_session(), server)
        {
            // The server joins the session again when a request needs it.
            worker.joined.leave(session, server);
        }
        if *failure != Failure::SessionLost {
            if let Some(lease) = self.translation.lease() {
                worker.pool.doubt(lease);
            }
            return;
        }
        if let Some(lease) = self.translation.take_lease()
            && let Some(key) = &lease.key
        {
            worker.pool.give_up(key, &lease.session);
        }
    }

    /// The server answered with an error that may say that it has forgotten the session. So the
    /// next request checks the session first.
    pub(super) fn doubt_session(&mut self, worker: &mut Worker) {
        self.is_success = false;
        if let Some(lease) = self.translation.lease() {
            worker.pool.doubt(lease);
        }
    }

    /// The request is over, so other requests may use the session. If the server still works on the
    /// request, the gateway sends it a cancellation.
    pub(super) fn release_session(&mut self, cx: &mut StreamContext<'_>) {
        let Some((gateway, server)) = self.gateway_server(cx) else {
            return;
        };
        let is_replaced = self.body.is_replaced();
        let released = self.translation.release(self.is_answered || is_replaced);
        let Some((lease, cancellation)) = released else {
            return;
        };
        let worker = &mut *cx.worker;
        if self.is_answered && !is_replaced && self.is_success {
            worker.pool.confirm(&lease, worker.now());
        }
        if let Some(message) = cancellation {
            let call = Call::tell(server, &lease.session, message, &lease.headers);
            worker.outbox.push(call);
        }
        worker.release(&lease, gateway);
    }
}
