//! Where the names of members are names that the user or a server gave, such as those of
//! tools: there `get_x` and `getX` are two names.

use serde_json::Value;

/// A place in the tree of a configuration, as far as it matters for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamePlace {
    /// The whole configuration.
    Root,
    /// `pins`
    Pins,
    /// `pins.servers`, by the names of servers.
    PinnedServers,
    /// `pins.servers.NAME`
    PinnedServer,
    /// `pins.servers.NAME.tools`, by the servers' own names of tools.
    PinnedTools,
    /// `servers`, and each of them.
    Servers,
    /// `servers[].tools`
    ServerTools,
    /// `servers[].tools.override`, by the server's own names of tools, and all below it:
    /// names of parameters, and values that are JSON of the user's.
    Override,
    /// Any other place.
    Other,
}

impl NamePlace {
    /// The place of the member `name` of an object at this place.
    pub(super) fn below(self, name: &str) -> Self {
        match (self, name) {
            (Self::Root, "pins") => Self::Pins,
            (Self::Pins, "servers") => Self::PinnedServers,
            (Self::PinnedServers, _) => Self::PinnedServer,
            (Self::PinnedServer, "tools") => Self::PinnedTools,
            (Self::Root, "servers") => Self::Servers,
            (Self::Servers, "tools") => Self::ServerTools,
            (Self::ServerTools, "override") | (Self::Override, _) => Self::Override,
            _ => Self::Other,
        }
    }

    /// Whether the members of an object here keep their names as they are written.
    pub(super) fn keeps_names(self) -> bool {
        matches!(
            self,
            Self::PinnedServers | Self::PinnedTools | Self::Override
        )
    }

    /// Whether a member with this value stays: what is null is as if it were absent, but
    /// for a value of the user's.
    pub(super) fn keeps(self, value: &Value) -> bool {
        self == Self::Override || !value.is_null()
    }
}
