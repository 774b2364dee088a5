//! HTTP calls, and the foreign functions that Envoy adds to the ABI.

use super::host_calls;
use crate::host::abi::{Direction, Status};
use crate::host::guest::{self, Answer, Stop};
use crate::host::headers::Headers;
use crate::host::message::Call;
use crate::host::state::{HostState, Phase};
use std::time::Duration;
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_http_call" = http_call,
            (cluster: u32, cluster_size: u32, headers: u32, headers_size: u32,
             body: u32, body_size: u32, trailers: u32, trailers_size: u32,
             timeout: i32, return_token: u32);
        "proxy_call_foreign_function" = call_foreign_function,
            (name: u32, name_size: u32, arguments: u32, arguments_size: u32,
             results: u32, results_size: u32);
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI has that many")]
fn http_call(
    caller: &mut Caller<'_, HostState>,
    cluster: u32,
    cluster_size: u32,
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    trailers: u32,
    trailers_size: u32,
    timeout: i32,
    return_token: u32,
) -> Answer {
    let cluster = guest::read_text(caller, cluster, cluster_size)?;
    let body = guest::read(caller, body, body_size)?;
    let headers = guest::read(caller, headers, headers_size)?;
    guest::read(caller, trailers, trailers_size)?;
    // Envoy writes to this address before it starts the call.
    guest::write_number(caller, return_token, 0)?;
    let timeout = u64::try_from(timeout).map_err(|_| Status::BadArgument)?;
    let settings = &caller.data().settings;
    let without_hosts = settings.clusters_without_hosts.contains(&cluster);
    if !without_hosts && !settings.clusters.contains(&cluster) {
        return Err(Status::BadArgument.into());
    }
    let mut headers = Headers::decode(&headers).ok_or(Status::BadArgument)?;
    let needed = [":path", ":method", ":authority"];
    if needed.iter().any(|name| !headers.contains(name)) {
        return Err(Status::BadArgument.into());
    }
    if without_hosts {
        // Envoy gets the call's 503 while it still sends the call, and drops this 503.
        return Err(Status::InternalFailure.into());
    }
    if !body.is_empty() {
        headers.replace("content-length", body.len().to_string());
    }
    let state = caller.data_mut();
    let token = u32::try_from(state.calls.len() + 1).map_err(|_| Status::InternalFailure)?;
    let context = state.context();
    state.calls.push(Call {
        token,
        context,
        cluster,
        headers,
        body,
        timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
        answered: false,
    });
    guest::write_number(caller, return_token, token)
}

fn call_foreign_function(
    caller: &mut Caller<'_, HostState>,
    name: u32,
    name_size: u32,
    arguments: u32,
    arguments_size: u32,
    results: u32,
    results_size: u32,
) -> Answer {
    let name = guest::read_text(caller, name, name_size)?;
    let arguments = guest::read(caller, arguments, arguments_size)?;
    let answer = match name.as_str() {
        "declare_property" => declare_property(caller.data_mut(), arguments).map(|()| Vec::new()),
        "clear_route_cache" => {
            clear_route_cache(caller.data_mut());
            Ok(Vec::new())
        }
        "expr_create" => expression(caller.data_mut(), arguments),
        "expr_evaluate" => evaluated(caller.data_mut(), &arguments),
        // Envoy may have other functions. It answers an unknown name in the same way.
        _ => return Err(Status::NotFound.into()),
    };
    match answer {
        Ok(bytes) if !bytes.is_empty() => guest::give(caller, &bytes, results, results_size),
        answer => {
            for address in [results, results_size] {
                if address != 0 {
                    guest::write_number(caller, address, 0)?;
                }
            }
            answer.map(|_| ())
        }
    }
}

/// Returns the token of an expression. This host cannot compile CEL. It refuses only brackets
/// without an end.
fn expression(state: &mut HostState, text: Vec<u8>) -> Result<Vec<u8>, Stop> {
    let text = String::from_utf8(text).map_err(|_| Status::BadArgument)?;
    if text.matches('[').count() != text.matches(']').count() {
        return Err(Status::BadArgument.into());
    }
    state.expressions.push(text);
    Ok((state.expressions.len() as u32 - 1).to_le_bytes().into())
}

/// The value of the expression, as the scenario has set it.
fn evaluated(state: &mut HostState, token: &[u8]) -> Result<Vec<u8>, Stop> {
    let token = token.try_into().map_err(|_| Status::BadArgument)?;
    let at = u32::from_le_bytes(token) as usize;
    if at >= state.expressions.len() {
        return Err(Status::NotFound.into());
    }
    let stream = state.stream().ok_or(Status::InternalFailure)?;
    // After this phase the expression finds no headers, but Envoy still returns a value.
    if stream.phase != Some(Phase::Headers(Direction::Request)) {
        state.violation("expr_evaluate after the request's headers: they are empty by then");
        return Err(Status::InternalFailure.into());
    }
    let answer = stream.expressions.get(at).cloned().flatten();
    answer.ok_or(Status::InternalFailure.into())
}

/// Envoy declares a path only once. A value that is already set keeps its old type.
fn declare_property(state: &mut HostState, arguments: Vec<u8>) -> Answer {
    let path = property_path(&arguments).ok_or(Status::BadArgument)?;
    if state
        .declared
        .iter()
        .any(|declared| property_path(declared) == Some(path))
    {
        return Err(Stop::Answer(Status::BadArgument));
    }
    state.declared.push(arguments);
    Ok(())
}

/// Field 1 of `DeclarePropertyArguments`. Protobuf writers put it first.
fn property_path(arguments: &[u8]) -> Option<&[u8]> {
    match arguments {
        [0x0a, size, rest @ ..] if *size < 0x80 => rest.get(..usize::from(*size)),
        _ => None,
    }
}

fn clear_route_cache(state: &mut HostState) {
    let Some(stream) = state.stream_mut() else {
        return;
    };
    stream.clear_route_cache_calls += 1;
    if stream.half(Direction::Request).passed.is_some() {
        state.violation(
            "clear_route_cache after the request went on: its route has already been used",
        );
    }
}
