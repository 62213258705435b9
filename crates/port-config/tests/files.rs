//! Files: what is included, what cannot be read, and the files that are shipped.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

use std::fs;
use std::path::{Path, PathBuf};

use sermux_port_config::config::load::{load, load_str, MAX_FILE};
use sermux_port_config::config::{Address, Crc, Framing, OnLag, Write};
use sermux_port_config::Faults;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn names(folder: &TempDir) -> Vec<String> {
    load(&folder.path().join("main.yaml"))
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config
        .ports
        .into_keys()
        .collect()
}

/// The first lines of the faults, without the folder's name.
fn first_lines(folder: &TempDir) -> Vec<String> {
    let prefix = format!("{}/", folder.path().display());
    let faults = load(&folder.path().join("main.yaml")).unwrap_err();
    lines_of(&faults).into_iter().map(|line| line.replace(&prefix, "")).collect()
}

fn lines_of(faults: &Faults) -> Vec<String> {
    faults.iter().map(|fault| fault.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

const PORT_A: &str = "ports: { a: { device: /nonexistent/a, listen: [{ protocol: raw, address: 4001 }] } }\n";
const PORT_B: &str = "ports: { b: { device: /nonexistent/b, listen: [{ protocol: raw, address: 4002 }] } }\n";

#[test]
fn files_are_included_by_patterns_relative_to_the_including_file() {
    let folder =
        folder(&[("main.yaml", "include: ports.d/*.yaml\n"), ("ports.d/a.yaml", PORT_A), ("ports.d/b.yaml", PORT_B)]);
    assert_eq!(names(&folder), ["a", "b"]);
    fs::write(folder.path().join("main.yaml"), "include: [ports.d/a.yaml, 'ports.d/[b-z].yaml']\nports: {}\n").unwrap();
    assert_eq!(names(&folder), ["a", "b"]);
}

#[test]
fn a_pattern_without_a_match_is_fine_and_a_name_without_a_file_is_not() {
    let empty = folder(&[("main.yaml", "include: ports.d/*.yaml\n")]);
    assert!(names(&empty).is_empty());
    let missing = folder(&[("main.yaml", "include: ports.d/a.yaml\n")]);
    assert_eq!(first_lines(&missing), ["main.yaml:1:10: include: ports.d/a.yaml: there is no such file"]);
}

#[test]
fn a_file_that_is_found_twice_is_read_once_and_backups_are_not_read() {
    let folder = folder(&[
        ("main.yaml", "include: ['*.yaml', 'a*', a.yaml]\nports: {}\n"),
        ("a.yaml", PORT_A),
        (".b.yaml", PORT_B),
        ("b.yaml~", PORT_B),
        ("c.yaml/b.yaml", PORT_B),
    ]);
    assert_eq!(names(&folder), ["a"]);
}

#[test]
fn the_pattern_characters_of_the_folders_own_name_mean_nothing() {
    let outer = folder(&[("a[b]*/main.yaml", "include: '*.d/*'\n"), ("a[b]*/x.d/a.yaml", PORT_A)]);
    let loaded = load(&outer.path().join("a[b]*/main.yaml")).unwrap();
    assert_eq!(loaded.config.ports.len(), 1);
}

#[test]
fn defaults_are_for_the_ports_of_their_own_file() {
    let folder = folder(&[
        ("main.yaml", &format!("include: b.yaml\ndefaults: {{ max-clients: 3 }}\n{PORT_A}")),
        ("b.yaml", &format!("defaults: {{ max-clients: 5 }}\n{PORT_B}")),
    ]);
    let config = load(&folder.path().join("main.yaml")).unwrap().config;
    assert_eq!(config.ports["a"].listen[0].max_clients, 3);
    assert_eq!(config.ports["b"].listen[0].max_clients, 5);
}

#[test]
fn one_name_in_two_files_is_refused_with_both_places() {
    let folder =
        folder(&[("main.yaml", &format!("include: b.yaml\n{PORT_A}")), ("b.yaml", &PORT_B.replace("b:", "a:"))]);
    assert_eq!(first_lines(&folder), ["b.yaml:1:10: ports.a: there are two ports of this name"]);
    let shown = load(&folder.path().join("main.yaml")).unwrap_err().to_string();
    assert!(shown.contains("= note: the other is at ") && shown.contains("main.yaml:2:10"), "{shown}");
}

#[test]
fn an_included_file_has_ports_and_defaults_and_nothing_else() {
    let folder = folder(&[
        ("main.yaml", "include: a.yaml\n"),
        ("a.yaml", &format!("include: b.yaml\nlog: {{ level: info }}\ncontrol: off\nprots: 1\n{PORT_A}")),
    ]);
    assert_eq!(
        first_lines(&folder),
        [
            "a.yaml:1:1: include: an included file cannot include others",
            "a.yaml:2:1: log: `log` belongs in the main file",
            "a.yaml:3:1: control: `control` belongs in the main file",
            "a.yaml:4:1: prots: unknown key",
        ]
    );
}

#[test]
fn faults_of_all_files_are_listed_at_once_even_if_one_is_not_yaml() {
    let folder = folder(&[
        ("main.yaml", "include: '?.yaml'\nlogg: 1\n"),
        ("a.yaml", "ports: [\n"),
        ("b.yaml", &PORT_B.replace("raw", "rwa")),
        ("c.yaml", "\u{feff}# nothing yet\n"),
    ]);
    let lines = first_lines(&folder);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("main.yaml:2:1: logg: unknown key"));
    assert!(lines[1].starts_with("a.yaml:"));
    assert!(
        lines[2].starts_with("b.yaml:1:60: ports.b.listen[0].protocol: `rwa` is not possible here"),
        "{}",
        lines[2]
    );
}

#[test]
fn what_include_cannot_be_is_refused() {
    for (include, expected) in [
        ("''", "main.yaml:1:10: include: the pattern is empty"),
        ("'**/*.yaml'", "main.yaml:1:10: include: `**` would search all folders below"),
        ("'[.yaml'", "main.yaml:1:10: include: this is not a pattern: invalid range pattern"),
        ("{ a: b }", "main.yaml:1:10: include: a single value is needed here, not a mapping"),
        ("[[a]]", "main.yaml:1:11: include[0]: a single value is needed here, not a list"),
        ("ports.d", "main.yaml:1:10: include: ports.d: this is a folder, not a file"),
    ] {
        let folder = folder(&[("main.yaml", &format!("include: {include}\n")), ("ports.d/a.yaml", PORT_A)]);
        assert_eq!(first_lines(&folder), [expected]);
    }
}

#[test]
fn a_text_that_is_in_no_file_includes_nothing() {
    let faults = load_str("demo", "include: /etc/*.yaml\n").unwrap_err();
    assert_eq!(lines_of(&faults), ["demo:1:10: include: a text that is in no file cannot include files"]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_with_what_to_do() {
    let folder = folder(&[("main.yaml", "ports: {}\n")]);
    let at = |name: &str| folder.path().join(name);
    fs::write(at("latin1.yaml"), b"ports: {}\n# caf\xe9\n").unwrap();
    fs::write(at("utf16.yaml"), b"\xff\xfep\0o\0").unwrap();
    fs::write(at("large.yaml"), "#".repeat(MAX_FILE + 1)).unwrap();
    fs::write(at("just.yaml"), format!("ports: {{}}\n{}", "#".repeat(MAX_FILE - 10))).unwrap();
    for (name, expected) in [
        ("missing.yaml", "missing.yaml: there is no such file"),
        ("", ": this is a folder, not a file"),
        ("latin1.yaml", "latin1.yaml:2:6: the file is not UTF-8 from here on"),
        ("utf16.yaml", "utf16.yaml:1:1: the file is not UTF-8 from here on"),
        ("large.yaml", "large.yaml: the file is larger than 1 MiB"),
    ] {
        let faults = load(&at(name)).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(lines_of(&faults)[0].ends_with(expected), "{faults}");
        assert!(faults.iter().all(|fault| fault.help.is_some()));
    }
    assert!(load(&at("just.yaml")).is_ok(), "the limit itself is allowed");
}

#[test]
fn two_names_of_one_device_are_recognised() {
    let folder = folder(&[]);
    let link = folder.path().join("by-id");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let two = |a: &str, b: &str| {
        load_str(
            "x.yaml",
            &format!(
                "ports:\n  a: {{ device: {a}, listen: [{{ protocol: raw, address: 0 }}] }}\n  \
                 b: {{ device: {b}, listen: [{{ protocol: raw, address: 0 }}] }}\n"
            ),
        )
    };
    let link = link.to_str().unwrap();
    let faults = two("/dev/null", link).unwrap_err();
    assert_eq!(
        lines_of(&faults),
        ["x.yaml:3:16: ports.b.device: this is the device of the port `a` by another name: /dev/null"]
    );
    assert!(faults.to_string().contains("note: it is at x.yaml:2:16"), "{faults}");
    assert!(two("/nonexistent/a", "/nonexistent//a").is_err());
    assert!(two("/dev/null", "/dev/zero").is_ok());
    assert!(two("sim:echo", "sim:echo").is_ok(), "every simulated device is one of its own");
}

#[test]
fn captures_do_not_write_into_what_is_somebody_elses() {
    let folder = folder(&[("main.yaml", "")]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let port = |name: &str, file: &str, keep: u32| {
        format!("  {name}: {{ device: sim:echo, capture: {{ file: '{file}', keep: {keep} }}, listen: [{{ protocol: raw, address: 0 }}] }}\n")
    };
    let two = |a: &str, b: &str| {
        fs::write(folder.path().join("main.yaml"), format!("ports:\n{}{}", port("a", a, 3), port("b", b, 0))).unwrap();
        match load(&folder.path().join("main.yaml")) {
            Ok(_) => String::new(),
            Err(faults) => lines_of(&faults).join("\n"),
        }
    };
    let is_shared = "the capture of the port `a` has this file: ";
    let is_older = "the capture of the port `a` has this file among its older ones: ";
    for (a, b, fault) in [
        ("same.log", "same.log", is_shared),
        ("same.log", "x/../same.log", is_shared),
        ("same.log", "link/same.log", is_shared),
        ("link/x/same.log", "x/same.log", is_shared),
        ("same.log", "same.log.1", is_older),
        ("same.log", "link/same.log.3", is_older),
        ("same.log", "same.log.4", ""),
        ("same.log", "other.log", ""),
        ("same.log", "main.yaml", "the capture would overwrite the configuration: "),
        ("same.log", "link/x/../main.yaml", "the capture would overwrite the configuration: "),
    ] {
        let said = two(&at(a), &at(b));
        assert!(said.contains(fault) && said.is_empty() == fault.is_empty(), "{a} {b}: {said}");
    }
    assert!(two(&at("same.log"), "/dev/full").contains("/dev/full is a device; a capture needs a file"));
    let older = format!("{}.3", at("main.yaml"));
    fs::rename(folder.path().join("main.yaml"), &older).unwrap();
    fs::write(&older, format!("ports:\n{}", port("a", &at("main.yaml"), 3))).unwrap();
    assert!(lines_of(&load(Path::new(&older)).unwrap_err())[0].contains("overwrite the configuration"));
}

#[test]
fn what_is_no_serial_device_is_a_warning_and_what_is_absent_is_not() {
    let folder = folder(&[("file", "")]);
    let one = |device: &Path| {
        let device = device.display();
        let text = format!("ports: {{ a: {{ device: \"{device}\", listen: [{{ protocol: raw, address: 0 }}] }} }}");
        let warnings = load_str("x.yaml", &text).unwrap_or_else(|faults| panic!("{faults}")).warnings;
        warnings.first().map(ToString::to_string).unwrap_or_default()
    };
    assert!(one(&folder.path().join("file")).contains("is an ordinary file, not a serial device: the port waits"));
    assert!(one(folder.path()).contains("is a folder, not a serial device: the port waits"));
    assert_eq!(one(&folder.path().join("absent")), "");
    assert_eq!(one(Path::new("/dev/null")), "");
}

/// Of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_shipped_file_loads() {
    let mut files = vec![root().join("config/sermux.yaml"), root().join("config/dsmr-p1.yaml")];
    let examples = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    files.extend(examples.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")));
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let loaded = load(&file).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}

#[test]
fn the_shipped_configuration_does_nothing() {
    assert!(load(&root().join("config/sermux.yaml")).unwrap().config.ports.is_empty());
}

#[test]
fn the_p1_service_is_what_it_says_and_can_be_included() {
    let text = fs::read_to_string(root().join("config/dsmr-p1.yaml")).unwrap();
    let folder = folder(&[("main.yaml", "include: ports.d/*.yaml\nports: {}\n"), ("ports.d/dsmr-p1.yaml", &text)]);
    let config = load(&folder.path().join("main.yaml")).unwrap().config;
    let port = &config.ports["p1"];
    assert_eq!(port.device.to_string(), "/dev/ttyAMA0");
    assert_eq!(port.line.settings.to_string(), "115200 8N1");
    assert_eq!((port.write, port.frame, port.crc), (Write::None, Framing::Dsmr, Crc::Pass));
    assert_eq!(port.listen[0].address, Address::Any { port: 9000 });
    assert_eq!(port.listen[0].on_lag, OnLag::Skip);
}
