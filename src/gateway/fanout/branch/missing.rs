//! A server that failed: whether a list lacks entries without this server.

use super::{Branch, Knowledge};
use crate::config::ServerId;
use crate::gateway::fanout::context::Context;
use crate::gateway::fanout::merged_list::ServerList;
use crate::mcp::list::ListKind;

impl Branch {
    /// The server failed and did not send its capabilities. Takes those of its last description,
    /// however old it is, unless newer ones are known.
    pub(super) fn recall_capabilities(&mut self, context: &Context<'_>) {
        let Some(server) = context.gateway.server(self.server) else {
            return;
        };
        if matches!(self.knowledge, Knowledge::Nothing) {
            let servers = &context.worker.servers;
            if let Some(known) = servers.last_description((&*server.name, self.scope)) {
                self.knowledge = Knowledge::Capabilities(known.capabilities);
            }
        }
    }

    /// The server and its part of the list of this kind. If the server failed but may have such a
    /// list, the part says that its entries are missing. `None` where the server failed and has no
    /// such list.
    pub(in crate::gateway::fanout) fn into_list(
        self,
        kind: ListKind,
    ) -> Option<(ServerId, ServerList)> {
        if self.is_done() {
            return Some((self.server, self.list));
        }
        let may_have = self.may_have(kind);
        may_have.then(|| (self.server, ServerList::missing()))
    }

    /// Whether the server has lists of this kind; `true` also where its capabilities are unknown.
    pub(in crate::gateway::fanout) fn may_have(&self, kind: ListKind) -> bool {
        self.capabilities().is_none_or(|it| it.has(kind))
    }
}
