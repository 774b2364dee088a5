//! Text of servers on a terminal.

/// The text of an empty cell.
pub(super) const NONE: &str = "–";
/// The most characters of a text in a cell.
const LONGEST_CELL: usize = 72;

/// The first line of `text` that is not blank, cut if it is long.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or(NONE).trim();
    let mut shown: String = line.chars().take(LONGEST_CELL).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    harmless(&shown)
}

/// `text` without characters that could control a terminal.
pub(super) fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_one_line_of_bounded_length() {
        let long = "x".repeat(100);
        let cut = format!("{}…", "x".repeat(72));
        for (text, expected) in [
            ("a", "a"),
            ("\n  a  \nb", "a"),
            ("", "–"),
            ("a\u{1b}[2Jb", "a\u{fffd}[2Jb"),
            (&long, &cut),
        ] {
            assert_eq!(first_line(text), expected);
        }
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(
            harmless("a\tb\r\nc\u{1b}]0;x\u{7}"),
            "a\tb\nc\u{fffd}]0;x\u{fffd}"
        );
    }
}
