//! What the kinds of things that servers list come to behind a gateway.

use crate::config::Server;
pub use crate::mcp::list::Kind;
use crate::policy::refusal::RESOURCE;

impl Kind {
    /// What one of it is called, to people.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => RESOURCE,
            Self::Templates => "resource template",
        }
    }

    /// What comes before the names that `server` gives.
    pub fn prefix(self, server: &Server) -> &str {
        match self {
            Self::Tools | Self::Prompts => &server.prefix,
            Self::Resources | Self::Templates => &server.scheme,
        }
    }

    /// Whether `server` is configured to have what it calls `own`.
    pub fn lets(self, server: &Server, own: &str) -> bool {
        let filter = match self {
            Self::Tools => &server.tools,
            Self::Prompts => &server.prompts,
            Self::Resources | Self::Templates => &server.resources,
        };
        filter.lets(own)
    }
}
