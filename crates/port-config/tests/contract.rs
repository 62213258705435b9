//! Every key of the contract is known: it is in force, or it is refused by name as not built yet.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

use sermux_port_config::config::load::load_str;

const CONTRACT: &str = include_str!("contract.yaml");

/// The contract's `include`, which a text cannot have.
fn without_include() -> String {
    CONTRACT.lines().filter(|line| !line.starts_with("include:")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn no_key_of_the_contract_is_unknown() {
    for fault in load_str("contract.yaml", &without_include()).unwrap_err() {
        assert!(fault.message.ends_with("is not built yet in this version"), "{fault}");
        assert!(fault.line > 0 && fault.help.is_some(), "{fault}");
    }
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let faults = load_str("contract.yaml", &without_include()).unwrap_err();
    let refused = |key: &str| faults.iter().any(|fault| fault.path.ends_with(&format!(".{key}")));
    assert!(refused("tls"));
}

#[test]
fn the_alternatives_in_the_contracts_comments_are_known_as_well() {
    let (delimiter, gap) = ("{ delimiter: \"\\r\\n\" }", "{ gap: modbus }");
    let values =
        [("frame", "line"), ("frame", delimiter), ("frame", gap), ("tx-frame", "line"), ("tx-frame", delimiter)];
    for (key, value) in values {
        let text = format!(
            "ports:\n  p:\n    device: sim:echo\n    {key}: {value}\n    listen: [{{ protocol: raw, address: 0 }}]\n"
        );
        load_str("x.yaml", &text).unwrap_or_else(|faults| panic!("{key}: {faults}"));
    }
}
