//! One port, one telnet client, as fast as it goes: text, which is sent as it is, and 0xFF only, where each byte is
//! doubled on its way. Beside it the same text raw.

use super::throughput::{slices, Transfer, Way};
use super::{in_slices, Effort, Goal, Group, Measure, Round, Rounds, Row};
use crate::pattern::Pattern;
use crate::protocol::{Protocol, IAC};
use crate::subject::{Needs, Subject};
use crate::trouble::Outcome;

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "telnet-down",
        rows: &[
            Row { name: "telnet: CPU per GB of text, line → client", unit: "s", goal: Goal::RatioAtMost(1.5) },
            Row { name: "telnet: CPU per GB of 0xFF, line → client", unit: "s", goal: Goal::RatioAtMost(1.5) },
            Row { name: "telnet: 0xFF over text, line → client: CPU", unit: "×", goal: Goal::AtMost(2.0) },
            Row { name: "telnet over raw, line → client: CPU", unit: "×", goal: Goal::AtMost(1.1) },
            Row { name: "telnet over raw, line → client: bytes/s", unit: "×", goal: Goal::AtLeast(0.9) },
        ],
        needs: Needs { ports: 1, clients: 1, protocol: Protocol::Telnet },
        rounds: Rounds { quick: 2, full: 9 },
        measure: Measure::SideBySide(|subjects, needs, effort| measure(subjects, needs, effort, Way::Down)),
    },
    Group {
        name: "telnet-up",
        rows: &[
            Row { name: "telnet: CPU per GB of text, client → line", unit: "s", goal: Goal::RatioAtMost(1.5) },
            Row { name: "telnet: CPU per GB of 0xFF, client → line", unit: "s", goal: Goal::RatioAtMost(1.5) },
            Row { name: "telnet: 0xFF over text, client → line: CPU", unit: "×", goal: Goal::AtMost(2.0) },
            Row { name: "telnet over raw, client → line: CPU", unit: "×", goal: Goal::AtMost(1.1) },
            Row { name: "telnet over raw, client → line: bytes/s", unit: "×", goal: Goal::AtLeast(0.9) },
        ],
        needs: Needs { ports: 1, clients: 1, protocol: Protocol::Telnet },
        rounds: Rounds { quick: 2, full: 9 },
        measure: Measure::SideBySide(|subjects, needs, effort| measure(subjects, needs, effort, Way::Up)),
    },
];

/// The same text raw, the text, and 0xFF, one after the other in each slice.
struct Transfers {
    raw: Transfer,
    text: Transfer,
    doubled: Transfer,
}

fn measure(subjects: &[&Subject], needs: &Needs, effort: Effort, way: Way) -> Vec<Outcome<Round>> {
    let (text, ff) = (Pattern::text(), Pattern::all(IAC));
    let start = |subject: &Subject| {
        let start = |protocol, pattern| Transfer::start(subject, &Needs { protocol, ..*needs }, way, pattern);
        Ok(Transfers {
            raw: start(Protocol::Raw, &text)?,
            text: start(Protocol::Telnet, &text)?,
            doubled: start(Protocol::Telnet, &ff)?,
        })
    };
    let benches = in_slices(subjects, slices(effort), start, Transfers::run);
    benches.into_iter().map(|bench| bench.map(|transfers| transfers.round())).collect()
}

impl Transfers {
    fn each(&mut self) -> [(&'static str, &mut Transfer); 3] {
        [("raw text", &mut self.raw), ("text", &mut self.text), ("0xFF", &mut self.doubled)]
    }

    fn run(&mut self) -> Outcome<()> {
        let run = |(name, transfer): (&str, &mut Transfer)| transfer.run().map_err(|trouble| trouble.at(name));
        self.each().into_iter().try_for_each(run)
    }

    fn round(mut self) -> Round {
        let remarks = self.each().map(|(name, transfer)| format!("{name}: {}", transfer.remarks().join(", ")));
        let (raw, text, doubled) = (self.raw, self.text, self.doubled);
        let values = vec![
            text.cpu(),
            doubled.cpu(),
            doubled.cpu() / text.cpu(),
            text.cpu() / raw.cpu(),
            text.rate() / raw.rate(),
        ];
        Round { values, remarks: remarks.to_vec() }
    }
}
