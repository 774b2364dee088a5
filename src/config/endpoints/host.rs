//! Hosts, as endpoints compare them: without port and case.

/// The host in `authority`, without its port.
pub(super) fn of(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    let Some((host, port)) = colon.and_then(|at| authority.split_at_checked(at)) else {
        return authority;
    };
    // An IPv6 address stands in brackets.
    let is_port = port.iter().skip(1).all(u8::is_ascii_digit);
    let is_whole = !host.contains(&b':') || host.ends_with(b"]");
    if is_port && is_whole { host } else { authority }
}

/// Whether `text` is the host of a request, with or without a port.
pub(super) fn is_host(text: &str) -> bool {
    let host = of(text.as_bytes());
    let inner = host.strip_prefix(b"[").and_then(|it| it.strip_suffix(b"]"));
    match inner {
        Some(address) => {
            let fits = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            address.contains(&b':') && address.iter().all(fits)
        }
        None => {
            let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
            !host.is_empty() && host.iter().all(fits)
        }
    }
}
