//! What servers read, and what they answer.

use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{LEGACY_VERSION, VERSION};

/// A request or a notification.
#[derive(Deserialize)]
pub(crate) struct Asked<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: &'a str,
}

/// The text that each successful call contains.
pub(crate) const SAID: &str = "It is sunny, and 22 degrees.";

/// The response to the request with this id.
pub(crate) fn response(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The error for a request of a method that the server does not have.
pub(crate) fn unknown_method(id: &str) -> Bytes {
    let error = r#"{"code":-32601,"message":"no such method"}"#;
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into()
}

/// The result of `server/discover`, with these members at its end.
pub(crate) fn discovered(rest: &str) -> String {
    format!(
        r#"{{"resultType":"complete","supportedVersions":["{VERSION}"],"capabilities":{{"tools":{{}}}},"_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"bench","version":"1.0.0"}}}},{rest}}}"#
    )
}

/// The result of `initialize`.
pub(crate) fn begun() -> String {
    format!(
        r#"{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"bench","version":"1.0.0"}}}}"#
    )
}

/// The result of `tools/list`, with these tools, and these members at its end.
pub(crate) fn listed(tools: &[String], rest: &str) -> String {
    let tools = tools.join(",");
    format!(r#"{{"resultType":"complete","tools":[{tools}],{rest}}}"#)
}

/// The result of `tools/call`.
pub(crate) fn called() -> String {
    format!(
        r#"{{"resultType":"complete","content":[{{"type":"text","text":"{SAID}"}}],"isError":false}}"#
    )
}
