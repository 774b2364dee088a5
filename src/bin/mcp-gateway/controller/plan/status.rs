//! The statuses of gateways and servers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use super::conditions::{self, ConditionVerdict};
use super::source::ServerSource;
use super::{ObjectFault, Plan, assembled, notice};
use crate::controller::kinds::{MCPGateway, MCPGatewayStatus, MCPServerStatus};
use crate::controller::name::ObjectName;
use crate::controller::snapshot::ServerAnswer;

const ACCEPTED: &str = "Accepted";
const RESOLVED_REFS: &str = "ResolvedRefs";
const PROGRAMMED: &str = "Programmed";
const READY: &str = "Ready";

/// The final state of a server.
pub(super) struct ServerState<'a> {
    source: &'a ServerSource<'a>,
    gateway: Option<&'a ObjectName>,
    fault: Option<&'a ObjectFault>,
    programmed: ConditionVerdict,
    ready: ConditionVerdict,
    status: MCPServerStatus,
}

impl<'a> ServerState<'a> {
    /// The state of a server that is left out because of `fault`. Its prefix stays its own, unless
    /// another server has it.
    pub(super) fn faulty(
        source: &'a ServerSource<'a>,
        gateway: Option<&'a ObjectName>,
        fault: &'a ObjectFault,
    ) -> Self {
        let has_its_place = !matches!(fault.reason, "NameConflict" | "PrefixConflict");
        let is_same = gateway.is_some_and(|it| source.is_behind(it));
        let known = source.status.tool_prefix.clone();
        Self {
            source,
            gateway,
            fault: Some(fault),
            programmed: ConditionVerdict::no(fault.reason, "the gateway does not serve it"),
            ready: ConditionVerdict::no(fault.reason, fault.message.clone()),
            status: MCPServerStatus {
                tool_prefix: known.filter(|_| has_its_place && is_same),
                ..MCPServerStatus::default()
            },
        }
    }

    /// The state of a server behind `gateway`.
    pub(super) fn served(
        source: &'a ServerSource<'a>,
        gateway: &'a ObjectName,
        programmed: ConditionVerdict,
        answer: Option<&ServerAnswer>,
        asks: bool,
    ) -> Self {
        let previous = &source.status;
        let mut status = MCPServerStatus {
            tools: previous.tools,
            protocol_version: previous.protocol_version.clone(),
            last_error: previous.last_error.clone(),
            ..MCPServerStatus::default()
        };
        let answered = match answer {
            _ if !asks => {
                status = MCPServerStatus::default();
                ConditionVerdict::yes("NotAsked")
            }
            Some(ServerAnswer::Up { version, tools }) => {
                status.tools = Some(*tools);
                status.protocol_version = Some(version.clone());
                status.last_error = None;
                ConditionVerdict::yes("Answers")
            }
            Some(ServerAnswer::Down(reason)) => {
                status.last_error = Some(reason.clone());
                ConditionVerdict::no("NoAnswer", reason.clone())
            }
            // After a restart, the earlier state is valid until the controller has asked the
            // server.
            None => remembered(&previous.conditions),
        };
        Self {
            source,
            gateway: Some(gateway),
            fault: None,
            ready: programmed.clone().and(answered),
            programmed,
            status,
        }
    }

    /// The same state, with the prefix that clients see.
    pub(super) fn with_prefix(mut self, prefix: Option<&String>) -> Self {
        self.status.tool_prefix = prefix.cloned();
        self
    }

    /// Adds the status to `plan`. Gives whether the server is ready, and how many tools it has.
    pub(super) fn say(self, plan: &mut Plan, now: &Time) -> (bool, u32) {
        let is_ready = self.ready.holds();
        let tools = self.status.tools.unwrap_or_default();
        if assembled::is_registration(self.source) {
            // The controller does not write the status of a registration.
            plan.notices
                .extend(self.fault.map(|fault| notice::of_fault(self.source, fault)));
            return (is_ready, tools);
        }
        let (accepted, resolved) = conditions::of_fault(self.fault);
        let previous = &self.source.status.conditions;
        let status = MCPServerStatus {
            conditions: conditions::conditions(
                previous,
                self.source.generation,
                now,
                [
                    (ACCEPTED, accepted),
                    (RESOLVED_REFS, resolved),
                    (PROGRAMMED, self.programmed),
                    (READY, self.ready),
                ],
            ),
            gateway: self.gateway.map(ToString::to_string),
            ..self.status
        };
        plan.servers.insert(self.source.name.clone(), status);
        (is_ready, tools)
    }
}

