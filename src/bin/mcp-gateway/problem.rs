//! What is wrong with a file, as one line that leads there.

use std::fmt;
use std::path::Path;

use anstyle::{AnsiColor, Style};

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Counted from 1; 0 where it is about the whole file.
    pub(crate) line: usize,
    /// `servers[1].toolPrefix`; empty where it is about the whole file.
    pub(crate) path: String,
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) fix: Option<String>,
}

impl Problem {
    pub(crate) fn new(line: usize, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            line,
            path: path.into(),
            reason: reason.into(),
            fix: None,
        }
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// As it is shown, for the file of this name; colours are in it.
    pub(crate) fn show<'a>(&'a self, file: &'a str, kind: Severity) -> impl fmt::Display + 'a {
        Shown {
            problem: self,
            file,
            kind,
        }
    }
}

/// What a problem means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    /// The file works; something in it does not do what it seems to.
    Warning,
}

struct Shown<'a> {
    problem: &'a Problem,
    file: &'a str,
    kind: Severity,
}

/// Prints `problems` of `file` to stderr.
pub(crate) fn print(file: &Path, problems: &[Problem], severity: Severity) {
    let file = file.display().to_string();
    for problem in problems {
        anstream::eprintln!("{}", problem.show(&file, severity));
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        let (warning, colour) = match self.kind {
            Severity::Error => ("", AnsiColor::Red),
            Severity::Warning => ("warning: ", AnsiColor::Yellow),
        };
        let colour = Style::new().fg_color(Some(colour.into()));
        let Problem {
            line,
            path,
            reason,
            fix,
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
            write!(f, "\n  {green}fix:{green:#} {fix}")?;
        }
        Ok(())
    }
}
