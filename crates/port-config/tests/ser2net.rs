//! Files of ser2net, each with the configuration and the notes that are expected of it (tests/ser2net).
//!
//! After a change that is meant, `SERMUX_EXPECTED=write cargo test -p sermux-port-config --test ser2net` writes what is
//! expected anew; read the difference before it is kept.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sermux_port_config::config::load::{load_str, MAX_FILE};
use sermux_port_config::ser2net::{self, Files, Folder, Imported, NoFiles, NoteKind};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/ser2net");

/// The corpus, on a machine on which some links lead to devices.
struct Corpus(Folder);

impl Files for Corpus {
    fn read(&self, path: &Path, most: usize) -> Result<String, String> {
        self.0.read(path, most)
    }

    fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        self.0.matching(pattern)
    }

    fn real(&self, device: &Path) -> Option<PathBuf> {
        match device.to_str() {
            Some("/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0") => Some("/dev/ttyUSB7".into()),
            Some("/dev/modem") => Some("/dev/ttyS7".into()),
            _ => None,
        }
    }
}

/// All files of the corpus, in the order of their names.
fn corpus() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(CORPUS)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".conf"))
        .collect();
    names.sort();
    names
}

fn import(name: &str) -> Imported {
    // So that names of files are the same everywhere.
    std::env::set_current_dir(CORPUS).unwrap();
    let text = fs::read_to_string(name).unwrap();
    ser2net::read(name, &text, &Corpus(Folder::of(Path::new(name))))
}

/// Notes and faults, as `sermux import` prints them.
fn told(imported: &Imported) -> String {
    let mut told = String::new();
    for note in &imported.notes {
        let _ = writeln!(told, "{note}");
    }
    for fault in &imported.faults {
        let _ = write!(told, "\n{fault}");
    }
    let (good, all) = imported.connections;
    let _ = writeln!(told, "\n{good} of {all} connections");
    told
}

