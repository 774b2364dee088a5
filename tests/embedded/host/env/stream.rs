//! Continue, reply and reset. Envoy does all of them after the VM has returned.

use super::host_calls;
use crate::host::abi::{Direction, Status};
use crate::host::guest::{self, Answer};
use crate::host::headers::Headers;
use crate::host::state::{Deferred, HostState, LocalReply, Phase};
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_continue_stream" = continue_stream, (kind: u32);
        "proxy_close_stream" = close_stream, (kind: u32);
        "proxy_send_local_response" = send_local_response,
            (status: u32, details: u32, details_size: u32, body: u32, body_size: u32,
             headers: u32, headers_size: u32, grpc_status: u32);
    }
    Ok(())
}

fn continue_stream(caller: &mut Caller<'_, HostState>, kind: u32) -> Answer {
    let direction = match kind {
        0 => Direction::Request,
        1 => Direction::Response,
        2 => return Ok(()),
        3 => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    };
    let state = caller.data_mut();
    let context = state.context();
    let Some(stream) = state.stream_mut() else {
        state.violation("proxy_continue_stream outside of a stream: nothing continues");
        return Ok(());
    };
    // Here Envoy drops its pointers to the request, whichever half continues, and before the
    // callback has ended.
    stream.request.headers_open = false;
    stream.request.trailers_open = false;
    stream.request.piece = None;
    let own_callback = match stream.phase {
        Some(Phase::Headers(running) | Phase::Body(running) | Phase::Trailers(running)) => {
            running == direction
        }
        _ => false,
    };
    if own_callback {
        state.violation(format!(
            "proxy_continue_stream({direction:?}) inside its own callback, whose return value decides"
        ));
    }
    state
        .deferred
        .push_back(Deferred::Resume(context, direction));
    Ok(())
}

fn close_stream(caller: &mut Caller<'_, HostState>, kind: u32) -> Answer {
    if kind > 3 {
        return Err(Status::BadArgument.into());
    }
    let state = caller.data_mut();
    let context = state.context();
    if kind < 2 && state.stream().is_some() {
        state.deferred.push_back(Deferred::Reset(context));
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI has that many")]
fn send_local_response(
    caller: &mut Caller<'_, HostState>,
    status: u32,
    _details: u32,
    _details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    _grpc_status: u32,
) -> Answer {
    let body = guest::read(caller, body, body_size)?;
    let headers = guest::read(caller, headers, headers_size)?;
    let headers = Headers::decode(&headers);
    let state = caller.data_mut();
    let context = state.context();
    let Some(headers) = headers else {
        state.violation("a local reply whose headers do not fit their sizes");
        return Ok(());
    };
    let continued = state
        .deferred
        .iter()
        .any(|deferred| matches!(deferred, Deferred::Resume(id, _) if *id == context));
    let Some(stream) = state.stream_mut() else {
        state.violation("a local reply outside of a stream: nobody gets it");
        return Ok(());
    };
    if stream.reply_asked {
        state.violation("replied twice");
    } else if continued {
        state.violation("continued and replied in one callback");
    } else {
        stream.reply_asked = true;
        let reply = LocalReply {
            status,
            headers,
            body,
        };
        state.deferred.push_back(Deferred::Reply(context, reply));
    }
    Ok(())
}
