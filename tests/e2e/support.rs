//! `sermux support`: what is in it, and what is not; and the history that a port hands out.

use std::fs;

use tempfile::TempDir;

use crate::rig::{eventually, sermux, Daemon, PortYaml, Process, Pty};

#[test]
fn it_has_the_sections_and_no_secrets_though_nobody_runs() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("sermux.yaml");
    fs::write(&config, "# password: hunter2\nports: {}\n").unwrap();
    let file = folder.path().join("support.txt");
    let mut command = sermux();
    command.env("XDG_RUNTIME_DIR", folder.path()).arg("--config").arg(&config).arg("support").arg("-o").arg(&file);
    let finished = Process::start(&mut command).finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", finished.stderr);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.starts_with(concat!("sermux ", env!("CARGO_PKG_VERSION"), "\n")), "{text}");
    for part in ["\n== doctor\n", "\n== configuration ", "# password: ***\n", "nothing listens on ", "\n== devices\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_port_hands_out_what_it_holds_of_its_line() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p", pty.path()).listen("replay: 16 KiB"));
    daemon.opened("p", 1);
    pty.send(b"the boot log");
    let mut text = String::new();
    eventually("the bytes are held", || {
        text = daemon.done(&["support", "--data", "p"]);
        text.contains("the newest 12 bytes")
    });
    assert!(
        text.ends_with(
            "from byte 0 on; it holds what `replay` and clients that are behind need\n74686520626f6f74206c6f67\n"
        ),
        "{text}"
    );
    assert!(text.contains("\"rx-bytes\": 12"), "{text}");
    assert!(daemon.done(&["support", "--data", "q"]).contains("there is no port `q`"));
}
