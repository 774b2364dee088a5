//! The report about what carries over and what does not.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// What happens to each part of the input.
#[derive(Default)]
pub(super) struct MigrationReport {
    pub(super) entries: Vec<ReportEntry>,
    /// Notes about the whole input.
    pub(super) notes: Vec<String>,
}

/// What happens to an object or to a server.
pub(super) struct ReportEntry {
    title: String,
    rows: Vec<ReportRow>,
}

/// What happens to a field.
struct ReportRow {
    field: String,
    verdict: FieldVerdict,
    text: String,
    /// What the user has to do.
    task: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldVerdict {
    CarriesOver,
    LeftOut,
    HasNoEffect,
}

impl ReportEntry {
    /// An entry about `from`. `becomes` is its counterpart in the output.
    pub(super) fn new(from: &str, becomes: Option<&str>) -> Self {
        Self {
            title: match becomes {
                Some(becomes) => format!("{from} becomes {becomes}"),
                None => format!("{from} does not carry over"),
            },
            rows: Vec::new(),
        }
    }

    /// Reports that `field` becomes `becomes` in the output.
    pub(super) fn carried(&mut self, field: &str, becomes: impl Into<String>) {
        self.add(field, FieldVerdict::CarriesOver, becomes.into(), None);
    }

    /// The same, on the condition that the user does `task`.
    pub(super) fn carried_if(&mut self, field: &str, becomes: &str, task: String) {
        self.add(
            field,
            FieldVerdict::CarriesOver,
            becomes.to_owned(),
            Some(task),
        );
    }

    pub(super) fn left_out(&mut self, field: &str, reason: &str, instead: Option<String>) {
        self.add(field, FieldVerdict::LeftOut, reason.to_owned(), instead);
    }

    pub(super) fn no_effect(&mut self, field: &str, reason: &str) {
        self.add(field, FieldVerdict::HasNoEffect, reason.to_owned(), None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn add(&mut self, field: &str, verdict: FieldVerdict, text: String, task: Option<String>) {
        self.rows.push(ReportRow {
            field: field.to_owned(),
            verdict,
            text,
            task,
        });
    }
}

impl fmt::Display for MigrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{entry}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}\n")?;
        }
        let count = |verdict| {
            let rows = self.entries.iter().flat_map(|entry| &entry.rows);
            rows.filter(|row| row.verdict == verdict).count()
        };
        write!(
            f,
            "{} fields carry over (yes), {} not (no), {} have no effect here (–).",
            count(FieldVerdict::CarriesOver),
            count(FieldVerdict::LeftOut),
            count(FieldVerdict::HasNoEffect)
        )
    }
}

impl fmt::Display for ReportEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        writeln!(f, "{bold}{}{bold:#}", self.title)?;
        let widths = self.rows.iter().map(|row| row.field.chars().count());
        let width = widths.max().unwrap_or_default();
        for row in &self.rows {
            let (verdict, colour) = match row.verdict {
                FieldVerdict::CarriesOver => ("yes", AnsiColor::Green),
                FieldVerdict::LeftOut => ("no ", AnsiColor::Yellow),
                FieldVerdict::HasNoEffect => ("–  ", AnsiColor::Cyan),
            };
            let style = Style::new().fg_color(Some(colour.into()));
            let (field, text) = (&row.field, &row.text);
            writeln!(f, "  {style}{verdict}{style:#}  {field:width$}  {text}")?;
            if let Some(task) = &row.task {
                writeln!(f, "       {:width$}  do: {task}", "")?;
            }
        }
        Ok(())
    }
}