#[test]
fn each_file_becomes_what_is_expected() {
    let is_written = std::env::var_os("SERMUX_EXPECTED").is_some_and(|value| value == "write");
    let mut different = Vec::new();
    for name in corpus() {
        let imported = import(&name);
        for (suffix, is) in [("yaml", imported.yaml.clone()), ("notes", told(&imported))] {
            let path = format!("{CORPUS}/expected/{name}.{suffix}");
            if is_written {
                fs::write(&path, &is).unwrap();
            } else if fs::read_to_string(&path).unwrap_or_default() != is {
                different.push(format!("--- {path}\n{is}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn nothing_is_expected_of_files_that_are_not_there() {
    let names = corpus();
    for entry in fs::read_dir(format!("{CORPUS}/expected")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let of = name.rsplit_once('.').unwrap().0;
        assert!(names.iter().any(|name| name == of), "{name}");
    }
}

#[test]
fn what_is_imported_loads_without_a_fault() {
    for name in corpus() {
        let yaml = import(&name).yaml;
        if let Err(faults) = load_str("imported", &yaml) {
            panic!("{name}: {faults}\n{yaml}");
        }
    }
}

#[test]
fn every_file_is_known_by_what_is_in_it() {
    let without_a_word = ["empty.yaml", "include-only.yaml"];
    for name in corpus().iter().filter(|name| !without_a_word.contains(&name.as_str())) {
        assert!(ser2net::is_ser2net(&fs::read_to_string(format!("{CORPUS}/{name}")).unwrap()), "{name}");
    }
    for native in
        ["config/sermux.yaml", "config/dsmr-p1.yaml", "examples/lab-consoles.yaml", "examples/two-rights.yaml"]
    {
        let path = format!("{CORPUS}/../../{native}");
        assert!(!ser2net::is_ser2net(&fs::read_to_string(path).unwrap()), "{native}");
    }
    for text in
        ["", "# nothing", "ports: {}", "defaults:\n  max-clients: 1\nports:\n  connection:\n    device: /dev/x\n"]
    {
        assert!(!ser2net::is_ser2net(text), "{text:?}");
    }
}

#[test]
fn the_guide_shows_what_the_importer_prints() {
    let guide = include_str!("../../../examples/guides/from-ser2net.md");
    let blocks: Vec<&str> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [before, after] = blocks[..] else { panic!("a file before and after") };
    let imported = ser2net::read("ser2net.yaml", before, &NoFiles);
    assert_eq!(imported.yaml, after);
    assert!(imported.faults.is_empty());
}

#[test]
fn a_file_of_ser2net_is_loaded_as_it_is() {
    let text = "connection: &one\n  accepter: tcp,2001\n  connector: serialdev,/dev/ttyS0,9600n81,local\n  options:\n    led-tx: *led\n\
                connection: &two\n  accepter: tcp,2002\n";
    let loaded = load_str("ser2net.yaml", text).unwrap();
    assert_eq!(loaded.config.ports.keys().collect::<Vec<_>>(), ["one"]);
    assert_eq!(loaded.faults.len(), 1);
    assert_eq!((loaded.faults[0].line, loaded.faults[0].file.as_str()), (6, "ser2net.yaml"));
    assert_eq!(loaded.warnings[0].line, 5);
    let nothing_good = text.replace("serialdev", "serialdef");
    assert_eq!(load_str("ser2net.yaml", &nothing_good).unwrap_err().len(), 2);
}

#[test]
fn what_is_included_lies_in_the_folder_of_the_main_file() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let write = |folder: &Path, name: &str, port: u16| {
        let text =
            format!("connection: &{name}\n  accepter: tcp,{port}\n  connector: serialdev,/dev/{name},9600n81,local\n");
        fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    };
    let below = folder.path().join("conf.d");
    fs::create_dir(&below).unwrap();
    write(&below, "a", 1);
    write(&below, "b", 2);
    write(outside.path(), "c", 3);
    std::os::unix::fs::symlink(outside.path().join("c.yaml"), folder.path().join("link.yaml")).unwrap();
    let main = folder.path().join("ser2net.yaml");
    for (pattern, names, faults) in [
        ("conf.d/*.yaml".to_owned(), vec!["a", "b"], 0),
        (format!("{}/conf.d/[a].yaml", folder.path().display()), vec!["a"], 0),
        ("conf.d/b.yaml".to_owned(), vec!["b"], 0),
        ("nothing.d/*.yaml".to_owned(), vec![], 0),
        ("nothing.yaml".to_owned(), vec![], 1),
        (format!("{}/*.yaml", outside.path().display()), vec![], 1),
        ("conf.d/../../*.yaml".to_owned(), vec![], 1),
        ("link.yaml".to_owned(), vec![], 1),
        ("l*.yaml".to_owned(), vec![], 1),
        ("****/*.yaml".to_owned(), vec![], 1),
    ] {
        fs::write(&main, format!("include: '{pattern}'\n")).unwrap();
        let imported = ser2net::load(&main).unwrap();
        let loaded = imported.load().unwrap();
        assert_eq!(loaded.config.ports.keys().collect::<Vec<_>>(), names, "{pattern}");
        assert_eq!(imported.faults.len(), faults, "{pattern}: {:?}", imported.faults);
    }
}

#[test]
fn a_file_that_includes_itself_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("ser2net.yaml");
    fs::write(&main, "include: '*.yaml'\nconnection: &a\n  accepter: tcp,1\n  connector: serialdev,/dev/a,local\n")
        .unwrap();
    let imported = ser2net::load(&main).unwrap();
    assert_eq!((imported.connections, imported.faults.len()), ((1, 1), 0));
}

#[test]
fn what_is_put_into_a_text_is_an_ordinary_file_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("ser2net.yaml");
    fs::write(folder.path().join("motd"), "hello").unwrap();
    fs::write(folder.path().join("large"), "x".repeat(65 * 1024)).unwrap();
    for (file, banner) in [("motd", Some("hello")), ("large", None), ("no", None), ("/dev/zero", None), (".", None)] {
        let text = format!(
            "connection: &a\n  accepter: tcp,1\n  connector: serialdev,/dev/a,local\n  options:\n    banner: a *{{{file}}}\n"
        );
        fs::write(&main, text).unwrap();
        let imported = ser2net::load(&main).unwrap();
        match banner {
            Some(banner) => assert!(imported.yaml.contains(&format!("banner: \"a {banner}\"")), "{}", imported.yaml),
            None => assert_eq!((imported.faults.len(), imported.faults[0].line), (1, 5), "{file}"),
        }
    }
}

#[test]
fn names_inside_names_do_not_grow_without_a_bound() {
    let mut text = "define: &a0 xxxxxxxxxx\n".to_owned();
    for level in 1..40 {
        let below = format!("*(a{})", level - 1).repeat(10);
        let _ = writeln!(text, "define: &a{level} 'x{below}'");
    }
    let imported = ser2net::read("x.yaml", &text, &NoFiles);
    assert!(!imported.faults.is_empty());
    assert!(imported.faults[0].message.contains("64 KiB"), "{}", imported.faults[0]);
}

#[test]
fn a_thousand_connections_are_imported() {
    let mut text = "%YAML 1.1\n---\ndefine: &banner \\r\\nport \\p\\r\\n\n".to_owned();
    for index in 0..1000 {
        let _ = write!(
            text,
            "connection: &con{index}\n  accepter: telnet(rfc2217),tcp,{}\n  enable: on\n  connector: serialdev,/dev/ttyUSB{index},\n    \
             115200n81,local\n  options:\n    banner: *banner\n    kickolduser: true\n",
            2000 + index
        );
    }
    assert!(text.len() < MAX_FILE);
    let imported = ser2net::read("ser2net.yaml", &text, &NoFiles);
    assert_eq!(imported.connections, (1000, 1000));
    assert!(imported.notes.iter().all(|note| note.kind != NoteKind::NoEquivalent));
    assert_eq!(imported.load().unwrap().config.ports.len(), 1000);
}
