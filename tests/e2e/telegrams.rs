//! `frame: dsmr`: whole telegrams to as many readers as want them, the newest first.

use std::time::Duration;

use crate::rig::p1::{self, numbers, telegram};
use crate::rig::{
    anonymous_kib, assert_same, eventually, field, is_event, noise, Client, Clock, Daemon, PortYaml, Pty, PATIENCE,
};

fn meter(pty: &Pty) -> PortYaml {
    PortYaml::new("p1", pty.path()).key("line: 115200 8N1").key("frame: dsmr")
}

fn start(pty: &Pty, more: &str) -> Daemon {
    let port = if more.is_empty() { meter(pty) } else { meter(pty).key(more) };
    let daemon = Daemon::start(port.listen(""));
    daemon.opened("p1", 1);
    daemon
}

/// As a UART hands it over: in pieces.
fn send_in_pieces(pty: &Pty, bytes: &[u8], seed: usize) {
    let mut rest = bytes;
    let mut len = seed % 61;
    while !rest.is_empty() {
        len = 1 + (len * 37 + 11) % 61;
        let (piece, after) = rest.split_at(len.min(rest.len()));
        pty.send(piece);
        rest = after;
    }
}

#[test]
fn each_telegram_comes_whole_in_one_read_and_unchanged() {
    const COUNT: u32 = 10;
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let readers = [daemon.connect("p1"), daemon.connect("p1"), daemon.connect("p1")];
    // They read all the time: what is handed out early is seen early, and the next read then has the rest. The next telegram
    // comes when all have read, or one that is late would find two at once.
    let (tell, has_read) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let read = |reader: &Client| {
            let got = reader.receive_once();
            tell.send(()).unwrap();
            got
        };
        let reads: Vec<_> = readers
            .iter()
            .map(|reader| scope.spawn(move || (0..COUNT).map(|_| read(reader)).collect::<Vec<_>>()))
            .collect();
        for number in 0..COUNT {
            for piece in telegram(number).chunks(1 + number as usize * 13) {
                pty.send(piece);
                pty.was_read();
            }
            for _ in &readers {
                has_read.recv_timeout(PATIENCE).expect("each reads something of each telegram");
            }
        }
        for read in reads {
            for (number, got) in (0..).zip(read.join().unwrap()) {
                assert_same(&got, &telegram(number), "one read");
            }
        }
    });
}

#[test]
fn a_reader_that_comes_in_the_middle_starts_at_a_slash() {
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let witness = daemon.connect("p1");
    for number in 0..20 {
        let whole = telegram(number);
        let cut = 1 + (number as usize * 37) % (whole.len() - 1);
        pty.send(&whole[..cut]);
        let reader = daemon.connect("p1");
        pty.send(&whole[cut..]);
        assert_same(&witness.receive_once(), &whole, "the witness");
        pty.send(&telegram(number + 1000));
        witness.receive_once();
        let mut got = reader.receive_once();
        while !numbers(&got).contains(&(number + 1000)) {
            got.extend(reader.receive_once());
        }
        let expected = [vec![number, number + 1000], vec![number + 1000]];
        assert!(expected.contains(&numbers(&got)), "{:?}", numbers(&got));
    }
}

/// Sends this before a good telegram, of which alone something may come out.
#[track_caller]
fn only_the_good_one_comes(junk: &[u8]) {
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let reader = daemon.connect("p1");
    pty.send(junk);
    let good = telegram(5);
    pty.send(&good);
    assert_same(&reader.receive(good.len()), &good, "what came");
    pty.send(&telegram(6));
    assert_same(&reader.receive_once(), &telegram(6), "what came then");
}

#[test]
fn the_rest_of_a_telegram_that_began_before_is_not_handed_out() {
    let earlier = telegram(4);
    for from in [1, 25, 300, earlier.len() - 7, earlier.len() - 2] {
        only_the_good_one_comes(&earlier[from..]);
    }
}

#[test]
fn a_telegram_that_breaks_off_is_not_handed_out() {
    let broken = telegram(4);
    for to in [1, 23, 300, broken.len() - 7] {
        only_the_good_one_comes(&[&broken[..to], b"\r\n"].concat());
    }
}

