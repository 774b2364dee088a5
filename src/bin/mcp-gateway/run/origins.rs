//! Which web pages may use an endpoint on this machine.

use mcp_gateway::config::Config;
use serde_json::{Value, json};

/// The origins of MCP Inspector's own page.
const INSPECTOR: [&str; 2] = ["http://localhost:6274", "http://127.0.0.1:6274"];

/// Lets only the pages of MCP Inspector use the endpoint where the file has no `cors`.
/// Without a list, every web page that the user visits can call the tools by DNS
/// rebinding (MCP 2026-07-28, "Transports", security warning). `filter` is the
/// configuration of the HTTP filter in Envoy; `None` if it has an unexpected shape.
pub(super) fn restrict(config: &Config, filter: &mut Value) -> Option<()> {
    let own = filter.pointer_mut("/typed_config/config/configuration/value")?;
    let own = own.as_object_mut()?;
    if config.cors.is_none() {
        own.insert("cors".to_owned(), json!({ "allowOrigins": INSPECTOR }));
    }
    Some(())
}
