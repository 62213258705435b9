//! The command line and the configuration file, as somebody meets them who has made a mistake.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::rig::{run, Daemon, Finished, PortYaml, Pty};

/// A file with this text in a folder of its own.
pub(crate) fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sermux.yaml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

pub(crate) fn check(path: &Path) -> Finished {
    run(&["check".as_ref(), path.as_os_str()])
}

fn serve(path: &Path) -> Finished {
    run(&["serve".as_ref(), "--config".as_ref(), path.as_os_str()])
}

/// One `FILE:LINE:COLUMN: KEY.PATH: …` of what was printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    line: usize,
    column: usize,
    path: String,
    text: String,
}

/// All the faults in this file that were printed. A fault is also all text about it up to the next one.
fn faults(printed: &str, path: &Path) -> Vec<Fault> {
    let file = format!("{}:", path.display());
    let mut faults: Vec<Fault> = Vec::new();
    for line in printed.lines() {
        // Without a place it is about the whole file: how many there are.
        let Some(rest) = line.strip_prefix(&file).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) else {
            if let Some(fault) = faults.last_mut() {
                fault.text += &format!("\n{line}");
            }
            continue;
        };
        let parts: Vec<&str> = rest.splitn(4, ':').collect();
        let [number, column, key_path, text] = parts[..] else { panic!("not FILE:LINE:COLUMN: PATH: text: {line}") };
        faults.push(Fault {
            line: number.parse().unwrap_or_else(|_| panic!("no line: {line}")),
            column: column.parse().unwrap_or_else(|_| panic!("no column: {line}")),
            path: key_path.trim().to_owned(),
            text: text.trim().to_owned(),
        });
    }
    faults
}

/// What `check` and `serve` say about this text, which must be the same.
#[track_caller]
fn faults_of(text: &str) -> Vec<Fault> {
    let (_folder, path) = file(text);
    let (checked, served) = (check(&path), serve(&path));
    assert_eq!(checked.code, Some(78), "{checked:?}");
    assert_eq!(served.code, Some(78), "{served:?}");
    assert_eq!(served.stdout, "");
    assert!(!served.stderr.contains("listening"), "half-started: {}", served.stderr);
    let of_serve = faults(&served.stderr, &path);
    let of_check = faults(&format!("{}\n{}", checked.stdout, checked.stderr), &path);
    let places = |faults: &[Fault]| -> Vec<_> { faults.iter().map(|f| (f.line, f.column, f.path.clone())).collect() };
    assert_eq!(places(&of_check), places(&of_serve));
    assert!(!of_serve.is_empty(), "no fault has a place: {}", served.stderr);
    of_serve
}

