//! Header maps: which of them host calls can read and change, and when.

use super::host_calls;
use crate::host::abi::{Direction, Status, map};
use crate::host::guest::{self, Answer, Stop};
use crate::host::headers::Headers;
use crate::host::state::{HostState, Phase, StreamState};
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_get_header_map_pairs" = get_pairs,
            (kind: u32, return_data: u32, return_size: u32);
        "proxy_set_header_map_pairs" = set_pairs, (kind: u32, data: u32, size: u32);
        "proxy_get_header_map_size" = get_size, (kind: u32, return_size: u32);
        "proxy_get_header_map_value" = get_value,
            (kind: u32, name: u32, name_size: u32, return_data: u32, return_size: u32);
        "proxy_replace_header_map_value" = replace_value,
            (kind: u32, name: u32, name_size: u32, value: u32, value_size: u32);
        "proxy_add_header_map_value" = add_value,
            (kind: u32, name: u32, name_size: u32, value: u32, value_size: u32);
        "proxy_remove_header_map_value" = remove_value, (kind: u32, name: u32, name_size: u32);
    }
    Ok(())
}

/// If the map does not exist, Envoy answers Ok with no pairs.
fn get_pairs(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    return_data: u32,
    return_size: u32,
) -> Answer {
    known(kind)?;
    let bytes = match readable(caller.data(), kind) {
        Some(headers) if !headers.is_empty() => headers.encode(),
        _ => Vec::new(),
    };
    guest::give(caller, &bytes, return_data, return_size)
}

fn get_value(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    name: u32,
    name_size: u32,
    return_data: u32,
    return_size: u32,
) -> Answer {
    known(kind)?;
    let name = guest::read_text(caller, name, name_size)?.to_ascii_lowercase();
    let state = caller.data();
    let Some(headers) = readable(state, kind) else {
        let logging = state
            .stream()
            .is_some_and(|stream| stream.phase == Some(Phase::Log));
        let status = if logging {
            Status::NotFound
        } else {
            Status::BadArgument
        };
        return Err(status.into());
    };
    let value = headers.get(&name).ok_or(Status::NotFound)?.to_vec();
    guest::give(caller, &value, return_data, return_size)
}

fn get_size(caller: &mut Caller<'_, HostState>, kind: u32, return_size: u32) -> Answer {
    known(kind)?;
    let headers = writable(caller.data_mut(), kind)?;
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let size = u32::try_from(size).map_err(|_| Status::BadArgument)?;
    guest::write_number(caller, return_size, size)
}

fn set_pairs(caller: &mut Caller<'_, HostState>, kind: u32, data: u32, size: u32) -> Answer {
    known(kind)?;
    let pairs = guest::read(caller, data, size)?;
    let pairs = Headers::decode(&pairs).ok_or(Status::BadArgument)?;
    change(caller, kind, |headers| *headers = pairs)
}

fn replace_value(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    name: u32,
    name_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    known(kind)?;
    let name = guest::read_text(caller, name, name_size)?;
    let value = guest::read(caller, value, value_size)?;
    change(caller, kind, |headers| headers.replace(&name, value))
}

fn add_value(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    name: u32,
    name_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    known(kind)?;
    let name = guest::read_text(caller, name, name_size)?;
    let value = guest::read(caller, value, value_size)?;
    change(caller, kind, |headers| headers.add(&name, value))
}

fn remove_value(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    name: u32,
    name_size: u32,
) -> Answer {
    known(kind)?;
    let name = guest::read_text(caller, name, name_size)?;
    change(caller, kind, |headers| headers.remove(&name))
}

fn change(
    caller: &mut Caller<'_, HostState>,
    kind: u32,
    edit: impl FnOnce(&mut Headers),
) -> Answer {
    edit(writable(caller.data_mut(), kind)?);
    if kind == map::REQUEST_HEADERS
        && let Some(stream) = caller.data_mut().stream_mut()
    {
        stream.request_headers_changed = true;
    }
    Ok(())
}

fn known(kind: u32) -> Answer {
    // `WasmHeaderMapType::MAX` is 8.
    if kind > 8 {
        return Err(Status::BadArgument.into());
    }
    Ok(())
}

/// The map that a host call reads (`Context::getConstMap`).
fn readable(state: &HostState, kind: u32) -> Option<&Headers> {
    match kind {
        map::CALL_RESPONSE_HEADERS => Some(&state.call_response.as_ref()?.headers),
        map::CALL_RESPONSE_TRAILERS => state.call_response.as_ref()?.body.trailers.as_ref(),
        _ => {
            let stream = state.stream()?;
            if stream.phase == Some(Phase::Log) {
                logged(stream, kind)
            } else {
                open(stream, kind)
            }
        }
    }
}

/// In the log phase, host calls can read all headers, also those that they could not reach before.
fn logged(stream: &StreamState, kind: u32) -> Option<&Headers> {
    match kind {
        map::REQUEST_HEADERS => Some(&stream.request.headers),
        map::RESPONSE_HEADERS => stream.response.passed.as_ref().map(|sent| &sent.headers),
        map::RESPONSE_TRAILERS => stream.response.passed.as_ref()?.trailers.as_ref(),
        _ => None,
    }
}

fn open(stream: &StreamState, kind: u32) -> Option<&Headers> {
    let (direction, trailers) = place(kind)?;
    let half = stream.half(direction);
    if trailers {
        half.trailers.as_ref().filter(|_| half.trailers_open)
    } else {
        Some(&half.headers).filter(|_| half.headers_open)
    }
}

/// The map that a host call changes (`Context::getMap`). BadArgument if there is none.
fn writable(state: &mut HostState, kind: u32) -> Result<&mut Headers, Stop> {
    let (direction, trailers) = place(kind).ok_or(Status::BadArgument)?;
    let context = state.context();
    let stream = state.streams.get(&context).ok_or(Status::BadArgument)?;
    let half = stream.half(direction);
    if open(stream, kind).is_none() {
        if trailers && half.piece.is_some() && half.end_of_stream {
            state.violation("trailers added in a body callback: this host does not implement that");
        }
        return Err(Status::BadArgument.into());
    }
    let gone = match (&half.passed, trailers) {
        (Some(passed), true) => passed.trailers.is_some(),
        (passed, _) => passed.is_some(),
    };
    if gone {
        state.violation(format!(
            "{direction:?} headers changed after they went on: Envoy answers Ok and loses the change"
        ));
    }
    let stream = state.stream_mut().ok_or(Status::BadArgument)?;
    let half = stream.half_mut(direction);
    if trailers {
        half.trailers.as_mut().ok_or(Status::BadArgument.into())
    } else {
        Ok(&mut half.headers)
    }
}

/// The half to which a map belongs, and whether the map is its trailers.
fn place(kind: u32) -> Option<(Direction, bool)> {
    Some(match kind {
        map::REQUEST_HEADERS => (Direction::Request, false),
        map::REQUEST_TRAILERS => (Direction::Request, true),
        map::RESPONSE_HEADERS => (Direction::Response, false),
        map::RESPONSE_TRAILERS => (Direction::Response, true),
        _ => return None,
    })
}
