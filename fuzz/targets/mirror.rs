//! Headers and a body. If the filter accepts a request, both must say the same, and headers that
//! repeat the body exactly must be accepted.

#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::http::Headers;
use mcp_gateway::mcp::era::Era;
use mcp_gateway::mcp::{self, Message, header_value, method, version};
use mcp_gateway::policy::era_check;
use serde_json::{Value, json};

#[derive(Arbitrary, Debug)]
struct Request<'a> {
    method: Method<'a>,
    name: Option<&'a str>,
    version: Option<Version<'a>>,
    capabilities: bool,
    notification: bool,
    version_header: Header<'a>,
    method_header: Header<'a>,
    name_header: Header<'a>,
}

#[derive(Arbitrary, Debug)]
enum Method<'a> {
    ToolsCall,
    ResourcesRead,
    TasksGet,
    ToolsList,
    Initialize,
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Version<'a> {
    Spoken,
    Other(&'a str),
}

/// How a header repeats a value of the body.
#[derive(Arbitrary, Debug)]
enum Header<'a> {
    Absent,
    Encoded,
    Base64,
    Padded,
    Twice,
    Bytes(&'a [u8]),
}

impl Header<'_> {
    fn values(&self, said: &str) -> Vec<Vec<u8>> {
        let encoded = header_value::encode(said).into_owned();
        match self {
            Self::Absent => vec![],
            Self::Encoded => vec![encoded.into()],
            Self::Base64 => vec![format!("=?base64?{}?=", STANDARD.encode(said)).into()],
            Self::Padded => vec![format!(" \t{encoded}\t ").into()],
            Self::Twice => vec![encoded.clone().into(), encoded.into()],
            Self::Bytes(bytes) => vec![bytes.to_vec()],
        }
    }

    fn is_faithful(&self) -> bool {
        matches!(self, Self::Encoded | Self::Base64 | Self::Padded)
    }
}

fuzz_target!(|request: Request<'_>| {
    let method = match request.method {
        Method::ToolsCall => method::TOOLS_CALL,
        Method::ResourcesRead => method::RESOURCES_READ,
        Method::TasksGet => "tasks/get",
        Method::ToolsList => method::TOOLS_LIST,
        Method::Initialize => method::INITIALIZE,
        Method::Other(method) => method,
    };
    let version = request.version.as_ref().map(|version| match version {
        Version::Spoken => version::MODERN[0],
        Version::Other(version) => version,
    });
    for text in [
        method,
        request.name.unwrap_or_default(),
        version.unwrap_or_default(),
    ] {
        round_trip(text);
    }

    let body = body(&request, method, version);
    let message = Message::parse(&body).ok().expect("a message");
    let fields = [
        (
            mcp::PROTOCOL_VERSION_HEADER,
            &request.version_header,
            version,
        ),
        (mcp::METHOD_HEADER, &request.method_header, Some(method)),
        (mcp::NAME_HEADER, &request.name_header, request.name),
    ];
    let pairs: Vec<(&str, Vec<u8>)> = fields
        .iter()
        .flat_map(|(name, header, said)| {
            let values = header.values(said.unwrap_or_default());
            values.into_iter().map(|value| (*name, value))
        })
        .collect();
    let headers = Headers::from_pairs(pairs.iter().map(|(name, value)| (*name, value)));
    let strict = era_check::check(&headers, &message, true);
    let lenient = era_check::check(&headers, &message, false);

    assert!(lenient.is_ok() || strict.is_err());
    let has_name = method::name_param(method).is_some();
    // The values of the headers that agree with the body.
    let said = fields.map(|(name, _, said)| {
        let mut values = pairs.iter().filter(|(field, _)| *field == name);
        let value = values
            .next()
            .map(|(_, value)| header_value::decode(value).map(String::from));
        (value, values.next().is_some(), said.map(str::to_owned))
    });
    if lenient.is_ok() {
        for (at, (value, twice, said)) in said.iter().enumerate() {
            let counts = [version.is_some(), true, has_name][at];
            if let (Some(value), true) = (value, counts) {
                assert_eq!(value, said);
                assert!(!twice);
            }
        }
    }
    if strict.is_ok() && version.is_some() {
        assert!(said.iter().all(|(_, twice, _)| !twice));
    }
    if strict == Ok(Era::Modern) && !request.notification {
        assert!(version.is_some_and(|version| version::MODERN.contains(&version)));
        assert!(request.capabilities);
        for (at, (value, _, said)) in said.iter().enumerate() {
            if at < 2 || has_name {
                assert_eq!(value.clone().flatten(), *said);
            }
        }
    }
    let is_faithful = fields.iter().all(|(name, header, said)| match said {
        Some(_) => header.is_faithful(),
        None => match header {
            Header::Absent => true,
            // If the method has no name, the header is not read, but it must not be there twice.
            Header::Twice => false,
            Header::Bytes(bytes)
                if !bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) =>
            {
                false
            }
            _ => *name == mcp::NAME_HEADER && !has_name,
        },
    });
    if is_faithful && matches!(request.version, Some(Version::Spoken)) && request.capabilities {
        assert!(strict == Ok(Era::Modern));
    }
});

fn body(request: &Request<'_>, method: &str, version: Option<&str>) -> Vec<u8> {
    let mut params = json!({});
    if let (Some(param), Some(name)) = (method::name_param(method), request.name) {
        params[param] = Value::from(name);
    }
    if let Some(version) = version {
        params["_meta"][mcp::PROTOCOL_VERSION_KEY] = Value::from(version);
    }
    if request.capabilities {
        params["_meta"][mcp::CLIENT_CAPABILITIES_KEY] = json!({});
    }
    let mut body = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if !request.notification {
        body["id"] = json!(1);
    }
    serde_json::to_vec(&body).expect("JSON")
}

/// Checks that any text can be written into a header and read again.
fn round_trip(text: &str) {
    let encoded = header_value::encode(text);
    assert!(
        encoded
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    );
    assert_eq!(encoded.trim(), encoded);
    assert_eq!(
        header_value::decode(encoded.as_bytes()).as_deref(),
        Some(text)
    );
    let base64 = format!("=?base64?{}?=", STANDARD.encode(text));
    assert_eq!(
        header_value::decode(base64.as_bytes()).as_deref(),
        Some(text)
    );
}
