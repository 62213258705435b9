//! Line settings as the kernel has them, both ways: what to set ([`wanted`]) and what the driver made of it ([`read_back`]).
//!
//! Settings fail silently: a 115200-max 8250 that is asked for 250000 baud says Ok and keeps its rate, an FTDI does
//! the same with six data bits, a pty with parity. So what counts is what is read back.

use libc::{speed_t, tcflag_t, termios2};
use sermux_port_config::config::{LineSetup, Modem};
use sermux_port_config::line::{BaudRate, DataBits, FlowControl, LineSettings, Parity, StopBits};

/// All of a line's settings, for one TCSETS2; `before` is what the device has and gives what is no setting (the line
/// discipline).
///
/// Raw, and every byte is delivered: no IGNPAR (it would make bytes with framing or parity errors vanish), no PARMRK
/// (data 0xFF would arrive as FF FF and a break as FF 00 00), no INPCK (a byte with a wrong parity bit would arrive
/// as 0), no ISTRIP.
pub(super) fn wanted(before: &termios2, line: &LineSetup, modem: &Modem) -> termios2 {
    let settings = &line.settings;
    let mut wanted = *before;
    wanted.c_oflag = 0;
    wanted.c_lflag = 0;
    wanted.c_iflag = match settings.flow_control {
        FlowControl::XonXoff => libc::IXON | libc::IXOFF,
        FlowControl::XonXoffIn => libc::IXOFF,
        FlowControl::XonXoffOut => libc::IXON,
        FlowControl::None | FlowControl::RtsCts | FlowControl::DtrDsr => 0,
    };
    if line.ignore_break {
        wanted.c_iflag |= libc::IGNBRK;
    }

    let speed = settings.baud.get();
    // No bits in CIBAUD: the input runs at the output's speed.
    wanted.c_cflag = libc::CREAD | speed_bits(speed);
    wanted.c_ispeed = speed;
    wanted.c_ospeed = speed;
    wanted.c_cflag |= match settings.data_bits {
        DataBits::Five => libc::CS5,
        DataBits::Six => libc::CS6,
        DataBits::Seven => libc::CS7,
        DataBits::Eight => libc::CS8,
    };
    wanted.c_cflag |= match settings.parity {
        Parity::None => 0,
        Parity::Odd => libc::PARENB | libc::PARODD,
        Parity::Even => libc::PARENB,
        Parity::Mark => libc::PARENB | libc::PARODD | libc::CMSPAR,
        Parity::Space => libc::PARENB | libc::CMSPAR,
    };
    wanted.c_cflag |= match settings.stop_bits {
        StopBits::One => 0,
        StopBits::OnePointFive | StopBits::Two => libc::CSTOPB,
    };
    wanted.c_cflag |= match settings.flow_control {
        FlowControl::RtsCts => libc::CRTSCTS,
        _ => 0,
    };
    if line.clocal {
        wanted.c_cflag |= libc::CLOCAL;
    }
    // HUPCL stays with the device from one open to the next, so it is set or cleared each time.
    if modem.hangup_on_close {
        wanted.c_cflag |= libc::HUPCL;
    }

    // Nothing but these has a meaning here, and what another program left would show in `stty`.
    wanted.c_cc = [0; 19];
    wanted.c_cc[libc::VMIN] = 1;
    wanted.c_cc[libc::VSTART] = XON;
    wanted.c_cc[libc::VSTOP] = XOFF;
    wanted
}

