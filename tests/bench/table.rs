//! What was measured, beside what was aimed at and what others reach.

use std::{fmt, io::Write as _};

/// One figure.
struct Row {
    figure: String,
    measured: String,
    goal: &'static str,
    best: &'static str,
}

/// All figures, in the order they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    /// Adds a figure; `best` is what the best of comparable operators needed on such a machine.
    pub(crate) fn add(&mut self, figure: &str, measured: impl Into<String>, goal: &'static str, best: &'static str) {
        let measured = measured.into();
        // Told at once, too: the whole takes ten minutes. A closed standard error is no reason to stop.
        let _ = writeln!(std::io::stderr(), "    {figure}: {measured}");
        self.rows.push(Row { figure: figure.to_owned(), measured, goal, best });
    }

    /// Adds a line beneath the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Takes over what another one holds.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.notes.append(&mut other.notes);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | measured | goal | field's best |\n|---|---|---|---|")?;
        for Row { figure, measured, goal, best } in &self.rows {
            writeln!(f, "| {figure} | {measured} | {goal} | {best} |")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}
