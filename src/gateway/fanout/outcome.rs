//! Makes the answer to the client from the answers of all servers.

use super::merged_capabilities::{self, DiscoveredServer};
use crate::config::{FailureMode, Gateway, Server, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::branch::Branch;
use crate::gateway::fanout::merged_list::{self, ListRequest, MergedNames, Rights, ServerList};
use crate::gateway::fanout::operation::Operation;
use crate::gateway::session::SessionPart;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListEntry;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;
use crate::mcp::list::{ListKind, Naming};
use crate::mcp::{jsonrpc, version};
use crate::policy::Refusal;

/// The answer to the client.
#[derive(PartialEq, Eq)]
pub struct Outcome {
    /// The JSON-RPC response, or why there is none.
    pub response: Result<Vec<u8>, Refusal>,
    /// See [`merged_list::push_merged`].
    pub names: MergedNames,
}

impl Fanout {
    /// If the merged list would be longer than `maxListBytes`, marks as failed each server whose
    /// entries do not fit: a merged list has all entries of a server or none. To be called once,
    /// when the fan-out [is done](Fanout::is_done).
    pub fn bound(&mut self, gateway: &Gateway) {
        let mut total = 0_usize;
        for branch in self.branches.iter_mut().filter(|it| it.failure().is_none()) {
            let with = total.saturating_add(branch.list().bytes());
            if with > gateway.max_list_bytes {
                branch.fail(Failure::ListTooLong(gateway.max_list_bytes));
            } else {
                total = with;
            }
        }
    }

    /// A sentence for each server that failed.
    fn failures(&self, gateway: &Gateway) -> Vec<String> {
        let failed = |branch: &Branch| {
            let (server, failure) = (gateway.server(branch.server())?, branch.failure()?);
            Some(format!("server {} {failure}", server.name))
        };
        self.branches.iter().filter_map(failed).collect()
    }

    /// Why there is no outcome, if there is none.
    pub fn refused(&self, gateway: &Gateway) -> Option<Refusal> {
        let has = |failure: &Failure| {
            let mut failures = self.branches.iter().filter_map(Branch::failure);
            failures.any(|it| it == failure)
        };
        // If the gateway owns the lost session, a modern client is not concerned.
        if self.requester.caller.era == Era::Legacy && has(&Failure::SessionLost) {
            return Some(Refusal::SessionUnknown);
        }
        if has(&Failure::Memory) {
            return Some(Refusal::Memory);
        }
        let failures = self.failures(gateway);
        let refused = |branch: &Branch| match branch.failure() {
            Some(Failure::RefusedCaller(status)) => Some(*status),
            _ => None,
        };
        let statuses: Option<Vec<u16>> = self.branches.iter().map(refused).collect();
        if let Some([status, ..]) = statuses.as_deref() {
            return Some(Refusal::CallerRefused(*status, failures));
        }
        let all_failed = !failures.is_empty() && failures.len() == self.branches.len();
        // The level counts as set when one server accepts it.
        let is_level = |failure: &Failure| matches!(failure, Failure::Level(_));
        let mut failed = self.branches.iter().filter_map(Branch::failure);
        let is_incomplete = failed.any(|failure| !is_level(failure));
        if all_failed && !is_incomplete {
            return Some(Refusal::Level(failures));
        }
        let refused = all_failed || (gateway.failure_mode == FailureMode::Fail && is_incomplete);
        refused.then_some(Refusal::Servers(failures))
    }

    /// The response to the client's request, when the fan-out [is done](Fanout::is_done). `id` is
    /// the JSON text of the request's id. Lists show what `rights` allow.
    pub fn outcome(self, id: &str, gateway: &Gateway, rights: Rights<'_>) -> Outcome {
        if let Some(refusal) = self.refused(gateway) {
            return Outcome {
                response: Err(refusal),
                names: MergedNames::default(),
            };
        }
        // No server has this extension, so the gateway does not have it either.
        if let Operation::List(kind) = self.operation
            && kind.is_extension()
            && !self.branches.iter().any(|branch| branch.may_have(kind))
        {
            let refusal = Refusal::UnknownMethod {
                method: kind.method().to_owned(),
                modern: self.requester.caller.era == Era::Modern,
            };
            return Outcome {
                response: Err(refusal),
                names: MergedNames::default(),
            };
        }
        let mut names = MergedNames::default();
        let response = match self.operation {
            Operation::Discover => {
                jsonrpc::result(id, 0, |out| self.push_capabilities(out, gateway))
            }
            Operation::List(kind) => {
                let start = self.cache_hints(gateway);
                let request = ListRequest {
                    kind,
                    era: self.requester.caller.era,
                    gateway,
                    rights,
                };
                let lists = self.lists(kind);
                jsonrpc::result(id, merged_list::size(&lists), |out| {
                    names = merged_list::push_merged(out, request, &lists, start);
                })
            }
            Operation::Open | Operation::SetLevel(_) | Operation::End => {
                jsonrpc::result(id, 2, |out| out.extend_from_slice(b"{}"))
            }
        };
        Outcome {
            response: Ok(response),
            names,
        }
    }

    /// For how long, and by whom, the outcome may be kept, before the servers' own hints are
    /// applied.
    fn cache_hints(&self, gateway: &Gateway) -> CacheHints {
        // A client that keeps a list without a server would not see that the server answers again.
        if self.lacks_servers() {
            return CacheHints::NONE;
        }
        // A server that gets headers of clients may answer another client differently, even if it
        // says that its answer is public.
        let servers = self.branches.iter().map(Branch::server);
        let mut servers = servers.filter_map(|id| gateway.server(id));
        CacheHints {
            public: !servers.any(Server::gets_client_headers),
            ..CacheHints::ALL
        }
    }

    /// Whether at least one server is known to have lists of this kind.
    pub fn has(&self, kind: ListKind) -> bool {
        let mut capabilities = self.branches.iter().filter_map(Branch::capabilities);
        capabilities.any(|it| it.has(kind))
    }

    /// Whether a server failed, or was left out.
    pub fn lacks_servers(&self) -> bool {
        let mut branches = self.branches.iter();
        branches.any(|branch| branch.failure().is_some())
    }

    /// The lists of this kind of the servers that answered.
    pub fn lists(self, kind: ListKind) -> Vec<(ServerId, ServerList)> {
        let branches = self.branches.into_iter();
        let lists = branches.filter_map(|branch| branch.into_list(kind));
        lists.collect()
    }

    /// Writes the `result` of the client's `server/discover` or `initialize`.
    fn push_capabilities(&self, out: &mut Vec<u8>, gateway: &Gateway) {
        let era = self.requester.caller.era;
        let answered = self.branches.iter().filter(|branch| branch.is_done());
        let servers: Vec<_> = answered
            .filter_map(|branch| {
                let is_modern = matches!(branch.protocol()?, UpstreamProtocol::Modern(_));
                Some(DiscoveredServer {
                    name: &gateway.server(branch.server())?.name,
                    description: branch.description().cloned()?,
                    is_bridged: (era == Era::Modern) != is_modern,
                })
            })
            .collect();
        let single_server = gateway.single_server().is_some();
        let info = &gateway.server_info;
        match era {
            Era::Modern => {
                let start = self.cache_hints(gateway);
                merged_capabilities::push_discover_result(
                    out,
                    &servers,
                    single_server,
                    start,
                    info,
                );
            }
            Era::Legacy => {
                let version = self.version(&self.parts(gateway));
                merged_capabilities::push_initialize_result(
                    out,
                    &servers,
                    single_server,
                    version,
                    info,
                );
            }
        }
    }

    /// The first server that lists what clients call `name`, or has a template for it; when the
    /// fan-out [is done](Fanout::is_done). If no server has it, the client's request goes to
    /// `otherwise`.
    ///
    /// # Errors
    /// A failed server may have the name: it comes before the one that has it, and its prefix is at
    /// least as long. A failed server with a shorter prefix is ignored: it could have such a name
    /// only by chance, and its failure must not end the calls to all other servers.
    pub fn owner(
        &self,
        kind: ListKind,
        name: &str,
        gateway: &Gateway,
        otherwise: Option<&Server>,
    ) -> Result<Option<ServerId>, Refusal> {
        if let Some(refusal) = self.refused(gateway) {
            return Err(refusal);
        }
        let listing = self.listing(kind, name);
        self.certain(kind, listing, gateway, otherwise)
    }

    /// The full name of the first tool that lists show as `name`, when the fan-out [is
    /// done](Fanout::is_done).
    ///
    /// # Errors
    /// The same as of [`Fanout::owner`].
    pub fn tool_shown_as(&self, name: &str, gateway: &Gateway) -> Result<Option<String>, Refusal> {
        if let Some(refusal) = self.refused(gateway) {
            return Err(refusal);
        }
        let is_it = |entry: &&ListEntry| entry.listed_name() == name && !entry.is_shadowed;
        let mut lists = self.branches.iter().map(Branch::list);
        let found = lists.find_map(|list| list.entries().find(is_it));
        let mut lists = self.branches.iter().map(Branch::list);
        let at = lists.position(|list| list.entries().any(|entry| is_it(&entry)));
        self.certain(ListKind::Tools, at, gateway, None)?;
        Ok(found.map(|entry| entry.name.clone()))
    }

    /// The server of the branch at the index `listing`. It is an error if an earlier server failed
    /// and may have the name, too.
    fn certain(
        &self,
        kind: ListKind,
        listing: Option<usize>,
        gateway: &Gateway,
        otherwise: Option<&Server>,
    ) -> Result<Option<ServerId>, Refusal> {
        let (before, found) = match listing {
            Some(at) => self.branches.split_at_checked(at).unwrap_or_default(),
            None => (self.branches.as_slice(), [].as_slice()),
        };
        let found = found.first().map(Branch::server);
        let prefix = |server: &Server| server.prefix(kind).len();
        let owner = found.and_then(|id| gateway.server(id)).or(otherwise);
        let shortest = owner.map_or(0, prefix);
        let may_have_it = |branch: &Branch| {
            let server = gateway.server(branch.server());
            branch.failure().is_some() && server.map_or(0, prefix) >= shortest
        };
        if before.iter().any(may_have_it) {
            return Err(Refusal::Servers(self.failures(gateway)));
        }
        Ok(found)
    }

    /// The index of the branch whose list has `name`. If no list has it: the branch whose matching
    /// template has the longest text before its first variable, or whose skill with that file has
    /// the longest path.
    fn listing(&self, kind: ListKind, name: &str) -> Option<usize> {
        let lists = || self.branches.iter().map(Branch::list).enumerate();
        if let Some((at, _)) = lists().find(|(_, list)| list.has(name)) {
            return Some(at);
        }
        let start = match kind.naming() {
            Naming::UriTemplate => ServerList::template_literal,
            Naming::Uri if kind.covers_directory() => ServerList::skill_path,
            Naming::Prefixed | Naming::Uri => return None,
        };
        let matches = lists().filter_map(|(at, list)| Some((at, start(list, name)?)));
        // If several have the same length, the first one counts.
        let best = matches.rev().max_by_key(|(_, length)| *length);
        best.map(|(at, _)| at)
    }

    /// The parts of all servers in the client's session, in the order of the whole configuration.
    /// To be called after `initialize`, when the fan-out [is done](Fanout::is_done).
    pub fn parts(&self, gateway: &Gateway) -> Vec<SessionPart> {
        let part = |id: ServerId| {
            let mut branches = self.branches.iter().filter(|branch| branch.is_done());
            let branch = branches.find(|branch| branch.server() == id)?;
            let offers = branch.capabilities()?;
            Some(match branch.protocol()? {
                UpstreamProtocol::Modern(_) => SessionPart::Modern {
                    offers: offers.without(ServerCapabilities::LOGGING),
                },
                UpstreamProtocol::Legacy(session) => {
                    let session = session?;
                    SessionPart::Legacy {
                        offers,
                        version: session.version,
                        session: session.id.clone(),
                    }
                }
            })
        };
        let part = |index| part(ServerId::from_index(index)?);
        let parts = (0..gateway.all_servers).map(part);
        parts
            .map(|part| part.unwrap_or(SessionPart::Absent))
            .collect()
    }

    /// The version of the client's session with these `parts`: the newest legacy version that a
    /// server supports and that is not newer than the client's.
    pub fn version(&self, parts: &[SessionPart]) -> &'static str {
        let asked =
            version::legacy(&self.requester.caller.version).unwrap_or(version::NEWEST_LEGACY);
        let spoken = parts.iter().filter_map(|part| match part {
            SessionPart::Absent => None,
            SessionPart::Modern { .. } => Some(asked),
            SessionPart::Legacy { version, .. } => {
                Some(*version).filter(|version| *version <= asked)
            }
        });
        // Versions are dates, so the order of the texts is the order of the versions.
        spoken.max().unwrap_or(asked)
    }

    /// The protocol that the gateway speaks with the server; and the gateway's own session, which
    /// has to be given back when the request is over.
    ///
    /// # Errors
    /// The server's failure.
    pub fn opened(
        &self,
        gateway: &Gateway,
    ) -> Result<(UpstreamProtocol, Option<SessionLease>), &Failure> {
        let branch = self.branches.first().ok_or(&Failure::SessionLost)?;
        if let Some(failure) = branch.failure() {
            return Err(failure);
        }
        let lease = branch.lease(&self.requester, gateway);
        let protocol = branch.protocol().ok_or(&Failure::Version)?;
        Ok((protocol, lease))
    }
}
