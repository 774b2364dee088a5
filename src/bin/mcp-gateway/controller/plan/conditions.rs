//! The conditions of an object's status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{FaultyPart, ObjectFault};

/// The longest message of a condition.
const LONGEST_MESSAGE: usize = 1024;

/// The value of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConditionVerdict {
    status: String,
    reason: String,
    message: String,
}

impl ConditionVerdict {
    fn new(status: &str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    /// The condition is true.
    pub(super) fn yes(reason: &str) -> Self {
        Self::new("True", reason, "")
    }

    /// The condition is false.
    pub(super) fn no(reason: &str, message: impl Into<String>) -> Self {
        Self::new("False", reason, message)
    }

    /// The condition is unknown.
    pub(super) fn unknown(reason: &str, message: impl Into<String>) -> Self {
        Self::new("Unknown", reason, message)
    }

    /// The same, with an informative message.
    pub(super) fn with_message(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    pub(super) fn holds(&self) -> bool {
        self.status == "True"
    }

    /// This verdict, unless `wait` gives a reason to wait. A false condition has priority over a
    /// wait, since somebody has to fix it.
    pub(super) fn after(self, wait: Option<Self>) -> Self {
        match wait {
            Some(wait) if self.status != "False" => wait,
            _ => self,
        }
    }

    /// This verdict if it is not true, else `other`.
    pub(super) fn and(self, other: Self) -> Self {
        if self.holds() { other } else { self }
    }
}

/// The values of `Accepted` and `ResolvedRefs` of an object with `fault`.
pub(super) fn of_fault(fault: Option<&ObjectFault>) -> (ConditionVerdict, ConditionVerdict) {
    let accepted = || ConditionVerdict::yes("Accepted");
    match fault {
        None => (accepted(), ConditionVerdict::yes("ResolvedRefs")),
        Some(fault) => {
            let refused = ConditionVerdict::no(fault.reason, fault.message.clone());
            match fault.about {
                FaultyPart::Object => (refused, ConditionVerdict::unknown("NotAccepted", "")),
                FaultyPart::References => (accepted(), refused),
            }
        }
    }
}

/// The four conditions of a status. A condition that has not changed keeps its time.
pub(super) fn conditions(
    previous: &[Condition],
    generation: i64,
    now: &Time,
    verdicts: [(&str, ConditionVerdict); 4],
) -> Vec<Condition> {
    let condition = |(kind, verdict): (&str, ConditionVerdict)| {
        let same = previous
            .iter()
            .find(|it| it.type_ == kind && it.status == verdict.status);
        Condition {
            last_transition_time: same
                .map_or_else(|| now.clone(), |it| it.last_transition_time.clone()),
            message: verdict.message.chars().take(LONGEST_MESSAGE).collect(),
            observed_generation: Some(generation),
            reason: verdict.reason,
            status: verdict.status,
            type_: kind.to_owned(),
        }
    };
    verdicts.into_iter().map(condition).collect()
}
