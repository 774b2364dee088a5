//! Writes messages of JSON-RPC 2.0. Ids, parameters, results and data are JSON texts.

use super::json::object::{ObjectWriter, push_object};

/// The message is not JSON (JSON-RPC 2.0 section 5.1, as the codes below).
pub const PARSE_ERROR: i64 = -32700;
/// The message is JSON, but not an acceptable JSON-RPC message.
pub const INVALID_REQUEST: i64 = -32600;
/// The method does not exist.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are not valid.
pub const INVALID_PARAMS: i64 = -32602;
/// The request failed, and the client is not at fault.
pub const INTERNAL_ERROR: i64 = -32603;

/// A request for `method` with the id `id` (JSON-RPC 2.0 section 4).
pub fn request(id: &str, method: &str, params: impl AsRef<[u8]>) -> Vec<u8> {
    message(|message| {
        message.json("id", id);
        message.string("method", method);
        message.json("params", params);
    })
}

/// A notification: a request without an id (JSON-RPC 2.0 section 4.1).
pub fn notification(method: &str, params: impl AsRef<[u8]>) -> Vec<u8> {
    message(|message| {
        message.string("method", method);
        message.json("params", params);
    })
}

/// The response to the request `id`. `write` writes its `result` at the end of the buffer: one JSON
/// text of about `size` bytes (JSON-RPC 2.0 section 5).
pub fn result(id: &str, size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    const ENVELOPE: usize = 40;
    let size = size.saturating_add(id.len()).saturating_add(ENVELOPE);
    let mut out = Vec::with_capacity(size);
    push_message(&mut out, |message| {
        message.json("id", id);
        write(message.member("result"));
    });
    out
}

/// The error response to the request `id`. It has no id where the id of the request is unknown
/// (JSON-RPC 2.0 section 5.1).
pub fn error(id: Option<&str>, code: i64, text: &str, data: Option<&str>) -> Vec<u8> {
    message(|message| {
        message.json("id", id.unwrap_or("null"));
        message.object("error", |error| {
            error.json("code", code.to_string());
            error.string("message", text);
            if let Some(data) = data {
                error.json("data", data);
            }
        });
    })
}

fn message(write: impl FnOnce(&mut ObjectWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    push_message(&mut out, write);
    out
}

fn push_message(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    push_object(out, |message| {
        message.string("jsonrpc", "2.0");
        write(message);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_kind_of_message_is_written_as_the_specification_says() {
        for (message, expected) in [
            (
                request("\"a\"", "tools/list", "{}"),
                r#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{}}"#,
            ),
            (
                notification("notifications/x", "{}"),
                r#"{"jsonrpc":"2.0","method":"notifications/x","params":{}}"#,
            ),
            (
                result("1.0", 2, |out| out.extend_from_slice(b"{}")),
                r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#,
            ),
            (
                error(None, -32700, "no \"JSON\"", None),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no \"JSON\""}}"#,
            ),
            (
                error(Some("1"), 403, "", Some("{}")),
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":403,"message":"","data":{}}}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(message).unwrap(), expected);
        }
    }
}
