//! A server that failed, and whether a list lacks something without it.

use super::{Branch, Knowledge};
use crate::config::ServerId;
use crate::gateway::fanout::context::Context;
use crate::gateway::fanout::merged_list::ServerList;
use crate::mcp::list::ListKind;

impl Branch {
    /// Takes the capabilities that the server had when it last described itself, however
    /// long ago, where nothing newer is known: the server failed, and cannot say it again.
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

    /// The server and its part of the list of this kind: the entries that it listed; or
    /// that they are missing, where it failed and may have such a list. `None` where it
    /// failed and has none.
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

    /// Whether the server has lists of this kind, or nobody knows.
    pub(in crate::gateway::fanout) fn may_have(&self, kind: ListKind) -> bool {
        self.capabilities().is_none_or(|it| it.has(kind))
    }
}
