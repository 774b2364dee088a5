//! The key of a list page, made of everything that its content depends on.

use std::collections::HashMap;

use crate::config::{EndpointId, Server, ServerId};
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

/// The keys of the first pages that were asked for last, one for each server. The next request for
/// a list mostly needs the same keys, and a digest takes longer than the search for a kept page.
#[derive(Default)]
pub struct FirstPageKeys(HashMap<ServerId, (FirstPage, PageKey)>);

/// Everything that the key of a first page depends on, but the name of the plugin.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FirstPage {
    server: [u8; 32],
    view: Option<EndpointId>,
    kind: ListKind,
    version: Option<&'static str>,
    capabilities: ClientCapabilities,
}

impl FirstPageKeys {
    /// The same as [`PageKey::new`] without a cursor. `plugin` must always be the same.
    pub fn key(
        &mut self,
        plugin: &str,
        server: &Server,
        kind: ListKind,
        version: Option<&'static str>,
        capabilities: ClientCapabilities,
    ) -> PageKey {
        let page = FirstPage {
            server: server.fingerprint,
            view: server.view,
            kind,
            version,
            capabilities,
        };
        match self.0.get(&server.id) {
            Some((last, key)) if *last == page => *key,
            _ => {
                let key = PageKey::new(plugin, server, kind, None, version, capabilities);
                self.0.insert(server.id, (page, key));
                key
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_first_page_has_the_same_key_whatever_was_asked_before() {
        let servers = |text: &[u8]| Config::parse(text).unwrap().gateway.unwrap().servers;
        let one = servers(br#"{"servers":[{"name":"a"},{"name":"b"}]}"#);
        // After a reload, another server has the same id.
        let other = servers(br#"{"servers":[{"name":"c"}]}"#);
        let capabilities = |text| ClientCapabilities::read(text).0;
        let pages = [
            (&one[0], ListKind::Tools, None, "{}"),
            (&one[0], ListKind::Tools, None, "{}"),
            (&one[0], ListKind::Prompts, None, "{}"),
            (&one[0], ListKind::Tools, Some("v"), "{}"),
            (&one[0], ListKind::Tools, Some("w"), "{}"),
            (&one[0], ListKind::Tools, Some("w"), r#"{"roots":{}}"#),
            (&one[1], ListKind::Tools, Some("w"), r#"{"roots":{}}"#),
            (&other[0], ListKind::Tools, Some("w"), r#"{"roots":{}}"#),
            (&one[0], ListKind::Tools, None, "{}"),
        ];
        let mut keys = FirstPageKeys::default();
        for (server, kind, version, declared) in pages {
            let declared = capabilities(declared);
            let key = keys.key("p", server, kind, version, declared);
            assert_eq!(
                key,
                PageKey::new("p", server, kind, None, version, declared)
            );
        }
    }
}
