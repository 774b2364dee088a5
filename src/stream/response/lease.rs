//! The gateway's own session with a legacy server, which a client's request used.

use crate::config::{Gateway, Server};
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::mcp::method;

/// The server failed, perhaps because of the session. Then the gateway does not use the session
/// again, or first asks whether the server still has it. The gateway does not end the session,
/// since other requests may be under way in it.
pub(super) fn fail(
    translation: &mut Translation,
    server: Option<&Server>,
    failure: &Failure,
    worker: &mut Worker,
) {
    if *failure != Failure::SessionLost {
        return doubt(translation, worker);
    }
    if let (Some(session), Some(server)) = (translation.joined_session(), server) {
        // The server joins the session again when a request needs it.
        worker.joined.leave(session, server);
    }
    if let Some(lease) = translation.take_lease()
        && let Some(key) = &lease.key
    {
        worker.pool.give_up(key, &lease.session);
    }
}

/// The next request checks first whether the server still has the session.
pub(super) fn doubt(translation: &Translation, worker: &mut Worker) {
    if let Some(lease) = translation.lease() {
        worker.pool.doubt(lease);
    }
}

/// How a request to a server ended.
pub(super) struct RequestEnd {
    /// The server does not work on the request any more.
    pub(super) is_answered: bool,
    /// The server answered in the session, and well.
    pub(super) is_success: bool,
}

/// The request is over, so other requests may use the session. If the server still works on the
/// request, the gateway sends it a cancellation.
pub(super) fn release(
    translation: &mut Translation,
    (gateway, server): (&Gateway, &Server),
    end: &RequestEnd,
    worker: &mut Worker,
) {
    let Some((lease, cancellation)) = translation.release(end.is_answered) else {
        return;
    };
    if end.is_success {
        worker.pool.confirm(&lease, worker.now());
    }
    if let Some(message) = cancellation {
        let method = Some(method::CANCELLED);
        let call = Call::tell(server, &lease.session, method, message, &lease.headers);
        worker.outbox.push(call);
    }
    worker.release(&lease, gateway);
}
