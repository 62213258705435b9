//! How fast a telnet client's data is decoded, the line's data is escaped, and telegrams are found: MB of data a second. And
//! how long it takes to decode a telegram.
//!
//!     cargo bench -p sermux-protocol --bench codec

#![allow(clippy::print_stdout, reason = "its results")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use sermux_protocol::frame::crc16;
use sermux_protocol::frame::held::Held;
use sermux_protocol::frame::p1::P1Framer;
use sermux_protocol::reading::decode;
use sermux_protocol::telnet::code::{BINARY, IAC, WILL};
use sermux_protocol::telnet::escape::{escape, taken};
use sermux_protocol::telnet::{TelnetOffer, TelnetSession};

/// What a tty hands out in one go, and what one read of a client returns.
const CHUNK: usize = 4096;

fn main() {
    // `cargo test --benches` asks only whether it runs.
    let time = Duration::from_millis(if std::env::args().any(|argument| argument == "--bench") { 700 } else { 1 });
    let text: Vec<u8> = b"$GPGGA,092751.000,5321.6802,N,00630.3371,W,1,8,1.03,61.7,M,55.3,M,,*75\r\n".repeat(57);
    let every_byte: Vec<u8> = (0..=255).cycle().take(CHUNK).collect();
    let inputs = [
        ("text", text[..CHUNK].to_vec()),
        ("each byte value", every_byte),
        ("all 0xFF", vec![IAC; CHUNK]),
        ("0xFF and 0 in turn", [IAC, 0].repeat(CHUNK / 2)),
    ];
    for (name, data) in &inputs {
        let mut out = vec![0; 2 * CHUNK];
        let (_, written) = escape(data, &mut out);
        let escaped = out[..written].to_vec();

        let rate_of_escape = rate(time, || escape(black_box(data), &mut out).0);
        println!("escape     {name:20} {rate_of_escape:8.0} MB/s");
        let rate_of_taken = rate(time, || taken(black_box(&escaped)).data);
        println!("taken      {name:20} {rate_of_taken:8.0} MB/s");

        for (mode, begin) in [("", &[][..]), (", BINARY", &[IAC, WILL, BINARY])] {
            let mut telnet = TelnetSession::new(TelnetOffer {
                rfc2217: true,
                signature: String::new(),
                enter_is_cr: false,
                break_on_sync: false,
            });
            let mut decoded = Vec::new();
            telnet.decode(&mut &begin[..], &mut decoded);
            let rate = rate(time, || {
                decoded.clear();
                // As reads of at most a chunk deliver it.
                for mut piece in black_box(&escaped).chunks(CHUNK) {
                    while telnet.decode(&mut piece, &mut decoded).is_some() {}
                }
                decoded.len()
            });
            println!("decode     {:20} {rate:8.0} MB/s", format!("{name}{mode}"));
        }
    }

    // A Pi's UART hands out 16 bytes in one go, one that is behind 64.
    for (meter, telegram) in [("DSMR 5", telegram(true)), ("DSMR 2", telegram(false))] {
        for read in [16, 64, CHUNK] {
            let rate = rate_of_framer(time, &telegram, read);
            println!("frame      {:20} {rate:8.0} MB/s", format!("{meter}, reads of {read}"));
        }
    }

    let telegram = meter();
    let rate = rate(time, || decode(black_box(&telegram)).map_or(0, |reading| reading.objects.len().min(1)));
    println!("reading    {:20} {:8.1} µs, {} bytes", "three phases", 1.0 / rate, telegram.len());
}

/// One of a meter that tells of everything: three phases, a log of failures, two meters on the M-Bus, a message.
fn meter() -> Vec<u8> {
    let mut text = "/XMX5LGBBFG1012345678\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(180103220322W)\r\n".to_owned();
    text += "0-0:96.1.1(4530303331303033323132333435363738)\r\n0-0:96.14.0(0002)\r\n";
    text += "1-0:99.97.0(2)(0-0:96.7.19)(140412172000S)(0000000240*s)(141230090501W)(0000007500*s)\r\n";
    for number in [1, 2] {
        text += &format!("1-0:{number}.8.1(000143.422*kWh)\r\n1-0:{number}.8.2(000078.911*kWh)\r\n");
        text += &format!("1-0:{number}.7.0(00.520*kW)\r\n0-{number}:24.1.0(003)\r\n");
        text += &format!("0-{number}:96.1.0(4730303538353330303331363438363139)\r\n");
        text += &format!("0-{number}:24.2.1(200726113005S)(00011.345*m3)\r\n");
    }
    for phase in [20, 40, 60] {
        let quantities = [
            (1, "7.0(00.520*kW)"),
            (2, "7.0(00.000*kW)"),
            (11, "7.0(002*A)"),
            (12, "7.0(233.0*V)"),
            (12, "32.0(00002)"),
        ];
        for (quantity, rest) in quantities {
            text += &format!("1-0:{}.{rest}\r\n", phase + quantity);
        }
    }
    text += &format!("0-0:96.13.0({})\r\n!", "4F6E6465726E656D696E67".repeat(20));
    let crc = crc16::checksum(text.as_bytes());
    format!("{text}{crc:04X}\r\n").into_bytes()
}

/// One of the usual length.
fn telegram(has_crc: bool) -> Vec<u8> {
    let mut text = "/XMX5LGBBFG1012345678\r\n\r\n".to_owned();
    for number in 1..=38 {
        text += &format!("1-0:{number}.7.0({:010.3}*kW)\r\n", f64::from(number));
    }
    text.push('!');
    let crc = if has_crc { format!("{:04X}", crc16::checksum(text.as_bytes())) } else { String::new() };
    format!("{text}{crc}\r\n").into_bytes()
}

/// How fast a framer finds many of `telegram` that come in reads of at most `read` bytes.
fn rate_of_framer(time: Duration, telegram: &[u8], read: usize) -> f64 {
    let stream = telegram.repeat(16);
    let (mut framer, mut begin) = (P1Framer::new(), 0);
    let now = Instant::now();
    rate(time, || {
        let mut telegrams = 0;
        let mut end = 0;
        for piece in black_box(&stream).chunks(read) {
            let at = begin + end as u64;
            end += piece.len();
            let held = Held::whole(begin, &stream[..end]);
            framer.push(held, at, now, |_| telegrams += 1);
        }
        assert_eq!(telegrams, 16);
        begin += end as u64;
        end
    })
}

/// Calls `once`, which returns how many bytes it did, for this time.
fn rate(time: Duration, mut once: impl FnMut() -> usize) -> f64 {
    let (begin, mut bytes) = (Instant::now(), 0);
    loop {
        for _ in 0..64 {
            bytes += once();
        }
        let elapsed = begin.elapsed();
        if elapsed >= time {
            return bytes as f64 / elapsed.as_secs_f64() / 1e6;
        }
    }
}
