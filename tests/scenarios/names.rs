//! `$name` in a scenario stands for a text that is not known in advance, such as the id of
//! a session. It gets its value from a message to the client or to a server, and later
//! steps use this value.

use std::collections::BTreeMap;

/// The names that have a value.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The same names with this value of `$id`, which is different for each message.
    pub(crate) fn with_id(&self, id: &str) -> Self {
        let mut names = self.clone();
        names.0.insert("id".into(), id.into());
        names
    }

    /// `text` with the values of its names. A name without a value stays as it is.
    pub(crate) fn put(&self, text: &str) -> String {
        let mut out = String::new();
        for (literal, name) in parts(text) {
            out += literal;
            match name.map(|name| (name, self.0.get(name))) {
                Some((_, Some(value))) => out += value,
                Some((name, None)) => out = out + "$" + name,
                None => {}
            }
        }
        out
    }

    /// Whether `text` is `pattern`. A name that has no value yet gets the letters, digits,
    /// `-` and `_` in its place. Two names cannot get the same value.
    pub(crate) fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let mut found = self.clone();
        let mut rest = text;
        for (literal, name) in parts(pattern) {
            let Some(after) = rest.strip_prefix(literal) else {
                return false;
            };
            rest = after;
            let Some(name) = name else { continue };
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
            let (value, after) = match found.0.get(name) {
                Some(value) if rest.starts_with(value) => rest.split_at(value.len()),
                Some(_) => return false,
                None => rest.split_at(end),
            };
            let is_taken = |(other, theirs): (&String, &String)| {
                theirs == value && other != name && other != "id"
            };
            if value.is_empty() || found.0.iter().any(is_taken) {
                return false;
            }
            found.0.insert(name.into(), value.into());
            rest = after;
        }
        if !rest.is_empty() {
            return false;
        }
        found.0.remove("id");
        self.0.append(&mut found.0);
        true
    }
}

/// The literal parts of `text`, each with the name after it.
fn parts(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut pieces = text.split('$');
    let first = pieces.next().map(|literal| (literal, None));
    let mut all: Vec<(&str, Option<&str>)> = first.into_iter().collect();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_lowercase());
        let (name, literal) = piece.split_at(end.unwrap_or(piece.len()));
        if let Some(last) = all.last_mut() {
            last.1 = Some(name);
        }
        all.push((literal, None));
    }
    all.into_iter()
}

#[test]
fn a_name_gets_a_value_once() {
    let mut names = Names::default();
    assert!(names.matches(r#"{"id":"$ask","x":"$ask"}"#, r#"{"id":"a-1","x":"a-1"}"#));
    assert_eq!(names.put("$ask $none"), "a-1 $none");
    for (pattern, text) in [
        ("$ask", "a-2"),
        ("$other", "a-1"),
        ("$other", ""),
        ("$other.", "b"),
        ("x$other", "yb"),
        ("$id", "y"),
    ] {
        assert!(!names.with_id("x").matches(pattern, text), "{pattern}");
    }
    assert!(names.matches("<$other>", "<b>"));
    assert_eq!(names.put("$other$ask"), "ba-1");
}
