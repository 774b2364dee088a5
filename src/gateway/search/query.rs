//! The words of a query, prepared to be compared with many others.

use super::related::{is_stop_word, related};
use super::stem::stem;
use super::words::{WordFilter, each_word};

/// More different words of a query are left out.
pub(super) const MOST_TERMS: usize = 24;

/// A word that starts with a word of the query of at least so many bytes matches it.
const SHORTEST_PREFIX: usize = 3;
/// A word of at least so many bytes with which a word of the query starts matches that.
const SHORTEST_START: usize = 4;

/// How well a word matches a word of the query: the same, or another form of it.
const SAME: f32 = 1.0;
const LONGER: f32 = 0.6;
const SHORTER: f32 = 0.4;
const RELATED: f32 = 0.4;

/// The words of a query.
pub(super) struct Query {
    /// How many different words there are.
    pub(super) terms: usize,
    /// By their first bytes. There those of one word of the query stand together, that
    /// word itself first.
    forms: Vec<Vec<Form>>,
    /// The words that may match.
    pub(super) filter: WordFilter,
}

/// A word of the query, or one that stands for it.
struct Form {
    stem: Vec<u8>,
    /// A `y` belongs after the stem.
    has_y: bool,
    /// What longer words start with.
    start: Vec<u8>,
    /// The word of the query.
    term: usize,
    is_related: bool,
}

/// A word that matches one of the query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// The word of the query.
    pub(super) term: usize,
    /// How well it matches: at most 1.
    pub(super) weight: f32,
    /// It is the word itself, or begins with it.
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

    /// Adds a form, unless it is there as one of the same word.
    fn add(&mut self, form: Form) {
        self.filter.add(&form.stem);
        let first = form.stem.first().copied().unwrap_or_default();
        if let Some(forms) = self.forms.get_mut(usize::from(first))
            && !forms.iter().any(|it| it.term == form.term && it.is(&form))
        {
            forms.push(form);
        }
    }

    /// Calls `hit` for each word of the query that `word` matches, once.
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

/// The words that stand for `word`.
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

    /// How well `word` matches, if it does. Both have the same first byte.
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
