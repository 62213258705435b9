//! One port, one telnet client, as fast as it goes: text, which is sent as it is, and 0xFF only, where each byte is
//! doubled on its way. Beside it the same text raw.

use super::throughput::{client_to_line, line_to_client, Cost, Transfer};
use super::{Effort, Goal, Group, Measure, Round, Rounds, Row};
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
        rounds: Rounds { quick: 3, full: 9 },
        measure: Measure::InTurn(|subject, needs, effort| measure(subject, needs, effort, line_to_client)),
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
        rounds: Rounds { quick: 3, full: 9 },
        measure: Measure::InTurn(|subject, needs, effort| measure(subject, needs, effort, client_to_line)),
    },
];

fn measure(subject: &Subject, needs: &Needs, effort: Effort, transfer: Transfer) -> Outcome<Round> {
    let (text, ff) = (Pattern::text(), Pattern::all(IAC));
    let transfer = |name: &str, protocol, pattern| {
        transfer(subject, &Needs { protocol, ..*needs }, effort, pattern).map_err(|trouble| trouble.at(name))
    };
    let raw = transfer("raw text", Protocol::Raw, &text)?;
    let telnet = transfer("text", Protocol::Telnet, &text)?;
    let doubled = transfer("0xFF", Protocol::Telnet, &ff)?;

    let values = vec![telnet.cpu, doubled.cpu, doubled.cpu / telnet.cpu, telnet.cpu / raw.cpu, telnet.rate / raw.rate];
    let remark = |name: &str, cost: Cost| format!("{name}: {:.0} MB/s, {}", cost.rate, cost.disturbance);
    Ok(Round { values, remarks: vec![remark("raw text", raw), remark("text", telnet), remark("0xFF", doubled)] })
}
