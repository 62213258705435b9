//! Any text as a file of ser2net: what is imported loads, whatever is left out, and notes and faults have places in the text.

use sermux_port_config::ser2net::{is_ser2net, read, NoFiles};

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = is_ser2net(text);
    let imported = read("fuzz.yaml", text, &NoFiles);
    let lines = text.chars().filter(|c| matches!(c, '\n' | '\r')).count() + 1;
    for note in &imported.notes {
        assert!((1..=lines).contains(&note.line) && note.column >= 1, "{note}");
        shown(&note.to_string());
    }
    for fault in &imported.faults {
        assert!(fault.line <= lines, "{fault}");
        shown(&fault.to_string());
    }
    let (good, all) = imported.connections;
    assert!(good <= all);
    if let Err(faults) = imported.load() {
        // What only the disk of this machine knows: two names of one device, a capture into what is no file.
        let is_of_disk = |message: &str| message.contains("by another name") || message.contains("capture");
        let defect = faults.iter().find(|fault| !is_of_disk(&fault.message));
        assert!(defect.is_none(), "{}\n{}", faults, imported.yaml);
    }
}

/// Nothing may steer the terminal that it is printed on.
fn shown(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
