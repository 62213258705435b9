//! Reset macros: steps on DTR and RTS with pauses between them, as bootloaders of microcontrollers want them.
//!
//! A step is `dtr=on`, `rts=off`, both in one (`dtr=off rts=on`, which are then set at once), or `wait=100ms`. `on` is
//! raised (asserted), as for `modem`.
//!
//! ```
//! use sermux_port_config::config::reset;
//! use sermux_port_config::signal::Step;
//!
//! let step: Step = "dtr=off rts=on".parse().expect("well-formed");
//! assert_eq!(step, Step::Set { dtr: Some(false), rts: Some(true) });
//! assert!(reset::builtin("esp32-run").is_some());
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::keys::{nearest, nearest_or_longer};
use super::source::Problem;
use super::tree::{join, Node, Value};
use super::values::{one_of, text, Wrong};
use crate::error::shown;
use crate::signal::Step;
use crate::units::{format_duration, parse_duration};

/// The steps of a built-in macro: `esp32-run`, `esp32-bootloader`, `arduino`.
pub fn builtin(name: &str) -> Option<&'static [Step]> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, steps)| *steps)
}

/// The built-in macros by name.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// The macro of this name: one of `own`, a port's `reset`, else a built-in one.
pub fn find<'a>(own: &'a BTreeMap<String, Vec<Step>>, name: &str) -> Option<&'a [Step]> {
    own.get(name).map(Vec::as_slice).or_else(|| builtin(name))
}

/// How long the pauses of a macro take together.
pub fn duration(steps: &[Step]) -> Duration {
    let pause = |step: &Step| match step {
        Step::Wait(time) => *time,
        Step::Set { .. } => Duration::ZERO,
    };
    steps.iter().map(pause).sum()
}

/// Most boards with an ESP32 or ESP8266 have two transistors between DTR, RTS and the chip's EN (reset) and IO0 (boot
/// mode): RTS alone holds it in reset, DTR alone pulls IO0 low, and both or none do nothing (esptool's documentation,
/// "Boot Mode Selection" and "Manual Bootloader").
const BUILTIN: [(&str, &[Step]); 3] = [
    // IO0 is high when the reset ends: the program in flash runs. esptool's "hard reset".
    ("esp32-run", &[both(false, true), wait(100), both(false, false)]),
    // IO0 is low when the reset ends. Both lines change at once: one after the other would end the reset with IO0 still
    // high for a moment, and only a capacitor at EN would hide that (esptool's "tight reset"; its "classic" one goes
    // line by line). As there, it begins with two states that do nothing on such a board.
    (
        "esp32-bootloader",
        &[
            both(false, false),
            both(true, true),
            both(false, true),
            wait(100),
            both(true, false),
            wait(50),
            both(false, false),
        ],
    ),
    // A capacitor between DTR (RTS on some boards) and RESET makes each rise a short reset, and wants time to
    // discharge first. As avrdude does it; the bootloader then waits for about a second.
    ("arduino", &[both(false, false), wait(250), both(true, true), wait(50)]),
];

const fn both(dtr: bool, rts: bool) -> Step {
    Step::Set { dtr: Some(dtr), rts: Some(rts) }
}

const fn wait(milliseconds: u64) -> Step {
    Step::Wait(Duration::from_millis(milliseconds))
}

/// A macro of more steps is a program.
const MOST_STEPS: usize = 64;

/// A longer pause is a mistake.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |on: bool| if on { "on" } else { "off" };
        match *self {
            Step::Set { dtr: Some(dtr), rts: Some(rts) } => write!(f, "dtr={} rts={}", word(dtr), word(rts)),
            Step::Set { dtr: Some(dtr), rts: None } => write!(f, "dtr={}", word(dtr)),
            Step::Set { dtr: None, rts: Some(rts) } => write!(f, "rts={}", word(rts)),
            Step::Set { dtr: None, rts: None } => Ok(()),
            Step::Wait(time) => write!(f, "wait={}", format_duration(time)),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if let [word] = words[..] {
            if let Some(time) = word.strip_prefix("wait=") {
                return wait_of(time);
            }
        }
        let (mut dtr, mut rts) = (None, None);
        for word in &words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let output = match name {
                "dtr" => &mut dtr,
                "rts" => &mut rts,
                "wait" => return Err(StepError::new(format!("`{}` does two things", shown(text)), WAIT_ALONE)),
                _ => return Err(StepError::unknown(word, name, value)),
            };
            if output.is_some() {
                return Err(StepError::new(format!("`{}` sets {name} twice", shown(text)), "make two steps of it"));
            }
            *output = Some(match value {
                "on" => true,
                "off" => false,
                _ => {
                    let help = format!("write `{name}=on` or `{name}=off`; on is raised");
                    return Err(StepError::new(format!("`{}` is not a step", shown(word)), help));
                }
            });
        }
        if words.is_empty() {
            return Err(StepError::new("an empty step", STEPS));
        }
        Ok(Step::Set { dtr, rts })
    }
}

