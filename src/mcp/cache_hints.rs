//! How long a result may be cached, and whether for all clients (MCP 2026-07-28,
//! caching hints).

use crate::mcp::json;
use crate::mcp::json::object::ObjectWriter;

/// A longer `ttlMs` counts as this one, a day.
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
            ttl_ms: ttl_ms
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
                .min(LONGEST_MS),
            public: scope
                .and_then(json::string)
                .is_some_and(|scope| scope == "public"),
        }
    }

    /// Adds the members `ttlMs` and `cacheScope`.
    pub fn write(self, result: &mut ObjectWriter<'_>) {
        // [`CacheHints::ALL`] still has its limit where no server has set one. That is
        // not a promise of a server's, so the result may not be kept.
        let ttl_ms = if self.ttl_ms == u64::MAX {
            0
        } else {
            self.ttl_ms
        };
        result.json("ttlMs", ttl_ms.to_string());
        result.string("cacheScope", if self.public { "public" } else { "private" });
    }
}
