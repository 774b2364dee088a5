//! The answer, whoever made it.

use super::{Effect, Phase, Stream};
use crate::http::Headers;

impl Stream {
    /// Completes the answer to a browser: this is the one place where every
    /// answer passes, this filter's own, later filters' and servers'.
    pub(super) fn response_headers(&self, headers: &Headers) -> Vec<Effect> {
        let (Some(endpoint), Some(cors)) = (&self.endpoint, &self.config.cors) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        if !matches!(self.phase, Phase::Answered) {
            // What a server says about CORS was meant for its own clients.
            let mut theirs: Vec<&str> = headers
                .iter()
                .map(|(name, _)| name)
                .filter(|name| name.starts_with("access-control-"))
                .collect();
            theirs.sort_unstable();
            theirs.dedup();
            effects.extend(
                theirs
                    .into_iter()
                    .map(|name| Effect::RemoveResponseHeader(name.to_owned())),
            );
        }
        for (name, value) in cors.answer(endpoint.origin.as_deref()) {
            effects.push(match name {
                "vary" => Effect::AddResponseHeader(name, value),
                _ => Effect::SetResponseHeader(name, value),
            });
        }
        effects
    }
}