fn wait_of(time: &str) -> Result<Step, StepError> {
    let time = parse_duration(time).map_err(|error| StepError::new(error.what(), error.help()))?;
    if time.is_zero() || time > LONGEST_WAIT {
        let what = format!("a wait of {} is out of range", format_duration(time));
        return Err(StepError::new(what, format!("waits go from 1ms to {}", format_duration(LONGEST_WAIT))));
    }
    Ok(Step::Wait(time))
}

/// Text that is not a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepError {
    what: String,
    help: String,
}

impl StepError {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }

    fn unknown(word: &str, name: &str, value: &str) -> Self {
        let what = format!("`{}` is not a step", shown(word));
        let known = nearest(name, ["dtr", "rts", "wait"].into_iter());
        match known {
            Some(known) if !value.is_empty() => Self::new(what, format!("did you mean `{known}={}`?", shown(value))),
            _ => Self::new(what, STEPS),
        }
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What would be right.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl std::error::Error for StepError {}

const STEPS: &str = "write `dtr=on`, `rts=off`, `dtr=off rts=on` or `wait=100ms`";
const WAIT_ALONE: &str = "a wait is a step of its own";

/// `reset:` of a layer: its macros by name. What is wrong is put down.
pub(super) fn macros(node: &Node, path: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, Vec<Step>> {
    let example = "{ my-board: [ \"dtr=off\", \"wait=100ms\", \"dtr=on\" ] }";
    let mut macros = BTreeMap::new();
    for entry in super::layer::entries(node, path, example, problems) {
        let name = &entry.key.text;
        let path = join(path, name);
        if !super::file::is_plain_name(name) {
            let message = format!("`{}` cannot be the name of a macro", shown(name));
            problems.push(Problem::new(entry.key.place, &path, message).help(super::file::PLAIN_NAME));
        } else if let Some(steps) = steps(name, &entry.value, &path, problems) {
            macros.insert(name.clone(), steps);
        }
    }
    macros
}

fn steps(name: &str, node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Vec<Step>> {
    let refuse = |problems: &mut Vec<Problem>, wrong: Wrong| {
        problems.push(wrong.at(node.place, path));
        None
    };
    let nodes = match &node.value {
        Value::Seq(nodes) => nodes,
        Value::Scalar(scalar) if scalar.text == "builtin" => {
            return match builtin(name) {
                Some(steps) => Some(steps.to_vec()),
                None => refuse(problems, not_built_in(name)),
            };
        }
        _ => {
            let message = format!("a list of steps is needed here, not {}", node.kind());
            return refuse(problems, Wrong::new(message, format!("write `[ \"dtr=off\", \"wait=100ms\" ]`; {STEPS}")));
        }
    };
    if nodes.is_empty() || nodes.len() > MOST_STEPS {
        let message = format!("{} steps are out of range", nodes.len());
        return refuse(problems, Wrong::new(message, format!("a macro has 1 to {MOST_STEPS} steps")));
    }
    let before = problems.len();
    let mut steps = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let step = text(node, "`dtr=on`").and_then(|text| {
            text.parse::<Step>().map_err(|error| Wrong::new(error.what().to_owned(), error.help().to_owned()))
        });
        match step {
            Ok(step) => steps.push(step),
            Err(wrong) => problems.push(wrong.at(node.place, &format!("{path}[{index}]"))),
        }
    }
    (problems.len() == before).then_some(steps)
}

fn not_built_in(name: &str) -> Wrong {
    let help = match nearest_or_longer(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the built-in ones are {}", one_of(names()).replace(" or ", " and ")),
    };
    Wrong::new(format!("there is no built-in macro `{}`", shown(name)), help)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_step() -> impl Strategy<Value = Step> {
        let set = (any::<Option<bool>>(), any::<Option<bool>>())
            .prop_filter("nothing is set", |(dtr, rts)| dtr.is_some() || rts.is_some())
            .prop_map(|(dtr, rts)| Step::Set { dtr, rts });
        prop_oneof![set, (1..=10_000u64).prop_map(wait)]
    }

    proptest! {
        #[test]
        fn a_step_that_is_written_is_read_back(step in any_step()) {
            prop_assert_eq!(step.to_string().parse(), Ok(step));
        }

        #[test]
        fn no_text_makes_the_reader_of_steps_panic(text in "\\PC{0,20}|(dtr|rts|wait|=|on|off|[0-9]|ms|s| ){0,8}") {
            let _ = text.parse::<Step>();
        }
    }

    #[test]
    fn what_is_wrong_with_a_step_is_said_with_what_would_be_right() {
        for (text, what, help) in [
            ("dts=on", "`dts=on` is not a step", "did you mean `dtr=on`?"),
            ("wiat=100ms", "`wiat=100ms` is not a step", "did you mean `wait=100ms`?"),
            ("reset", "`reset` is not a step", "`wait=100ms`"),
            ("dtr", "`dtr` is not a step", "`dtr=on` or `dtr=off`"),
            ("dtr=1", "`dtr=1` is not a step", "`dtr=on` or `dtr=off`"),
            ("dtr=on dtr=off", "`dtr=on dtr=off` sets dtr twice", "two steps"),
            ("wait=100ms dtr=on", "`wait=100ms dtr=on` does two things", "a step of its own"),
            ("wait=100", "`100` has no unit", "`250ms`"),
            ("wait=0", "a wait of 0s is out of range", "1ms to 10s"),
            ("wait=1min", "a wait of 1min is out of range", "1ms to 10s"),
            (" ", "an empty step", "`dtr=on`"),
        ] {
            let error = text.parse::<Step>().unwrap_err();
            assert_eq!(error.what(), what, "{text:?}");
            assert!(error.help().contains(help), "{text:?}: {error}");
        }
    }

    /// What the circuit of the boards makes of DTR and RTS: (EN, IO0), high is true.
    fn esp32(dtr: bool, rts: bool) -> (bool, bool) {
        (dtr || !rts, rts || !dtr)
    }

    /// IO0 at the last end of a reset; and no reset ends between two of the steps.
    fn boots_with_io0(steps: &[Step]) -> Vec<bool> {
        let mut ends = Vec::new();
        let mut in_reset = false;
        for step in steps {
            if let Step::Set { dtr: Some(dtr), rts: Some(rts) } = *step {
                let (en, io0) = esp32(dtr, rts);
                if in_reset && en {
                    ends.push(io0);
                }
                in_reset = !en;
            }
        }
        assert!(!in_reset);
        ends
    }

    #[test]
    fn an_esp32_runs_or_waits_for_a_program() {
        assert_eq!(boots_with_io0(builtin("esp32-run").unwrap()), [true]);
        assert_eq!(boots_with_io0(builtin("esp32-bootloader").unwrap()), [false]);
    }

    #[test]
    fn an_arduino_is_reset_by_a_rise_of_dtr_after_a_while_without_it() {
        let [low, Step::Wait(discharge), high, Step::Wait(_)] = builtin("arduino").unwrap() else {
            panic!("other steps")
        };
        assert_eq!((*low, *high), (both(false, false), both(true, true)));
        assert!(*discharge >= Duration::from_millis(100));
    }

    #[test]
    fn a_ports_own_macro_goes_before_a_built_in_one() {
        let own = BTreeMap::from([("arduino".to_owned(), vec![wait(1)])]);
        assert_eq!(find(&own, "arduino"), Some(&[wait(1)][..]));
        assert_eq!(find(&own, "esp32-run"), builtin("esp32-run"));
        assert_eq!(find(&own, "esp32"), None);
        assert_eq!(duration(builtin("esp32-bootloader").unwrap()), Duration::from_millis(150));
    }
}
