//! What Envoy does if the filter replaces a held request body with one that is too long for Envoy's
//! buffer (`ActiveStreamDecoderFilter::requestDataTooLarge`).

use crate::host::abi::Direction;
use crate::host::guest::Stop;
use crate::host::headers::Headers;
use crate::host::state::{Deferred, HostState, LocalReply, Passed, Phase};
use wasmi::{Caller, Val};

const BODY: &[u8] = b"Payload Too Large";

/// Answers 413. If a request callback of the filter runs, Envoy answers after its end. Otherwise
/// Envoy answers at once, before the host call has ended.
pub(super) fn answer(caller: &mut Caller<'_, HostState>) -> Result<(), Stop> {
    let state = caller.data_mut();
    let id = state.context();
    let Some(stream) = state.stream_mut() else {
        return Ok(());
    };
    if std::mem::replace(&mut stream.reply_asked, true) {
        return Ok(());
    }
    stream.local = true;
    stream.details = Some("request_payload_too_large");
    let in_callback = matches!(
        stream.phase,
        Some(
            Phase::Headers(Direction::Request)
                | Phase::Body(Direction::Request)
                | Phase::Trailers(Direction::Request)
        )
    );
    if in_callback {
        let reply = LocalReply {
            status: 413,
            headers: Headers::new(),
            body: BODY.to_vec(),
        };
        state.deferred.push_back(Deferred::Reply(id, reply));
        return Ok(());
    }
    answer_inside(caller, id)
}

/// Sends the answer through the filter and ends its stream. All of this happens before the host
/// call returns.
fn answer_inside(caller: &mut Caller<'_, HostState>, id: u32) -> Result<(), Stop> {
    let mut headers = Headers::new();
    headers.add(":status", "413");
    headers.add("content-length", BODY.len().to_string());
    headers.add("content-type", "text/plain");
    let (fields, size) = (headers.len() as u32, BODY.len() as u32);

    let response = &mut stream(caller, id).response;
    response.headers = headers;
    response.headers_open = true;
    let phase = Phase::Headers(Direction::Response);
    enter_again(
        caller,
        id,
        Some(phase),
        "proxy_on_response_headers",
        &[id, fields, 0],
    )?;
    let response = &mut stream(caller, id).response;
    response.headers_open = false;
    response.piece = Some(BODY.to_vec());
    let phase = Phase::Body(Direction::Response);
    enter_again(
        caller,
        id,
        Some(phase),
        "proxy_on_response_body",
        &[id, size, 1],
    )?;
    let stream = stream(caller, id);
    stream.response.passed = Some(Passed {
        headers: stream.response.headers.clone(),
        body: stream.response.piece.take().unwrap_or_default(),
        trailers: None,
        complete: true,
    });
    stream.ended = true;
    enter_again(caller, id, Some(Phase::Log), "proxy_on_log", &[id])?;
    enter_again(caller, id, None, "proxy_on_done", &[id])?;
    enter_again(caller, id, None, "proxy_on_delete", &[id])?;
    caller.data_mut().contexts.remove(&id);
    Ok(())
}

fn stream<'a>(
    caller: &'a mut Caller<'_, HostState>,
    id: u32,
) -> &'a mut crate::host::state::StreamState {
    let streams = &mut caller.data_mut().streams;
    streams.get_mut(&id).expect("a stream of this plugin")
}

/// Runs a callback while another callback waits for its host call.
fn enter_again(
    caller: &mut Caller<'_, HostState>,
    id: u32,
    phase: Option<Phase>,
    export: &str,
    arguments: &[u32],
) -> Result<(), Stop> {
    let function = caller.get_export(export);
    let Some(function) = function.and_then(wasmi::Extern::into_func) else {
        return Ok(());
    };
    let arguments: Vec<Val> = arguments
        .iter()
        .map(|number| Val::I32(number.cast_signed()))
        .collect();
    let mut results = vec![Val::I32(0); function.ty(&*caller).results().len()];
    let state = caller.data_mut();
    let outer = (state.current_context, state.effective_context);
    (state.current_context, state.effective_context) = (id, 0);
    stream(caller, id).phase = phase;
    function.call(&mut *caller, &arguments, &mut results)?;
    stream(caller, id).phase = None;
    let state = caller.data_mut();
    (state.current_context, state.effective_context) = outer;
    let is_response = matches!(phase, Some(Phase::Headers(_) | Phase::Body(_)));
    if is_response && results.first().and_then(Val::i32) == Some(1) {
        state.violation(format!(
            "{export} holds Envoy's own 413: nothing can release it"
        ));
    }
    Ok(())
}
