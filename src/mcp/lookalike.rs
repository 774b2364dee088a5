//! Lookalikes: member names that some JSON readers treat as another name. Go's `encoding/json`
//! ignores the case of names, and uses the last of several members. Some releases of its MCP SDK
//! remove NULs at the end of a name. For `cJSON` and other readers in C, a name ends at a NUL. If a
//! policy reads `name`, a server must not read `Name` instead.

/// Whether `name` is none of `known`, but some JSON reader treats it as one of them.
pub fn is_lookalike(name: &str, known: &[&str]) -> bool {
    // This is fast for nearly every name: it is one of `known`, or its first character differs.
    let is_one_of_them = |name| known.iter().any(|known| fold(name).eq(fold(known)));
    let ends_at_nul = || {
        name.split_once('\0')
            .is_some_and(|(start, _)| is_one_of_them(start))
    };
    !known.contains(&name) && (is_one_of_them(name) || ends_at_nul())
}

/// `name` in the form that the least strict JSON reader compares.
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
        for name in ["Name", "NAME", "name\0", "\0na\0me", "Name\0x"] {
            assert!(is_lookalike(name, &["uri", "name"]), "{name:?}");
        }
        assert!(is_lookalike("param\u{17f}", &["params"]));
        assert!(is_lookalike("ta\u{17f}\u{212a}Id", &["taskId"]));
        for name in ["name", "names", "", "nam\u{e9}", "uri", "\0names"] {
            assert!(!is_lookalike(name, &["uri", "name"]), "{name:?}");
        }
    }
}
