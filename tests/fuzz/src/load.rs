//! Any text as a file: a configuration that can be written out and loaded again, or faults with places in the text.

use sermux_port_config::config::banner::{BannerFacts, BannerTime};
use sermux_port_config::config::diff::Diff;
use sermux_port_config::config::load::{load_str, Loaded};
use sermux_port_config::config::Config;
use sermux_port_config::Fault;

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match load_str("fuzz.yaml", text) {
        Ok(loaded) => good(text, &loaded),
        Err(faults) => {
            assert!(faults.len() > 0);
            faults.iter().for_each(|fault| placed(text, fault));
            shown(&faults.to_string());
        }
    }
}

fn good(text: &str, loaded: &Loaded) {
    loaded.warnings.iter().for_each(|warning| placed(text, warning));
    let yaml = serde_yaml::to_string(&loaded.config).expect("what is loaded can be written");
    let again = load_str("again.yaml", &yaml).unwrap_or_else(|faults| panic!("{faults}\n{yaml}"));
    assert_eq!(loaded.config, again.config, "{yaml}");
    assert!(Diff::between(&loaded.config, &again.config).is_empty());
    let enabled = loaded.config.ports.values().filter(|port| port.enable).count();
    let start = Diff::between(&Config::default(), &loaded.config);
    assert_eq!((start.added.len(), start.removed.len(), start.changed.len()), (enabled, 0, 0));
    for (name, port) in &loaded.config.ports {
        for listener in &port.listen {
            assert!(listener.max_clients > 0);
            let facts = BannerFacts {
                port: name,
                device: &port.device.to_string(),
                line: port.line.settings,
                listener: &listener.address.to_string(),
                remote: "::1",
                time: TIME,
            };
            let banner = listener.banner.render(&facts);
            assert!(!banner.is_empty() || listener.banner.is_empty());
        }
    }
}

const TIME: BannerTime = BannerTime {
    year: 2026,
    month: 12,
    day: 31,
    weekday: 4,
    day_of_year: 364,
    hour: 23,
    minute: 59,
    second: 60,
    microsecond: 999_999,
    epoch: 1_798_761_600,
};

fn placed(text: &str, fault: &Fault) {
    let lines = text.chars().filter(|c| matches!(c, '\n' | '\r')).count() + 1;
    if fault.file == "fuzz.yaml" {
        assert!(fault.line <= lines && (fault.line == 0) == (fault.column == 0), "{fault}");
    }
    if let Some(source) = &fault.source {
        let length = source.text.chars().count();
        assert!(source.indent <= length && source.width >= 1, "{fault}");
        assert!(source.indent + source.width <= length.max(source.indent + 1), "{fault}");
    }
    shown(&fault.to_string());
}

/// Nothing may steer the terminal that it is printed on.
fn shown(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
