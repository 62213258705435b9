//! Reading configurations: what is no ordinary file, what takes long to read, and how much is read at most.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::config::{check, file};
use crate::rig::{cpu_ticks, eventually_within, is_event, is_zombie, run, sermux, Daemon, PortYaml, Process};

/// A pipe that nobody writes to.
fn pipe(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn what_is_no_ordinary_file_is_refused_at_once() {
    let (folder, path) = file("include: [ports.d/*.yaml]\nports: {}\n");
    fs::create_dir(folder.path().join("ports.d")).unwrap();
    let fifo = folder.path().join("ports.d/a.yaml");
    pipe(&fifo);
    let ended = check(&path);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    let said = format!("{}: this is a pipe, not an ordinary file", fifo.display());
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    for other in [&fifo, Path::new("/dev/zero")] {
        let ended = run(&["diff".as_ref(), other.as_os_str(), "--config".as_ref(), path.as_os_str()]);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(check(other).stderr.contains("not an ordinary file"));
    }
}

#[test]
fn a_pipe_among_the_files_does_not_hold_the_running_program() {
    let mut daemon = Daemon::start(format!("include: [ports.d/*.yaml]\n{}", PortYaml::new("p", "sim:echo").listen("")));
    let _client = daemon.connect("p");
    fs::create_dir(daemon.folder().join("ports.d")).unwrap();
    pipe(&daemon.folder().join("ports.d/a.yaml"));
    daemon.process.signal(Signal::SIGHUP);
    daemon.log().wait_for("the fault", |line| is_event(line, "config.fault-found") && line.contains("this is a pipe"));
    assert_eq!(daemon.run(&["status"]).code, Some(0));
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.finish().code, Some(0));
}

/// Many faults, so that it takes a while.
fn long_to_read(folder: &Path, files: usize) {
    fs::create_dir(folder.join("ports.d")).unwrap();
    let mut text = "ports:\n".to_owned();
    let mut n = 0;
    while text.len() < 1_000_000 {
        text += &format!("  p{n}: {{ device: sim:echo, listen: [ {{ protocol: raw, address: 'x y' }} ] }}\n");
        n += 1;
    }
    for file in 0..files {
        fs::write(folder.join(format!("ports.d/{file:02}.yaml")), &text).unwrap();
    }
}

#[test]
fn while_files_are_read_it_answers_and_reads_once_more_for_all_who_asked_meanwhile() {
    let mut daemon = Daemon::start(format!("include: [ports.d/*.yaml]\n{}", PortYaml::new("p", "sim:echo").listen("")));
    daemon.connect("p");
    daemon.done(&["status"]);
    long_to_read(daemon.folder(), 3);
    let is_read = |line: &str| is_event(line, "config.rejected");
    daemon.process.signal(Signal::SIGHUP);
    daemon.done(&["status"]);
    assert_eq!(daemon.log().count(is_read), 0, "the answer had to wait for the files");
    for _ in 0..5 {
        daemon.process.signal(Signal::SIGHUP);
        daemon.done(&["status"]);
    }
    daemon.log().wait_for_nth(1, "it was read", is_read);
    fs::remove_dir_all(daemon.folder().join("ports.d")).unwrap();
    daemon.log().wait_for("it was read once more", |line| is_event(line, "config.reloaded") || is_read(line));
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(crate::rig::SHUTDOWN).and_then(|status| status.code()), Some(0));
    assert!(daemon.log().count(|line| is_read(line) || is_event(line, "config.reloaded")) <= 2);
}

#[test]
fn all_files_together_have_a_limit() {
    let (folder, path) = file("include: [ports.d/*.yaml]\nports: {}\n");
    fs::create_dir(folder.path().join("ports.d")).unwrap();
    let text = format!("ports: {{}}\n#{}\n", "x".repeat(1_000_000));
    for n in 0..17 {
        fs::write(folder.path().join(format!("ports.d/{n:02}.yaml")), &text).unwrap();
    }
    let ended = check(&path);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(
        ended.stderr.contains("ports.d/16.yaml: with this file the configuration is larger than 16 MiB"),
        "{}",
        ended.stderr
    );
}

/// CPU time of `sermux check` with this many ports, each of which may be in the way of each other and gives the same warning
/// and the same fault: all that could be compared with all.
fn ticks_to_check(ports: usize) -> u64 {
    const EACH_FILE: usize = 1000;
    let (folder, path) = file("include: [ports.d/*.yaml]\nports: {}\n");
    fs::create_dir(folder.path().join("ports.d")).unwrap();
    for file in 0..ports / EACH_FILE {
        let mut text = "ports:\n".to_owned();
        for n in file * EACH_FILE..(file + 1) * EACH_FILE {
            let address = format!("127.1.{}.{}:4001", n / 250, n % 250 + 1);
            text += &format!(
                "  p{n}: {{ usb: '0403:6001', usb-serial: A{n}, idle-timeout: 5s, write-hold: 5s, \
                 listen: [ {{ protocol: raw, access: read-only, address: '{address}' }} ] }}\n"
            );
        }
        fs::write(folder.path().join(format!("ports.d/{file}.yaml")), text).unwrap();
    }
    let check = Process::start(sermux().arg("check").arg(&path));
    // Its faults are all printed when it ends. The kernel has its CPU time until somebody waits for it.
    eventually_within(Duration::from_secs(300), "the check ends", || is_zombie(check.pid()));
    let ticks = cpu_ticks(check.pid());
    let ended = check.finish();
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains(&format!("{ports} faults")), "{}", ended.stderr);
    ticks
}

#[test]
fn sixteen_thousand_ports_are_checked_one_by_one_and_not_each_against_each() {
    let (few, many) = (ticks_to_check(2_000), ticks_to_check(16_000));
    // Eight times as many take eight times as long, and up to half as much more on a busy machine; where all are compared with
    // all, up to 64 times.
    assert!(many <= 12 * few, "{few} ticks for 2000 ports, {many} for 16000");
}

#[test]
fn more_ports_than_any_machine_has_are_a_fault_before_they_take_memory() {
    let ports = |numbers: std::ops::Range<usize>| -> String { numbers.map(|n| format!("  p{n}: {{}}\n")).collect() };
    let ended = check(&file(&format!("ports:\n{}", ports(0..50_001))).1);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("ports: there are more than 50000 ports"), "{}", ended.stderr);
    let (folder, path) = file("include: [ports.d/*.yaml]\nports: {}\n");
    fs::create_dir(folder.path().join("ports.d")).unwrap();
    for (name, numbers) in [("a.yaml", 0..26_000), ("b.yaml", 26_000..52_000)] {
        fs::write(folder.path().join("ports.d").join(name), format!("ports:\n{}", ports(numbers))).unwrap();
    }
    let ended = check(&path);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("b.yaml: with this file there are more than 50000 ports"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("yaml: 1 fault\n"),
        "no fault is reported of ports that are not looked at: {}",
        ended.stderr
    );
}
