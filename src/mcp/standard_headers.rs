//! The standard headers of a modern request, which repeat parts of its body:
//! `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` (MCP 2026-07-28, standard request headers).
//! Proxies may act on the headers, and servers on the body, so both must agree.

use std::fmt;

use crate::http::Headers;
use crate::mcp::message::Message;
use crate::mcp::{METHOD_HEADER, NAME_HEADER, PROTOCOL_VERSION_HEADER, header_value, json, method};

/// The name of a standard header: as the specification writes it, and in lower case, as Envoy gives
/// it.
type HeaderName = (&'static str, &'static str);
const VERSION: HeaderName = ("MCP-Protocol-Version", PROTOCOL_VERSION_HEADER);
const METHOD: HeaderName = ("Mcp-Method", METHOD_HEADER);
const NAME: HeaderName = ("Mcp-Name", NAME_HEADER);

/// What is wrong with a standard header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is required and missing.
    Missing,
    /// It is there more than once.
    Repeated,
    /// It has characters that a header cannot have without encoding.
    Characters,
    /// Its `=?base64?…?=` cannot be decoded.
    Undecodable,
    /// It differs from the body.
    Differs,
}

/// A standard header that does not match the body, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The header's name, as the specification writes it.
    pub header: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            Fault::Missing => "is missing",
            Fault::Repeated => "must be sent once",
            Fault::Characters => "has characters that must be encoded as =?base64?...?=",
            Fault::Undecodable => "cannot be decoded",
            Fault::Differs => "does not match the body",
        };
        write!(f, "header {} {fault}", self.header)
    }
}

/// Which standard headers a request must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// All of them, as the specification requires of a modern request.
    Complete,
    /// None is required. Those that are there must match the body.
    WherePresent,
}

/// Checks that no standard header is there twice, and that each has valid characters (MCP
/// 2026-07-28, "Server Validation of Headers"). This check must come first: without it, the meaning
/// of the request is not clear.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check_readable(headers: &Headers) -> Result<(), Mismatch> {
    for (header, field) in [VERSION, METHOD, NAME] {
        let fault = match headers.single(field) {
            Err(_) => Fault::Repeated,
            Ok(Some(value)) if !header_value::has_valid_characters(value) => Fault::Characters,
            Ok(_) => continue,
        };
        return Err(Mismatch { header, fault });
    }
    Ok(())
}

/// Compares the headers with the body, in the order of the specification:
/// version, method, name.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check(headers: &Headers, message: &Message<'_>, demand: Demand) -> Result<(), Mismatch> {
    let meta = message.params().map(|params| &params.meta);
    let version = meta.and_then(|meta| json::string(meta.protocol_version?));
    // The body of a legacy request has no version to compare with.
    if version.is_some() || demand == Demand::Complete {
        compare(headers, VERSION, version.as_deref(), demand)?;
    }
    compare(headers, METHOD, Some(message.method()), demand)?;
    // The header has no known meaning for other methods.
    match method::name_param(message.method()) {
        Some(_) => compare(headers, NAME, message.name().as_deref(), demand),
        None => Ok(()),
    }
}

