//! An OAuth protected resource: its metadata, which names the authorization servers (RFC 9728), and
//! the challenge for a client without a token (RFC 6750).

use super::url::{self, Url};
use super::{Headers, challenge};

/// The well-known location of the metadata; the path of a resource follows it.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

const DESCRIPTION: &str = "a valid access token is required";

/// The configured data of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource {
    /// `resource` of the metadata.
    pub identifier: ResourceIdentifier,
    /// Whether each endpoint is a resource of its own, with its own metadata.
    pub per_endpoint: bool,
    /// The metadata document up to the value of `resource`.
    pub before: String,
    /// The metadata document after the value of `resource`.
    pub after: String,
    /// `scope` of challenges; empty for none.
    pub scope: String,
}

/// The resource identifier (RFC 9728 section 1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceIdentifier {
    /// A URL, the same for every client.
    Absolute {
        /// The URL, as the metadata shows it.
        url: String,
        /// Where the metadata is (RFC 9728 section 3.1).
        metadata_url: String,
        /// The path of the URL, without a `/` at its end.
        path: String,
    },
    /// A path on the host that the client asked.
    Relative(String),
}

impl ResourceIdentifier {
    /// The identifier that `text` is: an absolute http or https URL without
    /// fragment, or a path. `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if url::is_path_and_query(text) {
            return Some(Self::Relative(text.to_owned()));
        }
        let url = Url::parse_http(text).filter(|url| url.fragment().is_none())?;
        let path = url.path().strip_suffix('/').unwrap_or(url.path());
        let base = format!("{}://{}{WELL_KNOWN}{path}", url.scheme(), url.authority());
        Some(Self::Absolute {
            url: text.to_owned(),
            metadata_url: match url.query() {
                Some(query) => format!("{base}?{query}"),
                None => base,
            },
            path: path.to_owned(),
        })
    }
}

/// The path of the resource whose metadata the request target `path` asks for. It is empty for the
/// location without a resource path. `None` where the request is for something else.
pub fn described(path: &[u8]) -> Option<&[u8]> {
    let rest = url::path_of(path).strip_prefix(WELL_KNOWN.as_bytes())?;
    match rest {
        b"" | b"/" => Some(b""),
        [b'/', ..] => Some(rest.strip_suffix(b"/").unwrap_or(rest)),
        _ => None,
    }
}

/// The scheme, host and path that a client used in its request: `https://host:port`.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestedResource {
    base: Option<String>,
    path: String,
}

impl RequestedResource {
    /// From a request's `x-forwarded-proto`, else `:scheme`, its `:authority`
    /// and `:path`.
    pub fn of(request: &Headers) -> Self {
        let scheme = ["x-forwarded-proto", ":scheme"]
            .iter()
            .filter_map(|name| request.text(name))
            .map(str::to_ascii_lowercase)
            .find(|scheme| scheme == "http" || scheme == "https")
            .unwrap_or_else(|| "http".to_owned());
        // A valid authority has no character that ends a quoted string.
        let base = request
            .text(":authority")
            .filter(|authority| url::is_authority(authority))
            .map(|authority| format!("{scheme}://{authority}"));
        let path = url::path_of(request.get(":path").unwrap_or_default());
        Self {
            base,
            path: url::encode_path(path.strip_suffix(b"/").unwrap_or(path)),
        }
    }
}

impl ProtectedResource {
    /// The metadata of the resource at `described`, as JSON. `None` when its URL depends on the
    /// host, and the request has no host.
    pub fn metadata(&self, asked: &RequestedResource, described: &[u8]) -> Option<Vec<u8>> {
        let url = match &self.identifier {
            ResourceIdentifier::Absolute { url, .. } => url.clone(),
            ResourceIdentifier::Relative(path) => {
                let base = asked.base.as_deref()?;
                if self.per_endpoint && !described.is_empty() {
                    format!("{base}{}", url::encode_path(described))
                } else {
                    format!("{base}{path}")
                }
            }
        };
        // A URL has no character that JSON escapes.
        Some(format!("{}\"{url}\"{}", self.before, self.after).into_bytes())
    }

