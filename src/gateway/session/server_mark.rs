//! The mark of a server in a session. It depends on the server's name, cluster and path: if these
//! stay the same, the session that the server gave stays valid.

use crate::config::Server;
use crate::seal;

/// The mark of a server in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerMark([u8; Self::LENGTH]);

impl ServerMark {
    /// The bytes of a mark. There are enough of them that no two servers of a configuration have
    /// the same mark.
    pub const LENGTH: usize = 8;

    /// The mark of `server`.
    pub fn of(server: &Server) -> Self {
        let parts = [&server.name, &server.cluster, &server.path].map(String::as_bytes);
        let digest = seal::digest(&parts);
        Self(std::array::from_fn(|at| {
            digest.get(at).copied().unwrap_or_default()
        }))
    }

    /// The mark with these bytes.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}
