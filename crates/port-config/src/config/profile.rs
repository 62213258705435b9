//! Profiles: named presets that are part of the program. A profile is a port's mapping that only sets defaults: a key of
//! the port itself goes before it, the `defaults:` of the file come after it.

use super::keys::nearest_or_longer;

/// A named preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What stands behind `profile:`.
    pub name: &'static str,
    /// Its YAML as it was written, with its comments; the first says what it is for.
    pub text: &'static str,
}

impl Profile {
    /// What it is for and where its settings are written, in one line.
    pub fn summary(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
    }
}

/// Every profile, in the order in which they are listed.
pub fn all() -> &'static [Profile] {
    &PROFILES
}

/// The profile of this name.
pub fn find(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

/// The profile that was probably meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_or_longer(name, names())
}

pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    PROFILES.iter().map(|profile| profile.name)
}

macro_rules! profiles {
    ($($name:literal)*) => {
        [$(Profile { name: $name, text: include_str!(concat!("../../../../config/profiles/", $name, ".yaml")) }),*]
    };
}

/// By what they are for: consoles, meters, boards and machines, radio, buses, positions, power and weather.
const PROFILES: [Profile; 33] = profiles![
    "console" "console-9600" "cisco"
    "dsmr-p1" "dsmr-p1-v2" "p1-luxembourg" "linky" "linky-historic" "sml" "iec62056" "m-bus"
    "esp32" "native-usb" "arduino" "printer-3d" "cat-radio"
    "zigbee" "zigbee-rts-cts" "zigbee-xon-xoff" "conbee" "thread-rcp" "z-wave" "enocean" "rfxtrx" "rflink" "cul"
    "modbus-rtu" "knx-tpuart"
    "gps-nmea" "nmea-0183"
    "ve-direct" "apc-ups" "davis"
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_says_what_it_is_for_and_where_its_numbers_are_from() {
        for profile in all() {
            let summary = profile.summary();
            assert!((40..126).contains(&summary.chars().count()), "{}: {summary}", profile.name);
            // Where it is written stands at the end, in parentheses.
            let source = summary.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, source)| source);
            assert!(source.is_some_and(|source| source.len() >= 8), "{}: {summary}", profile.name);
        }
    }

    #[test]
    fn every_file_of_the_folder_is_a_profile() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/profiles");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let mut named: Vec<_> = names().map(|name| format!("{name}.yaml")).collect();
        files.sort();
        named.sort();
        assert_eq!(files, named);
    }

    #[test]
    fn a_profile_that_is_not_there_has_neighbours() {
        assert_eq!(find("dsmr"), None);
        assert_eq!(nearest("dsmr"), Some("dsmr-p1"));
        assert_eq!(nearest("zwave"), Some("z-wave"));
        assert_eq!(nearest("xyzzy"), None);
    }
}
