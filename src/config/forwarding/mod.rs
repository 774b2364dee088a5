//! The headers that servers get: `passthroughHeaders`, and a server's own `headers`.

mod spec;

pub(super) use self::spec::{PassthroughHeaderSpec, ServerHeaderSpec};
use super::servers::ServerSpec;
use super::{ConfigError, ConfigSpec, Secret, Server, secret};
use crate::http::headers::is_token;
use crate::policy::export;

/// A header of a client that a server gets; names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The name that the client uses.
    pub name: String,
    /// The name that the server gets.
    pub target: String,
    /// Whether the gateway refuses a request without it.
    pub required: bool,
}

/// Headers that identify the caller. Only servers with `allowCredentialHeaders` get them.
const CREDENTIALS: &[&str] = &["authorization", "cookie"];

/// Headers that belong to one connection, that describe the origin of the request, or that the
/// gateway writes for each server.
const RESTRICTED: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
];

/// The starts of the names of other such headers. `:` is the start of pseudo-headers.
const RESTRICTED_STARTS: &[&str] = &[":", "mcp-", "proxy-", "x-envoy-", "x-forwarded-"];

fn is_restricted(name: &str) -> bool {
    RESTRICTED.contains(&name)
        || export::HEADERS.contains(&name)
        || RESTRICTED_STARTS
            .iter()
            .any(|start| name.starts_with(start))
}

/// The headers that all servers get, and the data for checking the headers of each server.
pub(super) struct Forwarding<'a> {
    global: Vec<Forwarded>,
    has_oauth: bool,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

/// The headers that one server gets.
pub(super) struct ServerHeaders {
    /// Headers of the client that the server gets.
    pub(super) passthrough: Vec<Forwarded>,
    /// The server's own headers, from the configuration.
    pub(super) own: Vec<(String, Secret)>,
}

/// Which of the client's credentials a server may get.
#[derive(Clone, Copy)]
struct Allowed {
    /// Headers with credentials. Without this, neither the client's nor the server's name of a
    /// header may be one of theirs.
    credentials: bool,
    /// The client's `authorization`. With `oauth`, its token is for this gateway only, so no server
    /// gets it.
    authorization: bool,
}

impl<'a> Forwarding<'a> {
    /// Checks the global `passthroughHeaders`. Every server gets them, so credentials need
    /// `allowCredentialHeaders` on every enabled server.
    pub(super) fn new(
        spec: &ConfigSpec,
        has_oauth: bool,
        variable: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut enabled = spec.servers.iter().filter(|server| server.enabled);
        let credentials =
            !spec.servers.is_empty() && enabled.all(|server| server.allow_credential_headers);
        let allowed = Allowed {
            credentials,
            authorization: !has_oauth,
        };
        Ok(Self {
            global: allowed.passthrough(
                "passthroughHeaders",
                spec.passthrough_headers.as_deref().unwrap_or_default(),
                &mut Targets::default(),
            )?,
            has_oauth,
            variable,
        })
    }

    /// The headers for the server `spec`, which is at the path `at`. The environment variables of a
    /// disabled server are not read.
    pub(super) fn of(&self, at: &str, spec: &ServerSpec) -> Result<ServerHeaders, ConfigError> {
        let mut targets = Targets::default();
        for (place, header) in self.global.iter().enumerate() {
            targets.take(&format!("passthroughHeaders[{place}]"), &header.target)?;
        }
        let allowed = Allowed {
            credentials: spec.allow_credential_headers,
            authorization: !self.has_oauth,
        };
        let path = format!("{at}.passthroughHeaders");
        let own = allowed.passthrough(&path, &spec.passthrough_headers, &mut targets)?;
        let passthrough: Vec<Forwarded> = self.global.iter().cloned().chain(own).collect();
        if spec.enabled && spec.list_ttl.is_some() && !passthrough.is_empty() {
            return Err(ConfigError::new(
                format!("{at}.listTtl"),
                "cannot be used with passthroughHeaders: all callers would get the list of one caller",
            ));
        }
        Ok(ServerHeaders {
            passthrough,
            own: self.own(at, spec, &mut targets)?,
        })
    }

    /// The server's own headers.
    fn own(
        &self,
        at: &str,
        spec: &ServerSpec,
        targets: &mut Targets,
    ) -> Result<Vec<(String, Secret)>, ConfigError> {
        let mut headers = Vec::with_capacity(spec.headers.len());
        for (place, header) in spec.headers.iter().enumerate() {
            let path = format!("{at}.headers[{place}]");
            let name = header_name(&path, &header.name, true, "set")?;
            targets.take(&path, &name)?;
            if spec.enabled {
                headers.push((name, header.value(&path, self.variable)?));
            }
        }
        Ok(headers)
    }

