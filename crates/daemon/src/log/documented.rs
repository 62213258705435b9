//! sermux-log(7) has every record that the program can log: its event, its levels, its fields; and no other one.
//!
//! The sources are read for it, since a record exists only where it is logged. `event` is the first field of each record and
//! a literal, so that it is found here and by `grep`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const MANUAL: &str = include_str!("../../../../packaging/man/sermux-log.7");

/// The macros that make a record, and the levels that it has.
const MACROS: &[(&str, &[&str])] = &[
    ("error", &["error"]),
    ("warn", &["warn"]),
    ("info", &["info"]),
    ("debug", &["debug"]),
    ("trace", &["trace"]),
    ("warn_or_debug", &["warn", "debug"]),
    ("info_or_debug", &["info", "debug"]),
    // With a level of its own, and without a place in the manual.
    ("event", &[]),
];

/// What is known of an event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

use Token::{Mark, Text, Word};

/// The tokens of Rust, as far as to find macros and their arguments.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw_text(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 2;
            begin + rest[begin..].find(&end).expect("a raw string ends") + end.len()
        } else if c == '"' {
            let len = quoted(&rest[1..], '"');
            tokens.push(Text(rest[1..=len].to_owned()));
            len + 2
        } else if rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'') && c == '\'' {
            quoted(&rest[1..], '\'') + 2
        } else if is_word(c) {
            let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Word(rest[..len].to_owned()));
            len
        } else {
            if !c.is_whitespace() {
                tokens.push(Mark(c));
            }
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

/// The number of `#` before the quote, where a raw string begins.
fn raw_text(source: &str) -> Option<usize> {
    let after = source.strip_prefix('r')?;
    let text = after.trim_start_matches('#');
    text.starts_with('"').then_some(after.len() - text.len())
}

/// How long it is up to its end, which no backslash is before.
fn quoted(text: &str, end: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if !is_escaped && c == end {
            return at;
        }
        is_escaped = !is_escaped && c == '\\';
    }
    panic!("without an end: {text:.80}");
}

/// What stands between the commas up to the bracket that closes, of which `tokens` has no opening one.
fn arguments(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut depth, mut begin, mut arguments) = (0, 0, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Mark('(' | '[' | '{') => depth += 1,
            Mark(')' | ']' | '}') if depth == 0 => {
                arguments.push(&tokens[begin..at]);
                break;
            }
            Mark(')' | ']' | '}') => depth -= 1,
            Mark(',') if depth == 0 => {
                arguments.push(&tokens[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    arguments
}

/// The event of a record and the names of its other fields, of which the message is none; or what is wrong.
fn record(arguments: &[&[Token]]) -> Result<(String, Vec<String>), String> {
    let mut fields = arguments.iter();
    let event = match fields.next() {
        Some([Word(name), Mark('='), Mark('%'), Text(event)]) if name == "event" => event.clone(),
        other => return Err(format!("its first field is to be `event = %\"noun.past-participle\"`, not {other:?}")),
    };
    let mut names = Vec::new();
    for argument in fields {
        match argument {
            [Text(_), ..] => break,
            [] => {}
            [Word(name), Mark('='), ..] | [Word(name)] | [Mark('%' | '?'), Word(name)] => names.push(name.clone()),
            other => return Err(format!("a field without a name that could be found: {other:?}")),
        }
    }
    Ok((event, names))
}

/// Every record of the file, added to `rows`; what is wrong goes to `wrong`.
fn read(file: &str, source: &str, rows: &mut BTreeMap<String, Row>, wrong: &mut Vec<String>) {
    // What tests log is nobody's concern.
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let tokens = tokens(source);
    for at in 2..tokens.len() {
        let [Word(name), Mark('!'), Mark('(')] = &tokens[at - 2..=at] else { continue };
        let Some((_, levels)) = MACROS.iter().find(|(known, _)| known == name) else { continue };
        let mut arguments = arguments(&tokens[at + 1..]);
        if arguments.first().is_some_and(|first| first.first() == Some(&Mark('$'))) {
            // In the definition of one of the two that have a condition.
            continue;
        }
        if levels.len() > 1 {
            arguments.remove(0);
        }
        match record(&arguments) {
            Ok((event, fields)) => {
                let row = rows.entry(event).or_default();
                row.levels.extend(levels.iter().map(|level| (*level).to_owned()));
                row.fields.extend(fields);
            }
            Err(why) => wrong.push(format!("{file}: {name}!: {why}")),
        }
    }
}

fn read_folder(folder: &Path, rows: &mut BTreeMap<String, Row>, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(&path, rows, wrong);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&path.display().to_string(), &fs::read_to_string(&path).unwrap(), rows, wrong);
        }
    }
}

