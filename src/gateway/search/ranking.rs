//! Ranks tools by a query, with BM25 over the weighted texts of their definitions
//! (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009).

use super::query::Query;
use super::tool_text::{TextPlace, each_text};
use super::words::each_word;

/// The saturation of BM25 (`k1`): how soon more occurrences of a word add less to the score.
const SATURATION: f32 = 1.2;
/// The length normalization of BM25 (`b`), from 0 to 1: how much long descriptions lower the score.
const LENGTH: f32 = 0.3;
/// The part of the score that does not depend on how many words of the query match a tool.
const PARTIAL: f32 = 0.3;

/// The weight of a word, by the place of its text in the definition.
fn weight(place: TextPlace) -> f32 {
    match place {
        TextPlace::Name => 2.5,
        TextPlace::Title => 1.5,
        TextPlace::Description => 1.0,
        TextPlace::Parameter => 0.5,
        TextPlace::ParameterDescription => 0.3,
    }
}

/// The result of a search.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ranked {
    /// The indices of the tools that match best, the best first. If two match equally well, the
    /// earlier tool comes first.
    pub best: Vec<usize>,
    /// How many tools match.
    pub total: usize,
}

/// The best `limit` tools that match `query`. `definitions` are the JSON texts of all tools.
pub fn rank<'d>(query: &str, definitions: impl Iterator<Item = &'d [u8]>, limit: usize) -> Ranked {
    let query = Query::new(query);
    if query.terms == 0 {
        return Ranked::default();
    }
    let mut found = Found::new(query.terms);
    for (at, definition) in definitions.enumerate() {
        // An entry of a list is a part of a text that is UTF-8, so this does not fail.
        if let Ok(definition) = simdutf8::basic::from_utf8(definition) {
            found.read(at, definition, &query);
        }
    }
    found.ranked(limit)
}

/// The tools that match, and how.
struct Found {
    terms: usize,
    /// For each tool that matches: its index, and the length of its texts.
    tools: Vec<(usize, f32)>,
    /// How each of these tools matches each word of the query.
    matches: Vec<TermMatch>,
    /// For each word of the query: how many tools have the word itself, and how many have any form
    /// of it.
    counts: Vec<(usize, usize)>,
    tools_read: usize,
    length: f32,
}

/// How a tool matches one word of the query.
#[derive(Debug, Clone, Copy, Default)]
struct TermMatch {
    /// The weight in names and titles. Their length has no effect on the score.
    in_names: f32,
    in_texts: f32,
    is_direct: bool,
}

impl Found {
    fn new(terms: usize) -> Self {
        Self {
            terms,
            tools: Vec::new(),
            matches: Vec::new(),
            counts: vec![(0, 0); terms],
            tools_read: 0,
            length: 0.0,
        }
    }

    /// Reads the definition of the tool with the index `at`.
    fn read(&mut self, at: usize, definition: &str, query: &Query) {
        let mut matches = vec![TermMatch::default(); self.terms];
        let mut length = 0.0;
        let mut has_match = false;
        each_text(definition, &mut |place, text| {
            let weight = weight(place);
            let is_name = matches!(place, TextPlace::Name | TextPlace::Title);
            let words = each_word(text, &query.filter, &mut |word| {
                query.compare(word, &mut |hit| {
                    if let Some(term) = matches.get_mut(hit.term) {
                        has_match = true;
                        term.is_direct |= hit.is_direct;
                        let sum = if is_name {
                            &mut term.in_names
                        } else {
                            &mut term.in_texts
                        };
                        *sum += weight * hit.weight;
                    }
                });
            });
            if !is_name {
                length += weight * f32::from(words);
            }
        });
        self.tools_read = self.tools_read.saturating_add(1);
        self.length += length;
        if !has_match {
            return;
        }
        for ((direct, any), found) in self.counts.iter_mut().zip(&matches) {
            *any = any.saturating_add(usize::from(found.is_there()));
            *direct = direct.saturating_add(usize::from(found.is_direct));
        }
        self.tools.push((at, length));
        self.matches.extend(matches);
    }

