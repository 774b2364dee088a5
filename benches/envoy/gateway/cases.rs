//! The cases, and the goals for their costs.

use std::time::Duration;

use crate::Result;
use crate::rounds::Variant;

pub(crate) const TOOLS_PER_SERVER: usize = 20;

/// The size of a tool with a title, a sentence and two arguments.
pub(crate) const USUAL_TOOL_BYTES: usize = 400;
/// With a hundred such tools, a list has 137 KB.
const LONG_TOOL_BYTES: usize = 1370;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// `tools/list`
    List,
    /// `tools/call` of a tool of one server.
    Call,
}

/// What the servers say about their lists (MCP 2026-07-28, `ttlMs` and `cacheScope`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lists {
    /// Each client has to ask for its own list.
    Private,
    /// All clients may have the same list, but none may keep it.
    Public,
    /// All clients may keep the same list.
    Kept,
}

impl Lists {
    pub(super) fn cache_hints(self) -> &'static str {
        match self {
            Self::Private => r#""ttlMs":0,"cacheScope":"private""#,
            Self::Public => r#""ttlMs":0,"cacheScope":"public""#,
            Self::Kept => r#""ttlMs":3600000,"cacheScope":"public""#,
        }
    }
}

/// The era of a client or a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Era {
    /// 2026-07-28, without sessions.
    Modern,
    /// 2025-11-25, in a session.
    Legacy,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    Cpu,
    P50,
}

impl Measure {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::P50 => "p50",
        }
    }
}

/// Our filter may use at most this part of what the other variant uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) measure: Measure,
    pub(super) over: Variant,
    pub(super) at_most: f64,
}

const fn goal(measure: Measure, over: Variant, at_most: f64) -> Goal {
    Goal {
        measure,
        over,
        at_most,
    }
}

/// The last goal is hard to reach if servers answer at once, and if the client and all servers
/// share a core. Users see `list-slow`.
const LIST_GOALS: &[Goal] = &[
    goal(Measure::Cpu, Variant::Native, 0.25),
    goal(Measure::P50, Variant::Native, 0.25),
    goal(Measure::P50, Variant::Plain, 1.5),
];
/// With slow servers, only the wait for the last server counts.
const SLOW_LIST_GOALS: &[Goal] = &[goal(Measure::P50, Variant::Plain, 1.5)];
const CACHED_GOALS: &[Goal] = &[
    goal(Measure::Cpu, Variant::Plain, 1.5),
    goal(Measure::P50, Variant::Plain, 1.5),
];
const CALL_GOALS: &[Goal] = &[
    goal(Measure::Cpu, Variant::Native, 0.8),
    goal(Measure::P50, Variant::Native, 0.8),
];

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) ask: Ask,
    pub(super) lists: Lists,
    pub(super) client: Era,
    /// The era of the servers.
    pub(super) server: Era,
    pub(super) servers: usize,
    pub(super) tool_bytes: usize,
    /// The number of rules of `authorization`. Each has an expression, and the last one allows.
    pub(super) rules: usize,
    /// The delay of the last server. The servers before it have shorter delays.
    pub(super) slowest: Duration,
    /// Requests in each round, for each variant.
    pub(super) requests: usize,
    pub(super) goals: &'static [Goal],
}

const fn case(name: &'static str, ask: Ask, servers: usize, requests: usize) -> Case {
    Case {
        name,
        ask,
        lists: Lists::Private,
        client: Era::Modern,
        server: Era::Modern,
        servers,
        tool_bytes: USUAL_TOOL_BYTES,
        rules: 0,
        slowest: Duration::ZERO,
        requests,
        goals: &[],
    }
}

fn all() -> [Case; 16] {
    [
        case("list-1", Ask::List, 1, 1000),
        Case {
            goals: LIST_GOALS,
            ..case("list-5", Ask::List, 5, 500)
        },
        Case {
            lists: Lists::Public,
            goals: LIST_GOALS,
            ..case("list-public", Ask::List, 5, 500)
        },
        Case {
            client: Era::Legacy,
            server: Era::Legacy,
            goals: LIST_GOALS,
            ..case("legacy-list", Ask::List, 5, 500)
        },
        case("list-10", Ask::List, 10, 300),
        case("list-50", Ask::List, 50, 100),
        Case {
            tool_bytes: LONG_TOOL_BYTES,
            goals: LIST_GOALS,
            ..case("list-long", Ask::List, 5, 300)
        },
        Case {
            slowest: Duration::from_millis(10),
            goals: SLOW_LIST_GOALS,
            ..case("list-slow", Ask::List, 5, 100)
        },
        Case {
            lists: Lists::Kept,
            goals: CACHED_GOALS,
            ..case("cached-5", Ask::List, 5, 1000)
        },
        Case {
            tool_bytes: LONG_TOOL_BYTES,
            lists: Lists::Kept,
            goals: CACHED_GOALS,
            ..case("cached-long", Ask::List, 5, 500)
        },
        Case {
            goals: CALL_GOALS,
            ..case("call", Ask::Call, 5, 2000)
        },
        Case {
            client: Era::Legacy,
            server: Era::Legacy,
            ..case("legacy-call", Ask::Call, 5, 2000)
        },
        Case {
            server: Era::Legacy,
            ..case("call-to-legacy", Ask::Call, 5, 2000)
        },
        Case {
            client: Era::Legacy,
            ..case("call-of-legacy", Ask::Call, 5, 2000)
        },
        Case {
            rules: 10,
            ..case("call-rules", Ask::Call, 5, 2000)
        },
        Case {
            rules: 10,
            lists: Lists::Kept,
            ..case("cached-rules", Ask::List, 5, 1000)
        },
    ]
}

/// The cases with these names; all cases if there are no names.
pub(super) fn chosen(names: &[String]) -> Result<Vec<Case>> {
    let all = all();
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|case| case.name != *name))
    {
        let known = all.map(|case| case.name).join(", ");
        return Err(format!("unknown case {unknown:?}; there are {known}").into());
    }
    let wanted = |case: &Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(all.into_iter().filter(wanted).collect())
}

impl Case {
    pub(super) fn delay(&self, server: usize) -> Duration {
        let parts = u32::try_from(self.servers).unwrap_or(u32::MAX);
        let share = u32::try_from(server + 1).unwrap_or(u32::MAX);
        self.slowest * share / parts
    }
}