#[track_caller]
fn only_fault_of(text: &str) -> Fault {
    let faults = faults_of(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults[0].clone()
}

#[test]
fn a_capture_without_a_file_is_told_what_it_lacks() {
    let (_folder, path) = file(
        "ports:\n  e:\n    device: sim:echo\n    capture: { format: json, max-size: 4 KiB }\n    listen: [ { protocol: raw, address: 4001 } ]\n",
    );
    let checked = check(&path);
    assert_eq!(checked.code, Some(78));
    let said = format!("{}:4:14: ports.e.capture: `capture` lacks the key `file`\n", path.display());
    assert!(checked.stderr.starts_with(&said), "{}", checked.stderr);
    assert!(checked.stderr.contains("help: add where to record, such as `file: /var/log/"), "{}", checked.stderr);
}

#[test]
fn all_faults_are_listed_at_once_each_with_its_place() {
    let faults = faults_of(
        "\
ports:
  meter:
    device: sim:dsmr-p1
    basud: 9600
    frame: dsrm
    listen:
      - { protocol: rawr, address: \"127.0.0.1:0\" }
      - { protocol: raw, address: \"127.0.0.1:70000\" }
  router:
    device: sim:echo
    line: 9600 8X1
    exclusive: perhaps
    listen:
      - { protocol: raw, address: \"127.0.0.1:0\", max-clients: -1 }
log: { level: loud }
",
    );
    let found: BTreeSet<(usize, &str)> = faults.iter().map(|fault| (fault.line, fault.path.as_str())).collect();
    let expected = [
        (4, "ports.meter.basud"),
        (5, "ports.meter.frame"),
        (11, "ports.router.line"),
        (12, "ports.router.exclusive"),
        (15, "log.level"),
    ];
    for place in expected {
        assert!(found.contains(&place), "{place:?} in {found:?}");
    }
    for (line, key) in [(7, "protocol"), (8, "address"), (14, "max-clients")] {
        let there = |&(l, path): &(usize, &str)| l == line && path.contains(".listen") && path.ends_with(key);
        assert!(found.iter().any(there), "{key} on line {line} in {found:?}");
    }
    assert_eq!(faults.len(), 8, "no fault is reported twice: {faults:#?}");
    assert!(faults.iter().all(|fault| fault.column > 0), "{faults:#?}");
    let in_order: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    assert!(in_order.is_sorted(), "{in_order:?}");
}

#[test]
fn a_misspelt_key_comes_with_the_right_one() {
    let fault = only_fault_of("ports:\n  p:\n    device: sim:echo\n    backlogg: 1 MiB\n    listen:\n      - protocol: raw\n        address: 4001\n");
    assert_eq!((fault.line, fault.column, fault.path.as_str()), (4, 5, "ports.p.backlogg"));
    assert!(fault.text.contains("`backlog`"), "{}", fault.text);
}

#[test]
fn an_address_of_another_program_is_an_error_with_the_right_one() {
    let of = |address: &str| {
        let listener = format!("{{ protocol: raw, address: \"{address}\" }}");
        only_fault_of(&format!("ports:\n  p:\n    device: sim:echo\n    listen:\n      - {listener}\n"))
    };
    for (address, right) in [
        ("tcp:2001", "\"*:2001\""),
        ("tcp,localhost,2001", "write 2001"),
        ("telnet://10.0.0.7:23", "\"10.0.0.7:23\", and `protocol: telnet`"),
    ] {
        let fault = of(address);
        assert!(fault.path.ends_with(".address") && fault.text.contains(right), "{fault:?}");
    }
}

#[test]
fn a_key_twice_is_an_error() {
    let fault = only_fault_of("ports:\n  p:\n    device: sim:echo\n    device: sim:dsmr-p1\n    listen:\n      - protocol: raw\n        address: 4001\n");
    assert_eq!((fault.line, fault.path.as_str()), (4, "ports.p.device"));
}

#[test]
fn a_bad_baud_rate_is_an_error_at_its_place() {
    let fault = only_fault_of("ports:\n  p:\n    device: sim:echo\n    line:\n      baud: fast\n    listen:\n      - protocol: raw\n        address: 4001\n");
    assert_eq!((fault.line, fault.path.as_str()), (5, "ports.p.line.baud"));
    assert!(fault.text.contains("fast"), "{}", fault.text);
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    for (text, line, path) in [
        ("http: { address: \"127.0.0.1:8217\", history: /x }\nports: {}\n", 1, "http.history"),
        (
            "ports:\n  p:\n    device: sim:echo\n    listen:\n      - protocol: raw\n        address: 4001\n        tls: { key: /x }\n",
            7,
            "ports.p.listen[0].tls",
        ),
    ] {
        let fault = only_fault_of(text);
        assert_eq!((fault.line, fault.path.as_str()), (line, path));
        assert!(fault.text.contains("not built yet"), "{}", fault.text);
    }
}

#[test]
fn two_ports_on_one_device_are_an_error_that_names_both() {
    let pty = Pty::new();
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("by-id");
    std::os::unix::fs::symlink(pty.path(), &link).unwrap();
    let port = |name: &str, device: &Path| PortYaml::new(name, device).listen("").entry();
    let same = |first, second| only_fault_of(&format!("ports:\n{}{}", port("one", first), port("two", second)));
    // By its name, and by being the same node under another name.
    for fault in [same(pty.path(), pty.path()), same(pty.path(), &link)] {
        assert_eq!((fault.line, fault.path.as_str()), (7, "ports.two.device"));
        assert!(fault.text.contains("one"), "{}", fault.text);
    }
}

#[test]
fn a_device_that_is_a_file_or_a_folder_is_a_warning_with_its_place() {
    let folder = TempDir::new().unwrap();
    let regular = folder.path().join("regular");
    fs::write(&regular, "").unwrap();
    for device in [&regular, folder.path()] {
        let (_folder, path) = file(&PortYaml::new("p", device).listen("").to_string());
        let checked = check(&path);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let said = format!("warning: {}:3:", path.display());
        assert!(checked.stderr.contains(&said) && checked.stderr.contains(": ports.p.device: "), "{checked:?}");
        assert!(checked.stderr.contains(&device.display().to_string()), "{checked:?}");
    }
}

#[test]
fn a_file_that_is_no_yaml_is_an_error_with_its_place() {
    let (_folder, path) = file("ports:\n  p:\n    device: [sim:echo\n");
    for ended in [check(&path), serve(&path)] {
        assert_eq!(ended.code, Some(78), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(&format!("{}:", path.display())), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_fault_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("missing.yaml");
    for ended in [check(&path), serve(&path)] {
        assert_eq!(ended.code, Some(78), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("missing.yaml"), "{said}");
    }
}

#[test]
fn hostile_files_end_with_a_message() {
    let deep = format!("ports: {}", "[".repeat(100_000));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\nports: {}\n";
    for text in [deep.as_bytes(), bomb.as_bytes(), b"\xff\xfe\x00ports", b"\0", b"- a\n- b\n", b"ports: 7\n"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("sermux.yaml");
        fs::write(&path, text).unwrap();
        let ended = check(&path);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn a_good_file_is_good_and_json_is_yaml() {
    for text in [
        "ports:\n  p:\n    device: sim:echo\n    listen:\n      - { protocol: raw, address: \"127.0.0.1:0\" }\n",
        "{\"ports\": {\"p\": {\"device\": \"sim:echo\", \"listen\": [{\"protocol\": \"raw\", \"address\": \"127.0.0.1:0\"}]}}}",
        "ports: {}\n",
        "ports:\n  p:\n    device: /dev/does-not-exist-yet\n    exclusive: yes\n    backlog: 1 MiB\n    listen:\n      - protocol: raw\n        address: 4001\n",
        "include: nothing.d/*.yaml\nports: {}\n",
    ] {
        let (_folder, path) = file(text);
        let ended = check(&path);
        assert_eq!(ended.code, Some(0), "{text}: {ended:?}");
        assert_eq!(ended.stderr, "", "{text}");
    }
}

#[test]
fn included_files_count_and_a_name_twice_names_both_places() {
    let folder = TempDir::new().unwrap();
    let ports = folder.path().join("ports.d");
    fs::create_dir(&ports).unwrap();
    let main = folder.path().join("sermux.yaml");
    let port = |name: &str| {
        format!("ports:\n  {name}:\n    device: sim:echo\n    listen:\n      - {{ protocol: raw, address: \"127.0.0.1:0\" }}\n")
    };
    fs::write(&main, "include: ports.d/*.yaml\nports: {}\n").unwrap();
    fs::write(ports.join("a.yaml"), port("a")).unwrap();
    assert_eq!(check(&main).code, Some(0));
    fs::write(ports.join("b.yaml"), port("a")).unwrap();
    let ended = check(&main);
    assert_eq!(ended.code, Some(78));
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("a.yaml") && said.contains("b.yaml"), "{said}");
}

#[test]
fn every_shipped_file_is_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut checked = 0;
    for folder in ["config", "examples"] {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let ended = check(&path);
                assert_eq!(ended.code, Some(0), "{}: {ended:?}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 1, "config/dsmr-p1.yaml at least");
    assert!(root.join("config/dsmr-p1.yaml").exists());
}

#[test]
fn what_show_resolved_prints_is_a_good_file_that_resolves_to_itself() {
    let (folder, path) = file(
        "\
log: { level: debug }
ports:
  meter:
    device: /dev/ttyAMA0
    profile: dsmr-p1
    crc: drop
    listen:
      - { protocol: raw, address: \"*:9000\" }
  router:
    device: /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0
    line: 9600 7E2
    modem: { dtr: off, rts: keep }
    backlog: 64 KiB
    listen:
      - { protocol: raw, address: 4001, access: read-only, max-clients: 4, on-lag: hold, keepalive: off }
      - { protocol: raw, address: \"[::1]:4002\", banner: 'hello \\N\\r\\n' }
      - { protocol: telnet, rfc2217: true, address: 4003, enter: cr, notify: yes }
control: { mode: \"0600\" }
",
    );
    let show = |path: &Path| run(&["show".as_ref(), "--resolved".as_ref(), "--config".as_ref(), path.as_os_str()]);
    let first = show(&path);
    assert_eq!(first.code, Some(0), "{first:?}");
    let again = folder.path().join("resolved.yaml");
    fs::write(&again, &first.stdout).unwrap();
    let checked = check(&again);
    assert_eq!(checked.code, Some(0), "{checked:?}\n{}", first.stdout);
    assert_eq!(show(&again).stdout, first.stdout);
    for word in ["dsmr", "9000", "4001", "read-only", "hold", "hello", "telnet", "0600"] {
        assert!(first.stdout.contains(word), "{word} in {}", first.stdout);
    }
}

#[test]
fn profiles_are_listed_and_shown_and_one_that_is_shown_can_be_pasted_as_a_port() {
    let listed = run(&["profiles"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let names: Vec<&str> = listed.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"dsmr-p1") && names.contains(&"modbus-rtu"), "{}", listed.stdout);
    for name in names {
        let shown = run(&["profiles", "show", name]);
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
        let summary = shown.stdout.lines().next().unwrap().trim_start_matches("# ");
        assert!(listed.stdout.lines().any(|line| line.starts_with(name) && line.ends_with(summary)), "{summary}");
        let indented: String = shown.stdout.lines().map(|line| format!("    {line}\n")).collect();
        let port =
            format!("ports:\n  p:\n    device: sim:echo\n    listen: [{{ protocol: raw, address: 0 }}]\n{indented}");
        let (_folder, path) = file(&port);
        assert_eq!(check(&path).code, Some(0), "{name}");
    }
    let unknown = run(&["profiles", "show", "dsmr"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(1), ""));
    assert!(unknown.stderr.contains("did you mean `dsmr-p1`?"), "{}", unknown.stderr);
}

/// What `sermux diff` prints of one file after another, line by line.
fn diff(old: &str, new: &str) -> Vec<String> {
    let ((_old_folder, old), (_new_folder, new)) = (file(old), file(new));
    let ended = run(&["diff".as_ref(), new.as_os_str(), "--config".as_ref(), old.as_os_str()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn diff_says_what_a_reload_would_do_to_each_port_and_does_nothing() {
    let old = "\
ports:
  gone: { device: /dev/gone, listen: [{ protocol: raw, address: \"*:4000\" }] }
  same: { device: sim:echo, listen: [{ protocol: raw, address: 4001 }] }
  faster: { device: /dev/faster, listen: [{ protocol: raw, address: 4002 }, { protocol: telnet, address: 4003 }] }
  moved: { device: /dev/here, listen: [{ protocol: raw, address: 4004 }] }
  off: { device: sim:echo, enable: no }
";
    let new = "\
log: { level: debug }
control: { mode: \"0600\" }
ports:
  same: { device: sim:echo, listen: [{ protocol: raw, address: 4001 }] }
  faster:
    device: /dev/faster
    line: 115200 7E1
    listen: [{ protocol: telnet, address: 4003, banner: 'hi\\r\\n', keepalive: off }, { protocol: raw, address: 4002 }]
  moved: { device: /dev/there, listen: [{ protocol: telnet, rfc2217: yes, address: 4004 }] }
  off: { device: sim:echo, enable: yes, listen: [{ protocol: raw, address: 4005 }] }
";
    assert_eq!(
        diff(old, new),
        [
            "- gone: /dev/gone, raw *:4000: ended, its clients are disconnected",
            "~ faster: changed in place; device and clients stay",
            "    line.baud: 9600 → 115200",
            "    line.data-bits: 8 → 7",
            "    line.parity: none → even",
            "    listener telnet localhost:4003: keepalive: { idle: 30s, interval: 10s, count: 3, user-timeout: 1min } → off",
            "    listener telnet localhost:4003: banner: \"\" → hi\\r\\n",
            "~ moved: the device is opened again; clients stay where their listener does",
            "    device: /dev/here → /dev/there",
            "    listener raw localhost:4004: closed, its clients are disconnected",
            "    listener telnet with rfc2217 localhost:4004: opened",
            "+ off: sim:echo, raw localhost:4005: started",
            "~ control.mode: 0660 → 0600",
            "~ log.level: info → debug (at the next start)",
            "1 removed, 2 changed, 1 added, 1 untouched",
        ]
    );
    assert_eq!(diff(old, old), ["0 removed, 0 changed, 0 added, 4 untouched"]);
}

#[test]
fn diff_of_a_file_with_faults_lists_them() {
    let ((_good_folder, good), (_bad_folder, bad)) = (file("ports: {}\n"), file("prots: {}\n"));
    for (new, in_force) in [(&bad, &good), (&good, &bad)] {
        let ended = run(&["diff".as_ref(), new.as_os_str(), "--config".as_ref(), in_force.as_os_str()]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
        assert!(ended.stderr.contains("did you mean `ports`?"), "{}", ended.stderr);
    }
}

#[test]
fn a_file_without_ports_serves_nothing_and_ends_when_told() {
    let mut daemon = Daemon::start("ports: {}\n");
    crate::rig::eventually("it handles signals", || handles(daemon.pid(), Signal::SIGTERM));
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.finish().code, Some(0));
}

/// Whether a handler is in place, from SigCgt of proc_pid_status(5).
fn handles(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
    u64::from_str_radix(&caught, 16).unwrap() >> (signal as i32 - 1) & 1 == 1
}

#[test]
fn usage_is_2_and_version_and_help_are_0() {
    for wrong in [&["--no-such-option"][..], &["serve", "--no-such-option"], &["no-such-command"], &["check", "a", "b"]]
    {
        let ended = run(wrong);
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    let version = run(&["--version"]);
    assert_eq!((version.code, version.stdout.as_str()), (Some(0), concat!("sermux ", env!("CARGO_PKG_VERSION"), "\n")));
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in ["serve", "demo", "check"] {
        assert!(help.stdout.contains(command), "{}", help.stdout);
    }
}

#[test]
fn results_that_nobody_reads_are_no_crash() {
    // As in `sermux --help | true`, but surely: the other end is closed before the program starts.
    for command in [&["--help"][..], &["profiles"], &["profiles", "show", "dsmr-p1"]] {
        let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(reader);
        let mut sermux = std::process::Command::new(env!("CARGO_BIN_EXE_sermux"));
        sermux.args(command).stdin(Stdio::null()).stdout(std::os::fd::OwnedFd::from(writer));
        let ended = sermux.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), said.as_ref()), (Some(0), ""), "{command:?}");
    }
}