/// The table: `.It Li EVENT Pq LEVELS`, and a line `.Li FIELDS` below it where there are fields.
fn in_manual() -> BTreeMap<String, Row> {
    let words = |text: &str| text.split_whitespace().filter(|w| !matches!(*w, "," | ":")).map(str::to_owned).collect();
    let mut rows = BTreeMap::new();
    let mut lines = MANUAL.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((event, levels)) = line.strip_prefix(".It Li ").and_then(|item| item.split_once(" Pq ")) else {
            continue;
        };
        let fields = lines.peek().and_then(|line| line.strip_prefix(".Li ")).unwrap_or_default();
        let row = Row { levels: words(levels), fields: words(fields) };
        assert_eq!(rows.insert(event.to_owned(), row), None, "{event} is there twice");
    }
    rows
}

#[test]
fn every_record_has_an_event_and_the_manual_has_each_with_its_levels_and_fields() {
    let (mut rows, mut wrong) = (BTreeMap::new(), Vec::new());
    read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut rows, &mut wrong);
    assert!(rows.len() > 50, "{} events were found", rows.len());
    let manual = in_manual();
    for event in rows.keys().chain(manual.keys()).collect::<BTreeSet<_>>() {
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if !event.split_once('.').is_some_and(|(noun, what)| is_word(noun) && is_word(what)) {
            wrong.push(format!("{event}: an event is a noun, a dot, and what happened to it"));
        }
        if rows.get(event) != manual.get(event) {
            let (code, manual) = (rows.get(event), manual.get(event));
            wrong.push(format!("{event}\n    logged:          {code:?}\n    sermux-log(7):   {manual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_manual_has_each_cause_of_a_disconnection() {
    let source = include_str!("../port/driver/ends.rs");
    let names = &source[source.find("fn name").unwrap()..source.find("impl fmt::Display").unwrap()];
    let words = tokens(names).into_iter().filter_map(|token| if let Text(word) = token { Some(word) } else { None });
    let causes = &MANUAL[MANUAL.find(".Sh CAUSES").unwrap()..];
    let listed = causes[..causes.find(".El").unwrap()].lines().filter_map(|line| line.strip_prefix(".It Li "));
    assert_eq!(words.collect::<BTreeSet<_>>(), listed.map(str::to_owned).collect());
}

#[test]
fn records_are_found_whatever_stands_around_them() {
    let (mut rows, mut wrong) = (BTreeMap::new(), Vec::new());
    let source = r##"
        // warn!("no record")
        let marks = ('"', '\'', b'"', r#"debug!("neither")"#);
        fn f<'a>(x: &'a str) { warn!(event = %"a.b", port = %self.f(1, 2), ?operation, "{x}, {}", y = 1) }
        tracing::warn_or_debug!(a(b, c), event = %"a.b", clients, "text \" , {clients}");
        macro_rules! info_or_debug { ($c:expr, $($r:tt)+) => { info!($($r)+) } }
        error!("no event");
        info!(event = %word, "not literal");
    "##;
    read("f", source, &mut rows, &mut wrong);
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let row = Row { levels: set(&["warn", "debug"]), fields: set(&["port", "operation", "clients"]) };
    assert_eq!(rows, BTreeMap::from([("a.b".to_owned(), row)]));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
