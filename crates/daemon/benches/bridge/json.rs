//! The results for programs: everything that was measured, round by round, and what is needed to judge it.

use crate::results::{End, Results, Series};
use crate::subject::Subject;
use crate::table::{end, goal};
use crate::trouble::Trouble;
use crate::Circumstances;

pub(crate) fn render(subjects: &[Subject], results: &[Results], circumstances: &Circumstances) -> String {
    let versions = subjects.iter().map(|subject| pair(subject.name, &quoted(&subject.version)));
    let mut rows = Vec::new();
    for result in results {
        for (index, row) in result.group.rows.iter().enumerate() {
            let by_subject = |of: &dyn Fn(&Series) -> String| {
                let pairs =
                    subjects.iter().zip(&result.subjects).map(|(subject, series)| pair(subject.name, &of(series)));
                object(pairs)
            };
            let own = result.subjects.get(1).and_then(|own| own.meets(&result.subjects[0], index, row));
            rows.push(object([
                pair("group", &quoted(result.group.name)),
                pair("row", &quoted(row.name)),
                pair("unit", &quoted(row.unit)),
                pair("goal", &quoted(&goal(row.goal))),
                pair("met", &own.map_or("null".to_owned(), |met| met.to_string())),
                pair("rounds", &by_subject(&|series| list(series.values(index).iter().map(number)))),
                pair("state", &by_subject(&|series| quoted(state(&series.end)))),
                pair("remarks", &by_subject(&|series| list(remarks(series)))),
                pair("others", &number(&Some(result.noise.others))),
                pair("stolen", &number(&Some(result.noise.stolen))),
            ]));
        }
    }
    let machine = object([
        pair("description", &quoted(&circumstances.machine)),
        pair("load before", &quoted(&circumstances.load_before)),
        pair("load after", &quoted(&circumstances.load_after)),
        pair("others before", &number(&Some(circumstances.noise_before.others))),
        pair("others after", &number(&Some(circumstances.noise_after.others))),
        pair("seconds", &number(&Some(circumstances.seconds))),
    ]);
    let missing = list(circumstances.missing.iter().map(|reason| quoted(reason)));
    format!(
        "{{\"machine\": {machine},\n\"versions\": {},\n\"missing\": {missing},\n\"rows\": [\n  {}\n]}}\n",
        object(versions),
        rows.join(",\n  ")
    )
}

fn state(end: &End) -> &'static str {
    match end {
        End::Measured => "measured",
        End::Unable => "unable",
        End::InTrouble(Trouble::Lost(_)) => "lost data",
        End::InTrouble(Trouble::Failed(_)) => "failed",
        End::Slow(_) => "slow",
    }
}

fn remarks(series: &Series) -> impl Iterator<Item = String> + '_ {
    series.remarks.iter().cloned().chain(end(&series.end)).map(|remark| quoted(&remark))
}

fn pair(key: &str, value: &str) -> String {
    format!("{}: {value}", quoted(key))
}

fn object(pairs: impl IntoIterator<Item = String>) -> String {
    format!("{{{}}}", pairs.into_iter().collect::<Vec<_>>().join(", "))
}

fn list(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(", "))
}

fn number(value: &Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("null".to_owned(), |value| value.to_string())
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
