//! A header that repeats an argument of a call (MCP 2026-07-28, "Custom headers from tool
//! parameters"). The schema of the parameter names it.

use crate::http::headers::is_token;
use crate::mcp::{header_value, json};

/// The start of the name of each such header, in lower case.
pub const PREFIX: &str = "mcp-param-";

/// The member of a parameter's schema that names its header.
pub const ANNOTATION: &str = "x-mcp-header";

/// The name of the header, in lower case. `annotation` is the value of [`ANNOTATION`], a
/// JSON text; `None` where it names no header.
pub fn name(annotation: &str) -> Option<String> {
    let name = json::string(annotation).filter(|name| is_token(name))?;
    Some(format!("{PREFIX}{}", name.to_ascii_lowercase()))
}

/// The value of the header for `argument`, a JSON text. `None` where no header repeats it: only
/// strings, numbers and booleans have headers.
pub fn value(argument: &str) -> Option<String> {
    match argument.as_bytes().first()? {
        b'"' => Some(header_value::encode(&json::string(argument)?).into_owned()),
        b'{' | b'[' | b'n' => None,
        _ => Some(argument.to_owned()),
    }
}
