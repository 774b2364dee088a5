//! The stem of an English word, which is the same for its plural, its past tense and so on. It need
//! not be the stem of a grammar: two forms of a word only need the same stem.

/// The stem of `word`, which is in lower case: a part of its start, and `true` if a `y` follows the
/// stem.
pub(super) fn stem(word: &[u8]) -> (&[u8], bool) {
    let singular = match word {
        [start @ .., b'i', b'e', b's'] if start.len() > 1 => return (start, true),
        [start @ .., b's', b's', b'e', b's'] => start_and(word, start, 2),
        [start @ .., b'x' | b'z', b'e', b's'] => start_and(word, start, 1),
        [start @ .., b'c' | b's', b'h', b'e', b's'] => start_and(word, start, 2),
        [.., b's' | b'u' | b'i', b's'] => word,
        [start @ .., b's'] if start.len() > 2 => start,
        _ => word,
    };
    let stem = match singular {
        [start @ .., b'i', b'n', b'g'] if is_stem(start) => undoubled(start),
        [start @ .., b'e', b'd'] if is_stem(start) => undoubled(start),
        [start @ .., b't', b'i', b'o', b'n'] if start.len() > 2 => start_and(singular, start, 1),
        [start @ .., b's', b'i', b'o', b'n'] if start.len() > 2 => start_and(singular, start, 1),
        [start @ .., b'm', b'e', b'n', b't'] if start.len() > 3 => start,
        _ => singular,
    };
    match stem {
        [start @ .., b'e'] if start.len() > 2 => (start, false),
        [start @ .., b'y'] if start.len() > 1 => (start, true),
        _ => (stem, false),
    }
}

/// The first bytes of `word`: those of `start`, and `more` bytes after it.
fn start_and<'w>(word: &'w [u8], start: &'w [u8], more: usize) -> &'w [u8] {
    word.get(..start.len().saturating_add(more))
        .unwrap_or(start)
}

/// Whether `start` can be a word without its ending. For example `str` of `string` cannot.
fn is_stem(start: &[u8]) -> bool {
    start.len() > 2 && start.iter().any(|byte| b"aeiouy".contains(byte))
}

/// Removes a doubled last letter: `runn` becomes `run`, but `bill` stays.
fn undoubled(start: &[u8]) -> &[u8] {
    match start {
        [shorter @ .., a, b] if a == b && !b"lsz".contains(a) => start_and(start, shorter, 1),
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_forms_of_a_word_have_one_stem() {
        for forms in [
            "create creates created creating creation creations",
            "delete deletes deleted deleting deletion",
            "query queries",
            "company companies",
            "message messages messaging",
            "run runs running",
            "bill bills billing billed",
            "branch branches branching",
            "box boxes",
            "address addresses",
            "deploy deploys deployed deployment deployments",
            "status",
            "string strings",
            "merge merged merging merges",
            "issue issues",
            "page pages paging",
        ] {
            let mut forms = forms.split(' ').map(|form| stem(form.as_bytes()));
            let first = forms.next().unwrap();
            for form in forms {
                assert_eq!(form, first);
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_words_keep_their_own() {
        for (one, other) in [
            ("status", "state"),
            ("string", "str"),
            ("this", "thi"),
            ("as", "a"),
            ("user", "use"),
            ("sing", "s"),
            ("bed", "b"),
        ] {
            assert_ne!(stem(one.as_bytes()), stem(other.as_bytes()), "{one}");
        }
    }
}