fn compare(
    headers: &Headers,
    (header, field): HeaderName,
    said: Option<&str>,
    demand: Demand,
) -> Result<(), Mismatch> {
    let fault = match (headers.single(field), said) {
        (Err(_), _) => Fault::Repeated,
        (Ok(None), Some(_)) if demand == Demand::Complete => Fault::Missing,
        (Ok(None), _) => return Ok(()),
        (Ok(Some(value)), said) => match header_value::decode(value) {
            None if !header_value::has_valid_characters(value) => Fault::Characters,
            None => Fault::Undecodable,
            Some(value) if Some(value.as_ref()) == said => return Ok(()),
            Some(_) => Fault::Differs,
        },
    };
    Err(Mismatch { header, fault })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const CALL: &[u8] =
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u00c4",
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

    fn fault(headers: &[(&str, &str)], demand: Demand) -> Result<(), (&'static str, Fault)> {
        let message = Message::parse(CALL).unwrap();
        let headers = Headers::from_pairs(headers.iter().copied());
        check(&headers, &message, demand).map_err(|mismatch| (mismatch.header, mismatch.fault))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn headers_that_repeat_the_body_pass() {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", " tools/call "),
            ("mcp-name", "=?base64?w4Q=?="),
        ];
        assert_eq!(fault(&headers, Demand::Complete), Ok(()));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_fault_is_named_with_its_header() {
        let version = ("mcp-protocol-version", "2026-07-28");
        let method = ("mcp-method", "tools/call");
        for (headers, header, expected) in [
            (vec![], "MCP-Protocol-Version", Fault::Missing),
            (vec![version], "Mcp-Method", Fault::Missing),
            (vec![version, method], "Mcp-Name", Fault::Missing),
            (
                vec![("mcp-protocol-version", "2025-11-25")],
                "MCP-Protocol-Version",
                Fault::Differs,
            ),
            (
                vec![version, version],
                "MCP-Protocol-Version",
                Fault::Repeated,
            ),
            (
                vec![version, ("mcp-method", "tools/list")],
                "Mcp-Method",
                Fault::Differs,
            ),
            (
                vec![version, ("mcp-method", "Tools/Call")],
                "Mcp-Method",
                Fault::Differs,
            ),
            (
                vec![version, method, ("mcp-name", "=?base64?w4Q?=")],
                "Mcp-Name",
                Fault::Undecodable,
            ),
            // The same text as the body, but not encoded.
            (
                vec![version, method, ("mcp-name", "\u{c4}")],
                "Mcp-Name",
                Fault::Characters,
            ),
            (
                vec![version, ("mcp-method", "tools/call\u{a0}")],
                "Mcp-Method",
                Fault::Characters,
            ),
            (
                vec![("mcp-protocol-version", "2026-07-28\u{7f}")],
                "MCP-Protocol-Version",
                Fault::Characters,
            ),
            (
                vec![version, method, ("mcp-name", "other")],
                "Mcp-Name",
                Fault::Differs,
            ),
        ] {
            assert_eq!(
                fault(&headers, Demand::Complete),
                Err((header, expected)),
                "{headers:?}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_header_must_be_readable_whatever_the_method() {
        let readable = |headers: &[(&str, &str)]| {
            let headers = Headers::from_pairs(headers.iter().copied());
            check_readable(&headers).map_err(|mismatch| (mismatch.header, mismatch.fault))
        };
        assert_eq!(readable(&[]), Ok(()));
        assert_eq!(readable(&[("mcp-name", "a b\t=?base64?w4Q=?=")]), Ok(()));
        for (field, header) in [
            ("mcp-protocol-version", "MCP-Protocol-Version"),
            ("mcp-method", "Mcp-Method"),
            ("mcp-name", "Mcp-Name"),
        ] {
            for text in ["\u{c4}", "x\u{7f}", "\u{feff}x"] {
                let expected = Err((header, Fault::Characters));
                assert_eq!(readable(&[(field, text)]), expected, "{text:?}");
            }
            let expected = Err((header, Fault::Repeated));
            assert_eq!(readable(&[(field, "x"), (field, "x")]), expected);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn where_present_absent_headers_pass_and_wrong_ones_do_not() {
        assert_eq!(fault(&[], Demand::WherePresent), Ok(()));
        assert_eq!(
            fault(&[("mcp-name", "other")], Demand::WherePresent),
            Err(("Mcp-Name", Fault::Differs))
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_header_counts_where_the_method_has_a_name() {
        let headers = Headers::from_pairs([("mcp-name", "x")]);
        let check = |body: &str| {
            let message = Message::parse(body.as_bytes()).unwrap();
            check(&headers, &message, Demand::WherePresent).map_err(|mismatch| mismatch.fault)
        };
        assert_eq!(
            check(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#),
            Err(Fault::Differs)
        );
        assert_eq!(
            check(r#"{"jsonrpc":"2.0","id":1,"method":"acme/run"}"#),
            Ok(())
        );
    }
}
