//! What Envoy knows of a request beside its headers: properties, and expressions
//! of its CEL over them.

use std::ptr::null_mut;

use super::host::{PARSE_FAILURE, Refused, foreign, ok, owned};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

/// A property of the stream or the plugin, by the parts of its path, where it
/// is a text.
pub(super) fn text(path: &[&str]) -> Option<String> {
    String::from_utf8(bytes(path)?).ok()
}

/// Compiles an expression of Envoy's CEL; gives the token that stands for it.
pub(super) fn compile(expression: &str) -> Result<u32, Refused> {
    let token = foreign("expr_create", expression.as_bytes())?;
    let token = token.as_slice().try_into();
    Ok(u32::from_le_bytes(
        token.map_err(|_| Refused(PARSE_FAILURE))?,
    ))
}

/// What the expression with this token comes to on this request, as Envoy writes
/// it; `None` where it fails.
pub(super) fn evaluate(token: u32) -> Option<Vec<u8>> {
    foreign("expr_evaluate", &token.to_le_bytes()).ok()
}

/// A property of the stream or the plugin as Envoy writes it.
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
