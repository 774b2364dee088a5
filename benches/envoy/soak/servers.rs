//! The servers that do what they should.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::Result;
use crate::mcp::answers::{self, Asked};
use crate::upstream::{Answers, Said, Upstream};

/// A server whose calls and lists must all succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// Modern. The gateway keeps its list for a second, and then asks again.
    Kept,
    /// Modern. The gateway keeps nothing of its list.
    Asked,
    /// Legacy, with sessions, and with streams of events as answers to calls.
    Legacy,
    /// Modern, and answers late.
    Slow,
}

impl Server {
    pub(super) const ALL: [Self; 4] = [Self::Kept, Self::Asked, Self::Legacy, Self::Slow];

    /// Its name, that of its cluster, and the prefix of its tools.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Asked => "asked",
            Self::Legacy => "legacy",
            Self::Slow => "slow",
        }
    }

    /// The name of its tool, as clients see it.
    pub(super) fn tool(self) -> &'static str {
        match self {
            Self::Kept => "kept__weather",
            Self::Asked => "asked__weather",
            Self::Legacy => "legacy__weather",
            Self::Slow => "slow__weather",
        }
    }

    pub(super) async fn start(self) -> Result<Upstream> {
        let delay = match self {
            Self::Slow => Duration::from_millis(5),
            Self::Kept | Self::Asked | Self::Legacy => Duration::ZERO,
        };
        Upstream::start(self.answers(), delay).await
    }

    fn answers(self) -> Answers {
        let hints = match self {
            Self::Kept => r#""ttlMs":1000,"cacheScope":"public""#,
            Self::Asked | Self::Legacy | Self::Slow => r#""ttlMs":0,"cacheScope":"private""#,
        };
        let listed = answers::listed(&tools(), hints);
        Arc::new(move |body| {
            let Ok(Asked { id, method }) = serde_json::from_slice(body) else {
                // A DELETE, which ends a session.
                return Said::Taken;
            };
            let Some(id) = id.map(RawValue::get) else {
                return Said::Taken;
            };
            let is_legacy = self == Self::Legacy;
            let result = match (method, is_legacy) {
                ("server/discover", false) => answers::discovered(hints),
                ("initialize", true) => answers::begun(),
                ("tools/list", _) => listed.clone(),
                ("tools/call", _) => answers::called(),
                _ => return Said::Message(answers::unknown_method(id)),
            };
            let message = answers::response(id, &result);
            match (method, is_legacy) {
                ("initialize", _) => Said::Begun(message.into()),
                ("tools/call", true) => Said::Events(format!("data: {message}\n\n").into()),
                _ => Said::Message(message.into()),
            }
        })
    }
}

/// The tool that clients call, and others.
fn tools() -> Vec<String> {
    let others = (1..10).map(|number| format!("tool{number}"));
    let names = ["weather".to_owned()].into_iter().chain(others);
    let tool = |name: String| {
        format!(
            r#"{{"name":"{name}","description":"Tells the weather in a city, day by day, with the rain and the wind of each hour.","inputSchema":{{"type":"object","properties":{{"city":{{"type":"string"}}}}}}}}"#
        )
    };
    names.map(tool).collect()
}
