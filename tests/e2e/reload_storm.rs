//! A thousand reloads under traffic: what they do not touch loses nothing, and nothing is left behind.

use std::fs;

use crate::random::Random;
use crate::rig::{anonymous_kib, assert_same, is_event, noise, Daemon, PortYaml, Pty};

const RELOADS: usize = 1000;

/// Ports that change all the time, beside one that never does.
const CHANGING: usize = 6;

/// A port with random settings, or none.
fn any_port(random: &mut Random, name: &str, devices: &[Pty]) -> Option<PortYaml> {
    if random.below(5) == 0 {
        return None;
    }
    let index: usize = name[1..].parse().unwrap();
    let device = if random.below(3) == 0 { "sim:echo".into() } else { devices[index].path().to_owned() };
    let mut port = PortYaml::new(name, device)
        .key(&format!("line: {} 8N1", [9600, 19_200, 115_200][random.below(3)]))
        .key(&format!("backlog: {} KiB", 64 << random.below(3)))
        .key(&format!("gather: {}ms", random.below(2) * 5));
    for ip in 1..=1 + random.below(3) {
        let access = ["read-only", "read-write"][random.below(2)];
        port = port.listen_on(&format!("127.0.1.{ip}:0"), &format!("access: {access}"));
    }
    Some(port)
}

#[test]
fn what_a_thousand_reloads_do_not_touch_loses_nothing_and_nothing_is_left_behind() {
    let mut random = Random::new(1);
    let kept_device = Pty::new();
    let devices: Vec<Pty> = (0..CHANGING).map(|_| Pty::new()).collect();
    let kept = PortYaml::new("kept", kept_device.path()).listen("");
    let alone = format!("ports:\n{}", kept.entry());
    let mut daemon = Daemon::start(&alone);
    daemon.opened("kept", 1);
    let client = daemon.connect("kept");
    let mut reloads = 0;
    let mut reload = |daemon: &mut Daemon, file: &str, is_good: bool| {
        reloads += 1;
        daemon.reload(file);
        let there = noise(reloads as u64, 3000);
        kept_device.send(&there);
        assert_same(&client.receive(there.len()), &there, "what the line sent across a reload");
        let back = noise(!(reloads as u64), 500);
        client.send(&back);
        assert_same(&kept_device.receive(back.len()), &back, "what the client sent across a reload");
        let said = daemon.log().wait_for_nth(reloads, "the reload", |line| {
            is_event(line, "config.rejected") || is_event(line, "config.reloaded")
        });
        assert_eq!(is_event(&said, "config.reloaded"), is_good, "{said}");
    };

    let mut left = Vec::new();
    for _ in 0..10 {
        for _ in 0..RELOADS / 10 {
            let ports = (0..CHANGING).filter_map(|index| any_port(&mut random, &format!("p{index}"), &devices));
            let mut file = ports.fold(alone.clone(), |file, port| file + &port.entry());
            let is_good = random.below(10) > 0;
            if !is_good {
                file += "  bad: { lisen: }\n";
            }
            reload(&mut daemon, &file, is_good);
        }
        reload(&mut daemon, &alone, true);
        left.push((open_files(&daemon), anonymous_kib(daemon.pid())));
    }
    assert!(left.iter().all(|(files, _)| *files == left[0].0), "files stay open: {left:?}");
    // The first half finds out how much memory a reload takes; the other may leave less than 2.5 KiB for each reload. (malloc keeps
    // memory for each thread, so that one thread more is a step of half a MiB.)
    assert!(left[9].1 < left[4].1 + RELOADS as u64 * 5 / 4, "memory grows: {left:?}");
    assert_eq!(daemon.log().count(|line| is_event(line, "client.disconnected")), 0);
}

fn open_files(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}
