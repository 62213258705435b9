//! `sermux setup p1`: what it shows, what it writes, and what it takes back.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::rig::{sermux, Daemon, Finished, Process};

const INCLUDE: &str = "include: ports.d/*.yaml\nports: {}\n";
const SIM: [&str; 6] = ["setup", "p1", "--device", "sim:dsmr-p1", "--address", "127.0.0.1:0"];

/// Nobody runs, and nobody is there to be asked.
fn set_up(folder: &Path, more: &[&str]) -> Finished {
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", folder).arg("--config").arg(folder.join("sermux.yaml")).args(SIM).args(more);
    Process::start(&mut command).finish()
}

fn p1(folder: &Path) -> PathBuf {
    folder.join("ports.d/p1.yaml")
}

fn with_config(text: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sermux.yaml"), text).unwrap();
    folder
}

#[test]
fn a_running_program_takes_the_port_and_readers_are_told_where_it_is() {
    let daemon = Daemon::start(INCLUDE);
    let mut arguments = SIM.to_vec();
    arguments.push("--yes");
    let finished = daemon.run(&arguments);
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    let address = daemon.address("p1");
    let said = &finished.stdout;
    assert!(said.contains("telegrams arrive"), "{said}");
    for reader in ["Domoticz", "Home Assistant", "DSMR-reader"] {
        let line = said.lines().find(|line| line.contains(reader)).unwrap();
        assert!(line.contains("127.0.0.1") && line.ends_with(&format!("port {}", address.port())), "{line}");
    }
    // Again: it is there already.
    let again = daemon.run(&SIM);
    assert_eq!(again.code, Some(0), "{}{}", again.stdout, again.stderr);
    assert!(
        again.stdout.contains("is as it should be") && again.stdout.contains("telegrams arrive"),
        "{}",
        again.stdout
    );
}

#[test]
fn without_a_yes_it_only_shows() {
    let folder = with_config(INCLUDE);
    for more in [&[][..], &["--dry-run"]] {
        let finished = set_up(folder.path(), more);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            finished.stdout.contains("would be new") && finished.stdout.contains("profile: dsmr-p1"),
            "{}",
            finished.stdout
        );
        assert!(!folder.path().join("ports.d").exists());
    }
}

#[test]
fn where_nobody_runs_it_says_how_to_start_and_a_missing_configuration_is_made() {
    let folder = TempDir::new().unwrap();
    let finished = set_up(folder.path(), &["--yes"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("systemctl enable --now sermux"), "{}", finished.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("sermux.yaml")).unwrap(), INCLUDE);
    assert!(fs::read_to_string(p1(folder.path())).unwrap().contains("sim:dsmr-p1"));
}

#[test]
fn another_file_stays_unless_told_and_is_kept() {
    let folder = with_config(INCLUDE);
    fs::create_dir(folder.path().join("ports.d")).unwrap();
    fs::write(p1(folder.path()), "ports: {}\n").unwrap();
    let refused = set_up(folder.path(), &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--yes replaces it"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(p1(folder.path())).unwrap(), "ports: {}\n");
    assert_eq!(set_up(folder.path(), &["--yes"]).code, Some(0));
    assert!(fs::read_to_string(p1(folder.path())).unwrap().contains("dsmr-p1"));
    assert_eq!(fs::read_to_string(folder.path().join("ports.d/p1.yaml.bak")).unwrap(), "ports: {}\n");
}

#[test]
fn a_configuration_that_would_have_faults_is_put_back() {
    let twice = "include: ports.d/*.yaml\nports:\n  p1:\n    device: sim:echo\n    listen: [ { protocol: raw, address: \"127.0.0.1:0\" } ]\n";
    for (config, why) in [(twice, "p1"), ("ports: {}\n", "write into it: include: ports.d/*.yaml")] {
        let folder = with_config(config);
        let finished = set_up(folder.path(), &["--yes"]);
        assert_eq!(finished.code, Some(78), "{}", finished.stderr);
        assert!(finished.stderr.contains(why) && finished.stderr.contains("taken back"), "{}", finished.stderr);
        assert!(!p1(folder.path()).exists());
    }
}
