//! config.txt and cmdline.txt of a Raspberry Pi: which settings apply to this board, and in which line of which file they are.

use std::path::{Path, PathBuf};

use super::board::Board;
use super::filters::{Filters, Holds};
use super::read;
use crate::device::Root;

/// Where they are: since bookworm, and before.
const FOLDERS: [&str; 2] = ["/boot/firmware", "/boot"];

/// Overlays that take Bluetooth off the PL011; the long names are those of old systems.
pub(super) const WITHOUT_BLUETOOTH: [&str; 2] = ["disable-bt", "pi3-disable-bt"];
/// … that give it the mini UART instead.
pub(super) const BLUETOOTH_ON_MINI: [&str; 2] = ["miniuart-bt", "pi3-miniuart-bt"];

/// How a line of config.txt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts here.
    InForce,
    /// It counts if what this filter asks for is so, which cannot be known here.
    Depends(String),
    /// It is behind a filter for other boards.
    Elsewhere,
    /// It is behind a `#`.
    Remark,
}

/// A line of config.txt, or of a file that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BootLine {
    pub(super) file: PathBuf,
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
    pub(super) lines: Vec<BootLine>,
    /// Lines that include a file which is not there.
    pub(super) lost: Vec<BootLine>,
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
        let mut boot = Self::default();
        if let Some((path, text)) = find("config.txt") {
            let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
            let mut reader = Reader { root, board, folder, filters: Filters::default(), boot: &mut boot };
            reader.read(&path, &text, &Holds::Yes, 0);
            boot.config = Some(path);
        }
        let named = boot.setting("cmdline").map(|(_, name)| name.to_owned());
        boot.cmdline = find(named.as_deref().unwrap_or("cmdline.txt"))
            .map(|(path, text)| (path, text.lines().next().unwrap_or_default().to_owned()));
        boot
    }

    /// An overlay: in force if it is anywhere, else where it stands without effect.
    pub(super) fn overlay(&self, names: &[&str]) -> Option<&BootLine> {
        self.best(|text| {
            let Some(value) = text.strip_prefix("dtoverlay=") else { return false };
            names.contains(&value.split([',', ':', ' ']).next().unwrap_or_default())
        })
    }

    /// `dtparam=NAME=on`, in force or without effect.
    pub(super) fn parameter(&self, name: &str) -> Option<&BootLine> {
        self.best(|text| {
            let Some(values) = text.strip_prefix("dtparam=") else { return false };
            values.split(',').any(|value| match value.split_once('=') {
                Some((key, value)) => key == name && !["off", "0", "no", "false"].contains(&value),
                None => value == name,
            })
        })
    }

    /// The last `NAME=value` that is in force.
    pub(super) fn setting(&self, name: &str) -> Option<(&BootLine, &str)> {
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

    /// The first of those that stand best.
    fn best(&self, is_it: impl Fn(&str) -> bool) -> Option<&BootLine> {
        self.lines.iter().filter(|line| is_it(&line.text)).min_by_key(|line| match line.standing {
            Standing::InForce => 0,
            Standing::Depends(_) => 1,
            Standing::Elsewhere => 2,
            Standing::Remark => 3,
        })
    }
}

/// Reads config.txt from its top to its end, with the files that it includes where it does.
struct Reader<'a> {
    root: &'a Root,
    board: &'a Board,
    /// The top of the boot partition.
    folder: PathBuf,
    filters: Filters,
    boot: &'a mut Boot,
}

impl Reader<'_> {
    /// `outer` is whether the file is included at all.
    fn read(&mut self, path: &Path, text: &str, outer: &Holds, depth: usize) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(filter) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
                self.filters.add(filter, self.board);
                continue;
            }
            let holds = outer.clone().and(&self.filters.hold());
            let (text, standing) = match line.strip_prefix('#') {
                Some(remark) => (remark.trim_start_matches('#').trim(), Standing::Remark),
                None => (line, Standing::from(&holds)),
            };
            // A remark behind the value belongs to neither.
            let text = text.split(" #").next().unwrap_or_default().trim();
            let line = BootLine { file: path.to_owned(), number: at + 1, text: text.to_owned(), standing };
            if let (Some(name), true) = (text.strip_prefix("include "), line.standing != Standing::Remark) {
                self.include(name.trim(), &holds, depth, line);
            } else if text.contains('=') && self.boot.lines.len() < MOST_LINES {
                self.boot.lines.push(line);
            }
        }
    }

    fn include(&mut self, name: &str, holds: &Holds, depth: usize, line: BootLine) {
        let is_inside = !name.split('/').any(|part| part == "..");
        let path = self.folder.join(name.trim_start_matches('/'));
        let text = if is_inside && depth < DEEPEST { read::text(self.root, &path) } else { None };
        match text {
            Some(text) => self.read(&path, &text, holds, depth + 1),
            None => self.boot.lost.push(line),
        }
    }
}

impl From<&Holds> for Standing {
    fn from(holds: &Holds) -> Self {
        match holds {
            Holds::Yes => Standing::InForce,
            Holds::Perhaps(filter) => Standing::Depends(filter.clone()),
            Holds::No => Standing::Elsewhere,
        }
    }
}

/// Files that include files are followed so far: one may include itself.
const DEEPEST: usize = 4;

/// At most this number of lines are kept, of all files together.
const MOST_LINES: usize = 4096;
