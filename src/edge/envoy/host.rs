//! Host calls of the proxy-wasm ABI 0.2.1 that return the host's status.
//!
//! The SDK's host calls panic on a status that they do not expect, such as
//! `BadArgument` for a call outside its phase, and a panic ends the worker's VM.
//! Here such a status is an error.

use std::borrow::Cow;
use std::ptr::{null, null_mut};

use crate::edge::abi::map;
use crate::http::Headers;

/// A host call failed. The number is the status that the host returned, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostCallError(pub(super) u32);

/// The header maps that are used here, of those that the ABI has.
#[derive(Debug, Clone, Copy)]
pub(super) enum HeaderMap {
    Request,
    RequestTrailers,
    Response,
    CallResponse,
}

/// The buffers that are used here, of those that the ABI has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Buffer {
    RequestBody,
    ResponseBody,
    CallResponseBody,
    PluginConfiguration,
}

impl HeaderMap {
    fn number(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::RequestTrailers => 1,
            Self::Response => 2,
            Self::CallResponse => 6,
        }
    }
}

impl Buffer {
    fn number(self) -> u32 {
        match self {
            Self::RequestBody => 0,
            Self::ResponseBody => 1,
            Self::CallResponseBody => 4,
            Self::PluginConfiguration => 7,
        }
    }
}

/// The ABI's status for bytes that cannot be parsed.
pub(super) const PARSE_FAILURE: HostCallError = HostCallError(4);

/// The ABI's status for an internal failure. Here: a callback inside another one.
pub(super) const INTERNAL_FAILURE: HostCallError = HostCallError(10);

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        longest: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        results: *mut *mut u8,
        results_size: *mut usize,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(data: *mut u8, size: usize) -> u16;
}

/// Fills `bytes` with random numbers for secrets. Ends the VM if the host has
/// none, since without them no key and no session id would be secret.
pub(super) fn random(bytes: &mut [u8]) {
    // SAFETY: the pointer is valid for writes of this size.
    if unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) } != 0 {
        std::process::abort();
    }
}

/// The result of a host call that returned `status`.
pub(super) fn ok(status: u32) -> Result<(), HostCallError> {
    if status == 0 {
        Ok(())
    } else {
        Err(HostCallError(status))
    }
}

/// Takes ownership of a result that the host allocated in this module.
///
/// # Safety
/// `data` is null, or was allocated by the SDK's `proxy_on_memory_allocate`
/// with `size` bytes and belongs to nobody else.
pub(super) unsafe fn owned(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() {
        return Vec::new();
    }
    // SAFETY: the allocator there makes a boxed slice of exactly `size` bytes.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

/// All fields of a header map.
pub(super) fn headers(map: HeaderMap) -> Result<Headers, HostCallError> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both pointers are valid for writes; the result is ours.
    let bytes = unsafe {
        ok(proxy_get_header_map_pairs(
            map.number(),
            &raw mut data,
            &raw mut size,
        ))?;
        owned(data, size)
    };
    // An error, since no forged header could be removed from an unreadable map.
    let fields = if bytes.is_empty() {
        Vec::new()
    } else {
        map::fields(&bytes).ok_or(PARSE_FAILURE)?
    };
    Ok(Headers::new(bytes, fields))
}

