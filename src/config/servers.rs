//! `servers`: checked, with the defaults that depend on other fields filled in.

use std::collections::HashSet;

use super::forwarding::{Forwarded, Forwarding, Secret};
use serde_json::Value;

use super::fields::{Fields, Read};
use super::{ConfigError, Gateway, Server, ServerId, duration, session, wire};
use crate::mcp::json;
use crate::policy::glob::{Filter, Glob};
use crate::seal;

/// The enabled servers, in their order.
pub(super) fn check(
    wire: &wire::Config,
    forwarding: &Forwarding<'_>,
) -> Result<Vec<Server>, ConfigError> {
    let enabled = wire.servers.iter().filter(|server| server.enabled).count();
    if enabled == 0 && !wire.servers.is_empty() {
        return Err(ConfigError::new(
            "servers",
            "must have at least one with enabled: true",
        ));
    }
    let prefixed = match wire.prefix_mode {
        wire::PrefixMode::Always => true,
        wire::PrefixMode::Conditional => enabled > 1,
        wire::PrefixMode::Never => false,
    };
    let mut names = HashSet::new();
    let mut servers = Vec::with_capacity(enabled);
    for (at, server) in wire.servers.iter().enumerate() {
        let id = ServerId::from_index(servers.len())
            .ok_or_else(|| ConfigError::new("servers", "must be fewer than 65536"))?;
        let place = format!("servers[{at}]");
        let checked = self::server(id, &place, server, prefixed, forwarding)?;
        if !names.insert(checked.name.clone()) {
            return Err(ConfigError::new(
                format!("servers[{at}].name"),
                format!("{:?} stands twice", checked.name),
            ));
        }
        if !server.enabled {
            continue;
        }
        servers.push(checked);
    }
    Ok(servers)
}

pub(super) fn gateway(
    wire: &wire::Config,
    servers: Vec<Server>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Gateway, ConfigError> {
    for (path, value) in [
        ("maxListPages", wire.max_list_pages),
        ("maxListBytes", wire.max_list_bytes),
        ("maxResponseBytes", wire.max_response_bytes),
    ] {
        if value == 0 {
            return Err(ConfigError::new(path, "must be at least 1"));
        }
    }
    Ok(Gateway {
        servers,
        caches: wire.list_cache == wire::ListCache::Hints,
        failure_mode: wire.failure_mode,
        max_list_pages: wire.max_list_pages,
        max_list_bytes: wire.max_list_bytes,
        max_response_bytes: wire.max_response_bytes,
        server_info: server_info(wire.server_info.as_ref())?,
        sessions: session::check(wire.session.as_ref(), variable)?,
    })
}

fn server_info(wire: Option<&wire::ServerInfo>) -> Result<String, ConfigError> {
    let name = wire.and_then(|info| info.name.as_deref());
    let version = wire.and_then(|info| info.version.as_deref());
    if name == Some("") {
        return Err(ConfigError::new("serverInfo.name", "must not be empty"));
    }
    let mut out = br#"{"name":"#.to_vec();
    json::push_string(&mut out, name.unwrap_or("mcp-gateway"));
    out.extend_from_slice(br#","version":"#);
    json::push_string(&mut out, version.unwrap_or(env!("CARGO_PKG_VERSION")));
    out.push(b'}');
    String::from_utf8(out).map_err(|error| ConfigError::new("serverInfo", error.to_string()))
}

fn server(
    id: ServerId,
    at: &str,
    wire: &wire::Server,
    prefixed: bool,
    forwarding: &Forwarding<'_>,
) -> Result<Server, ConfigError> {
    let field = |name: &str| format!("{at}.{name}");
    name_like(&field("name"), &wire.name, 1)?;
    let prefix = match &wire.tool_prefix {
        Some(prefix) => prefix.clone(),
        None if prefixed => format!("{}__", wire.name),
        None => String::new(),
    };
    if wire.tool_prefix.is_some() {
        name_like(&field("toolPrefix"), &prefix, 0)?;
    }
    let cluster = wire.cluster.as_ref().unwrap_or(&wire.name);
    visible(&field("cluster"), cluster)?;
    let url = wire
        .url
        .as_deref()
        .map(|url| Url::parse(&field("url"), url))
        .transpose()?;
    let authority = wire
        .hostname
        .as_deref()
        .or(url.map(|url| url.authority))
        .unwrap_or(cluster);
    visible(&field("hostname"), authority)?;
    let path = wire
        .path
        .as_deref()
        .or(url.and_then(|url| url.path))
        .unwrap_or("/mcp");
    visible(&field("path"), path)?;
    if !path.starts_with('/') || path.contains('#') {
        return Err(ConfigError::new(
            field("path"),
            format!("{path:?} must start with \"/\" and have no fragment"),
        ));
    }
    let uri_prefix = if prefix.is_empty() {
        String::new()
    } else {
        if wire.enabled {
            scheme_like(&field("name"), &wire.name)?;
        }
        format!("{}+", wire.name)
    };
    let list_ttl = wire
        .list_ttl
        .as_deref()
        .map(|text| duration::parse(&field("listTtl"), text))
        .transpose()?;
    let (passthrough, headers) = forwarding.of(at, wire)?;
    let ttl = wire.list_ttl.as_deref().unwrap_or_default();
    let reached = [wire.name.as_str(), cluster, authority, path, ttl];
    Ok(Server {
        id,
        fingerprint: fingerprint(&reached, &passthrough, &headers),
        passthrough,
        headers,
        name: wire.name.clone(),
        cluster: cluster.clone(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        tool_prefix: prefix,
        uri_prefix,
        protocol: wire.protocol,
        share_session: wire.share_session,
        timeout: duration::parse(&field("timeout"), wire.timeout.as_deref().unwrap_or("5s"))?,
        list_ttl,
        tools: filter(&field("tools"), &wire.tools)?,
        prompts: filter(&field("prompts"), &wire.prompts)?,
        resources: filter(&field("resources"), &wire.resources)?,
    })
}

/// A digest, since values of headers are in it.
fn fingerprint(
    reached: &[&str],
    passthrough: &[Forwarded],
    headers: &[(String, Secret)],
) -> [u8; 32] {
    let mut parts = reached.to_vec();
    for entry in passthrough {
        let required = if entry.required { "required" } else { "" };
        parts.extend([&entry.name, &entry.target, required]);
    }
    // No name is empty.
    parts.push("");
    for (name, value) in headers {
        parts.extend([name, value.expose()]);
    }
    let parts: Vec<&[u8]> = parts.into_iter().map(str::as_bytes).collect();
    seal::digest(&parts)
}

/// Patterns over a server's own names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
}

impl Read for Names {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                include: fields.or("include", Vec::new())?,
                exclude: fields.or("exclude", Vec::new())?,
            })
        })
    }
}

