//! How clients know the URIs of a server's resources. This is the one place that says so:
//! `<name>+` stands before a URI, but within one of an MCP App, `ui://`, which has to stay
//! one (MCP Apps, SEP-1865: hosts take no other scheme).

use std::borrow::Cow;

use crate::mcp::resource_uri;

/// The start of the URIs of MCP Apps.
pub const APP: &str = "ui://";

/// What clients see in the URIs of a server's resources that tells whose they are: the
/// name of the server. Two URIs of a server never look the same to clients, and clients
/// know each by one URI only, since rules are about what clients see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UriPrefix(String);

impl UriPrefix {
    /// Clients know the server's own URIs.
    pub const NONE: Self = Self(String::new());

    /// That of the server with this name.
    pub fn of(name: &str) -> Self {
        Self(format!("{name}+"))
    }

    /// Whether clients know the server's own URIs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands before the URIs that are not of an app: `<name>+`, or nothing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What clients call the URI or URI template that the server calls `own`: `<name>+`
    /// and `own`, or `ui://<name>/X` where `own` is `ui://X`.
    pub fn to_client<'n>(&self, own: &'n str) -> Cow<'n, str> {
        if self.is_empty() {
            return Cow::Borrowed(own);
        }
        match own.strip_prefix(APP) {
            Some(rest) if is_app(own) => [APP, self.name(), "/", rest].concat().into(),
            _ => [&self.0, own].concat().into(),
        }
    }

    /// What the server calls the URI or URI template that clients call `uri`; `None`
    /// where no URI of the server is called so.
    pub fn to_server<'n>(&self, uri: &'n str) -> Option<Cow<'n, str>> {
        let Some(rest) = uri.strip_prefix(APP).filter(|_| !self.is_empty()) else {
            let own = uri.strip_prefix(&self.0)?;
            // An app has its own form: two would let a client choose the rule.
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

/// Whether the server's URI is of an app, and in normal form for both sides: what is a
/// host for the server is a part of the path for clients. Others get `<name>+`, so that
/// clients never have a URI in normal form for one that is not.
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
            // These are no apps.
            ("ui:x", "w+ui:x"),
            ("ui:/x", "w+ui:/x"),
            ("UI://x", "w+UI://x"),
            ("uix://x", "w+uix://x"),
            ("w+ui://x", "w+w+ui://x"),
            ("", "w+"),
            // Nor are these, and they are in normal form for nobody.
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
