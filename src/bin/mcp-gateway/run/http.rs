//! One HTTP request on a Unix socket: what asking Envoy takes.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// An answer, as far as it came in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }
}

/// Sends `method` `path` with these headers, and reads what comes within that
/// time; a stream that goes on is read no longer.
///
/// # Errors
/// Nobody listens, or no answer comes.
pub(crate) fn ask(
    socket: &Path,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
    within: Duration,
) -> io::Result<Answer> {
    let deadline = Instant::now() + within;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(within))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str("host: mcp-gateway\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(size) => bytes.extend(chunk.iter().take(size)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no answer"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end)?;
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer {
        status,
        head,
        body: String::new(),
    };
    let body = body.get(4..)?;
    let chunked = answer.header("transfer-encoding") == Some("chunked");
    let body = if chunked {
        unchunked(body)
    } else {
        body.to_vec()
    };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Some(answer)
}

/// What is in these chunks, as far as they are there.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let (size, rest) = bytes.split_at(end);
        let size = std::str::from_utf8(size).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else {
            break;
        };
        let rest = rest.get(2..).unwrap_or_default();
        out.extend(rest.iter().take(size));
        match rest.get(size.saturating_add(2)..) {
            Some(next) if size > 0 => bytes = next,
            _ => break,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_as_far_as_they_are_there() {
        for (text, body) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello", "hello"),
            (
                "HTTP/1.1 200 OK\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                "abcde",
            ),
            (
                "HTTP/1.1 200 OK\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n9\r\nde",
                "abcde",
            ),
            (
                "HTTP/1.1 200 OK\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\nnonsense",
                "",
            ),
        ] {
            let answer = parse(text.as_bytes()).unwrap();
            assert_eq!(
                (answer.status, answer.header("a"), &*answer.body),
                (200, Some("b"), body)
            );
        }
        for text in ["", "HTTP/1.1 200", "nonsense\r\n\r\n"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
