//! An error or a warning about a file.

use std::fmt;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::syntax::fragment::Language;

/// A problem in a file: an error, a warning or a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line in the file, from 1; 0 if the problem is about the whole file.
    pub(crate) line: usize,
    /// The path of the field, such as `servers[1].toolPrefix`; empty if the problem is
    /// about the whole file.
    pub(crate) path: String,
    pub(crate) reason: String,
    /// How to fix it: a piece of the file, in YAML until [`Self::in_language`] is called, or a short
    /// instruction.
    pub(crate) fix: Option<String>,
    /// The values of `fix`, if it is a piece of the file.
    piece: Option<Box<FilePiece>>,
}

/// A piece of a file that the user puts in place of the wrong one.
#[derive(Clone, PartialEq, Eq)]
enum FilePiece {
    /// Members of the object.
    Members(Vec<(String, Value)>),
    /// An item of the list.
    Item(Value),
}

/// Without the values.
impl fmt::Debug for FilePiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FilePiece")
    }
}

impl FilePiece {
    fn in_language(&self, language: Language) -> String {
        match self {
            Self::Members(members) => language.members(members),
            Self::Item(item) => language.item(item),
        }
    }
}

impl Problem {
    pub(crate) fn new(line: usize, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            line,
            path: path.into(),
            reason: reason.into(),
            fix: None,
            piece: None,
        }
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same problem at another place.
    pub(crate) fn at(mut self, line: usize, path: impl Into<String>) -> Self {
        (self.line, self.path) = (line, path.into());
        self
    }

    /// The fix is that the object has these members.
    pub(crate) fn members<'n>(self, members: impl IntoIterator<Item = (&'n str, Value)>) -> Self {
        let members = members.into_iter();
        let members = members.map(|(name, value)| (name.to_owned(), value));
        self.piece(FilePiece::Members(members.collect()))
    }

    /// The fix is that the list has this item.
    pub(crate) fn item(self, item: Value) -> Self {
        self.piece(FilePiece::Item(item))
    }

    fn piece(mut self, piece: FilePiece) -> Self {
        self.fix = Some(piece.in_language(Language::Yaml));
        self.piece = Some(Box::new(piece));
        self
    }

    /// This problem with its fix in the language of the file.
    pub(crate) fn in_language(mut self, language: Language) -> Self {
        if let Some(piece) = &self.piece {
            self.fix = Some(piece.in_language(language));
        }
        self
    }

    /// The text for the user, with colours. `file` is the name of the file.
    pub(crate) fn show<'a>(&'a self, file: &'a str, severity: Severity) -> impl fmt::Display + 'a {
        ProblemText {
            problem: self,
            file,
            severity,
        }
    }
}

/// The problems that are found while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Errors: the file cannot be used.
    pub(crate) errors: Vec<Problem>,
    /// Warnings: the file may not do what the user means.
    pub(crate) warnings: Vec<Problem>,
    /// Notes: useful information about a valid file.
    pub(crate) notes: Vec<Problem>,
}

impl Findings {
    /// Combines these findings with the result `checked` and its warnings.
    ///
    /// # Errors
    /// All errors, in the order of the lines.
    pub(crate) fn into_result<T>(
        mut self,
        checked: Result<(T, Vec<Problem>), Vec<Problem>>,
    ) -> Result<(T, Self), Vec<Problem>> {
        match checked {
            Ok((value, warnings)) if self.errors.is_empty() => {
                for warning in warnings {
                    let is_told = |known: &Problem| known.path == warning.path;
                    if warning.path.is_empty() || !self.warnings.iter().any(is_told) {
                        self.warnings.push(warning);
                    }
                }
                self.warnings.sort_by_key(|problem| problem.line);
                Ok((value, self))
            }
            checked => {
                // Only one problem is reported for each place.
                for error in checked.err().into_iter().flatten() {
                    if self.errors.iter().all(|known| known.path != error.path) {
                        self.errors.push(error);
                    }
                }
                self.errors.sort_by_key(|problem| problem.line);
                Err(self.errors)
            }
        }
    }
}

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but may not do what the user means.
    Warning,
    /// Nothing has to be done.
    Note,
}

struct ProblemText<'a> {
    problem: &'a Problem,
    file: &'a str,
    severity: Severity,
}

/// Prints `problems` of `file` to stderr.
pub(crate) fn print(file: &Path, problems: &[Problem], severity: Severity) {
    let file = file.display().to_string();
    for problem in problems {
        crate::output::eprintln!("{}", problem.show(&file, severity));
    }
}

impl fmt::Display for ProblemText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        let (warning, colour) = match self.severity {
            Severity::Error => ("", AnsiColor::Red),
            Severity::Warning => ("warning: ", AnsiColor::Yellow),
            Severity::Note => ("note: ", AnsiColor::Cyan),
        };
        let colour = Style::new().fg_color(Some(colour.into()));
        let Problem {
            line,
            path,
            reason,
            fix,
            piece: _,
        } = self.problem;
        write!(f, "{bold}{}:", self.file)?;
        if *line > 0 {
            write!(f, "{line}:")?;
        }
        write!(f, "{bold:#} {colour}{warning}")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "{colour:#}{reason}")?;
        if let Some(fix) = fix {
            let green = Style::new().fg_color(Some(AnsiColor::Green.into()));
            // More lines of a piece are below the first one.
            let fix = fix.replace('\n', "\n       ");
            write!(f, "\n  {green}fix:{green:#} {fix}")?;
        }
        Ok(())
    }
}
