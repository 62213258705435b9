//! Names of ports: their order, and patterns for several of them.

use std::cmp::Ordering;

/// As people count: board2 comes before board10.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let ((first, more), (second, rest)) = match (piece(left), piece(right)) {
            (Some(a), Some(b)) => (a, b),
            (None, None) => return a.cmp(b),
            (left, right) => return left.is_some().cmp(&right.is_some()),
        };
        let order = match (number(first), number(second)) {
            (Some(a), Some(b)) => (a.len(), a).cmp(&(b.len(), b)),
            _ => first.cmp(second),
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (more, rest);
    }
}

/// The digits or the other characters that a text begins with, and what follows.
fn piece(text: &str) -> Option<(&str, &str)> {
    let is_digit = text.chars().next()?.is_ascii_digit();
    let end = text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len());
    Some(text.split_at(end))
}

/// Digits without the zeros before them.
fn number(piece: &str) -> Option<&str> {
    piece.starts_with(|c: char| c.is_ascii_digit()).then(|| piece.trim_start_matches('0'))
}

/// Whether this stands for several names.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// `*` stands for any characters, `?` for one.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the latest `*` stands, and up to where it has taken the name.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, from));
                at += 1;
            }
            (Some(c), _) if *c == '?' || *c == name[from] => (at, from) = (at + 1, from + 1),
            (_, Some((star_at, taken))) => {
                star = Some((star_at, taken + 1));
                (at, from) = (star_at + 1, taken + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_in_which_people_count() {
        let mut names = ["board10", "board2", "a", "board2b", "board02", "board", "9", "10", "board2a10", "board2a9"];
        names.sort_by(|a, b| natural(a, b));
        let ordered = ["9", "10", "a", "board", "board02", "board2", "board2a9", "board2a10", "board2b", "board10"];
        assert_eq!(names, ordered);
    }

    #[test]
    fn a_pattern_stands_for_the_names_that_it_fits() {
        for (pattern, fits, fits_not) in [
            ("board*", vec!["board", "board2", "board-x"], vec!["aboard", "boar"]),
            ("*", vec!["", "a"], vec![]),
            ("p?", vec!["p1", "pé"], vec!["p", "p10"]),
            ("*a*b", vec!["ab", "xaxbxb"], vec!["ba", "abx"]),
            ("p1", vec!["p1"], vec!["p", "p11"]),
        ] {
            assert!(fits.iter().all(|name| matches(pattern, name)), "{pattern} {fits:?}");
            assert!(!fits_not.iter().any(|name| matches(pattern, name)), "{pattern} {fits_not:?}");
        }
        assert!(is_pattern("board*") && is_pattern("p?") && !is_pattern("p1"));
    }
}
