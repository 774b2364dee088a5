//! How long a result may be cached, and whether for all clients (MCP 2026-07-28,
//! caching hints).

use crate::mcp::json;
use crate::mcp::json::object::ObjectWriter;

/// The longest `ttlMs`: a day. The gateway reads a longer one as this.
const LONGEST_MS: u64 = 86_400_000;

/// `ttlMs` and `cacheScope` of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheHints {
    /// `ttlMs`, in milliseconds.
    pub ttl_ms: u64,
    /// `cacheScope` is `public`.
    pub public: bool,
}

impl CacheHints {
    /// The hints of a result that has none: it may not be cached.
    pub const NONE: Self = Self {
        ttl_ms: 0,
        public: false,
    };
    /// No limits: the start for [`and`](Self::and) over several results.
    pub const ALL: Self = Self {
        ttl_ms: u64::MAX,
        public: true,
    };

    /// The hints of a result that is made of both results.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            ttl_ms: self.ttl_ms.min(other.ttl_ms),
            public: self.public && other.public,
        }
    }

    /// Reads the JSON texts of `ttlMs` and `cacheScope`. A value that is missing or
    /// not valid allows nothing.
    pub fn read(ttl_ms: Option<&str>, scope: Option<&str>) -> Self {
        Self {
            ttl_ms: ttl_ms.map_or(0, milliseconds),
            public: scope
                .and_then(json::string)
                .is_some_and(|scope| scope == "public"),
        }
    }

    /// Adds the members `ttlMs` and `cacheScope`.
    pub fn write(self, result: &mut ObjectWriter<'_>) {
        // With [`CacheHints::ALL`], no server has set a limit. No server has promised anything
        // then, so clients must not cache the result.
        let ttl_ms = if self.ttl_ms == u64::MAX {
            0
        } else {
            self.ttl_ms
        };
        result.json("ttlMs", ttl_ms.to_string());
        result.string("cacheScope", if self.public { "public" } else { "private" });
    }
}

/// The number of milliseconds with the JSON text `text`, without its fraction; 0 where it is not a
/// number, or negative. JSON has several ways to write a number: 60000, 60000.0 and 6e4 are the
/// same.
fn milliseconds(text: &str) -> u64 {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0);
    let duration = number.map(|number| std::time::Duration::try_from_secs_f64(number / 1000.0));
    match duration {
        None => 0,
        Some(Ok(duration)) => u64::try_from(duration.as_millis()).unwrap_or(LONGEST_MS),
        Some(Err(_)) => LONGEST_MS,
    }
    .min(LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_ttl_is_read_however_json_writes_it() {
        for (text, expected) in [
            ("60000", 60_000),
            ("60000.0", 60_000),
            ("6e4", 60_000),
            ("6E+4", 60_000),
            ("1", 1),
            ("7.9", 7),
            ("86400000", LONGEST_MS),
            ("86400001", LONGEST_MS),
            ("1e300", LONGEST_MS),
            ("1e999", LONGEST_MS),
            ("99999999999999999999999", LONGEST_MS),
            ("0", 0),
            ("-0.0", 0),
            ("-1", 0),
            ("-1e999", 0),
            ("null", 0),
            ("\"60000\"", 0),
            ("true", 0),
        ] {
            let hints = CacheHints::read(Some(text), Some("\"public\""));
            assert_eq!((hints.ttl_ms, hints.public), (expected, true), "{text}");
        }
        assert_eq!(CacheHints::read(None, None), CacheHints::NONE);
    }
}
