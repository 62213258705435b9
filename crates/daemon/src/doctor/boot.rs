//! config.txt and cmdline.txt of a Raspberry Pi: what is in force on this board, and in which line it stands.

use std::path::{Path, PathBuf};

use super::board::Board;
use super::read;
use crate::device::Root;

/// Where they are: since bookworm, and before.
const FOLDERS: [&str; 2] = ["/boot/firmware", "/boot"];

/// Overlays that take Bluetooth off the PL011; the long names are those of old systems.
pub(super) const WITHOUT_BLUETOOTH: [&str; 2] = ["disable-bt", "pi3-disable-bt"];
/// … that give it the mini UART instead.
pub(super) const BLUETOOTH_ON_MINI: [&str; 2] = ["miniuart-bt", "pi3-miniuart-bt"];

/// How a line of config.txt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts here.
    InForce,
    /// It is behind a filter for other boards.
    Elsewhere,
    /// It is behind a `#`.
    Remark,
}

/// A line of config.txt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    /// Without white space around it, nor the `#`.
    pub(super) text: String,
    pub(super) standing: Standing,
}

/// What the firmware reads when the machine starts.
#[derive(Debug, Default)]
pub(super) struct Boot {
    /// config.txt, where it was found.
    pub(super) config: Option<PathBuf>,
    pub(super) lines: Vec<Line>,
    /// cmdline.txt, where it was found, and its first line.
    pub(super) cmdline: Option<(PathBuf, String)>,
}

impl Boot {
    pub(super) fn of(root: &Root, board: Option<&Board>) -> Self {
        let Some(board) = board else { return Self::default() };
        let find = |name: &str| {
            FOLDERS.into_iter().map(|folder| Path::new(folder).join(name)).find_map(|path| {
                let text = read::text(root, &path)?;
                // What bookworm leaves in /boot only says that it has moved.
                let has_moved = text.contains("The file you are looking for has moved to");
                (!has_moved).then_some((path, text))
            })
        };
        let config = find("config.txt");
        let lines = config.as_ref().map(|(_, text)| lines(text, board)).unwrap_or_default();
        let cmdline =
            find("cmdline.txt").map(|(path, text)| (path, text.lines().next().unwrap_or_default().to_owned()));
        Self { config: config.map(|(path, _)| path), lines, cmdline }
    }

    /// An overlay: in force if it is anywhere, else where it stands without effect.
    pub(super) fn overlay(&self, names: &[&str]) -> Option<&Line> {
        self.best(|text| {
            let Some(value) = text.strip_prefix("dtoverlay=") else { return false };
            names.contains(&value.split([',', ':', ' ']).next().unwrap_or_default())
        })
    }

    /// `dtparam=NAME=on`, in force or without effect.
    pub(super) fn parameter(&self, name: &str) -> Option<&Line> {
        self.best(|text| {
            let Some(values) = text.strip_prefix("dtparam=") else { return false };
            values.split(',').any(|value| match value.split_once('=') {
                Some((key, value)) => key == name && !["off", "0", "no", "false"].contains(&value),
                None => value == name,
            })
        })
    }

    /// The last `NAME=value` that is in force.
    pub(super) fn setting(&self, name: &str) -> Option<(&Line, &str)> {
        let in_force = self.lines.iter().rev().filter(|line| line.standing == Standing::InForce);
        in_force
            .filter_map(|line| Some((line, line.text.split_once('=')?)))
            .find_map(|(line, (key, value))| (key.trim() == name).then_some((line, value.trim())))
    }

    pub(super) fn has_overlay(&self, names: &[&str]) -> bool {
        self.overlay(names).is_some_and(|line| line.standing == Standing::InForce)
    }

    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|line| line.standing == Standing::InForce)
    }

    fn best(&self, is_it: impl Fn(&str) -> bool) -> Option<&Line> {
        let found: Vec<&Line> = self.lines.iter().filter(|line| is_it(&line.text)).collect();
        let with = |standing| found.iter().copied().find(move |line| line.standing == standing);
        with(Standing::InForce).or_else(|| with(Standing::Elsewhere)).or_else(|| with(Standing::Remark))
    }
}

fn lines(text: &str, board: &Board) -> Vec<Line> {
    let (mut for_model, mut for_rest) = (true, true);
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(filter) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let filter = filter.to_ascii_lowercase();
            match board.matches(&filter) {
                Some(matches) => for_model = matches,
                // A serial number, a screen, a pin: not known here, so what stands there does not count.
                None => for_rest = false,
            }
            if filter == "all" {
                for_rest = true;
            }
            continue;
        }
        let (text, standing) = match line.strip_prefix('#') {
            Some(remark) => (remark.trim_start_matches('#').trim(), Standing::Remark),
            None if for_model && for_rest => (line, Standing::InForce),
            None => (line, Standing::Elsewhere),
        };
        // A remark behind the value belongs to neither.
        let text = text.split(" #").next().unwrap_or_default().trim();
        if text.contains('=') {
            lines.push(Line { number: at + 1, text: text.to_owned(), standing });
        }
    }
    lines
}