    /// The URL of the metadata. For an absolute resource it is fixed; otherwise it is on the host
    /// of the request `asked`. `None` if the request has no host.
    fn location(&self, asked: &RequestedResource) -> Option<String> {
        match &self.identifier {
            ResourceIdentifier::Absolute { metadata_url, .. } => Some(metadata_url.clone()),
            ResourceIdentifier::Relative(_) => {
                let base = asked.base.as_ref()?;
                Some(format!("{base}{WELL_KNOWN}{}", asked.path))
            }
        }
    }

    /// Whether the path `described` is that of an absolute resource.
    pub fn is_at(&self, described: &[u8]) -> bool {
        match &self.identifier {
            ResourceIdentifier::Absolute { path, .. } => {
                !path.is_empty() && path.as_bytes() == described
            }
            ResourceIdentifier::Relative(_) => false,
        }
    }

    /// The value of `WWW-Authenticate` in a 401 for the request `asked`. The response has these
    /// `fields` of that header already.
    pub fn challenge<'a>(
        &self,
        asked: &RequestedResource,
        mut fields: impl Iterator<Item = &'a [u8]>,
    ) -> String {
        let metadata = self.location(asked);
        let mut params = vec![
            ("error", "invalid_token"),
            ("error_description", DESCRIPTION),
        ];
        params.extend(metadata.as_deref().map(|url| ("resource_metadata", url)));
        if !self.scope.is_empty() {
            params.push(("scope", &self.scope));
        }
        challenge::completed(&mut fields, &params)
    }

    /// The same for a 403 whose `fields` say which scopes are missing.
    pub fn insufficient<'a>(
        &self,
        asked: &RequestedResource,
        mut fields: impl Iterator<Item = &'a [u8]>,
    ) -> String {
        let metadata = self.location(asked);
        let params = metadata.as_deref().map(|url| ("resource_metadata", url));
        challenge::completed(&mut fields, params.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn resource(resource: &str, per_endpoint: bool) -> ProtectedResource {
        ProtectedResource {
            identifier: ResourceIdentifier::parse(resource).unwrap(),
            per_endpoint,
            before: r#"{"resource":"#.into(),
            after: "}".into(),
            scope: "a b".into(),
        }
    }

    fn asked(pairs: &[(&str, &str)]) -> RequestedResource {
        RequestedResource::of(&Headers::from_pairs(pairs.iter().copied()))
    }

    const HOST: (&str, &str) = (":authority", "h:8443");

    #[wasm_bindgen_test(unsupported = test)]
    fn the_well_known_location_has_the_resources_path_behind_it() {
        for (path, expected) in [
            (WELL_KNOWN, Some("")),
            ("/.well-known/oauth-protected-resource/?x", Some("")),
            ("/.well-known/oauth-protected-resource?x=/y", Some("")),
            (
                "/.well-known/oauth-protected-resource/a/mcp",
                Some("/a/mcp"),
            ),
            ("/.well-known/oauth-protected-resource/mcp/?x", Some("/mcp")),
            ("/.well-known/oauth-protected-resources", None),
            ("/.well-known/oauth-authorization-server", None),
            ("/mcp/.well-known/oauth-protected-resource", None),
        ] {
            let found = described(path.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{path}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_relative_resource_is_completed_as_the_client_knows_the_host() {
        for (pairs, resource_url) in [
            (&[(":scheme", "https"), HOST][..], "https://h:8443/mcp"),
            (
                &[("x-forwarded-proto", "HTTPS"), (":scheme", "http"), HOST],
                "https://h:8443/mcp",
            ),
            (
                &[("x-forwarded-proto", "ws"), (":scheme", "http"), HOST],
                "http://h:8443/mcp",
            ),
            (&[HOST], "http://h:8443/mcp"),
        ] {
            let metadata = resource("/mcp", false).metadata(&asked(pairs), b"/other");
            let expected = format!(r#"{{"resource":"{resource_url}"}}"#);
            assert_eq!(metadata, Some(expected.into_bytes()));
        }
        let own = resource("/mcp", true).metadata(&asked(&[HOST]), b"/other\"\xe4");
        assert_eq!(
            own.as_deref(),
            Some(&br#"{"resource":"http://h:8443/other%22%E4"}"#[..])
        );
        let absolute = resource("https://x.example/y", true);
        for pairs in [&[][..], &[HOST]] {
            let metadata = absolute.metadata(&asked(pairs), b"/other");
            assert_eq!(
                metadata.as_deref(),
                Some(&br#"{"resource":"https://x.example/y"}"#[..])
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_authority_that_is_none_goes_nowhere() {
        for authority in [
            "", "a\"b", "a\\b", "a b", "a@b", "a/b", "a,b", "a:b", ":80", "h\u{e4}",
        ] {
            let asked = asked(&[(":authority", authority), (":path", "/mcp")]);
            assert_eq!(
                resource("/mcp", false).metadata(&asked, b""),
                None,
                "{authority}"
            );
            let challenge = resource("/mcp", false).challenge(&asked, [].into_iter());
            assert!(!challenge.contains("resource_metadata"), "{challenge}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_absolute_resource_has_its_metadata_where_it_is() {
        for (url, location, path) in [
            (
                "https://x.example/y",
                "https://x.example/.well-known/oauth-protected-resource/y",
                "/y",
            ),
            (
                "https://x.example:8/a/b/",
                "https://x.example:8/.well-known/oauth-protected-resource/a/b",
                "/a/b",
            ),
            (
                "https://x.example",
                "https://x.example/.well-known/oauth-protected-resource",
                "",
            ),
            (
                "https://x.example/",
                "https://x.example/.well-known/oauth-protected-resource",
                "",
            ),
            // The query follows the path, and is no part of it.
            (
                "https://x.example/y/?z=/",
                "https://x.example/.well-known/oauth-protected-resource/y?z=/",
                "/y",
            ),
            (
                "https://x.example?z=/y",
                "https://x.example/.well-known/oauth-protected-resource?z=/y",
                "",
            ),
        ] {
            let asked = asked(&[(":authority", "internal:8080"), (":path", "/mcp")]);
            let challenge = resource(url, false).challenge(&asked, [].into_iter());
            let expected = format!(r#"resource_metadata="{location}""#);
            assert!(challenge.contains(&expected), "{challenge}");
            assert_eq!(
                resource(url, false).is_at(path.as_bytes()),
                !path.is_empty(),
                "{url}"
            );
            assert!(!resource(url, false).is_at(b"/mcp"));
        }
        assert!(!resource("/mcp", false).is_at(b"/mcp"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_neither_a_url_nor_a_path_is_no_resource() {
        for text in [
            "",
            "mcp",
            "//h/mcp",
            "ftp://h/mcp",
            "https://u@h/mcp",
            "https://h/mcp#x",
            "/mcp#x",
            "/a\"b",
            "/\\h",
        ] {
            assert_eq!(ResourceIdentifier::parse(text), None, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_challenge_says_where_the_metadata_is() {
        for (path, location) in [
            ("/mcp?x=\"", "/mcp"),
            ("/mcp/", "/mcp"),
            ("/", ""),
            ("/a\"b\\c", "/a%22b%5Cc"),
        ] {
            let asked = asked(&[HOST, (":path", path)]);
            assert_eq!(
                resource("/mcp", false).challenge(&asked, [].into_iter()),
                format!(
                    r#"Bearer error="invalid_token", error_description="a valid access token is required", resource_metadata="http://h:8443/.well-known/oauth-protected-resource{location}", scope="a b""#
                )
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_lack_of_scopes_stays_one_where_the_metadata_is() {
        let asked = asked(&[HOST, (":scheme", "https"), (":path", "/mcp")]);
        let lack = super::challenge::insufficient_scope(&["x".to_owned()]);
        let challenge = resource("/mcp", false).challenge(&asked, [lack.as_bytes()].into_iter());
        let metadata = challenge.strip_prefix(&lack).expect(&challenge);
        assert!(metadata.starts_with(r#", resource_metadata="https://h:8443/"#));
    }
}