/// The earlier value of `Ready`, if it came from an answer of the server.
fn remembered(previous: &[Condition]) -> ConditionVerdict {
    let unknown = || ConditionVerdict::unknown("NotAsked", "the controller has not asked it yet");
    let ready = previous.iter().find(|it| it.type_ == READY);
    match ready {
        Some(it) if it.reason == "Answers" => ConditionVerdict::yes("Answers"),
        Some(it) if it.reason == "NoAnswer" => ConditionVerdict::no("NoAnswer", it.message.clone()),
        _ => unknown(),
    }
}

/// The state of a gateway without faults.
pub(super) struct GatewayFacts {
    pub(super) programmed: ConditionVerdict,
    pub(super) is_any_ready: bool,
    /// A hint for the author.
    pub(super) hint: Option<String>,
    pub(super) url: Option<String>,
    pub(super) servers: u32,
    pub(super) tools: u32,
}

/// The status of a gateway without faults.
pub(super) fn of_gateway(
    gateway: &MCPGateway,
    facts: &GatewayFacts,
    now: &Time,
) -> MCPGatewayStatus {
    let ready = if facts.is_any_ready {
        ConditionVerdict::yes("Answers")
    } else {
        ConditionVerdict::no("NoServerReady", "no server behind it is ready")
    };
    let resolved = ConditionVerdict::yes("ResolvedRefs");
    let resolved = resolved.with_message(facts.hint.clone().unwrap_or_default());
    let verdicts = [
        (ACCEPTED, ConditionVerdict::yes("Accepted")),
        (RESOLVED_REFS, resolved),
        (PROGRAMMED, facts.programmed.clone()),
        (READY, facts.programmed.clone().and(ready)),
    ];
    MCPGatewayStatus {
        url: facts.url.clone(),
        servers: facts.servers,
        tools: facts.tools,
        conditions: gateway_conditions(gateway, now, verdicts),
    }
}

/// The status of a gateway that cannot be used because of `fault`. Its earlier objects stay.
pub(super) fn of_refused_gateway(
    gateway: &MCPGateway,
    fault: &ObjectFault,
    now: &Time,
) -> MCPGatewayStatus {
    let previous = gateway.status.clone().unwrap_or_default();
    MCPGatewayStatus {
        conditions: gateway_conditions(gateway, now, of_fault(fault)),
        ..previous
    }
}

/// The status of an MCPGateway that cannot be read.
pub(super) fn of_faulty_gateway(
    object: &Value,
    fault: &ObjectFault,
    now: &Time,
) -> MCPGatewayStatus {
    let previous = object.get("status").cloned().unwrap_or_default();
    let previous: MCPGatewayStatus = serde_json::from_value(previous).unwrap_or_default();
    let generation = object.pointer("/metadata/generation");
    let generation = generation.and_then(Value::as_i64).unwrap_or_default();
    let conditions = conditions::conditions(&previous.conditions, generation, now, of_fault(fault));
    MCPGatewayStatus {
        conditions,
        ..previous
    }
}

fn of_fault(fault: &ObjectFault) -> [(&'static str, ConditionVerdict); 4] {
    let (accepted, resolved) = conditions::of_fault(Some(fault));
    let not = || {
        ConditionVerdict::no(
            fault.reason,
            "the controller does not change what it wrote before",
        )
    };
    [
        (ACCEPTED, accepted),
        (RESOLVED_REFS, resolved),
        (PROGRAMMED, not()),
        (READY, not()),
    ]
}

fn gateway_conditions(
    gateway: &MCPGateway,
    now: &Time,
    verdicts: [(&'static str, ConditionVerdict); 4],
) -> Vec<Condition> {
    let previous = gateway.status.as_ref().map(|it| &*it.conditions);
    let generation = gateway.metadata.generation.unwrap_or_default();
    conditions::conditions(previous.unwrap_or_default(), generation, now, verdicts)
}
