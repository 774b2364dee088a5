//! The section `pins` as YAML, alone or in a file.

use serde_json::{Value, json};

use crate::syntax::{tree, yaml};

/// The member with the section.
const MEMBER: &str = "pins";

/// The section with these `pins` as YAML.
pub(super) fn text(pins: &Value) -> Result<String, String> {
    let written = yaml::block(&json!({MEMBER: pins}));
    let mut text = written.map_err(|error| format!("cannot be written as YAML: {error}"))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// `file` with these `pins` in place of its own. The rest of the file is unchanged, including
/// comments outside the section.
///
/// # Errors
/// The file is not one YAML document with each member on its own line.
pub(super) fn replaced(file: &str, pins: &Value) -> Result<String, String> {
    let refused = || {
        "cannot be changed, since it is not a file in YAML with each member on its own line: put what `pin` prints without --write into it, or for a file in JSON what `pin --json` prints".to_owned()
    };
    let old = read(file).ok_or_else(refused)?;
    let starts_section = |line: &&str| {
        let rest = line.strip_prefix(MEMBER);
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let section = text(pins)?;
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    let start = lines.iter().position(starts_section);
    let (before, after) = match start.and_then(|at| lines.split_at_checked(at)) {
        None => (lines.as_slice(), [].as_slice()),
        Some((before, rest)) => {
            // The indented lines, and the blank lines between them, belong to the section.
            let is_inside = |line: &&str| line.starts_with([' ', '\t']);
            let last = rest
                .iter()
                .skip(1)
                .take_while(|line| is_inside(line) || line.trim().is_empty());
            let count = last.count().saturating_add(1);
            let (section, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let blank = section
                .iter()
                .rev()
                .take_while(|line| line.trim().is_empty());
            let kept = section.len().saturating_sub(blank.count());
            let end = before.len().saturating_add(kept);
            (before, lines.get(end..).unwrap_or(after))
        }
    };
    let mut new: String = before.concat();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(&section);
    new.push_str(&after.concat());
    let expected = with_pins(old, pins).ok_or_else(refused)?;
    let is_sound = read(&new).is_some_and(|read| read == expected);
    if is_sound { Ok(new) } else { Err(refused()) }
}

/// The content of the only document of a file.
fn read(text: &str) -> Option<Value> {
    let documents = tree::documents(text).ok()?;
    match documents.as_slice() {
        [document] => Some(document.value()),
        _ => None,
    }
}

fn with_pins(mut document: Value, pins: &Value) -> Option<Value> {
    let members = document.as_object_mut()?;
    members.insert(MEMBER.to_owned(), pins.clone());
    Some(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Value {
        json!({"policy": "HIDE", "servers": {"a": {"tools": {"get_x": "sha256:0f"}}}})
    }

    const SECTION: &str =
        "pins:\n  policy: HIDE\n  servers:\n    a:\n      tools:\n        get_x: sha256:0f\n";

    #[test]
    fn the_section_is_readable() {
        assert_eq!(text(&pins()).unwrap(), SECTION);
    }

    #[test]
    fn a_file_keeps_all_else() {
        let servers = "# mine\nservers: # all\n- { name: a }\n";
        for (file, expected) in [
            (servers.to_owned(), format!("{servers}{SECTION}")),
            (servers.trim_end().to_owned(), format!("{servers}{SECTION}")),
            (
                format!("pins:\n  policy: WARN\n\n  servers: {{}}\n\n# why\n{servers}"),
                format!("{SECTION}\n# why\n{servers}"),
            ),
            (
                format!("{servers}pins: {{ policy: WARN }}\nlistCache: OFF\n"),
                format!("{servers}{SECTION}listCache: OFF\n"),
            ),
            (format!("{servers}{SECTION}"), format!("{servers}{SECTION}")),
        ] {
            assert_eq!(replaced(&file, &pins()).as_ref(), Ok(&expected), "{file}");
        }
    }

    #[test]
    fn what_cannot_be_changed_safely_is_left_alone() {
        for file in [
            "{\"servers\": [{\"name\": \"a\"}]}",
            "{ servers: [{ name: a }] }\n",
            "servers: []\n---\nservers: []\n",
            "servers: []\n'pins': { policy: WARN }\n",
            "text: |\n  a\npins: &p\n  policy: WARN\nother: *p\n",
            "[]",
        ] {
            let error = replaced(file, &pins()).unwrap_err();
            assert!(error.contains("cannot be changed"), "{file}: {error}");
        }
    }
}
