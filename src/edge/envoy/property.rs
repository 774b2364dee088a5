//! Envoy's attributes of a request or a plugin, and its CEL expressions over them.

use std::ptr::null_mut;

use super::host::{HostCallError, PARSE_FAILURE, call_foreign_function, ok, owned};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

/// The attribute at `path`, if it is UTF-8.
pub(super) fn text(path: &[&str]) -> Option<String> {
    String::from_utf8(bytes(path)?).ok()
}

/// Compiles a CEL expression; returns its token.
pub(super) fn compile(expression: &str) -> Result<u32, HostCallError> {
    let token = call_foreign_function("expr_create", expression.as_bytes())?;
    let token = token.as_slice().try_into().map_err(|_| PARSE_FAILURE)?;
    Ok(u32::from_le_bytes(token))
}

/// The result of the expression with this token for this request, as bytes (see
/// [`crate::edge::abi::value`]). `None` if the evaluation failed.
pub(super) fn evaluate(token: u32) -> Option<Vec<u8>> {
    call_foreign_function("expr_evaluate", &token.to_le_bytes()).ok()
}

/// The attribute at `path`, as bytes (see [`crate::edge::abi::value`]).
pub(super) fn bytes(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the pointer is valid for its size, both results for writes; the
    // result is ours.
    let bytes = unsafe {
        ok(proxy_get_property(
            path.as_ptr(),
            path.len(),
            &raw mut data,
            &raw mut size,
        ))
        .ok()?;
        owned(data, size)
    };
    Some(bytes)
}
