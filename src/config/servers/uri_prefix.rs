//! How clients see the URIs of a server's resources. Only this file defines it: `<name>+` is added
//! before a URI. In the URI of an MCP App, `ui://`, the name goes behind the scheme, which has to
//! stay (MCP Apps, SEP-1865: hosts accept no other scheme).

use std::borrow::Cow;

use crate::mcp::resource_uri;

/// The start of the URIs of MCP Apps.
pub const APP: &str = "ui://";

/// The mark in the URIs that clients see, which tells whose resource it is: the name of the server.
/// Two different URIs of a server always look different to clients, and each has only one form for
/// clients, since rules apply to the form that clients see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UriPrefix(String);

impl UriPrefix {
    /// No mark: clients see the server's own URIs.
    pub const NONE: Self = Self(String::new());

    /// The mark of the server with this name.
    pub fn of(name: &str) -> Self {
        Self(format!("{name}+"))
    }

    /// Whether clients see the server's own URIs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text before URIs that are not of an app: `<name>+`, or nothing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client's form of the URI or URI template that the server calls `own`: `<name>+` and
    /// `own`, or `ui://<name>/X` where `own` is `ui://X`.
    pub fn to_client<'n>(&self, own: &'n str) -> Cow<'n, str> {
        if self.is_empty() {
            return Cow::Borrowed(own);
        }
        match own.strip_prefix(APP) {
            Some(rest) if is_app(own) => [APP, self.name(), "/", rest].concat().into(),
            _ => [&self.0, own].concat().into(),
        }
    }

    /// The server's own form of the client's URI or URI template `uri`; `None` where no URI of the
    /// server has this form for clients.
    pub fn to_server<'n>(&self, uri: &'n str) -> Option<Cow<'n, str>> {
        let Some(rest) = uri.strip_prefix(APP).filter(|_| !self.is_empty()) else {
            let own = uri.strip_prefix(&self.0)?;
            // An app has only the form above. If it had two forms, a client could choose the one
            // that a rule does not match.
            return (self.is_empty() || !is_app(own)).then_some(Cow::Borrowed(own));
        };
        let rest = rest.strip_prefix(self.name())?.strip_prefix('/')?;
        let own = [APP, rest].concat();
        is_app(&own).then_some(Cow::Owned(own))
    }

    fn name(&self) -> &str {
        self.0.strip_suffix('+').unwrap_or_default()
    }
}

/// Whether the server's URI is that of an app and in normal form for both sides: the part that is a
/// host for the server is a part of the path for clients. All other URIs get `<name>+`. So a URI
/// that is not in normal form for the server is not in normal form for clients either.
fn is_app(own: &str) -> bool {
    let is_normal = |uri: &str| resource_uri::check_normal_template(uri).is_ok();
    let rest = own.strip_prefix(APP);
    rest.is_some_and(|rest| is_normal(own) && is_normal(&["ui:///", rest].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_uri_has_one_form_for_clients_and_comes_back() {
        let prefix = UriPrefix::of("w");
        for (own, client) in [
            ("file:///x", "w+file:///x"),
            ("ui://app/main.html", "ui://w/app/main.html"),
            ("ui://app", "ui://w/app"),
            ("ui://App/%20?q#f", "ui://w/App/%20?q#f"),
            ("ui://", "ui://w/"),
            ("ui:///x", "ui://w//x"),
            ("ui://w/x", "ui://w/w/x"),
            ("ui://{app}/{+path}", "ui://w/{app}/{+path}"),
            // These are not URIs of apps.
            ("ui:x", "w+ui:x"),
            ("ui:/x", "w+ui:/x"),
            ("UI://x", "w+UI://x"),
            ("uix://x", "w+uix://x"),
            ("w+ui://x", "w+w+ui://x"),
            ("", "w+"),
            // These are not URIs of apps either, and they are not in normal form for any side.
            ("ui://a@b/x", "w+ui://a@b/x"),
            ("ui://a:080/x", "w+ui://a:080/x"),
            ("ui://a/../x", "w+ui://a/../x"),
            ("ui://a b", "w+ui://a b"),
            ("ui://../x", "w+ui://../x"),
        ] {
            assert_eq!(prefix.to_client(own), client);
            assert_eq!(prefix.to_server(client).as_deref(), Some(own), "{client}");
            assert_eq!(UriPrefix::NONE.to_client(own), own);
            assert_eq!(UriPrefix::NONE.to_server(own).as_deref(), Some(own));
            let is_normal = |uri| resource_uri::check_normal_template(uri).is_ok();
            assert_eq!(is_normal(own), is_normal(client), "{own}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_other_uri_is_one_of_the_server() {
        let prefix = UriPrefix::of("w");
        for uri in [
            "w+ui://app",
            "ui://app",
            "ui://w",
            "ui://W/app",
            "ui://w.b/app",
            "ui://w/a@b/x",
            "ui://w/a:080/x",
            "ui://w/../x",
            "v+file:///x",
            "file:///x",
            "UI://w/app",
            "",
        ] {
            assert_eq!(prefix.to_server(uri), None, "{uri}");
        }
    }
}
