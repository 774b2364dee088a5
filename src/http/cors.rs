//! Cross-origin requests from browsers (the Fetch standard, "HTTP CORS protocol").
//!
//! A preflight has no credentials, so authentication would refuse it. The filter answers it before
//! anything else checks the request.

use super::headers::is_token;
use super::url::Url;
use super::{Headers, Reply};

/// Which origins may read the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These origins and no others.
    Listed(Vec<Origin>),
}

/// The hosts of pages that run on the user's own machine. Development servers on these hosts use
/// any free port.
const LOOPBACK_HOSTS: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// An origin, or a pattern with one `*` in place of a label of the host or of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `https://app.example.com`
    Exact(String),
    /// `https://*.example.com`: the text before and after the `*`.
    Pattern(String, String),
    /// `http://localhost:*`: this scheme and host, with any port or none.
    AnyPort(String),
}

impl Origin {
    /// The origin or pattern `text`, written as browsers send origins (the Fetch
    /// standard, "serializing an origin"): scheme, host and port in lower case,
    /// without the scheme's default port. A `*` may stand in place of one label
    /// of the host, except the last, or in place of the port of `localhost`,
    /// `127.0.0.1` or `[::1]`.
    ///
    /// # Errors
    /// What is wrong with `text`, as a clause after it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(origin) = text.strip_suffix(":*") {
            let host = origin.split_once("://").map(|(_, host)| host);
            if !host.is_some_and(|host| LOOPBACK_HOSTS.contains(&host)) {
                return Err("may have \"*\" as the port only for localhost, 127.0.0.1 and [::1]");
            }
            return Self::parse(origin).map(|_| Self::AnyPort(origin.to_owned()));
        }
        let url = Url::parse(text).ok_or(
            "must be an origin such as \"https://app.example.com\" or \"https://*.example.com\"",
        )?;
        if !url.path().is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err("must not have a path: an origin is scheme, host and port");
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("must be in lower case, as browsers send it");
        }
        if matches!(
            (url.scheme(), url.port()),
            (_, Some("")) | ("http", Some("80")) | ("https", Some("443"))
        ) {
            return Err("must not have the default port: browsers leave it out");
        }
        let Some((before, after)) = text.split_once('*') else {
            return Ok(Self::Exact(text.to_owned()));
        };
        let is_label =
            before.ends_with(['/', '.']) && after.starts_with('.') && !after.contains('*');
        if is_label {
            Ok(Self::Pattern(before.to_owned(), after.to_owned()))
        } else {
            Err("may have one \"*\", in place of one whole label of the host")
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::AnyPort(before) => origin.strip_prefix(before.as_str()).is_some_and(|port| {
                port.is_empty()
                    || port.strip_prefix(':').is_some_and(|port| {
                        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
                    })
            }),
            Self::Pattern(before, after) => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|label| {
                    !label.is_empty()
                        && label
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                }),
        }
    }
}

/// What browsers on other origins may do. Each list is the header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Who may read.
    pub origins: Origins,
    /// `access-control-allow-methods`
    pub methods: String,
    /// `access-control-allow-headers`
    pub headers: String,
    /// A header whose name starts with this is added to them when a preflight asks for it: for
    /// names that the configuration cannot list. In lower case.
    pub asked_prefix: &'static str,
    /// `access-control-expose-headers`
    pub expose: String,
    /// `access-control-max-age`, in seconds.
    pub max_age: u64,
    /// `access-control-allow-credentials`
    pub credentials: bool,
}

impl Cors {
    /// Whether `request` is a preflight: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`.
    pub fn is_preflight(request: &Headers) -> bool {
        request.get(":method") == Some(b"OPTIONS")
            && request.get("origin").is_some()
            && request.get("access-control-request-method").is_some()
    }

    /// Whether the origin of `request` may read an answer: the request has no `Origin` (no browser,
    /// or the same origin), or an allowed one.
    pub fn allows(&self, request: &Headers) -> bool {
        if self.origins == Origins::Any {
            return true;
        }
        match request.single("origin") {
            Ok(None) => true,
            Ok(Some(origin)) => {
                std::str::from_utf8(origin).is_ok_and(|origin| self.allows_origin(origin))
            }
            Err(_) => false,
        }
    }

