//! A configuration with faults, and what the loader reports.

use sermux_port_config::config::load::load_str;
use sermux_port_config::Faults;

pub(crate) fn faults(text: &str) -> Faults {
    match load_str("x.yaml", text) {
        Err(faults) => faults,
        Ok(loaded) => panic!("no fault in:\n{text}\n{:#?}", loaded.config),
    }
}

/// `text` has one fault, with this first line and this in its help.
pub(crate) fn one(text: &str, first_line: &str, help: &str) {
    let faults = faults(text);
    let shown = faults.to_string();
    assert_eq!(faults.len(), 1, "{text}\n{shown}");
    assert_eq!(shown.lines().next().unwrap_or_default(), format!("x.yaml:{first_line}"), "{text}");
    let fault = faults.iter().next().unwrap();
    assert!(fault.help.as_deref().unwrap_or_default().contains(help), "{help:?} is not in:\n{shown}");
}
