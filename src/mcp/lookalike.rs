//! Lookalikes: member names that some JSON readers take for another name. Go's
//! `encoding/json` compares names without case, and takes the last of them; some
//! releases of its MCP SDK drop NULs at the end of a name. If a policy reads `name`, a
//! server must not read `Name` instead.

/// Whether `name` is none of `known`, but some reader takes it for one of them.
pub fn is_lookalike(name: &str, known: &[&str]) -> bool {
    // Fast for nearly every name, since it is one of `known` or differs at once.
    !known.contains(&name) && known.iter().any(|known| fold(name).eq(fold(known)))
}

/// `name` in the form in which the least strict reader compares names.
pub fn fold(name: &str) -> impl Iterator<Item = char> {
    // The two characters outside ASCII whose simple case folding is in ASCII.
    let letter = |c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().filter(|c| *c != '\0').map(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_in_other_case_is_a_lookalike_of_it() {
        for name in ["Name", "NAME", "name\0", "\0na\0me"] {
            assert!(is_lookalike(name, &["uri", "name"]), "{name:?}");
        }
        assert!(is_lookalike("param\u{17f}", &["params"]));
        assert!(is_lookalike("ta\u{17f}\u{212a}Id", &["taskId"]));
        for name in ["name", "names", "", "nam\u{e9}", "uri"] {
            assert!(!is_lookalike(name, &["uri", "name"]), "{name:?}");
        }
    }
}