#[test]
fn noise_is_not_handed_out() {
    only_the_good_one_comes(b"\0\0\0\xff\xff\r\n");
    only_the_good_one_comes(b"login: a/b!\r\npassword for /dev/null!\r\n");
    let noise: Vec<u8> = noise(21, 30_000).into_iter().map(|byte| byte | 0x80).chain(*b"\r\n").collect();
    only_the_good_one_comes(&noise);
}

#[test]
fn a_telegram_that_never_ends_is_given_up_and_the_next_one_is_whole() {
    let endless: Vec<u8> = b"/XMX5LGBBFG1012345678\r\n\r\n"
        .iter()
        .copied()
        .chain(b"1-0:1.8.1(000143.422*kWh)\r\n".iter().copied().cycle().take(40_000 / 27 * 27))
        .collect();
    only_the_good_one_comes(&endless);
    // Without a single end of line in it.
    only_the_good_one_comes(&[b"/XMX5".as_slice(), &[b'x'; 40_000], b"\r\n"].concat());
}

#[test]
fn a_telegram_with_a_long_message_is_whole() {
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let reader = daemon.connect("p1");
    let short = telegram(8);
    let at = crate::rig::find(&short, b"61/62!63").unwrap();
    let mut long = [&short[..at], &[b'6'; 5000], &short[at..short.len() - 6]].concat();
    let crc = p1::crc16(&long);
    long.extend_from_slice(format!("{crc:04X}\r\n").as_bytes());
    pty.send(&long);
    let got = reader.receive(long.len());
    assert_same(&got, &long, "what came");
    p1::split_first(&got);
}

#[test]
fn a_telegram_with_five_messages_of_a_thousand_characters_is_whole() {
    let long = p1::with_messages(9, 5, 2 * 1024);
    assert!(long.len() > 10 * 1024);
    let pty = Pty::new();
    let daemon = start(&pty, "backlog: 32 KiB");
    let reader = daemon.connect("p1");
    for _ in 0..5 {
        send_in_pieces(&pty, &long, 3);
        assert_same(&reader.receive(long.len()), &long, "what came");
    }
}

/// Sends these with a pause behind each, and wants exactly these pieces.
#[track_caller]
fn of_these_come(port: &str, pause: Pause, sent: &[&[u8]], wanted: &[&[u8]]) {
    let clock = Clock::start();
    let pty = Pty::new();
    let daemon = start(&pty, port);
    let reader = daemon.connect("p1");
    // What comes without a pause may make the reader skip some; it reads all the time.
    for bytes in sent {
        send_in_pieces(&pty, bytes, bytes.len());
        if pause == Pause::OfASecond {
            clock.seconds(1);
        }
    }
    let last = telegram(999);
    pty.send(&last);
    let wanted = [wanted.concat(), last].concat();
    assert_same(&reader.receive(wanted.len()), &wanted, "what came");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pause {
    OfASecond,
    None,
}

/// Tries these cases at the same time, since each of them lets seconds pass.
fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, try_one: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| try_one(case));
        }
    });
}

#[test]
fn bytes_in_front_of_a_slash_cost_no_telegram() {
    side_by_side([&b"\0"[..], b"\xFF", b" ", b"xyz"], |before| {
        let sent: Vec<_> = (0..3).map(|number| [before, &telegram(number)].concat()).collect();
        let sent: Vec<_> = sent.iter().map(Vec::as_slice).collect();
        for pause in [Pause::OfASecond, Pause::None] {
            of_these_come("", pause, &sent, &[&telegram(0), &telegram(1), &telegram(2)]);
        }
    });
}

#[test]
fn a_lost_line_end_costs_nothing_but_itself() {
    side_by_side([1, 2], |lost| {
        let cut = telegram(1);
        let cut = &cut[..cut.len() - lost];
        for pause in [Pause::OfASecond, Pause::None] {
            of_these_come("", pause, &[cut, &telegram(2), cut, &telegram(3)], &[cut, &telegram(2), cut, &telegram(3)]);
        }
    });
}

