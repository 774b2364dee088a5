//! Bodies and configurations.

use super::{host_calls, too_large};
use crate::host::abi::{Direction, Status, buffer};
use crate::host::guest::{self, Answer, Stop};
use crate::host::state::{Flow, HostState, Phase};
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_get_buffer_bytes" = get_bytes,
            (kind: u32, start: u32, length: u32, return_data: u32, return_size: u32);
        "proxy_get_buffer_status" = get_status,
            (kind: u32, return_length: u32, return_flags: u32);
        "proxy_set_buffer_bytes" = set_bytes,
            (kind: u32, start: u32, length: u32, data: u32, size: u32);
    }
    Ok(())
}

fn get_bytes(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    start: u32,
    length: u32,
    return_data: u32,
    return_size: u32,
) -> Answer {
    let bytes = contents(caller.data(), kind)?;
    let start = start as usize;
    if start > bytes.len() {
        // In Envoy, `length = size - start` wraps around here.
        caller
            .data_mut()
            .violation("a buffer read that starts after the end of the buffer");
        return Err(Status::BadArgument.into());
    }
    let end = start.saturating_add(length as usize).min(bytes.len());
    if start == end {
        // In this case Envoy writes neither an address nor a size.
        return Ok(());
    }
    guest::give(caller, &bytes[start..end], return_data, return_size)
}

fn get_status(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    return_length: u32,
    return_flags: u32,
) -> Answer {
    let length = contents(caller.data(), kind)?.len();
    let length = u32::try_from(length).map_err(|_| Status::BadArgument)?;
    guest::write_number(caller, return_length, length)?;
    guest::write_number(caller, return_flags, 0)
}

/// The bytes of a buffer. Outside its phase, a body is empty, but it exists. The response to a call
/// and the plugin configuration do not exist outside theirs.
fn contents(state: &HostState, kind: u32) -> Result<Vec<u8>, Stop> {
    let body = |direction| {
        let stream = state.stream()?;
        stream.half(direction).body().cloned()
    };
    match kind {
        buffer::REQUEST_BODY => Ok(body(Direction::Request).unwrap_or_default()),
        buffer::RESPONSE_BODY => Ok(body(Direction::Response).unwrap_or_default()),
        buffer::CALL_RESPONSE_BODY => match &state.call_response {
            Some(response) => Ok(response.body.bytes.clone()),
            None => Err(Status::NotFound.into()),
        },
        buffer::VM_CONFIGURATION => Ok(state.settings.vm_configuration.clone()),
        buffer::PLUGIN_CONFIGURATION if state.configuring => Ok(state.plugin_configuration.clone()),
        // `WasmBufferType::MAX` is 8.
        _ if kind > 8 => Err(Status::BadArgument.into()),
        _ => Err(Status::NotFound.into()),
    }
}

/// Replaces the first `length` bytes, or appends (`Buffer::copyFrom`).
fn set_bytes(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    start: u32,
    length: u32,
    data: u32,
    size: u32,
) -> Answer {
    let direction = match kind {
        buffer::REQUEST_BODY => Direction::Request,
        buffer::RESPONSE_BODY => Direction::Response,
        // All other buffers can only be read, or do not exist.
        _ => {
            contents(caller.data(), kind)?;
            return Err(Status::BadArgument.into());
        }
    };
    let new = guest::read(caller, data, size)?;
    let state = caller.data_mut();
    let Some(stream) = state.stream() else {
        return Err(Status::BadArgument.into());
    };
    let half = stream.half(direction);
    let in_callback = stream.phase == Some(Phase::Body(direction));
    if half.buffering && half.flow == Flow::Flowing && !in_callback {
        state.violation(format!(
            "{direction:?} body changed after it went on: Envoy has no buffer any more"
        ));
        return Err(Status::BadArgument.into());
    }
    let (buffering, limit) = (half.buffering, state.settings.buffer_limit);
    let body = state
        .stream_mut()
        .and_then(|stream| stream.half_mut(direction).body_mut())
        .ok_or(Status::BadArgument)?;
    let held = body.len();
    if start == 0 {
        let drained = body.len().min(length as usize);
        body.splice(..drained, new);
    } else if start as usize >= body.len() {
        body.extend(new);
    } else {
        return Err(Status::BadArgument.into());
    }
    let length = body.len();
    if !buffering {
        return Ok(());
    }
    // A held body is in a buffer with a watermark. No filter knows the limit of this buffer.
    match direction {
        Direction::Request if length > limit => too_large::answer(caller),
        Direction::Response if length > held => {
            state.violation(format!(
                "{length} bytes written into a buffer that held {held} bytes of an answer: beyond its limit Envoy answers in the middle of this host call, enters the VM again, and both end"
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}