/// The settings that a device has. `asked` decides what termios cannot tell apart.
pub(super) fn read_back(actual: &termios2, asked: &LineSettings) -> LineSettings {
    let data_bits = match actual.c_cflag & libc::CSIZE {
        libc::CS5 => DataBits::Five,
        libc::CS6 => DataBits::Six,
        libc::CS7 => DataBits::Seven,
        _ => DataBits::Eight,
    };
    let has = |flag: tcflag_t| actual.c_cflag & flag != 0;
    let parity = match (has(libc::PARENB), has(libc::CMSPAR), has(libc::PARODD)) {
        (false, _, _) => Parity::None,
        (true, false, true) => Parity::Odd,
        (true, false, false) => Parity::Even,
        (true, true, true) => Parity::Mark,
        (true, true, false) => Parity::Space,
    };
    let stop_bits = if !has(libc::CSTOPB) {
        StopBits::One
    } else if data_bits == DataBits::Five && asked.stop_bits != StopBits::One {
        // With five data bits CSTOPB is 1.5 stop bits on a 16550 and 2 on others, and nobody can tell which.
        asked.stop_bits
    } else {
        StopBits::Two
    };
    let by_characters = |flag: tcflag_t| actual.c_iflag & flag != 0;
    let flow_control = match (has(libc::CRTSCTS), by_characters(libc::IXON), by_characters(libc::IXOFF)) {
        (true, _, _) => FlowControl::RtsCts,
        (false, true, true) => FlowControl::XonXoff,
        (false, true, false) => FlowControl::XonXoffOut,
        (false, false, true) => FlowControl::XonXoffIn,
        (false, false, false) => FlowControl::None,
    };
    LineSettings {
        // 0 is "hung up" (B0), which is never asked for.
        baud: BaudRate::new(speed(actual)).unwrap_or(asked.baud),
        data_bits,
        parity,
        stop_bits,
        flow_control,
    }
}

/// What differs between the settings that were asked for and those that the line has, each with the port's key, what
/// was wanted and what there is: `line.baud: asked 250000, the line runs at 115200`. Behind a semicolon the reason, where
/// one is likely.
#[must_use]
pub fn differences(asked: &LineSettings, actual: &LineSettings) -> Vec<String> {
    let mut differences = Vec::new();
    if asked.baud != actual.baud {
        let usual_clock = asked.baud.get() > USUAL_MAXIMUM && actual.baud.get() <= USUAL_MAXIMUM;
        let hint = if usual_clock { "; a 16550 with the usual clock goes up to 115200" } else { "" };
        differences.push(format!("line.baud: asked {}, the line runs at {}{hint}", asked.baud, actual.baud));
    }
    if asked.data_bits != actual.data_bits {
        let few = matches!(asked.data_bits, DataBits::Five | DataBits::Six);
        let hint = if few { "; FTDI and most USB adapters have 7 and 8 alone" } else { "" };
        differences.push(format!("line.data-bits: asked {}, the line has {}{hint}", asked.data_bits, actual.data_bits));
    }
    if asked.parity != actual.parity {
        let sticky = matches!(asked.parity, Parity::Mark | Parity::Space);
        let hint = if sticky { "; not every driver has mark and space" } else { "" };
        differences.push(format!("line.parity: asked {}, the line has {}{hint}", asked.parity, actual.parity));
    }
    if asked.stop_bits != actual.stop_bits {
        let half = asked.stop_bits == StopBits::OnePointFive;
        let hint = if half { "; 1.5 go with 5 data bits alone" } else { "" };
        differences.push(format!("line.stop-bits: asked {}, the line has {}{hint}", asked.stop_bits, actual.stop_bits));
    }
    if asked.flow_control != actual.flow_control {
        let dtr_dsr = asked.flow_control == FlowControl::DtrDsr;
        let hint = if dtr_dsr { "; Linux has no dtr-dsr for any device" } else { "" };
        let (asked, actual) = (asked.flow_control, actual.flow_control);
        differences.push(format!("line.flow-control: asked {asked}, the line has {actual}{hint}"));
    }
    differences
}

/// The flags that a device keeps although [`wanted`] has them otherwise and [`LineSettings`] has no word for them.
pub(super) fn stubborn_flags(wanted: &termios2, actual: &termios2) -> Option<String> {
    let input = (wanted.c_iflag ^ actual.c_iflag) & !(libc::IXON | libc::IXOFF);
    let output = wanted.c_oflag ^ actual.c_oflag;
    let local = wanted.c_lflag ^ actual.c_lflag;
    let control = (wanted.c_cflag ^ actual.c_cflag) & (libc::CREAD | libc::CLOCAL | libc::HUPCL);
    if input | output | local | control == 0 {
        return None;
    }
    Some(format!(
        "the driver keeps flags of its own: input {input:#o}, output {output:#o}, control {control:#o}, \
         local {local:#o}"
    ))
}

/// Whether bytes that came in since the open are what the far end sent: the settings were the same `before` and `after`.
/// (Where they are eight bits without parity, serialport's open has kept to that; for others it is not used.)
pub(super) fn same_bytes(before: &termios2, after: &termios2) -> bool {
    const FORMAT: tcflag_t = libc::CSIZE | libc::PARENB | libc::PARODD | libc::CMSPAR;
    before.c_ospeed == after.c_ospeed
        && before.c_cflag & FORMAT == after.c_cflag & FORMAT
        && before.c_iflag == after.c_iflag
        && before.c_lflag == after.c_lflag
}