#[test]
fn a_telegram_without_its_line_end_needs_no_next_one_to_be_handed_out() {
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let reader = daemon.connect("p1");
    let whole = telegram(1);
    let cut = &whole[..whole.len() - 2];
    pty.send(cut);
    assert_same(&reader.receive(cut.len()), cut, "after silence");
}

#[test]
fn bytes_between_a_crc_and_its_line_end_do_not_make_it_bad() {
    side_by_side([&b"\0"[..], b" "], |between| {
        let whole = telegram(1);
        let (text, line_end) = whole.split_at(whole.len() - 2);
        let odd = [text, between, line_end].concat();
        of_these_come("crc: drop", Pause::OfASecond, &[&odd, &telegram(2)], &[&odd, &telegram(2)]);
    });
}

#[test]
fn a_crc_without_its_leading_zeros_is_right() {
    let short = (0..).map(p1::telegram_with_short_crc).find(|short| short.len() < telegram(0).len()).unwrap();
    of_these_come("crc: drop", Pause::OfASecond, &[&short, &telegram(2)], &[&short, &telegram(2)]);
}

#[test]
fn a_telegram_that_lost_its_crc_and_more_is_not_handed_out_with_crc_drop() {
    let damaged = telegram(1);
    let damaged = [&damaged[..damaged.len() - 6], b"\r\n"].concat();
    let at = crate::rig::find(&damaged, b"000078.911").unwrap();
    let damaged = [&damaged[..at], b"9", &damaged[at + 1..]].concat();
    of_these_come("crc: drop", Pause::OfASecond, &[&damaged, &telegram(2), &damaged], &[&telegram(2)]);
}

#[test]
fn of_two_telegrams_in_one_the_whole_one_is_handed_out() {
    let whole = telegram(1);
    let cut = &whole[..whole.len() - 40];
    side_by_side([Pause::OfASecond, Pause::None], |pause| {
        of_these_come("", pause, &[cut, &telegram(2), cut, &telegram(3)], &[&telegram(2), &telegram(3)]);
    });
}

#[test]
fn a_crc_by_another_rule_is_accepted_and_logged_once_by_name() {
    let pty = Pty::new();
    let daemon = start(&pty, "crc: drop");
    let reader = daemon.connect("p1");
    let x25 = [p1::telegram_with_x25(1), p1::telegram_with_x25(2)];
    let lf: Vec<_> = telegram(3).into_iter().filter(|byte| *byte != b'\r').collect();
    for telegram in [&x25[0], &x25[1], &lf] {
        pty.send(telegram);
        assert_same(&reader.receive(telegram.len()), telegram, "what came");
    }
    let status = status_when(&daemon, "p1", |port| port["frames"]["telegrams"] == 3);
    assert_eq!((&status["frames"]["crc-x25"], &status["frames"]["crc-over-cr-lf"]), (&2.into(), &1.into()));
    for crc in ["CRC-16/X-25", "CRC-16/ARC over CR LF"] {
        let is_so = |line: &str| is_event(line, "telegram.crc-other") && field(line, "crc") == Some(crc);
        daemon.log().wait_for(crc, is_so);
        assert_eq!(daemon.log().count(is_so), 1);
    }
}

#[test]
fn a_wrong_crc_is_passed_on_as_it_is() {
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let reader = daemon.connect("p1");
    let wrong = p1::telegram_with_wrong_crc(1);
    pty.send(&wrong);
    assert_same(&reader.receive_once(), &wrong, "what came");
    pty.send(&telegram(2));
    assert_same(&reader.receive_once(), &telegram(2), "what came");
}

#[test]
fn with_crc_drop_a_wrong_crc_is_kept_back() {
    let pty = Pty::new();
    let daemon = start(&pty, "crc: drop");
    let reader = daemon.connect("p1");
    for number in 0..5 {
        pty.send(&p1::telegram_with_wrong_crc(number));
        pty.send(&telegram(number + 100));
        assert_same(&reader.receive_once(), &telegram(number + 100), "what came");
    }
}

