//! Decides the era of a request, and checks what the modern era requires of it
//! (MCP 2026-07-28, "Per-request metadata" and "Standard request headers").

use std::borrow::Cow;

use super::Refusal;
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::mcp::message::{Content, Params};
use crate::mcp::standard_headers::{self, Demand};
use crate::mcp::{self, Message, header_value, json, method, version};

/// The era of `message`, after these checks, in the order of the specification:
/// no standard header is there twice or has invalid characters, the required `_meta` is there, the standard
/// headers match the body, the version is supported.
///
/// `strict` checks all of this. Otherwise, only headers that are there must match
/// the body, and the server checks the rest.
///
/// # Errors
/// The first [`Refusal`].
pub fn check(headers: &Headers, message: &Message<'_>, strict: bool) -> Result<Era, Refusal> {
    standard_headers::check_readable(headers).map_err(Refusal::Mirror)?;
    if !strict {
        where_present(headers, message)?;
        let claims = message
            .params()
            .is_some_and(|params| params.meta.protocol_version.is_some());
        return Ok(if claims { Era::Modern } else { Era::Legacy });
    }
    let by_header = is_modern_by_header(headers);
    let Some(params) = message.params() else {
        if by_header {
            return Err(Refusal::UnexpectedResponse);
        }
        return where_present(headers, message).map(|()| Era::Legacy);
    };
    let is_request = matches!(message.content, Content::Request { .. });
    let Some(claimed) = params.meta.protocol_version else {
        if !by_header || message.method() == method::INITIALIZE {
            // The `initialize` of a legacy client may have any version in its header.
            return where_present(headers, message).map(|()| Era::Legacy);
        }
        if is_request {
            return Err(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY));
        }
        // Only a request needs `_meta`, so the header of a notification is enough.
        return where_present(headers, message).map(|()| Era::Modern);
    };
    let claimed = required(message, params, claimed)?;
    let demand = if is_request {
        Demand::Complete
    } else {
        Demand::WherePresent
    };
    standard_headers::check(headers, message, demand).map_err(Refusal::Mirror)?;
    supported(claimed)?;
    Ok(Era::Modern)
}

/// The same in gateway mode. The gateway removes the `Mcp-*` headers of a legacy
/// client, so they are not checked.
///
/// # Errors
/// The first [`Refusal`].
pub fn check_for_gateway(headers: &Headers, message: &Message<'_>) -> Result<Era, Refusal> {
    let claims = message
        .params()
        .is_some_and(|params| params.meta.protocol_version.is_some());
    let is_initialize = message.method() == method::INITIALIZE;
    if !claims && (is_initialize || !is_modern_by_header(headers)) {
        return Ok(Era::Legacy);
    }
    if let Content::Request { method, params, .. } = &message.content
        && method::is_legacy_only(method)
        && let Some(claimed) = params.meta.protocol_version
    {
        // There is no such method, whatever the headers say, and no server gets the request.
        return supported(required(message, params, claimed)?).map(|()| Era::Modern);
    }
    check(headers, message, true)
}

fn is_modern_by_header(headers: &Headers) -> bool {
    headers
        .all(mcp::PROTOCOL_VERSION_HEADER)
        .filter_map(header_value::decode)
        .any(|value| version::is_modern(&value))
}

/// The same without looking at headers (`attributeSource: BODY`).
///
/// # Errors
/// The first [`Refusal`].
pub fn check_body(message: &Message<'_>, strict: bool) -> Result<Era, Refusal> {
    let Some((params, claimed)) = message
        .params()
        .and_then(|params| Some((params, params.meta.protocol_version?)))
    else {
        return Ok(Era::Legacy);
    };
    if strict {
        supported(required(message, params, claimed)?)?;
    }
    Ok(Era::Modern)
}

/// Checks that `claimed` is a supported modern version.
fn supported(claimed: Cow<'_, str>) -> Result<(), Refusal> {
    if version::MODERN.contains(&claimed.as_ref()) {
        Ok(())
    } else {
        Err(Refusal::Version(claimed.into_owned()))
    }
}

/// The version in `_meta`, whose JSON text is `claimed`; checks that the rest that
/// a modern request needs is in `_meta`, too.
fn required<'a>(
    message: &Message<'a>,
    params: &Params<'a>,
    claimed: &'a str,
) -> Result<Cow<'a, str>, Refusal> {
    let claimed = json::string(claimed).ok_or(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))?;
    let is_request = matches!(message.content, Content::Request { .. });
    if is_request
        && !params
            .meta
            .client_capabilities
            .is_some_and(|capabilities| capabilities.starts_with('{'))
    {
        return Err(Refusal::MetaMissing(mcp::CLIENT_CAPABILITIES_KEY));
    }
    Ok(claimed)
}

