//! Faults of a configuration as a terminal shows them: lines broken between words, places and carets in colour. The words and
//! their order are those of `Fault`.

use std::fmt::Write as _;

use sermux_port_config::{Fault, Faults};

use super::terminal::{Colour, Paper};

/// Those that are worth showing, and how many more there are.
pub(super) fn text(faults: &Faults, paper: Paper) -> String {
    let (shown, rest) = faults.worth_showing();
    let mut text = shown.iter().map(|fault| one("", fault, paper)).collect::<Vec<_>>().join("\n");
    if rest > 0 {
        let _ = writeln!(text, "\n… and {rest} more");
    }
    text
}

/// One of them, or a warning, behind a word for what it is.
pub(super) fn one(word: &str, fault: &Fault, paper: Paper) -> String {
    let plain = format!("{word}{fault}");
    let mut lines = plain.lines();
    let place = match fault.line {
        0 => fault.file.clone(),
        line => format!("{}:{line}:{}", fault.file, fault.column),
    };
    let mut text = paper.fit(lines.next().unwrap_or_default(), 2);
    text = text.replacen(&place, &paper.paint(&place, Colour::Bold), 1);
    if !word.is_empty() {
        text = text.replacen(word, &paper.paint(word, Colour::Yellow), 1);
    }
    if fault.source.is_some() {
        // An excerpt is cut to a screen's width by itself; in a narrower terminal its caret would lose its place in any case.
        for line in lines.by_ref().take(EXCERPT) {
            let caret = line.trim_start_matches([' ', '|']);
            let is_caret = !caret.is_empty() && caret.chars().all(|c| c == '^');
            text.push_str(&if is_caret {
                line.replacen(caret, &paper.paint(caret, Colour::Red), 1)
            } else {
                line.to_owned()
            });
            text.push('\n');
        }
    }
    for line in lines {
        let head = ["= help:", "= note:"].into_iter().find(|head| line.trim_start().starts_with(head));
        let indent = line.chars().take_while(|c| *c == ' ').count() + head.map_or(0, |head| head.len() + 1);
        let fitted = paper.fit(line, indent);
        text.push_str(&match head {
            Some(head) => fitted.replacen(head, &paper.paint(head, Colour::Green), 1),
            None => fitted,
        });
    }
    text
}

/// Lines of an excerpt: an empty one, that of the file, and the caret.
const EXCERPT: usize = 3;

#[cfg(test)]
mod tests {
    use sermux_port_config::config::load::load_str;

    use super::super::terminal::Style;
    use super::*;

    const WRONG: &str =
        "ports:\n  p: { device: /dev/ttyS0, line: { baud: 11520O }, listen: [ { protocol: raw, address: 4001 } ] }\n";

    #[test]
    fn faults_are_those_of_the_library_where_nobody_reads_them() {
        let faults = load_str("a.yaml", WRONG).unwrap_err();
        assert_eq!(text(&faults, Paper::PLAIN), faults.to_string());
    }

    #[test]
    fn a_terminal_has_colours_and_its_width() {
        let faults = load_str("a.yaml", WRONG).unwrap_err();
        let narrow = text(&faults, Paper { style: Style::Colour, width: Some(40) });
        for part in [
            "\u{1b}[1ma.yaml:2:",
            "\u{1b}[31m^^^^^^\u{1b}[0m",
            "\u{1b}[32m= help:\u{1b}[0m write a number such as 9600\n           or 115200",
        ] {
            assert!(narrow.contains(part), "{part:?}: {narrow:?}");
        }
    }
}