#[test]
fn a_telegram_without_crc_is_whole_too() {
    for more in ["", "crc: drop"] {
        let pty = Pty::new();
        let daemon = start(&pty, more);
        let reader = daemon.connect("p1");
        for number in 0..5 {
            let old = p1::telegram_without_crc(number);
            send_in_pieces(&pty, &old, number as usize);
            assert_same(&reader.receive_once(), &old, "what came");
        }
    }
}

#[test]
fn a_pause_of_a_second_inside_a_telegram_does_no_harm_and_one_of_four_ends_it() {
    let clock = Clock::start();
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let reader = daemon.connect("p1");
    let paused = telegram(1);
    pty.send(&paused[..300]);
    clock.seconds(1);
    pty.send(&paused[300..]);
    assert_same(&reader.receive_once(), &paused, "the one that paused");
    let given_up = telegram(2);
    pty.send(&given_up[..300]);
    clock.seconds(4);
    pty.send(&given_up[300..]);
    pty.send(&telegram(3));
    assert_same(&reader.receive_once(), &telegram(3), "the one after");
}

/// How many bytes may be old: what the reader's own kernel holds, and what was on its way.
const STALE: usize = 8 * 1024;

/// A reader that had stopped and reads again: whole telegrams, few old ones, then the newest and nothing between.
#[track_caller]
fn resumes_with_the_newest(pty: &Pty, stopped: &Client, newest: u32) {
    let last = telegram(newest + 1);
    let mut got = stopped.receive_until(&telegram(newest));
    pty.send(&last);
    got.extend(stopped.receive(last.len()));
    let numbers = numbers(&got);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let old = got.len() - 2 * last.len();
    assert!(old <= STALE, "{old} bytes were old: {numbers:?}");
}

#[test]
fn a_reader_that_had_stopped_gets_the_newest_whole_telegram_next() {
    const COUNT: u32 = 500;
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let stopped = daemon.connect_narrow("p1");
    let reader = daemon.connect("p1");
    for number in 0..COUNT {
        let telegram = telegram(number);
        pty.send(&telegram);
        assert_same(&reader.receive_once(), &telegram, "the reader beside it");
    }
    resumes_with_the_newest(&pty, &stopped, COUNT - 1);
}

#[test]
fn a_reader_that_stops_again_and_again_never_gets_half_a_telegram() {
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let stopped = daemon.connect_narrow("p1");
    let reader = daemon.connect("p1");
    let mut next = 0;
    for round in 0..5 {
        for number in next..next + 60 + round {
            pty.send(&telegram(number));
            reader.receive(telegram(number).len());
        }
        next += 60 + round;
        resumes_with_the_newest(&pty, &stopped, next - 1);
        reader.receive(telegram(next).len());
        next += 1;
    }
}

#[test]
fn of_fifty_readers_five_stop_and_the_others_get_every_telegram() {
    const COUNT: u32 = 200;
    let pty = Pty::new();
    let daemon = start(&pty, "");
    let stopped: Vec<Client> = (0..5).map(|_| daemon.connect_narrow("p1")).collect();
    let readers: Vec<Client> = (0..45).map(|_| daemon.connect("p1")).collect();
    let before = anonymous_kib(daemon.pid());
    for number in 0..COUNT {
        let telegram = telegram(number);
        // All of it at once: the line is never paused.
        assert_eq!(pty.send_for(&telegram, Duration::from_secs(5)), telegram.len());
        for reader in &readers {
            assert_same(&reader.receive_once(), &telegram, "a reader");
        }
    }
    let grown = anonymous_kib(daemon.pid()).saturating_sub(before);
    // Telegrams wait in the ring, once for all: not in a copy for each reader that has stopped.
    assert!(grown < 128, "grew by {grown} KiB");
    for (after, stopped) in (0..).zip(&stopped) {
        resumes_with_the_newest(&pty, stopped, COUNT - 1 + after);
    }
}