    /// The client's names of the headers that `servers` get, each once.
    pub(super) fn names(&self, servers: &[Server]) -> Vec<String> {
        let own = servers.iter().flat_map(|server| &server.passthrough);
        let mut names: Vec<String> = Vec::new();
        for Forwarded { name, .. } in self.global.iter().chain(own) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

impl ServerHeaderSpec {
    /// The value of the header at `path`. Errors do not show it.
    fn value(
        &self,
        path: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Secret, ConfigError> {
        let (field, value) = match (&self.value, &self.value_from_env) {
            (Some(value), None) => (format!("{path}.value"), value.clone()),
            (None, Some(name)) => {
                let field = format!("{path}.valueFromEnv");
                let value = secret::from_env(&field, name, variable)?;
                (field, value)
            }
            _ => {
                return Err(ConfigError::new(
                    path,
                    "must have either value or valueFromEnv",
                ));
            }
        };
        if is_field_value(value.expose()) {
            Ok(value)
        } else {
            Err(ConfigError::new(
                field,
                "must be visible ASCII, with blanks only between",
            ))
        }
    }
}

/// Warnings about servers that get the credentials of callers.
pub(super) fn warnings(servers: &[Server]) -> Vec<String> {
    let warnings = servers.iter().filter_map(|server| {
        let gets = |name: &&&str| {
            let is = |it: &Forwarded| it.name == **name || it.target == **name;
            server.passthrough.iter().any(is)
        };
        let got: Vec<&str> = CREDENTIALS.iter().filter(gets).copied().collect();
        (!got.is_empty()).then(|| {
            format!(
                "server {} gets its callers' {}: allow this only for credentials that were issued for this server, such as tokens with this server as their audience",
                server.name,
                got.join(" and ")
            )
        })
    });
    warnings.collect()
}

impl Allowed {
    /// Checks `entries`, which are at `path`.
    fn passthrough(
        self,
        path: &str,
        entries: &[PassthroughHeaderSpec],
        targets: &mut Targets,
    ) -> Result<Vec<Forwarded>, ConfigError> {
        let mut list = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let header = self.header(&path, entry)?;
            targets.take(&path, &header.target)?;
            list.push(header);
        }
        Ok(list)
    }

    fn header(self, path: &str, entry: &PassthroughHeaderSpec) -> Result<Forwarded, ConfigError> {
        let (written, target, required) = match entry {
            PassthroughHeaderSpec::Name(name) => (name, None, false),
            PassthroughHeaderSpec::Entry(entry) => {
                (&entry.name, entry.target.as_ref(), entry.required)
            }
        };
        let name = header_name(path, written, self.credentials, "forwarded")?;
        let target = match target {
            Some(target) => header_name(path, target, self.credentials, "forwarded")?,
            None => name.clone(),
        };
        if !self.authorization && name == "authorization" {
            let reason = format!(
                "{written:?} is a restricted header and cannot be forwarded: with oauth its token is for this gateway"
            );
            return Err(ConfigError::new(path, reason));
        }
        Ok(Forwarded {
            name,
            target,
            required,
        })
    }
}

/// The header's name in lower case. `done` is a word for the error: "forwarded" or "set".
fn header_name(
    path: &str,
    name: &str,
    credentials: bool,
    done: &str,
) -> Result<String, ConfigError> {
    let refused = |reason: String| Err(ConfigError::new(path, reason));
    if name.trim().is_empty() {
        return refused("header name must not be empty".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if is_restricted(&lower) || (!credentials && CREDENTIALS.contains(&&*lower)) {
        return refused(format!(
            "{name:?} is a restricted header and cannot be {done}"
        ));
    }
    if !is_token(name) {
        return refused(format!("{name:?} is not the name of a header"));
    }
    Ok(lower)
}

/// The names that a server gets already, with the paths of the fields that set them.
#[derive(Default)]
struct Targets(Vec<(String, String)>);

impl Targets {
    /// Remembers that the field at `path` sets the header `target`.
    ///
    /// # Errors
    /// Another field sets it already.
    fn take(&mut self, path: &str, target: &str) -> Result<(), ConfigError> {
        if let Some((_, by)) = self.0.iter().find(|(name, _)| name == target) {
            let reason = format!("{target:?} is already sent by {by}");
            return Err(ConfigError::new(path, reason));
        }
        self.0.push((target.to_owned(), path.to_owned()));
        Ok(())
    }
}

/// Whether `text` may be the value of a header (RFC 9110 section 5.5), and has no characters that
/// readers treat differently.
fn is_field_value(text: &str) -> bool {
    let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
    let fits = |byte: u8| byte.is_ascii_graphic() || is_blank(byte);
    !text.is_empty()
        && text.bytes().all(fits)
        && !text.starts_with([' ', '\t'])
        && !text.ends_with([' ', '\t'])
}

#[cfg(test)]
mod tests;
