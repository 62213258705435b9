//! Any text as a single value: what is read is written so that it is read the same.

use std::fmt::Display;
use std::str::FromStr;

use sermux_port_config::config::{Address, Banner, Device};
use sermux_port_config::line::LineSettings;
use sermux_port_config::units::{format_duration, format_size, parse_duration, parse_size};

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for line in text.lines() {
        both_ways::<LineSettings>(line);
        both_ways::<Address>(line);
        both_ways::<Device>(line);
        if let Ok(size) = parse_size(line) {
            assert_eq!(parse_size(&format_size(size)), Ok(size), "{line:?}");
        }
        if let Ok(time) = parse_duration(line) {
            assert_eq!(parse_duration(&format_duration(time)), Ok(time), "{line:?}");
        }
        if let Ok(banner) = line.parse::<Banner>() {
            assert_eq!(banner.as_str(), line);
        }
        if let (Ok(a), Some(b)) = (line.parse::<Address>(), text.lines().next().and_then(|line| line.parse().ok())) {
            assert_eq!(a.overlaps(&b), b.overlaps(&a), "{a} {b}");
        }
    }
}

fn both_ways<T: FromStr + Display + PartialEq + std::fmt::Debug>(line: &str) {
    if let Ok(value) = line.parse::<T>() {
        let written = value.to_string();
        assert!(written.parse::<T>().is_ok_and(|again| again == value), "{line:?} is written {written:?}");
    }
}