/// Checks that the standard headers that are there match the body.
fn where_present(headers: &Headers, message: &Message<'_>) -> Result<(), Refusal> {
    standard_headers::check(headers, message, Demand::WherePresent).map_err(Refusal::Mirror)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::era::Era;
    use crate::mcp::standard_headers::{Fault, Mismatch};
    use wasm_bindgen_test::wasm_bindgen_test;

    const MODERN: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

    fn list(meta: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{meta}}}}}}}"#
        )
    }

    fn strict(headers: &[(&str, &str)], body: &str) -> Result<Era, Refusal> {
        let headers = Headers::from_pairs(headers.iter().copied());
        check(&headers, &Message::parse(body.as_bytes()).unwrap(), true)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn meta_makes_a_request_modern() {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
        ];
        assert_eq!(strict(&headers, &list(MODERN)), Ok(Era::Modern));
        assert_eq!(strict(&[], &list("")), Ok(Era::Legacy));
        assert_eq!(
            strict(&[("mcp-protocol-version", "2025-11-25")], &list("")),
            Ok(Era::Legacy)
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_modern_header_without_meta_is_refused_except_on_initialize() {
        let headers = [("mcp-protocol-version", "2026-07-28")];
        assert_eq!(
            strict(&headers, &list("")),
            Err(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))
        );
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
        assert_eq!(strict(&headers, initialize), Ok(Era::Legacy));
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
        assert_eq!(strict(&headers, notification), Ok(Era::Modern));
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(strict(&headers, response), Err(Refusal::UnexpectedResponse));
        assert_eq!(strict(&[], response), Ok(Era::Legacy));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_modern_request_must_have_is_checked_in_order() {
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        assert_eq!(
            strict(&[], &list(version)),
            Err(Refusal::MetaMissing(mcp::CLIENT_CAPABILITIES_KEY))
        );
        let number = r#""io.modelcontextprotocol/protocolVersion":20260728"#;
        assert_eq!(
            strict(&[], &list(number)),
            Err(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))
        );
        let missing = Mismatch {
            header: "MCP-Protocol-Version",
            fault: Fault::Missing,
        };
        assert_eq!(strict(&[], &list(MODERN)), Err(Refusal::Mirror(missing)));
        let twice = [("mcp-method", "tools/list"), ("mcp-method", "tools/list")];
        let repeated = Mismatch {
            header: "Mcp-Method",
            fault: Fault::Repeated,
        };
        assert_eq!(
            strict(&twice, &list(version)),
            Err(Refusal::Mirror(repeated))
        );
        let later = MODERN.replace("2026-07-28", "2027-01-01");
        let headers = [
            ("mcp-protocol-version", "2027-01-01"),
            ("mcp-method", "tools/list"),
        ];
        assert_eq!(
            strict(&headers, &list(&later)),
            Err(Refusal::Version("2027-01-01".into()))
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_headers_of_a_method_that_was_removed_do_not_matter() {
        for method in [
            "ping",
            "initialize",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            let body = list(MODERN).replace("tools/list", method);
            let message = Message::parse(body.as_bytes()).unwrap();
            for headers in [
                &[][..],
                &[("mcp-method", "tools/list")],
                &[("mcp-method", "ping"), ("mcp-method", "ping")],
                &[
                    ("mcp-protocol-version", "2025-11-25"),
                    ("mcp-name", "=?base64?#?="),
                ],
            ] {
                let headers = Headers::from_pairs(headers.iter().copied());
                let era = check_for_gateway(&headers, &message);
                assert_eq!(era, Ok(Era::Modern), "{method} {headers:?}");
                let kept =
                    check_for_gateway(&headers, &Message::parse(list(MODERN).as_bytes()).unwrap());
                assert!(matches!(kept, Err(Refusal::Mirror(_))), "{headers:?}");
            }
            // A later version may have the method, so the error about the version comes first.
            let later = body.replace("2026-07-28", "2027-01-01");
            let later = Message::parse(later.as_bytes()).unwrap();
            let version = Refusal::Version("2027-01-01".into());
            let era = check_for_gateway(&Headers::default(), &later);
            assert_eq!(era, Err(version), "{method}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn without_strictness_only_a_contradiction_is_refused() {
        let message = list(MODERN);
        let message = Message::parse(message.as_bytes()).unwrap();
        assert_eq!(check(&Headers::default(), &message, false), Ok(Era::Modern));
        let headers = Headers::from_pairs([("mcp-method", "tools/call")]);
        assert!(check(&headers, &message, false).is_err());
    }
}
