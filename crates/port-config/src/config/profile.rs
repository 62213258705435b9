//! Profiles: named presets that are part of the program. A profile is a port's mapping that only sets defaults: a key of
//! the port itself goes before it, the `defaults:` of the file come after it.

/// The names, in the order in which they are listed.
pub fn names() -> impl ExactSizeIterator<Item = &'static str> + Clone {
    PROFILES.iter().map(|(name, _)| *name)
}

/// The profile's YAML as it was written, with its comments.
pub fn text(name: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What the profile is for, in one line: the first line of its text.
pub fn summary(name: &str) -> Option<&'static str> {
    text(name)?.lines().next().map(|line| line.trim_start_matches('#').trim())
}

const PROFILES: [(&str, &str); 4] = [
    ("dsmr-p1", include_str!("../../../../config/profiles/dsmr-p1.yaml")),
    ("dsmr-p1-v2", include_str!("../../../../config/profiles/dsmr-p1-v2.yaml")),
    ("console", include_str!("../../../../config/profiles/console.yaml")),
    ("console-9600", include_str!("../../../../config/profiles/console-9600.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_says_what_it_is_for() {
        for name in names() {
            let summary = summary(name).unwrap();
            assert!(summary.len() > 20 && summary.len() < 100, "{name}: {summary}");
        }
    }

    #[test]
    fn there_is_no_profile_of_another_name() {
        assert_eq!(text("dsmr"), None);
        assert_eq!(summary(""), None);
    }
}