#[test]
fn the_profile_makes_a_p1_port_of_a_device() {
    let pty = Pty::new();
    let daemon = Daemon::start(PortYaml::new("p1", pty.path()).key("profile: dsmr-p1").listen(""));
    daemon.opened("p1", 1);
    let (reader, talker) = (daemon.connect("p1"), daemon.connect("p1"));
    talker.send(b"what a browser or a port scan says\r\n");
    talker.sent_was_read();
    for number in 0..3 {
        send_in_pieces(&pty, &telegram(number), 7);
        assert_same(&reader.receive_once(), &telegram(number), "a reader");
        assert_same(&talker.receive_once(), &telegram(number), "the one that spoke");
    }
    assert_eq!(pty.receive_fence(), b"", "the line is read-only");
}

#[test]
fn the_simulated_meter_sends_a_telegram_each_second_with_a_right_crc() {
    let daemon = Daemon::start(PortYaml::new("p1", "sim:dsmr-p1").key("profile: dsmr-p1").listen(""));
    let readers = [daemon.connect("p1"), daemon.connect("p1")];
    let mut seen = Vec::new();
    let started = std::time::Instant::now();
    for _ in 0..4 {
        let got = readers[0].receive_once();
        let (one, rest) = p1::split_first(&got);
        assert!(rest.is_empty(), "one telegram a read");
        assert_same(&readers[1].receive_once(), one, "the other reader");
        seen.push(one.to_vec());
    }
    let took = started.elapsed();
    assert!(took > Duration::from_millis(2500) && took < Duration::from_millis(6000), "four telegrams in {took:?}");
    seen.dedup();
    assert_eq!(seen.len(), 4, "the values move");
}

#[test]
fn a_new_reader_gets_the_last_telegram_at_once() {
    let pty = Pty::new();
    let port = PortYaml::new("p1", pty.path()).key("profile: dsmr-p1").listen("replay: 1 frame");
    let daemon = Daemon::start(port);
    daemon.opened("p1", 1);
    let seen = daemon.connect("p1");
    let telegrams: Vec<_> = (1..=3).map(telegram).collect();
    for telegram in &telegrams {
        pty.send(telegram);
        assert_eq!(seen.receive(telegram.len()), *telegram);
    }
    let late = daemon.connect("p1");
    assert_eq!(late.receive(telegrams[2].len()), telegrams[2]);
    let next = telegram(4);
    pty.send(&next);
    assert_eq!(late.receive(next.len()), next);
}

/// The port in the status as soon as this holds of it.
fn status_when(daemon: &Daemon, port: &str, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let mut status = serde_json::Value::Null;
    eventually("the status says it", || {
        let said = daemon.run(&["status", port, "--json"]).stdout;
        status = serde_json::from_str(&said).unwrap_or_default();
        is_so(&status)
    });
    status
}

#[test]
fn a_simulated_meter_with_damaged_telegrams_shows_in_the_counters() {
    let damaged =
        PortYaml::new("damaged", "sim:dsmr-p1?crc-errors=1").key("profile: dsmr-p1").key("crc: drop").listen("");
    let half = PortYaml::new("half", "sim:dsmr-p1?crc-errors=0.5").key("profile: dsmr-p1").key("crc: drop").listen("");
    let daemon = Daemon::start(format!("ports:\n{}{}", damaged.entry(), half.entry()));
    let reader = daemon.connect("half");
    numbers(&reader.receive_once());
    let status = status_when(&daemon, "damaged", |status| status["frames"]["telegrams"].as_u64() >= Some(1));
    assert_eq!(status["frames"]["telegrams"], status["frames"]["crc-failures"], "{status}");
    assert_eq!(status["frames"]["stray-bytes"].as_u64(), Some(0), "they are whole: {status}");
}

#[test]
fn a_simulated_old_meter_is_read_by_the_settings_that_the_line_has() {
    let daemon = Daemon::start(PortYaml::new("old", "sim:dsmr-p1?version=2.2").key("profile: dsmr-p1").listen(""));
    let status = status_when(&daemon, "old", |status| status["errors"]["breaks"].as_u64() > Some(0));
    assert_eq!(status["frames"]["telegrams"].as_u64(), Some(0), "{status}");
    let reader = daemon.connect("old");
    daemon.done(&["set", "old", "9600", "7E1"]);
    let telegram = reader.receive_once();
    assert!(telegram.starts_with(b"/XMX5") && telegram.ends_with(b"!\r\n"), "{}", telegram.escape_ascii());
}