/// The speed by its name, if it has one: a driver whose divisor comes close (2 %) keeps the name and puts what it really
/// runs at into c_ospeed, such as 115385 (a CP2102N's 115200). Who asked for 115200 has got it; clients refuse anything
/// else as an answer.
fn speed(actual: &termios2) -> u32 {
    let bits = actual.c_cflag & libc::CBAUD;
    NAMED_SPEEDS.iter().find(|(_, named)| *named == bits).map_or(actual.c_ospeed, |(named, _)| *named)
}

/// The speed in c_cflag: a name where the kernel has one, so that programs which do not know termios2 (stty) see it
/// too, else BOTHER.
fn speed_bits(baud: u32) -> speed_t {
    NAMED_SPEEDS.iter().find(|(named, _)| *named == baud).map_or(libc::BOTHER, |(_, bits)| *bits)
}

/// The fastest rate of a UART with the clock that the first PCs had, 1.8432 MHz.
const USUAL_MAXIMUM: u32 = 115_200;

/// DC1 and DC3: what a far end with XON/XOFF sends and expects.
const XON: libc::cc_t = 0x11;
const XOFF: libc::cc_t = 0x13;

/// asm-generic/termbits.h
const NAMED_SPEEDS: [(u32, speed_t); 30] = [
    (50, libc::B50),
    (75, libc::B75),
    (110, libc::B110),
    (134, libc::B134),
    (150, libc::B150),
    (200, libc::B200),
    (300, libc::B300),
    (600, libc::B600),
    (1200, libc::B1200),
    (1800, libc::B1800),
    (2400, libc::B2400),
    (4800, libc::B4800),
    (9600, libc::B9600),
    (19200, libc::B19200),
    (38400, libc::B38400),
    (57600, libc::B57600),
    (115_200, libc::B115200),
    (230_400, libc::B230400),
    (460_800, libc::B460800),
    (500_000, libc::B500000),
    (576_000, libc::B576000),
    (921_600, libc::B921600),
    (1_000_000, libc::B1000000),
    (1_152_000, libc::B1152000),
    (1_500_000, libc::B1500000),
    (2_000_000, libc::B2000000),
    (2_500_000, libc::B2500000),
    (3_000_000, libc::B3000000),
    (3_500_000, libc::B3500000),
    (4_000_000, libc::B4000000),
];

#[cfg(test)]
mod tests {
    use sermux_port_config::signal::Output;

    use super::*;

    fn blank() -> termios2 {
        termios2 { c_iflag: 0, c_oflag: 0, c_cflag: 0, c_lflag: 0, c_line: 0, c_cc: [0; 19], c_ispeed: 0, c_ospeed: 0 }
    }

    /// What a tty has that a shell left behind, and then some.
    fn cooked() -> termios2 {
        termios2 {
            c_iflag: libc::ICRNL | libc::IXON | libc::IGNPAR | libc::PARMRK | libc::INPCK | libc::ISTRIP | libc::BRKINT,
            c_oflag: libc::OPOST | libc::ONLCR,
            c_cflag: libc::CS7 | libc::PARENB | libc::PARODD | libc::CMSPAR | libc::CRTSCTS | libc::HUPCL,
            c_lflag: libc::ICANON | libc::ECHO | libc::ISIG,
            ..blank()
        }
    }

    fn modem() -> Modem {
        Modem { dtr: Output::On, rts: Output::On, ..Modem::default() }
    }

    fn line(text: &str) -> LineSetup {
        LineSetup { settings: text.parse().unwrap(), ..LineSetup::default() }
    }