fn filter(at: &str, wire: &Names) -> Result<Filter, ConfigError> {
    let globs = |name: &str, texts: &[String]| -> Result<Vec<Glob>, ConfigError> {
        if let Some(empty) = texts.iter().position(String::is_empty) {
            return Err(ConfigError::new(
                format!("{at}.{name}[{empty}]"),
                "must not be empty",
            ));
        }
        Ok(texts.iter().map(|text| Glob::new(text)).collect())
    };
    Ok(Filter {
        include: globs("include", &wire.include)?,
        exclude: globs("exclude", &wire.exclude)?,
    })
}

/// A name that starts URIs has to be a scheme (RFC 3986 section 3.1).
fn scheme_like(path: &str, name: &str) -> Result<(), ConfigError> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(ConfigError::new(
            path,
            format!(
                "{name:?} starts the URIs of resources: it must be lower-case letters, digits, \".\" or \"-\", a letter first; or toolPrefix: \"\""
            ),
        ))
    }
}

/// Names become parts of tool names, for which MCP recommends these characters.
fn name_like(path: &str, text: &str, shortest: usize) -> Result<(), ConfigError> {
    if text.len() < shortest {
        return Err(ConfigError::new(path, "must not be empty"));
    }
    let fits = text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(ConfigError::new(
            path,
            format!("{text:?} must be at most 64 letters, digits, \"_\", \".\" or \"-\""),
        ))
    }
}

fn visible(path: &str, text: &str) -> Result<(), ConfigError> {
    if text.is_empty() {
        return Err(ConfigError::new(path, "must not be empty"));
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(ConfigError::new(
            path,
            format!("{text:?} must be visible ASCII"),
        ))
    }
}

/// What a server's `url` gives: the scheme is the Envoy cluster's business.
#[derive(Clone, Copy)]
struct Url<'a> {
    authority: &'a str,
    path: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(path: &str, text: &'a str) -> Result<Self, ConfigError> {
        let refused = || {
            ConfigError::new(
                path,
                format!("{text:?} must be an absolute http or https URL"),
            )
        };
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
            .ok_or_else(refused)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or_else(refused)?;
        let target = target.split('#').next().unwrap_or_default();
        if authority.is_empty() || authority.contains('@') || target.starts_with('?') {
            return Err(refused());
        }
        Ok(Self {
            authority,
            path: Some(target).filter(|target| !target.is_empty()),
        })
    }
}
