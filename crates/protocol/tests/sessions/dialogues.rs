//! What programs that others wrote have said, and were content to hear: `tests/dialogues/*.txt`, recorded with a line on
//! which everything can be done.
//!
//! ```text
//! > FF FD 2C                 the client sends
//! = 6C 73 0D                 that much of it is data for the line
//! < FF FA 2C 6B 00 FF F0     all that it is sent in return
//! inputs: cts dcd            these inputs are on now, and no others
//! line: 115200 8N1           at the end: what the line was set to
//! ```

use std::path::Path;

use sermux_port_config::signal::ModemState;
use sermux_protocol::telnet::{TelnetOffer, TelnetSession};

use crate::rig::*;

fn replay(name: &str, text: &str) {
    let mut lines = text.lines().enumerate();
    let (_, head) = lines.next().expect("a head");
    assert!(head.starts_with("Recorded from ") && head.ends_with(". If this fails, do not change the test."), "{name}");
    let offer = TelnetOffer { rfc2217: !head.contains("without RFC 2217"), ..offer() };
    let mut served = Served::with(offer.clone());
    // With its offers still to be heard.
    served.telnet = TelnetSession::new(offer);

    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let (what, value) = line.split_once(' ').expect("a mark and a value");
        // What was not heard or did not reach the line by the next event shows there.
        if what == ">" || what == "inputs:" {
            assert_eq!(served.telnet.outbox(), b"", "{name}, before line {}", number + 1);
            assert_eq!(served.data, b"", "{name}, before line {}", number + 1);
        }
        match what {
            ">" => served.send(&hex(value)),
            "<" => assert_eq!(served.heard(), hex(value), "{name}, line {}", number + 1),
            "=" => assert_eq!(std::mem::take(&mut served.data), hex(value), "{name}, line {}", number + 1),
            "inputs:" => {
                let has = |name: &str| value.split(' ').any(|input| input == name);
                let inputs = ModemState { cts: has("cts"), dsr: has("dsr"), ri: has("ri"), dcd: has("dcd") };
                served.view.inputs = inputs;
                served.telnet.modem_changed(inputs, false);
            }
            "line:" => assert_eq!(served.view.settings.to_string(), value, "{name}"),
            _ => panic!("{name}, line {}: what is {what}?", number + 1),
        }
    }
    assert_eq!(served.telnet.outbox(), b"", "{name}, at the end");
}

#[test]
fn what_other_programs_were_content_with_is_what_they_still_hear() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the dialogues") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a dialogue");
        replay(&path.display().to_string(), &text);
        count += 1;
    }
    assert_eq!(count, 7);
}
