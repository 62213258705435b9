//! Files of ser2net: imported, checked, and served as they are.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::rig::{run, Daemon, End, Finished, Pty};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/ser2net");

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old.conf");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn sermux(command: &str, path: &Path, more: &[&str]) -> Finished {
    let mut arguments = vec![command.as_ref(), path.as_os_str()];
    arguments.extend(more.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
    run(&arguments)
}

const GOOD: &str = "\
connection: &con1
  accepter: tcp,2001
  connector: serialdev,/dev/ttyS41,9600n81,local
";

#[test]
fn a_file_is_printed_as_a_native_one_with_a_line_for_each_note() {
    let (_folder, path) = file(&format!("{GOOD}  options:\n    max-connections: 3\n    led-tx: *led\n"));
    let imported = sermux("import", &path, &[]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert!(imported.stdout.contains("device: /dev/ttyS41\n    line: 9600 8N1\n"), "{}", imported.stdout);
    let of_file = format!("{}:", path.display());
    let notes: Vec<&str> = imported.stderr.lines().filter_map(|line| line.strip_prefix(&of_file)).collect();
    assert!(notes.contains(&"5:5: translated: con1: max-connections → max-clients: 3"), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("6:5: no equivalent: con1: led-tx")), "{notes:?}");
    assert_eq!(sermux("import", &path, &["--strict"]).code, Some(1));
    fs::write(&path, GOOD).unwrap();
    assert_eq!(sermux("import", &path, &["--strict"]).code, Some(0));
}

#[test]
fn good_connections_are_printed_beside_faults_and_the_code_is_1() {
    let (_folder, path) =
        file(&format!("{GOOD}connection: &con2\n  accepter: tcp,99999\n  connector: serialdev,/dev/x\n"));
    let imported = sermux("import", &path, &[]);
    assert_eq!(imported.code, Some(1), "{imported:?}");
    assert!(imported.stdout.contains("con1:") && !imported.stdout.contains("con2"), "{}", imported.stdout);
    assert!(imported.stderr.contains(&format!("{}:5:17: `99999`", path.display())), "{}", imported.stderr);
    let checked = sermux("check", &path, &[]);
    assert_eq!(checked.code, Some(78), "{checked:?}");
    assert!(checked.stderr.contains(":5:17:"), "{}", checked.stderr);
    assert_eq!(sermux("import", Path::new("/nowhere/ser2net.yaml"), &[]).code, Some(1));
}

#[test]
fn what_is_imported_is_good_for_check() {
    let folder = TempDir::new().unwrap();
    let native = folder.path().join("sermux.yaml");
    let mut count = 0;
    for entry in fs::read_dir(CORPUS).unwrap() {
        let path = entry.unwrap().path();
        if !path.extension().is_some_and(|extension| extension == "yaml" || extension == "conf") {
            continue;
        }
        fs::write(&native, sermux("import", &path, &[]).stdout).unwrap();
        let checked = sermux("check", &native, &[]);
        assert_eq!(checked.code, Some(0), "{}: {checked:?}", path.display());
        count += 1;
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn check_and_diff_take_a_file_as_it_is() {
    let (folder, path) = file(GOOD);
    let checked = sermux("check", &path, &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let other = folder.path().join("new.yaml");
    fs::write(&other, GOOD.replace("9600n81", "19200n81")).unwrap();
    let diff = run(&["diff".as_ref(), path.as_os_str(), other.as_os_str()]);
    assert_eq!(diff.code, Some(0), "{diff:?}");
    assert!(diff.stdout.contains("9600 → 19200"), "{}", diff.stdout);
}

fn served(pty: &Pty, connector: &str, options: &str) -> Daemon {
    Daemon::start(format!(
        "%YAML 1.1\n---\ndefine: &hello hello\\r\\n\nconnection: &con1\n  accepter: tcp,127.0.0.1,0\n  connector: \
         serialdev,{},{connector}\n  options:\n{options}",
        pty.path().display()
    ))
}

#[test]
fn a_file_is_served_as_it_is() {
    let pty = Pty::new();
    let daemon = served(&pty, "9600n81,local", "    banner: *hello\n    kickolduser: true\n");
    let first = daemon.connect("con1");
    assert_eq!(first.receive(7), b"hello\r\n");
    pty.send(b"from the device");
    assert_eq!(first.receive(15), b"from the device");
    let second = daemon.connect("con1");
    assert_eq!(second.receive(7), b"hello\r\n");
    assert_eq!(first.receive_to_end().1, End::Closed);
}

#[test]
fn a_connection_with_a_fault_is_left_out_and_the_others_are_served() {
    let pty = Pty::new();
    let daemon = served(&pty, "9600n81,local", "connection: &con2\n  accepter: tcp,x\n  connector: serialdev,/dev/x\n");
    let client = daemon.connect("con1");
    pty.send(b"x");
    assert_eq!(client.receive(1), b"x");
    daemon.log().wait_for("the fault", |line| line.contains("left out: ") && line.contains(":9:17: `x`"));
}