    #[test]
    fn every_setting_is_read_back_as_it_was_asked_whatever_was_there_before() {
        for baud in ["50", "9600", "115200", "250000", "31250", "4000000", "12000000"] {
            for data_bits in ["5", "6", "7", "8"] {
                for parity in ["N", "E", "O", "M", "S"] {
                    for stop_bits in ["1", "2"] {
                        for flow_control in ["", "rts-cts", "xon-xoff"] {
                            let asked = line(&format!("{baud} {data_bits}{parity}{stop_bits} {flow_control}"));
                            let wanted = wanted(&cooked(), &asked, &modem());
                            assert_eq!(wanted.c_ospeed, asked.settings.baud.get());
                            let actual = read_back(&wanted, &asked.settings);
                            assert_eq!(actual, asked.settings);
                            assert_eq!(differences(&asked.settings, &actual), [""; 0]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_processes_or_drops_bytes() {
        let wanted = wanted(&cooked(), &line("9600 8N1"), &modem());
        assert_eq!((wanted.c_iflag, wanted.c_oflag, wanted.c_lflag), (0, 0, 0));
        assert_eq!(wanted.c_cflag, libc::B9600 | libc::CS8 | libc::CREAD | libc::CLOCAL);
        let left: Vec<_> = wanted.c_cc.iter().enumerate().filter(|(_, c)| **c != 0).map(|(at, c)| (at, *c)).collect();
        assert_eq!(left, [(libc::VMIN, 1), (libc::VSTART, 17), (libc::VSTOP, 19)]);
    }

    #[test]
    fn hangup_on_close_is_set_and_cleared() {
        for hangup_on_close in [true, false] {
            let modem = Modem { hangup_on_close, ..modem() };
            let wanted = wanted(&cooked(), &line("9600 8N1"), &modem);
            assert_eq!(wanted.c_cflag & libc::HUPCL != 0, hangup_on_close);
        }
    }

    #[test]
    fn what_the_line_does_not_do_is_said() {
        let asked = line("250000 6M1.5 dtr-dsr");
        let mut actual = wanted(&blank(), &asked, &modem());
        actual.c_ospeed = 115_200;
        actual.c_cflag = libc::B115200 | libc::CS8 | libc::CSTOPB | libc::CREAD | libc::CLOCAL;
        let actual = read_back(&actual, &asked.settings);
        assert_eq!(
            differences(&asked.settings, &actual),
            [
                "line.baud: asked 250000, the line runs at 115200; a 16550 with the usual clock goes up to 115200",
                "line.data-bits: asked 6, the line has 8; FTDI and most USB adapters have 7 and 8 alone",
                "line.parity: asked mark, the line has none; not every driver has mark and space",
                "line.stop-bits: asked 1.5, the line has 2; 1.5 go with 5 data bits alone",
                "line.flow-control: asked dtr-dsr, the line has none; Linux has no dtr-dsr for any device",
            ]
        );
    }

    #[test]
    fn a_rate_that_comes_close_goes_by_its_name_and_one_without_a_name_as_it_is() {
        let asked = line("115200");
        let mut actual = wanted(&blank(), &asked, &modem());
        actual.c_ospeed = 115_385;
        assert_eq!(read_back(&actual, &asked.settings), asked.settings);
        let asked = line("250000");
        let mut actual = wanted(&blank(), &asked, &modem());
        actual.c_ospeed = 249_600;
        assert_eq!(read_back(&actual, &asked.settings).baud.get(), 249_600);
    }

    #[test]
    fn one_and_a_half_stop_bits_are_believed_with_five_data_bits() {
        let asked = line("110 5N1.5");
        let actual = read_back(&wanted(&blank(), &asked, &modem()), &asked.settings);
        assert_eq!(actual, asked.settings);
    }

    #[test]
    fn bytes_from_before_count_when_nothing_has_changed() {
        let settings = |text: &str| wanted(&blank(), &line(text), &modem());
        assert!(same_bytes(&settings("9600 8N1"), &settings("9600 8N2 rts-cts")));
        assert!(!same_bytes(&settings("9600 8N1"), &settings("9601 8N1")));
        assert!(!same_bytes(&settings("9600 8N1"), &settings("9600 8E1")));
        assert!(!same_bytes(&cooked(), &settings("9600 8N1")));
    }

    #[test]
    fn bytes_of_a_line_that_keeps_its_format_are_good_whatever_the_format_is() {
        let set = |settings: &str| wanted(&blank(), &line(settings), &modem());
        for settings in ["9600 8N1", "9600 7E1", "1200 7O2", "9600 8M1"] {
            assert!(same_bytes(&set(settings), &set(settings)), "{settings}");
        }
        for (before, after) in [("9600 8N1", "9600 7E1"), ("9600 7E1", "9600 7O1"), ("9600 7E1", "1200 7E1")] {
            assert!(!same_bytes(&set(before), &set(after)), "{before}, then {after}");
        }
    }
}
