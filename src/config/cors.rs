//! `cors`: checked, and each list made the value of its header.

use super::{ConfigError, duration, wire};
use crate::http::cors::{Cors, Origin, Origins};
use crate::http::headers::is_token;

const METHODS: &[&str] = &["GET", "POST", "DELETE", "OPTIONS"];
const HEADERS: &[&str] = &[
    "content-type",
    "accept",
    "authorization",
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
    "mcp-method",
    "mcp-name",
];
const EXPOSE: &[&str] = &["Mcp-Session-Id", "WWW-Authenticate", "Mcp-Protocol-Version"];

/// `forwarded` are the headers that go on to servers, which browsers may send
/// by default, too.
pub(super) fn check(wire: &wire::Cors, forwarded: &[String]) -> Result<Cors, ConfigError> {
    let origins = origins(wire.allow_origins.as_deref())?;
    if wire.allow_credentials && origins == Origins::Any {
        return Err(ConfigError::new(
            "cors.allowCredentials",
            "true needs a list in cors.allowOrigins: browsers refuse credentials for \"*\"",
        ));
    }
    let more = forwarded.iter().map(String::as_str);
    let more = more.filter(|name| !HEADERS.contains(name));
    let headers: Vec<&str> = HEADERS.iter().copied().chain(more).collect();
    Ok(Cors {
        origins,
        methods: tokens("cors.allowMethods", wire.allow_methods.as_deref(), METHODS)?,
        headers: tokens("cors.allowHeaders", wire.allow_headers.as_deref(), &headers)?,
        expose: tokens("cors.exposeHeaders", wire.expose_headers.as_deref(), EXPOSE)?,
        max_age: max_age(wire.max_age.as_deref().unwrap_or("24h"))?,
        credentials: wire.allow_credentials,
    })
}

/// Zero tells browsers to ask each time.
fn max_age(text: &str) -> Result<u64, ConfigError> {
    if text == "0s" {
        Ok(0)
    } else {
        Ok(duration::parse("cors.maxAge", text)?.as_secs())
    }
}

fn origins(wire: Option<&[String]>) -> Result<Origins, ConfigError> {
    let Some(wire) = wire else {
        return Ok(Origins::Any);
    };
    if wire.is_empty() {
        return Err(ConfigError::new(
            "cors.allowOrigins",
            "must name at least one origin, or \"*\"",
        ));
    }
    let named = wire.iter().enumerate().filter(|(_, text)| *text != "*");
    let listed = named.map(|(at, text)| {
        origin(text).map_err(|reason| {
            ConfigError::new(
                format!("cors.allowOrigins[{at}]"),
                format!("{text:?} {reason}"),
            )
        })
    });
    let listed = listed.collect::<Result<_, _>>()?;
    let any = wire.iter().any(|origin| origin == "*");
    Ok(if any {
        Origins::Any
    } else {
        Origins::Listed(listed)
    })
}

/// An origin is scheme, host and port (the URL standard, "origin"), written as
/// browsers send it.
fn origin(text: &str) -> Result<Origin, &'static str> {
    let (scheme, host) = text
        .split_once("://")
        .ok_or("must be an origin such as \"https://app.example.com\"")?;
    if scheme.is_empty()
        || !scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
    {
        return Err("must start with a scheme in lower case");
    }
    if host.contains('/') {
        return Err("must not have a path: an origin is scheme, host and port");
    }
    if host.is_empty()
        || !host
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]*".contains(&b))
    {
        return Err("must have a host in lower case");
    }
    let Some((before, after)) = text.split_once('*') else {
        return Ok(Origin::Exact(text.to_owned()));
    };
    let is_label = before.ends_with(['/', '.']) && after.starts_with('.') && !after.contains('*');
    if is_label {
        Ok(Origin::Pattern(before.to_owned(), after.to_owned()))
    } else {
        Err("may have one \"*\", in place of one whole label of the host")
    }
}

/// A list of tokens as the value of a header.
fn tokens(path: &str, wire: Option<&[String]>, default: &[&str]) -> Result<String, ConfigError> {
    let Some(wire) = wire else {
        return Ok(default.join(", "));
    };
    if wire.is_empty() {
        return Err(ConfigError::new(path, "must not be empty"));
    }
    for (at, token) in wire.iter().enumerate() {
        if !is_token(token) {
            return Err(ConfigError::new(
                format!("{path}[{at}]"),
                format!("{token:?} is not a token"),
            ));
        }
    }
    Ok(wire.join(", "))
}
