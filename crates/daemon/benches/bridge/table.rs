//! From rounds to one table: medians, the ratio to the reference, and whether the goal is met.

use std::fmt::Write;

use crate::rows::{Goal, Group, Round, Row};
use crate::subject::Subject;
use crate::trouble::Trouble;

/// What the rounds of one group gave: `values[subject][row][round]`.
pub(crate) struct Result {
    pub(crate) group: &'static Group,
    pub(crate) values: Vec<Vec<Vec<f64>>>,
    /// The last round's remarks, for each subject.
    pub(crate) remarks: Vec<Vec<String>>,
    pub(crate) seconds: f64,
    /// What ended the group early.
    pub(crate) trouble: Option<Trouble>,
}

impl Result {
    /// Notes one round of the subject with that index.
    pub(crate) fn add(&mut self, subject: usize, round: Round) {
        self.remarks[subject] = round.remarks;
        for (values, value) in self.values[subject].iter_mut().zip(round.values) {
            values.push(value);
        }
    }
}

/// One row's figures for one subject, or nothing where no round was completed.
struct Figures {
    least: f64,
    median: f64,
    most: f64,
}

pub(crate) fn render(subjects: &[Subject], results: &[Result]) -> String {
    let mut lines = vec![heading(subjects)];
    for result in results {
        for (index, row) in result.group.rows.iter().enumerate() {
            lines.push(cells(subjects, result, index, row));
        }
    }
    aligned(&lines)
}

/// The spread behind the table, so that a reader can judge how much of a figure is noise.
pub(crate) fn notes(subjects: &[Subject], results: &[Result]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for result in results {
        let rounds = result.values.iter().flatten().map(Vec::len).min().unwrap_or(0);
        let _ = writeln!(text, "{} ({rounds} rounds, {:.0} s)", result.group.name, result.seconds);
        for (index, row) in result.group.rows.iter().enumerate() {
            let _ = write!(text, "  {}:", row.name);
            for (subject, values) in subjects.iter().zip(&result.values) {
                if let Some(figures) = Figures::of(&values[index]) {
                    let Figures { least, median, most } = figures;
                    let _ = write!(text, " {} {} … {} … {};", subject.name, short(least), short(median), short(most));
                }
            }
            for (subject, values) in subjects.iter().zip(&result.values).skip(1) {
                let ratios = ratios(&result.values[0][index], &values[index]);
                if let Some(Figures { least, median, most }) = Figures::of(&ratios) {
                    let name = if subjects.len() > 2 { subject.name } else { "ratio" };
                    let _ = write!(text, " {name} {least:.2} … {median:.2} … {most:.2},");
                    let _ = write!(
                        text,
                        " of the best {:.2};",
                        best(row, values, index) / best(row, &result.values[0], index)
                    );
                }
            }
            text.push('\n');
        }
        for (subject, remarks) in subjects.iter().zip(&result.remarks) {
            for remark in remarks {
                let _ = writeln!(text, "  {}: {remark}", subject.name);
            }
        }
        if let Some(trouble) = &result.trouble {
            let _ = writeln!(text, "  {trouble}");
        }
    }
    text
}

/// All values of all rounds, for a program.
pub(crate) fn json(subjects: &[Subject], results: &[Result]) -> String {
    let mut rows = Vec::new();
    for result in results {
        for (index, row) in result.group.rows.iter().enumerate() {
            let values = subjects.iter().zip(&result.values).map(|(subject, values)| {
                let rounds: Vec<_> = values[index].iter().map(|value| number(*value)).collect();
                format!("{}: [{}]", quoted(subject.name), rounds.join(", "))
            });
            let remarks = subjects.iter().zip(&result.remarks).map(|(subject, remarks)| {
                let remarks: Vec<_> = remarks.iter().map(|remark| quoted(remark)).collect();
                format!("{}: [{}]", quoted(subject.name), remarks.join(", "))
            });
            let trouble = result.trouble.as_ref();
            rows.push(format!(
                "  {{\"group\": {}, \"row\": {}, \"unit\": {}, \"goal\": {}, \"met\": {}, \"rounds\": {{{}}}, \
                 \"remarks\": {{{}}}, \"trouble\": {}}}",
                quoted(result.group.name),
                quoted(row.name),
                quoted(row.unit),
                quoted(&goal(row.goal)),
                met(result, index, row).map_or("null".to_owned(), |met| met.to_string()),
                values.collect::<Vec<_>>().join(", "),
                remarks.collect::<Vec<_>>().join(", "),
                trouble.map_or("null".to_owned(), |trouble| quoted(&trouble.to_string())),
            ));
        }
    }
    format!("[\n{}\n]\n", rows.join(",\n"))
}

