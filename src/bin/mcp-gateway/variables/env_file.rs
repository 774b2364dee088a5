//! `envFile` of VS Code: a file with a variable on each line, `NAME=value`.

use std::fs;
use std::path::Path;

use crate::problem::{Findings, Problem};
use crate::syntax::tree::Node;

/// The variables of the file at `path`, which `node` names. As in editors, a file that cannot be
/// read is only a warning: often such a file exists only on some machines.
pub(crate) fn read(path: &Path, node: &Node, findings: &mut Findings) -> Vec<(String, String)> {
    match fs::read_to_string(path) {
        Ok(text) => text.lines().filter_map(variable).collect(),
        Err(error) => {
            let reason = format!("{} cannot be read: {error}", path.display());
            let warning = Problem::new(node.line, &node.path, reason);
            findings.warnings.push(warning);
            Vec::new()
        }
    }
}

/// The variable on `line`; `None` for a comment or a line without `=`.
fn variable(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
    let value = match quoted {
        Some((value, _)) => value,
        // A comment starts after a blank.
        None => value.split(" #").next().unwrap_or_default().trim_end(),
    };
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_variable() {
        for (line, expected) in [
            ("A=b", Some(("A", "b"))),
            ("export A = b c # d", Some(("A", "b c"))),
            ("A='b # c' # d", Some(("A", "b # c"))),
            ("A=\"b=c\"", Some(("A", "b=c"))),
            ("A=", Some(("A", ""))),
            ("A=b#c", Some(("A", "b#c"))),
            ("# A=b", None),
            ("A", None),
            ("", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(variable(line), expected, "{line}");
        }
    }
}