    fn allows_origin(&self, origin: &str) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::Listed(list) => list.iter().any(|allowed| allowed.matches(origin)),
        }
    }

    /// The answer to a preflight from an allowed origin. The origin's own
    /// fields come from [`Cors::answer`], like those of every answer.
    pub fn preflight(&self, request: &Headers) -> Reply {
        Reply::empty(204, "mcp_preflight")
            .with("access-control-allow-methods", self.methods.clone())
            .with(
                "access-control-allow-headers",
                self.allowed_headers(request),
            )
            .with("access-control-max-age", self.max_age.to_string())
    }

    /// The allowed headers, and each header with the [prefix](Self::asked_prefix) that the preflight
    /// asks for.
    fn allowed_headers(&self, request: &Headers) -> String {
        let mut allowed = self.headers.clone();
        let asked = request
            .all("access-control-request-headers")
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(str::trim);
        for name in asked.filter(|name| self.has_asked_prefix(name)) {
            allowed.push_str(", ");
            allowed.push_str(name);
        }
        allowed
    }

    /// Whether `name` is that of a header with the prefix. Names of headers are tokens.
    fn has_asked_prefix(&self, name: &str) -> bool {
        let prefix = self.asked_prefix;
        let start = name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && name.len() > prefix.len()
            && is_token(name)
    }

    /// The fields that each answer to a browser needs, whether a server, another filter or this
    /// filter made the answer: `access-control-allow-origin` for an allowed `origin`, and the
    /// fields that depend on it. They replace fields of the same names, except that `vary` is added
    /// to others.
    pub fn answer(&self, origin: Option<&str>) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let allowed = match (&self.origins, origin) {
            (Origins::Any, _) => Some("*"),
            (Origins::Listed(_), Some(origin)) if self.allows_origin(origin) => Some(origin),
            (Origins::Listed(_), _) => None,
        };
        if let Some(allowed) = allowed {
            fields.push(("access-control-allow-origin", allowed.to_owned()));
            fields.push(("access-control-expose-headers", self.expose.clone()));
            if self.credentials {
                fields.push(("access-control-allow-credentials", "true".to_owned()));
            }
        }
        fields.push(("vary", "origin".to_owned()));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn cors(origins: Origins) -> Cors {
        Cors {
            origins,
            methods: "GET, POST".into(),
            headers: "content-type".into(),
            asked_prefix: "x-p-",
            expose: "Mcp-Session-Id".into(),
            max_age: 60,
            credentials: false,
        }
    }

    fn listed() -> Cors {
        cors(Origins::Listed(vec![
            Origin::Exact("https://app.example.com".into()),
            Origin::Pattern("https://".into(), ".example.org".into()),
        ]))
    }

    fn preflight(pairs: &[(&str, &str)]) -> Headers {
        let asked = [
            (":method", "OPTIONS"),
            ("origin", "https://a.test"),
            ("access-control-request-method", "POST"),
        ];
        Headers::from_pairs(asked.iter().chain(pairs).copied())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_preflight_is_options_with_origin_and_requested_method() {
        assert!(Cors::is_preflight(&preflight(&[])));
        for pairs in [
            &[(":method", "OPTIONS")][..],
            &[(":method", "OPTIONS"), ("origin", "https://a.test")],
            &[
                (":method", "POST"),
                ("origin", "https://a.test"),
                ("access-control-request-method", "POST"),
            ],
        ] {
            assert!(
                !Cors::is_preflight(&Headers::from_pairs(pairs.iter().copied())),
                "{pairs:?}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn headers_with_the_prefix_are_allowed_as_asked_for_and_nothing_else_is() {
        let request = preflight(&[(
            "access-control-request-headers",
            "x-p-Region,x-evil, x-p-,x-p-a\u{e4},x-p-a b,x-p-(a),X-P-a!#$%&'*+.^_`|~",
        )]);
        let reply = cors(Origins::Any).preflight(&request);
        let allowed = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "access-control-allow-headers");
        assert_eq!(
            allowed.unwrap().1,
            "content-type, x-p-Region, X-P-a!#$%&'*+.^_`|~"
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_origin_is_written_as_browsers_send_it() {
        for text in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://[::1]:8080",
            "https://h:80",
            "http://h:443",
            "vscode-webview://a1b2",
        ] {
            assert_eq!(Origin::parse(text), Ok(Origin::Exact(text.into())));
        }
        assert_eq!(
            Origin::parse("http://*.b.example:8080"),
            Ok(Origin::Pattern("http://".into(), ".b.example:8080".into()))
        );
        for (text, reason) in [
            ("app.example.com", "must be an origin such as"),
            ("https://", "must be an origin such as"),
            ("null", "must be an origin such as"),
            ("https://u@h", "must be an origin such as"),
            ("localhost:*", "may have \"*\" as the port only for"),
            ("http://h:*", "may have \"*\" as the port only for"),
            (
                "http://localhost.evil.test:*",
                "may have \"*\" as the port only for",
            ),
            ("http://[::1]:*:*", "may have \"*\" as the port only for"),
            ("HTTP://localhost:*", "must be in lower case"),
            ("https://h/", "must not have a path"),
            ("https://h?x", "must not have a path"),
            ("https://h#x", "must not have a path"),
            ("https://H", "must be in lower case"),
            ("HTTPS://h", "must be in lower case"),
            ("https://h:443", "must not have the default port"),
            ("http://h:80", "must not have the default port"),
            ("https://h:", "must not have the default port"),
            ("https://*", "may have one \"*\""),
            ("https://a*.example", "may have one \"*\""),
            ("https://*.*.example", "may have one \"*\""),
            ("https://example.*", "may have one \"*\""),
        ] {
            let error = Origin::parse(text).expect_err(text);
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn listed_origins_are_compared_exactly_and_patterns_by_one_label() {
        for (origin, allowed) in [
            ("https://app.example.com", true),
            ("https://a-1.example.org", true),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://app.example.com.evil.test", false),
            ("https://a.b.example.org", false),
            ("https://.example.org", false),
            ("https://evil/.example.org", false),
            ("null", false),
        ] {
            let request = Headers::from_pairs([("origin", origin)]);
            assert_eq!(listed().allows(&request), allowed, "{origin}");
        }
        assert!(listed().allows(&Headers::default()));
        let twice = Headers::from_pairs([
            ("origin", "https://app.example.com"),
            ("origin", "https://evil.test"),
        ]);
        assert!(!listed().allows(&twice));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn any_port_of_the_own_machine_is_one_pattern() {
        for (pattern, origin, allowed) in [
            ("http://localhost:*", "http://localhost:6274", true),
            ("http://localhost:*", "http://localhost", true),
            ("http://[::1]:*", "http://[::1]:3000", true),
            ("http://localhost:*", "https://localhost:6274", false),
            ("http://localhost:*", "http://localhost:", false),
            ("http://localhost:*", "http://localhost:80.evil.test", false),
            ("http://localhost:*", "http://localhost.evil.test", false),
            ("http://127.0.0.1:*", "http://127.0.0.1.evil.test:80", false),
            ("http://127.0.0.1:*", "http://localhost:80", false),
        ] {
            let listed = Origin::parse(pattern).expect(pattern);
            assert_eq!(listed.matches(origin), allowed, "{pattern} {origin}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn answers_name_an_allowed_origin_and_always_vary() {
        let names = |fields: Vec<(&'static str, String)>| {
            fields
                .into_iter()
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(cors(Origins::Any).answer(None)),
            ["*", "Mcp-Session-Id", "origin"]
        );
        assert_eq!(
            names(listed().answer(Some("https://app.example.com"))),
            ["https://app.example.com", "Mcp-Session-Id", "origin"]
        );
        assert_eq!(
            names(listed().answer(Some("https://evil.test"))),
            ["origin"]
        );
        assert_eq!(names(listed().answer(None)), ["origin"]);
    }
}