fn heading(subjects: &[Subject]) -> Vec<String> {
    let mut cells = vec!["row".to_owned(), subjects[0].name.to_owned()];
    for subject in &subjects[1..] {
        cells.extend([subject.name.to_owned(), "ratio".to_owned()]);
    }
    cells.extend(["goal".to_owned(), String::new(), "unit".to_owned()]);
    cells
}

fn cells(subjects: &[Subject], result: &Result, index: usize, row: &Row) -> Vec<String> {
    let reference = &result.values[0][index];
    let mut cells = vec![row.name.to_owned(), median(reference)];
    for values in &result.values[1..subjects.len()] {
        cells.push(median(&values[index]));
        cells.push(
            Figures::of(&ratios(reference, &values[index])).map_or(NONE.into(), |it| format!("{:.2}", it.median)),
        );
    }
    let verdict = match (&result.trouble, met(result, index, row)) {
        (Some(Trouble::Lost(_)), _) => "LOST",
        (Some(Trouble::Failed(_)), _) => "FAILED",
        (None, Some(true)) => "ok",
        (None, Some(false)) => "MISS",
        (None, None) => NONE,
    };
    cells.extend([goal(row.goal), verdict.to_owned(), row.unit.to_owned()]);
    cells
}

/// Whether the first subject behind the reference reaches the goal.
fn met(result: &Result, index: usize, row: &Row) -> Option<bool> {
    let own = &result.values.get(1)?[index];
    let ratio = Figures::of(&ratios(&result.values[0][index], own)).map(|figures| figures.median);
    let value = Figures::of(own).map(|figures| figures.median);
    Some(match row.goal {
        Goal::RatioAtMost(limit) => ratio? <= limit,
        Goal::RatioAtLeast(limit) => ratio? >= limit,
        Goal::AtMost(limit) => value? <= limit,
        Goal::AtLeast(limit) => value? >= limit,
    })
}

/// The ratio in each round: neighbours in time share the noise of the machine.
fn ratios(reference: &[f64], other: &[f64]) -> Vec<f64> {
    other.iter().zip(reference).map(|(other, reference)| other / reference).filter(|ratio| ratio.is_finite()).collect()
}

fn best(row: &Row, values: &[Vec<f64>], index: usize) -> f64 {
    let Some(figures) = Figures::of(&values[index]) else {
        return f64::NAN;
    };
    match row.goal {
        Goal::RatioAtMost(_) | Goal::AtMost(_) => figures.least,
        Goal::RatioAtLeast(_) | Goal::AtLeast(_) => figures.most,
    }
}

fn goal(goal: Goal) -> String {
    match goal {
        Goal::RatioAtMost(limit) => format!("≤ {limit} ×"),
        Goal::RatioAtLeast(limit) => format!("≥ {limit} ×"),
        Goal::AtMost(limit) => format!("≤ {limit}"),
        Goal::AtLeast(limit) => format!("≥ {limit}"),
    }
}

impl Figures {
    fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { least, median, most })
    }
}

fn median(values: &[f64]) -> String {
    Figures::of(values).map_or(NONE.into(), |figures| short(figures.median))
}

/// Three significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn number(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        "null".to_owned()
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// The first column to the left, figures to the right, the unit to the left.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in lines {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ if column + 1 == columns => write!(text, "  {cell}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

const NONE: &str = "-";