    /// The best `limit` tools.
    fn ranked(&self, limit: usize) -> Ranked {
        let rarity = |count| rarity(count, self.tools_read);
        let counts = self.counts.iter();
        let rarities: Vec<(f32, f32)> = counts
            .map(|(direct, any)| (rarity(*direct), rarity(*any)))
            .collect();
        let average = (self.length / float(self.tools_read.max(1))).max(1.0);
        let matches = self.matches.chunks(self.terms.max(1));
        let mut scores = Vec::with_capacity(self.tools.len());
        for ((at, length), matches) in self.tools.iter().zip(matches) {
            let length = 1.0 - LENGTH + LENGTH * length / average;
            scores.push((score(matches, &rarities, length), *at));
        }
        Ranked {
            total: scores.len(),
            best: best(&mut scores, limit),
        }
    }
}

/// The tools with the best `limit` scores, the best first. The limit is small, so a simple search
/// for each place is fast enough.
fn best(scores: &mut [(f32, usize)], limit: usize) -> Vec<usize> {
    let mut best = Vec::new();
    while best.len() < limit {
        let mut first = None;
        for (score, at) in scores.iter_mut() {
            if *score
                > first
                    .as_ref()
                    .map_or(0.0, |(score, _): &(&mut f32, usize)| **score)
            {
                first = Some((score, *at));
            }
        }
        let Some((score, at)) = first else {
            break;
        };
        *score = 0.0;
        best.push(at);
    }
    best
}

impl TermMatch {
    fn is_there(self) -> bool {
        self.in_names + self.in_texts > 0.0
    }
}

/// The score of a tool with these `matches`. `rarities` are, for each word of the query, the rarity
/// of the word itself and the rarity of any form of it.
fn score(matches: &[TermMatch], rarities: &[(f32, f32)], length: f32) -> f32 {
    let (mut score, mut matched, mut all) = (0.0, 0.0, 0.0);
    for (found, (direct, any)) in matches.iter().zip(rarities) {
        all += any;
        if !found.is_there() {
            continue;
        }
        let rarity = if found.is_direct { direct } else { any };
        let frequency = found.in_names + found.in_texts / length;
        score += rarity * frequency * (SATURATION + 1.0) / (frequency + SATURATION);
        matched += any * frequency.min(1.0);
    }
    score * (PARTIAL + (1.0 - PARTIAL) * matched / all)
}

/// The rarity of a word that `count` of `all` tools have: a rare word says more about a tool.
fn rarity(count: usize, all: usize) -> f32 {
    let (count, all) = (float(count), float(all));
    (1.0 + (all - count + 0.5) / (count + 0.5)).ln()
}

/// `number` as a float; 65,535 where it is larger: more tools would not change a score.
fn float(number: usize) -> f32 {
    f32::from(u16::try_from(number).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const TOOLS: [&str; 5] = [
        r#"{"name":"github__create_issue","description":"Open a new issue in a repository."}"#,
        r#"{"name":"github__list_issues","description":"List the issues of a repository."}"#,
        r#"{"name":"mail__send","title":"Send an e-mail","description":"Sends mail.","inputSchema":{"properties":{"attachments":{"description":"Files to send along"}}}}"#,
        r#"{"name":"getWeather","description":"Forecast for a city"}"#,
        r#"{"name":"x","description":"Issue."}"#,
    ];

    fn found(query: &str, limit: usize) -> Ranked {
        rank(query, TOOLS.iter().map(|tool| tool.as_bytes()), limit)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_best_come_first_and_all_that_match_are_counted() {
        for (query, best, total) in [
            ("create issue", 0, 3),
            ("list of issues in the repo", 1, 3),
            ("weather", 3, 1),
            ("attachment", 2, 1),
            ("Email", 2, 1),
            ("github__list_issues", 1, 3),
        ] {
            let found = found(query, 8);
            assert_eq!(
                (found.best.first(), found.total),
                (Some(&best), total),
                "{query}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_more_are_found_than_the_limit_and_none_without_words() {
        let two = found("issue", 2);
        assert_eq!((two.best.len(), two.total), (2, 3));
        for nothing in ["", " ", "?!", "zzz"] {
            assert_eq!(found(nothing, 8), Ranked::default(), "{nothing}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn equally_good_ones_keep_their_order() {
        let tools = [
            r#"{"name":"a_x"}"#,
            r#"{"name":"b_x"}"#,
            r#"{"name":"c_x"}"#,
        ];
        let ranked = rank("x", tools.iter().map(|tool| tool.as_bytes()), 8);
        assert_eq!(ranked.best, [0, 1, 2]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_definition_is_not_found() {
        let texts: [&[u8]; 3] = [b"\xff", b"[]", b""];
        assert_eq!(rank("x", texts.into_iter(), 8), Ranked::default());
    }
}
