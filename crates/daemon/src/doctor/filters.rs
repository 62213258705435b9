//! Which lines of config.txt count on this board: the filters that stand above them (documentation of Raspberry Pi,
//! config.txt, "Conditional filters").
//!
//! One of a kind takes the place of the one before it, those of several kinds must all hold, and `[all]` ends them.

use super::board::Board;

/// Whether something holds on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    /// The filter that may be or not: what it asks for cannot be known here.
    Perhaps(String),
    No,
}

impl Holds {
    /// Whether both do.
    pub(super) fn and(self, other: &Holds) -> Holds {
        match (self, other) {
            (Holds::No, _) | (_, Holds::No) => Holds::No,
            (perhaps @ Holds::Perhaps(_), _) => perhaps,
            (Holds::Yes, other) => other.clone(),
        }
    }
}

/// The filters that are in force at a line.
#[derive(Debug, Default)]
pub(super) struct Filters(Vec<(FilterKind, Holds)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum FilterKind {
    Model,
    Serial,
    /// A screen (`EDID`), a pin (`gpio4`), a partition: by what stands before its value.
    Other(String),
}

impl Filters {
    /// What stands between the brackets of a line.
    pub(super) fn add(&mut self, filter: &str, board: &Board) {
        let filter = filter.trim();
        let word = filter.to_ascii_lowercase();
        if word == "all" {
            self.0.clear();
            return;
        }
        let (kind, holds) = judge(&word, board);
        let holds = match holds {
            Some(true) => Holds::Yes,
            Some(false) => Holds::No,
            None => Holds::Perhaps(super::read::shown(&format!("[{filter}]"))),
        };
        self.0.retain(|(known, _)| *known != kind);
        self.0.push((kind, holds));
    }

    /// Whether all of them hold.
    pub(super) fn hold(&self) -> Holds {
        self.0.iter().fold(Holds::Yes, |all, (_, holds)| all.and(holds))
    }
}

/// Its kind, and whether it holds. `None`: that cannot be known here.
fn judge(word: &str, board: &Board) -> (FilterKind, Option<bool>) {
    if let Some(number) = word.strip_prefix("0x") {
        let wanted = u64::from_str_radix(number, 16).ok();
        return (FilterKind::Serial, wanted.zip(board.serial).map(|(wanted, serial)| is_serial(wanted, serial)));
    }
    if let Some(number) = word.strip_prefix("board-type=") {
        let wanted = number.strip_prefix("0x").and_then(|number| u32::from_str_radix(number, 16).ok());
        let wanted = wanted.or_else(|| number.parse().ok());
        return (FilterKind::Model, wanted.zip(board.kind).map(|(wanted, kind)| wanted == kind));
    }
    let is_model = word == "none" || word.starts_with("pi") || word.starts_with("cm");
    if is_model {
        return (FilterKind::Model, board.matches(word));
    }
    let end = word.find(['=', ':']).unwrap_or(word.len());
    (FilterKind::Other(word[..end].to_owned()), None)
}

/// Serial numbers have 16 digits since the Pi 4; eight are written as well.
fn is_serial(wanted: u64, serial: u64) -> bool {
    let eight_digits = u64::from(u32::MAX);
    wanted == serial || (wanted <= eight_digits && wanted == serial & eight_digits)
}

#[cfg(test)]
mod tests {
    use super::super::board::Family;
    use super::*;

    fn after(filters: &[&str]) -> Holds {
        let board = Board {
            model: "Raspberry Pi 4 Model B Rev 1.4".to_owned(),
            family: Family::Bluetooth,
            serial: Some(0x1000_0000_1234_abcd),
            kind: Some(0x11),
        };
        let mut all = Filters::default();
        filters.iter().for_each(|filter| all.add(filter, &board));
        all.hold()
    }

    #[test]
    fn of_a_kind_the_last_counts_of_several_kinds_all_and_all_ends_them() {
        let perhaps = |filter: &str| Holds::Perhaps(filter.to_owned());
        for (filters, holds) in [
            (&[][..], Holds::Yes),
            (&["pi4"], Holds::Yes),
            (&["PI4"], Holds::Yes),
            (&["pi3"], Holds::No),
            (&["cm4"], Holds::No),
            (&["none"], Holds::No),
            (&["pi3", "pi4"], Holds::Yes),
            (&["pi4", "pi3"], Holds::No),
            (&["pi3", "all"], Holds::Yes),
            (&["0x1234abcd"], Holds::Yes),
            (&["0x1234ABCD"], Holds::Yes),
            (&["0x100000001234abcd"], Holds::Yes),
            (&["0x200000001234abcd"], Holds::No),
            (&["0x1234abce"], Holds::No),
            (&["0x1234abce", "pi4"], Holds::No),
            (&["0x1234abcd", "pi4"], Holds::Yes),
            (&["0x1234abce", "all", "pi4"], Holds::Yes),
            (&["board-type=0x11"], Holds::Yes),
            (&["board-type=0x14"], Holds::No),
            (&["pi3", "board-type=0x11"], Holds::Yes),
            (&["gpio4=1"], perhaps("[gpio4=1]")),
            (&["EDID=DEL-DELL_U2422H"], perhaps("[EDID=DEL-DELL_U2422H]")),
            (&["EDID=a", "pi4"], perhaps("[EDID=a]")),
            (&["EDID=a", "pi3"], Holds::No),
            (&["pi4", "gpio4=1"], perhaps("[gpio4=1]")),
            (&["gpio4=1", "all"], Holds::Yes),
            (&["tryboot"], perhaps("[tryboot]")),
            (&["HDMI:0"], perhaps("[HDMI:0]")),
            (&["pi9"], perhaps("[pi9]")),
        ] {
            assert_eq!(after(filters), holds, "{filters:?}");
        }
    }
}
