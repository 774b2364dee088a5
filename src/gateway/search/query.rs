//! The words of a query, prepared for the comparison with many words.

use super::related::{is_stop_word, related};
use super::stem::stem;
use super::words::{WordFilter, each_word};

/// The most different words of a query. Further words are ignored.
pub(super) const MOST_TERMS: usize = 24;

/// A longer word matches a word of the query that is its beginning and has at least this many
/// bytes.
const SHORTEST_PREFIX: usize = 3;
/// A shorter word matches a word of the query if it is its beginning and has at least this many
/// bytes.
const SHORTEST_START: usize = 4;

/// How well a word matches a word of the query: the same word, or another form of it.
const SAME: f32 = 1.0;
const LONGER: f32 = 0.6;
const SHORTER: f32 = 0.4;
const RELATED: f32 = 0.4;

/// The words of a query.
pub(super) struct Query {
    /// How many different words there are.
    pub(super) terms: usize,
    /// The forms, by their first byte. All forms of one word of the query are next to each other,
    /// and the word itself is the first of them.
    forms: Vec<Vec<Form>>,
    /// The words that may match. The search skips all others.
    pub(super) filter: WordFilter,
}

/// A word of the query, or a related word.
struct Form {
    stem: Vec<u8>,
    /// The word has a `y` after the stem.
    has_y: bool,
    /// The start of longer words that match.
    start: Vec<u8>,
    /// The index of the word of the query.
    term: usize,
    is_related: bool,
}

/// A match between a word and a word of the query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// The index of the word of the query.
    pub(super) term: usize,
    /// How well the word matches: at most 1.
    pub(super) weight: f32,
    /// The word is the word of the query itself, or starts with it. It is not a related word.
    pub(super) is_direct: bool,
}

impl Query {
    /// The words of `text`.
    pub(super) fn new(text: &str) -> Self {
        let mut words: Vec<Vec<u8>> = Vec::new();
        each_word(text, &WordFilter::ALL, &mut |word| {
            words.push(word.to_vec())
        });
        let has_others = words.iter().any(|word| !is_stop_word(word));
        let mut terms: Vec<Form> = Vec::new();
        for word in &words {
            let form = Form::new(word, terms.len(), false);
            let is_left_out = has_others && is_stop_word(word);
            if !is_left_out && terms.len() < MOST_TERMS && !terms.iter().any(|it| it.is(&form)) {
                terms.push(form);
            }
        }
        let mut query = Self {
            terms: terms.len(),
            forms: Vec::new(),
            filter: WordFilter::NONE,
        };
        query.forms.resize_with(256, Vec::new);
        for form in terms {
            let related = related_forms(&form);
            query.add(form);
            for form in related {
                query.add(form);
            }
        }
        query
    }

    /// Adds a form, unless the same form of the same word is there already.
    fn add(&mut self, form: Form) {
        self.filter.add(&form.stem);
        let first = form.stem.first().copied().unwrap_or_default();
        if let Some(forms) = self.forms.get_mut(usize::from(first))
            && !forms.iter().any(|it| it.term == form.term && it.is(&form))
        {
            forms.push(form);
        }
    }

    /// Calls `hit` once for each word of the query that `word` matches.
    pub(super) fn compare(&self, word: &[u8], hit: &mut dyn FnMut(Hit)) {
        let first = word.first().copied().unwrap_or_default();
        let Some(forms) = self.forms.get(usize::from(first)) else {
            return;
        };
        let mut last = None;
        for form in forms {
            if last != Some(form.term)
                && let Some(weight) = form.weight(word)
            {
                last = Some(form.term);
                hit(Hit {
                    term: form.term,
                    weight,
                    is_direct: !form.is_related && weight >= LONGER,
                });
            }
        }
    }
}

/// The words that are related to `word`.
fn related_forms(word: &Form) -> Vec<Form> {
    let mut found = Vec::new();
    for line in related() {
        let of_line: Vec<Form> = line
            .split(' ')
            .map(|it| Form::new(it.as_bytes(), word.term, true))
            .collect();
        if of_line.iter().any(|it| it.is(word)) {
            found.extend(of_line);
        }
    }
    found
}

impl Form {
    fn new(word: &[u8], term: usize, is_related: bool) -> Self {
        let (stem, has_y) = stem(word);
        let mut start = stem.to_vec();
        if has_y {
            start.push(b'y');
        } else if word.len() == stem.len().saturating_add(1) && word.ends_with(b"e") {
            start.push(b'e');
        }
        Self {
            stem: stem.to_vec(),
            has_y,
            start,
            term,
            is_related,
        }
    }

    /// Whether both are forms of the same word.
    fn is(&self, other: &Self) -> bool {
        self.stem == other.stem && self.has_y == other.has_y
    }

    /// How well `word` matches this form; `None` where it does not. Both have the same first byte.
    fn weight(&self, word: &[u8]) -> Option<f32> {
        let own = self.stem.as_slice();
        if word.starts_with(own) {
            let (stem, has_y) = stem(word);
            if own == stem && self.has_y == has_y {
                return Some(if self.is_related { RELATED } else { SAME });
            }
            let is_longer =
                !self.is_related && own.len() >= SHORTEST_PREFIX && word.starts_with(&self.start);
            return is_longer.then_some(LONGER);
        }
        let is_start = !self.is_related && word.len() >= SHORTEST_START && own.starts_with(word);
        is_start.then_some(SHORTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn hits(query: &str, word: &str) -> Vec<(usize, f32)> {
        let mut hits = Vec::new();
        Query::new(query).compare(word.as_bytes(), &mut |hit| {
            hits.push((hit.term, hit.weight));
        });
        hits
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_word_matches_other_forms_of_itself_less_well_than_itself() {
        for (query, word, expected) in [
            ("issues", "issue", &[(0, SAME)][..]),
            ("the new Issue", "issues", &[(1, SAME)]),
            ("repo", "repository", &[(0, LONGER)]),
            ("repository", "repo", &[(0, SHORTER)]),
            ("erase", "deleted", &[(0, RELATED)]),
            ("erase delete", "deleted", &[(0, RELATED), (1, SAME)]),
            ("ab", "abc", &[]),
            ("issue", "tissue", &[]),
            ("", "x", &[]),
            ("the", "the", &[(0, SAME)]),
            ("the dog", "the", &[]),
        ] {
            assert_eq!(hits(query, word), expected, "{query}: {word}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_query_has_so_many_words_at_most() {
        let words: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
        assert_eq!(Query::new(&words.join(" ")).terms, MOST_TERMS);
        assert_eq!(Query::new("one One ONES").terms, 1);
        assert_eq!(Query::new(" ,. ").terms, 0);
    }
}
