//! The results as JSON: every measurement of every round, the machine and the versions.

use serde_json::{json, Map, Value};

use crate::results::{End, Results, Series};
use crate::subject::Subject;
use crate::table::{end, goal};
use crate::trouble::Trouble;
use crate::Circumstances;

pub(crate) fn render(subjects: &[Subject], results: &[Results], circumstances: &Circumstances) -> String {
    let versions = subjects.iter().map(|subject| (subject.name.to_owned(), subject.version.as_str().into()));
    let mut rows = Vec::new();
    for result in results {
        for (index, row) in result.group.rows.iter().enumerate() {
            let by_subject = |of: &dyn Fn(&Series) -> Value| -> Value {
                let pairs = subjects.iter().zip(&result.subjects);
                pairs.map(|(subject, series)| (subject.name.to_owned(), of(series))).collect::<Map<_, _>>().into()
            };
            rows.push(json!({
                "group": result.group.name,
                "row": row.name,
                "unit": row.unit,
                "goal": goal(row.goal),
                "met": result.subjects.get(1).and_then(|own| own.meets(&result.subjects[0], index, row)),
                "rounds": by_subject(&|series| series.values(index).into()),
                "state": by_subject(&|series| state(&series.end).into()),
                "remarks": by_subject(&|series| remarks(series)),
                "others": result.noise.others,
                "stolen": result.noise.stolen,
            }));
        }
    }
    let results = json!({
        "machine": {
            "description": circumstances.machine,
            "load before": circumstances.load_before,
            "load after": circumstances.load_after,
            "others before": circumstances.noise_before.others,
            "others after": circumstances.noise_after.others,
            "seconds": circumstances.seconds,
        },
        "versions": versions.collect::<Map<_, _>>(),
        "missing": circumstances.missing,
        "rows": rows,
    });
    format!("{results:#}\n")
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

fn remarks(series: &Series) -> Value {
    series.remarks.iter().cloned().chain(end(&series.end)).collect()
}
