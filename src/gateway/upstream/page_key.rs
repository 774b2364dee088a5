//! The key of a list page, made of everything that its content depends on.

use crate::config::{EndpointId, Server};
use crate::mcp::client_capabilities::ClientCapabilities;
use crate::mcp::list::ListKind;
use crate::seal;

/// The key of a page: a digest of everything that the server's text depends on, and the
/// [view](Server::view) that the gateway used to read the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageKey(
    pub(in crate::gateway) [u8; 32],
    pub(in crate::gateway) Option<EndpointId>,
);

impl PageKey {
    /// The key of the page of a list that starts at `cursor`. `plugin` is the name of this plugin
    /// in its VM. `version` is the modern version of the request; it is `None` for a request in a
    /// session. `capabilities` are the client's.
    pub fn new(
        plugin: &str,
        server: &Server,
        kind: ListKind,
        cursor: Option<&str>,
        version: Option<&str>,
        capabilities: ClientCapabilities,
    ) -> Self {
        let capabilities = capabilities.json();
        let parts = [
            plugin.as_bytes(),
            &server.fingerprint,
            kind.method().as_bytes(),
            if cursor.is_some() { b"1" } else { b"0" },
            cursor.unwrap_or_default().as_bytes(),
            version.unwrap_or_default().as_bytes(),
            capabilities.as_bytes(),
        ];
        Self(seal::digest(&parts), server.view)
    }
}
