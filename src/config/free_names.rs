//! The objects whose members have names that the user or a server chose, for example the names of
//! tools. In these objects `get_x` and `getX` are two different names.

use serde_json::Value;

/// A place in the tree of a configuration, as far as the names of members depend on it.
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
    /// `servers[].tools.override`, by the server's own names of tools, and everything below it:
    /// names of parameters, and the user's JSON values.
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

    /// Whether the names of members stay unchanged in an object at this place.
    pub(super) fn keeps_names(self) -> bool {
        matches!(
            self,
            Self::PinnedServers | Self::PinnedTools | Self::Override
        )
    }

    /// Whether a member with this value stays. A member that is null counts as absent, except in
    /// the user's JSON values.
    pub(super) fn keeps(self, value: &Value) -> bool {
        self == Self::Override || !value.is_null()
    }
}
