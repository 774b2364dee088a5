//! What the servers' answers to one question come to, together.

use super::merged_capabilities::{self, DiscoveredServer};
use crate::config::{FailureMode, Gateway, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::branch::{Branch, State};
use crate::gateway::fanout::merged_list::{self, Rights};
use crate::gateway::fanout::operation::Operation;
use crate::gateway::session::SessionPart;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::mcp::version;
use crate::policy::Refusal;

/// All servers' answers together.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The JSON-RPC result, or why there is none.
    pub result: Result<Vec<u8>, Refusal>,
    /// How many entries were left out, see [`merged_list::merge`].
    pub left_out: usize,
}

impl Fanout {
    /// A merged list is complete or there is none: the server whose entries
    /// would make it too long fails. To be called once, when all is answered.
    pub fn bound(&mut self, gateway: &Gateway) {
        let mut total = 0_usize;
        for branch in &mut self.branches {
            if matches!(branch.state, State::Failed(_)) {
                continue;
            }
            let with = total.saturating_add(branch.entries.bytes());
            if with > gateway.max_list_bytes {
                branch.state = State::Failed(Failure::ListTooLong(gateway.max_list_bytes));
            } else {
                total = with;
            }
        }
    }

    /// A sentence for each server that failed.
    fn failures(&self, gateway: &Gateway) -> Vec<String> {
        let failed = |(id, failure): (ServerId, Option<&Failure>)| {
            Some(format!("server {} {}", gateway.server(id)?.name, failure?))
        };
        self.states().filter_map(failed).collect()
    }

    /// Why there is no outcome, if there is none.
    pub fn refused(&self, gateway: &Gateway) -> Option<Refusal> {
        let is_lost = |branch: &Branch| matches!(branch.state, State::Failed(Failure::SessionLost));
        // The gateway's own sessions are no business of the client's.
        if self.requester.caller.era == Era::Legacy && self.branches.iter().any(is_lost) {
            return Some(Refusal::SessionUnknown);
        }
        let is_anonymous =
            |branch: &Branch| matches!(branch.state, State::Failed(Failure::Anonymous));
        if self.branches.iter().any(is_anonymous) {
            return Some(Refusal::Identity);
        }
        let failures = self.failures(gateway);
        let refused = |branch: &Branch| match branch.state {
            State::Failed(Failure::RefusedCaller(status)) => Some(status),
            _ => None,
        };
        let statuses: Option<Vec<u16>> = self.branches.iter().map(refused).collect();
        if let Some([status, ..]) = statuses.as_deref() {
            return Some(Refusal::CallerRefused(*status, failures));
        }
        let all_failed = !failures.is_empty() && failures.len() == self.branches.len();
        let refused =
            all_failed || (gateway.failure_mode == FailureMode::Fail && !failures.is_empty());
        refused.then_some(Refusal::Servers(failures))
    }

    /// What the servers answered together; when [`Fanout::is_done`].
    /// Lists show what `rights` allow.
    pub fn outcome(self, gateway: &Gateway, rights: Rights<'_>) -> Outcome {
        if let Some(refusal) = self.refused(gateway) {
            return Outcome {
                result: Err(refusal),
                left_out: 0,
            };
        }
        // Who keeps a list that lacks a server would not see it come back.
        let start = if self.states().all(|(_, failure)| failure.is_none()) {
            CacheHints::ALL
        } else {
            CacheHints::NONE
        };
        // Whatever a server says of it: another caller may be shown another.
        let start = CacheHints {
            public: start.public && self.branches.iter().all(|branch| branch.scope.is_none()),
            ..start
        };
        let era = self.requester.caller.era;
        let version = self.version(&self.parts(gateway));
        let answered = self
            .branches
            .into_iter()
            .filter(|branch| matches!(branch.state, State::Done));
        let (result, left_out) = match self.operation {
            Operation::Greet => {
                let servers: Vec<_> = answered
                    .filter_map(|branch| {
                        let server = gateway.server(branch.server)?;
                        Some(DiscoveredServer {
                            name: &server.name,
                            discovered: branch.discovered?,
                            is_bridged: (era == Era::Modern)
                                != (branch.protocol? == UpstreamProtocol::Modern),
                        })
                    })
                    .collect();
                let sole = gateway.single_server().is_some();
                let result = match era {
                    Era::Modern => {
                        merged_capabilities::merge(&servers, sole, start, &gateway.server_info)
                    }
                    Era::Legacy => merged_capabilities::initialized(
                        &servers,
                        sole,
                        version,
                        &gateway.server_info,
                    ),
                };
                (result, 0)
            }
            Operation::List(kind) => {
                let lists: Vec<_> = answered
                    .map(|branch| (branch.server, branch.entries))
                    .collect();
                merged_list::merge((kind, era), &lists, start, (gateway, rights))
            }
            Operation::Open | Operation::SetLevel(_) | Operation::End => (b"{}".to_vec(), 0),
        };
        Outcome {
            result: Ok(result),
            left_out,
        }
    }

    /// The first server whose list has what clients call `name`, or may have it;
    /// when [`Fanout::is_done`].
    ///
    /// # Errors
    /// A server before it failed.
    pub fn owner(
        &self,
        kind: ListKind,
        name: &str,
        gateway: &Gateway,
    ) -> Result<Option<ServerId>, Refusal> {
        if let Some(refusal) = self.refused(gateway) {
            return Err(refusal);
        }
        for branch in &self.branches {
            if matches!(branch.state, State::Failed(_)) {
                // It may be what the client means: nobody takes its place.
                return Err(Refusal::Servers(self.failures(gateway)));
            }
            let has = branch.entries.has(name)
                || (kind == ListKind::Templates && branch.entries.has_template_of(name));
            if has {
                return Ok(Some(branch.server));
            }
        }
        Ok(None)
    }

    /// What the client's session holds of each server, by place, and the version
    /// that it is in; after `initialize`, when [`Fanout::is_done`].
    pub fn parts(&self, gateway: &Gateway) -> Vec<SessionPart> {
        let part = |id: ServerId| {
            let branch = self.branches.iter().find(|branch| branch.server == id)?;
            let offers = branch
                .offers
                .filter(|_| matches!(branch.state, State::Done))?;
            Some(match branch.protocol.as_ref()? {
                UpstreamProtocol::Modern => SessionPart::Modern {
                    offers: offers.without(ServerCapabilities::LOGGING),
                },
                UpstreamProtocol::Legacy(link) => {
                    let link = link.as_ref()?;
                    SessionPart::Legacy {
                        offers,
                        version: link.version,
                        session: link.session.clone(),
                    }
                }
            })
        };
        let servers = gateway.servers.iter();
        servers
            .map(|server| part(server.id).unwrap_or(SessionPart::Absent))
            .collect()
    }

    /// The version that a client which asked for the caller's is told: the newest
    /// that a server speaks, if it is not newer than that.
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
        // Dates: they are ordered as texts.
        spoken.max().unwrap_or(asked)
    }

    /// How the server that was opened is spoken to, and the session to be given
    /// back when the request is done.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn opened(
        &self,
        gateway: &Gateway,
    ) -> Result<(UpstreamProtocol, Option<SessionLease>), &Failure> {
        let branch = self.branches.first().ok_or(&Failure::SessionLost)?;
        if let State::Failed(failure) = &branch.state {
            return Err(failure);
        }
        let held = self.held(branch, gateway);
        let protocol = branch.protocol.clone().ok_or(&Failure::Version)?;
        Ok((protocol, held))
    }
}
