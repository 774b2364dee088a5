//! What the content of a list page depends on.

use crate::config::Server;
use crate::mcp::list::ListKind;
use crate::seal;

/// Names a page by everything that its content depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageKey(pub(in crate::gateway) [u8; 32]);

impl PageKey {
    /// The key of a page: `plugin` names this plugin in its VM; the client's
    /// part is its protocol version and capabilities.
    pub fn new(
        plugin: &str,
        server: &Server,
        kind: ListKind,
        cursor: Option<&str>,
        protocol_version: &str,
        capabilities: &str,
    ) -> Self {
        let parts = [
            plugin.as_bytes(),
            &server.fingerprint,
            kind.method().as_bytes(),
            if cursor.is_some() { b"1" } else { b"0" },
            cursor.unwrap_or_default().as_bytes(),
            protocol_version.as_bytes(),
            capabilities.as_bytes(),
        ];
        Self(seal::digest(&parts))
    }
}
