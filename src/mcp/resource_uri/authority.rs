//! The authority of a URI: host and port (RFC 3986 section 3.2, and the URL
//! standard, "host parsing").

use std::net::{Ipv4Addr, Ipv6Addr};

use super::NotNormal;

/// Checks the authority of a URI whose scheme has DNS hosts and the port `default`.
pub(super) fn check_network(authority: &str, default: u16) -> Result<(), NotNormal> {
    let (host, port) = split(authority)?;
    if port == Some(default) || !is_network_host(host) {
        return Err(NotNormal::Authority);
    }
    Ok(())
}

/// Checks the authority of a URI with another scheme. For some servers, upper and lower case of its
/// host are the same host; for others they are two hosts. So the exact text counts.
pub(super) fn check_other(authority: &str) -> Result<(), NotNormal> {
    let (host, _) = split(authority)?;
    match address(host) {
        Some(address) if !is_ipv6(address) => Err(NotNormal::Authority),
        _ if host.contains(['[', ']']) && address(host).is_none() => Err(NotNormal::Authority),
        _ => Ok(()),
    }
}

/// The text between the brackets of an IPv6 host.
fn address(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

/// Whether `address` is written as RFC 5952 requires. An IPv4 address in its last part has two
/// spellings, and parsers differ in which one they prefer.
fn is_ipv6(address: &str) -> bool {
    let parsed = address.parse::<Ipv6Addr>();
    parsed.is_ok_and(|parsed| parsed.to_string() == address && !address.contains('.'))
}

/// Host and port.
fn split(authority: &str) -> Result<(&str, Option<u16>), NotNormal> {
    if authority.contains('@') {
        return Err(NotNormal::Authority);
    }
    let host_end = authority.rfind(']').unwrap_or(0);
    let colon = authority.rfind(':').filter(|colon| *colon >= host_end);
    let Some((host, port)) = colon.and_then(|colon| authority.split_at_checked(colon)) else {
        return Ok((authority, None));
    };
    let digits = port.strip_prefix(':').unwrap_or_default();
    let port: u16 = digits.parse().map_err(|_| NotNormal::Authority)?;
    if port.to_string() != digits {
        return Err(NotNormal::Authority);
    }
    Ok((host, Some(port)))
}

fn is_network_host(host: &str) -> bool {
    if let Some(address) = address(host) {
        return is_ipv6(address);
    }
    let is_host_byte = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._~!$&'()*+,;=".contains(&byte)
    };
    if host.is_empty() || host.ends_with('.') || !host.bytes().all(is_host_byte) {
        return false;
    }
    // The URL standard reads a host that ends in a number as an IPv4 address, in any spelling.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    !is_number
        || host
            .parse::<Ipv4Addr>()
            .is_ok_and(|parsed| parsed.to_string() == host)
}
