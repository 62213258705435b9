//! Finds the usual mistakes in a text that is not YAML: the YAML reader's message names the place where it gave up, which
//! is often a line or two after the mistake.

use super::keys::is_known;
use super::source::{lines, Place, Problem};
use crate::error::shown;

/// `info` is the YAML reader's word for what is wrong, and `place` where it gave up.
pub(super) fn explain(text: &str, place: Place, info: &str) -> Problem {
    let lines = lines(text);
    let line = |number: usize| number.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or_default();
    let number_before = (1..place.line).rev().find(|number| !line(*number).trim().is_empty()).unwrap_or(0);
    let (source, before) = (line(place.line), line(number_before));
    let here_and_before = [(place.line, source), (number_before, before)];

    let is_mark = info.contains("byte order mark");
    let mark = here_and_before.into_iter().find_map(|(line, text)| Some((line, text.split_once('\u{feff}')?.0)));
    if let Some((line, before_mark)) = mark.filter(|_| is_mark) {
        // The reader's own place can lie behind the end of the line.
        let column = before_mark.chars().count() + 1;
        return Problem::new(Place { line, column, ..place }, "", "an invisible byte order mark (U+FEFF) stands here")
            .help(
                "remove it; it is left behind where files are put together, and may stand only at the beginning of one",
            );
    }
    if let Some(problem) = odd_space(&lines, place) {
        return problem;
    }
    // Where the reader gives up can lie above the tab: it takes what is indented for a part of the value before it.
    let below = (place.line + 1..=lines.len()).map(|number| (number, line(number)));
    let begins_with_tab = |text: &str| text.trim_start_matches(' ').starts_with('\t') && !text.trim().is_empty();
    let tab = here_and_before.into_iter().chain(below).find(|(_, text)| begins_with_tab(text));
    if let Some((line, text)) = tab {
        return Problem::new(
            Place { line, column: indent(text) + 1, ..place },
            "",
            "a tab cannot indent a line in YAML",
        )
        .help("indent with spaces; most editors can convert tabs");
    }
    let no_space = here_and_before.into_iter().find_map(|(line, text)| Some((line, text, without_space(text)?)));
    if let Some((line, text, (key, value))) = no_space {
        let place = Place { line, column: text.find(':').unwrap_or(0) + 2, ..place };
        return Problem::new(place, "", format!("a space is missing after `{key}:`"))
            .help(format!("write `{key}: {}`", shown(value)));
    }
    if info.contains("mapping values are not allowed") && is_complete(before) && indent(source) > indent(before) {
        let place = Place { column: indent(source) + 1, ..place };
        return Problem::new(place, "", "this line is indented further than the one above, which is complete")
            .help(format!("begin it in column {}, as the one above does", indent(before) + 1));
    }
    Problem::new(place, "", format!("this is not YAML: {info}")).help(help(source, info))
}

/// A space in an indentation that YAML does not take for one, in a line up to the place or in the next one.
fn odd_space(lines: &[&str], place: Place) -> Option<Problem> {
    let (line, (column, c)) = (1..=place.line + 1).zip(lines).find_map(|(line, text)| Some((line, odd(text)?)))?;
    let name = match c {
        '\u{a0}' => "a no-break space",
        '\u{202f}' => "a narrow no-break space",
        '\u{200b}' | '\u{2060}' => "an invisible space",
        _ => "an unusual space",
    };
    let message = format!("{name} (U+{:04X}) cannot indent a line in YAML", u32::from(c));
    let place = Place { line, column, width: 1, ..place };
    Some(Problem::new(place, "", message).help("replace it with an ordinary space; it often comes from a web page"))
}

/// The first of them in an indentation, with its column.
fn odd(line: &str) -> Option<(usize, char)> {
    let is_space = |c: &char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}');
    let mut indentation = line.chars().take_while(is_space).enumerate();
    let (index, c) = indentation.find(|(_, c)| !matches!(c, ' ' | '\t'))?;
    Some((index + 1, c))
}

/// Key and value of `profile:dsmr-p1`, which YAML takes for one text.
fn without_space(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim_start_matches([' ', '-']).split_once(':')?;
    (is_known(key) && !value.is_empty() && !value.starts_with([' ', '\t'])).then_some((key, value.trim_end()))
}

/// `key: value`, so that nothing further in can follow.
fn is_complete(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
    !value.is_empty() && !value.starts_with(['{', '[', '"', '\'', '|', '>', '&', '!', '*'])
}

/// In characters, since a space is one byte.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn help(source: &str, info: &str) -> String {
    let unquoted =
        |what: &str| source.match_indices(what).any(|(index, _)| source[..index].ends_with([' ', '[', '{', ',']));
    if unquoted("*:") || info.contains("unknown anchor") {
        "a value that begins with `*` must be quoted: address: \"*:9000\"".to_owned()
    } else if source.contains("]:") {
        "an address that begins with `[` must be quoted: address: \"[::1]:9000\"".to_owned()
    } else if info.contains("escape character") {
        "between double quotes write the backslash twice (\"\\\\d\"), or use single quotes ('\\d')".to_owned()
    } else if info.contains("quoted scalar") {
        "close the quote that begins here, or above".to_owned()
    } else if source.contains('%') && info.contains("character") || unquoted("@") || unquoted("`") {
        "quote a value that begins with one of % @ `".to_owned()
    } else if info.contains("flow ") {
        "close each `[` and each `{`, and put commas between the entries".to_owned()
    } else {
        "look here and one line above for a missing `:` or the space after it, an indentation that differs from its \
         neighbours, or a quote or bracket that is not closed"
            .to_owned()
    }
}

/// What is meant by a key that has its value in it: `{ protocol:raw }`.
pub(super) fn split_key(key: &str) -> Option<String> {
    let (key, value) = without_space(key)?;
    Some(format!("write `{key}: {}`", shown(value)))
}