/// Replaces every field called `name` by one with `value`.
pub(super) fn set_header(map: HeaderMap, name: &str, value: &str) -> Result<(), HostCallError> {
    // SAFETY: the pointers are valid for their sizes during the call.
    ok(unsafe {
        proxy_replace_header_map_value(
            map.number(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Adds a field called `name`.
pub(super) fn add_header(map: HeaderMap, name: &str, value: &str) -> Result<(), HostCallError> {
    // SAFETY: the pointers are valid for their sizes during the call.
    ok(unsafe {
        proxy_add_header_map_value(
            map.number(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Removes every field called `name`.
pub(super) fn remove_header(map: HeaderMap, name: &str) -> Result<(), HostCallError> {
    // SAFETY: the pointer is valid for its size during the call.
    ok(unsafe { proxy_remove_header_map_value(map.number(), name.as_ptr(), name.len()) })
}

/// Removes every field of a map.
pub(super) fn clear(map: HeaderMap) -> Result<(), HostCallError> {
    let none = map::encoded(std::iter::empty());
    // SAFETY: the pointer is valid for its size during the call.
    ok(unsafe { proxy_set_header_map_pairs(map.number(), none.as_ptr(), none.len()) })
}

/// The first `size` bytes of a buffer.
pub(super) fn buffer(buffer: Buffer, size: usize) -> Result<Vec<u8>, HostCallError> {
    buffer_from(buffer, 0, size)
}

/// `size` bytes of a buffer, from `start` on.
pub(super) fn buffer_from(
    buffer: Buffer,
    start: usize,
    size: usize,
) -> Result<Vec<u8>, HostCallError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let (mut data, mut returned) = (null_mut(), 0);
    // SAFETY: both pointers are valid for writes; the result is ours.
    unsafe {
        ok(proxy_get_buffer_bytes(
            buffer.number(),
            start,
            size,
            &raw mut data,
            &raw mut returned,
        ))?;
        Ok(owned(data, returned))
    }
}

/// Replaces all of a buffer: the whole body of the request, or the part of the
/// response body that has arrived.
pub(super) fn replace(buffer: Buffer, body: &[u8]) -> Result<(), HostCallError> {
    // SAFETY: the pointer is valid for its size during the call.
    ok(
        unsafe {
            proxy_set_buffer_bytes(buffer.number(), 0, usize::MAX, body.as_ptr(), body.len())
        },
    )
}

/// Makes host calls act on this context until the callback ends.
pub(super) fn set_effective_context(context: u32) -> Result<(), HostCallError> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_set_effective_context(context) })
}

/// The number of a queue with which [`call_root`] calls. The host never gives a
/// queue this number.
pub(super) const CALL_ROOT: u32 = 0;

/// Calls `on_queue_ready` of the root context through the SDK, as the host would.
///
/// The SDK delivers the response to a callout to the context whose callback sent
/// it, and drops the response if that context is gone. So the root context sends
/// all callouts: then no callout depends on the stream that asked for it first.
pub(super) fn call_root(root: u32) {
    unsafe extern "C" {
        fn proxy_on_queue_ready(context: u32, queue: u32);
    }
    // SAFETY: it is a function of this module, which takes any numbers; no
    // callback of the root context is running.
    unsafe { proxy_on_queue_ready(root, CALL_ROOT) }
}

/// Makes the host call `on_tick` of the root context every `period` milliseconds.
pub(super) fn set_tick_period(period: u32) -> Result<(), HostCallError> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_set_tick_period_milliseconds(period) })
}

/// Writes the filter state `wasm.<key>`.
pub(super) fn set_filter_state(key: &str, value: &[u8]) -> Result<(), HostCallError> {
    // SAFETY: the pointers are valid for their sizes during the call.
    ok(unsafe { proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

/// Continues a request that is held.
pub(super) fn resume_request() -> Result<(), HostCallError> {
    // SAFETY: no pointers; 0 is the request.
    ok(unsafe { proxy_continue_stream(0) })
}

/// Resets the stream. Envoy ends its process if this is called in a callback of the
/// stream itself.
pub(super) fn reset_stream() -> Result<(), HostCallError> {
    // SAFETY: no pointers; 1 is the response.
    ok(unsafe { proxy_close_stream(1) })
}

/// Sends a local response to the client. Envoy shows `details` as
/// `%RESPONSE_CODE_DETAILS%`.
pub(super) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(Cow<'static, str>, String)],
    body: &[u8],
) -> Result<(), HostCallError> {
    let headers = map::encoded(
        headers
            .iter()
            .map(|(name, value)| (&**name, value.as_str())),
    );
    // SAFETY: the pointers are valid for their sizes during the call.
    ok(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Calls the foreign function of Envoy called `name`; returns its result.
pub(super) fn call_foreign_function(
    name: &str,
    arguments: &[u8],
) -> Result<Vec<u8>, HostCallError> {
    let (mut data, mut size) = (null_mut(), 0);
    let start = if arguments.is_empty() {
        null()
    } else {
        arguments.as_ptr()
    };
    // SAFETY: the pointers are valid for their sizes during the call, and both
    // results for writes; the result is ours.
    unsafe {
        ok(proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            start,
            arguments.len(),
            &raw mut data,
            &raw mut size,
        ))?;
        Ok(owned(data, size))
    }
}
