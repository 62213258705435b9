//! `connector:` the device that is opened, and how its line is set.

use std::time::Duration;

use super::defaults::Ser2netDefaults;
use super::gensio::{self, GensioLayer, GensioWord};
use super::remark::{ImportRefusal, Remarks};
use super::switch;
use super::yaml::PlacedText;
use crate::config::source::Place;
use crate::config::Device;
use crate::error::shown;
use crate::line::{FlowControl, LineSettings};

/// What of a connector has a meaning here.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    /// As it is written for `device`.
    pub(super) device: String,
    pub(super) place: Place,
    pub(super) line: Ser2netLine,
}

/// A line, as ser2net sets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ser2netLine {
    pub(super) settings: LineSettings,
    /// CLOCAL
    pub(super) local: bool,
    pub(super) dtr: Option<bool>,
    pub(super) rts: Option<bool>,
    pub(super) hangup_when_done: bool,
    pub(super) rs485: Option<Ser2netRs485>,
    pub(super) read_only: bool,
    pub(super) lock_file: bool,
    xon_xoff: bool,
    rts_cts: bool,
    write_only: Option<Place>,
}

/// `rs485=before:after:…`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ser2netRs485 {
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) rts_on_send: bool,
    pub(super) rts_after_send: bool,
    pub(super) rx_during_tx: bool,
}

const HELP: &str = "write `serialdev,/dev/ttyS0,9600n81,local`";

/// Reads a gensio string.
pub(super) fn read(
    text: &PlacedText,
    defaults: &Ser2netDefaults,
    remarks: &mut Remarks,
) -> Result<Connector, ImportRefusal> {
    let wrong = |(at, message): gensio::GensioError| ImportRefusal::fault(text.at(at, 1), message, HELP);
    let stack = gensio::parse(&text.text).map_err(wrong)?;
    let at = |word: &GensioWord| text.at(word.at, word.width);
    let Some((end, around)) = stack.layers.split_last() else {
        return Err(ImportRefusal::fault(text.place, "the connector names no device", HELP));
    };
    for layer in around {
        match layer.name.text.as_str() {
            "keepopen" => remarks.translated(at(&layer.name), "keepopen: the device is open all the time"),
            // They stand before the kinds below that are left out by what they connect to.
            "telnet" | "ssl" if end.name.text == "tcp" => {}
            other => {
                let message = format!("sermux has nothing like `{}`", shown(other));
                return Err(ImportRefusal::LeftOut(at(&layer.name), message));
            }
        }
    }
    match end.name.text.as_str() {
        "serialdev" | "sdev" => serialdev(text, end, &stack.arguments, defaults, remarks),
        "echo" => Ok(Connector { device: "sim:echo".to_owned(), place: at(&end.name), line: Ser2netLine::echo() }),
        "tcp" => remote(text, around, &stack.arguments, at(&end.name)),
        other => Err(ImportRefusal::LeftOut(at(&end.name), format!("sermux has no device like `{}`", shown(other)))),
    }
}

/// `tcp,host,port`, `telnet(rfc2217),tcp,host,port`: a line somewhere else.
fn remote(
    text: &PlacedText,
    around: &[GensioLayer],
    arguments: &[GensioWord],
    place: Place,
) -> Result<Connector, ImportRefusal> {
    let mut words: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
    words.retain(|word| !matches!(word.to_ascii_lowercase().as_str(), "ipv4" | "ipv6" | "ipv6n4"));
    let [host, port] = words[..] else {
        return Err(ImportRefusal::fault(text.place, "the connector needs a host and a port", "write `tcp,host,2001`"));
    };
    let is_telnet = around.iter().any(|layer| layer.name.text == "telnet");
    let is_ssl = around.iter().any(|layer| layer.name.text == "ssl");
    let scheme = match (is_telnet, is_ssl) {
        (true, false) => "rfc2217",
        (true, true) => "rfc2217s",
        (false, false) => "tcp",
        (false, true) => "tls",
    };
    let host = if host.contains(':') { format!("[{}]", host.trim_matches(['[', ']'])) } else { host.to_owned() };
    let device = format!("{scheme}://{host}:{port}");
    if device.parse::<Device>().is_err() {
        let message = format!("sermux does not use lines of other machines yet ({})", shown(&device));
        return Err(ImportRefusal::LeftOut(place, message));
    }
    Ok(Connector { device, place, line: Ser2netLine::echo() })
}

fn serialdev(
    text: &PlacedText,
    layer: &GensioLayer,
    arguments: &[GensioWord],
    defaults: &Ser2netDefaults,
    remarks: &mut Remarks,
) -> Result<Connector, ImportRefusal> {
    let [device, words @ ..] = arguments else {
        return Err(ImportRefusal::fault(
            text.at(layer.name.at, layer.name.width),
            "the connector names no device",
            HELP,
        ));
    };
    let mut line = Ser2netLine::default();
    line.defaults(defaults, remarks)?;
    for option in &layer.options {
        line.option(option, text.at(option.at, option.width), remarks);
    }
    for word in words {
        line.word(&word.text, text.at(word.at, word.width), remarks)?;
    }
    finish(&device.text, text.at(device.at, device.width), line, remarks)
}

/// A line with all its settings.
pub(super) fn finish(
    device: &str,
    place: Place,
    mut line: Ser2netLine,
    remarks: &mut Remarks,
) -> Result<Connector, ImportRefusal> {
    if let Some(place) = line.write_only {
        let message = "`wronly` is for printers, whose devices have no line settings; sermux opens serial ports alone";
        return Err(ImportRefusal::LeftOut(place, message.to_owned()));
    }
    line.settings.flow_control = match (line.rts_cts, line.xon_xoff) {
        (true, true) => {
            remarks.no_equivalent(place, "rtscts and xonxoff together: imported with rtscts alone");
            FlowControl::RtsCts
        }
        (true, false) => FlowControl::RtsCts,
        (false, true) => FlowControl::XonXoff,
        (false, false) => FlowControl::None,
    };
    if !device.starts_with('/') || device.ends_with('/') || device.chars().any(crate::is_unprintable) {
        let message = format!("`{}` is not the full path of a device on this system", shown(device));
        return Err(ImportRefusal::LeftOut(place, message));
    }
    Ok(Connector { device: device.to_owned(), place, line })
}

impl Ser2netLine {
    /// What is no tty has no modem lines that could matter.
    fn echo() -> Ser2netLine {
        Ser2netLine { local: true, ..Ser2netLine::default() }
    }

    /// What `default:` says of serial devices.
    fn defaults(&mut self, defaults: &Ser2netDefaults, remarks: &mut Remarks) -> Result<(), ImportRefusal> {
        defaults.of("serialdev").try_for_each(|(name, value)| self.by_default(name, value, remarks))
    }

    /// One of those.
    pub(super) fn by_default(
        &mut self,
        name: &str,
        value: &PlacedText,
        remarks: &mut Remarks,
    ) -> Result<(), ImportRefusal> {
        match name {
            "speed" => self.word(&value.text, value.place, remarks),
            "parity" if value.text.is_empty() => Ok(()),
            _ if is_known(name) => self.word(&format!("{name}={}", value.text), value.place, remarks),
            _ => Ok(()),
        }
    }

    /// What stands in the brackets of `serialdev(…)`.
    fn option(&mut self, option: &GensioWord, place: Place, remarks: &mut Remarks) {
        let (name, value) = option.assignment();
        let is_on = value.is_none_or(|value| switch(value).unwrap_or(true));
        match name.as_str() {
            "uucplock" => self.lock_file = is_on,
            "nouucplock" => self.lock_file = !is_on,
            "nobreak" => no_break(is_on, place, remarks),
            "readbuf" => remarks.better(place, "serialdev(readbuf): sermux needs no sizes"),
            name => remarks.no_equivalent(place, format!("serialdev({}): nothing here does this", shown(name))),
        }
    }

    /// One word behind the device.
    pub(super) fn word(&mut self, text: &str, place: Place, remarks: &mut Remarks) -> Result<(), ImportRefusal> {
        let minus = text.strip_prefix('-');
        let plain = minus.unwrap_or(text);
        let word = GensioWord { text: plain.to_owned(), at: 0, width: 0 };
        let (name, value) = word.assignment();
        let is_on = minus.is_none() && value.is_none_or(|value| switch(value).unwrap_or(true));
        match name.as_str() {
            "local" | "clocal" => self.local = is_on,
            "xonxoff" => self.xon_xoff = is_on,
            "rtscts" => self.rts_cts = is_on,
            "hangup-when-done" => self.hangup_when_done = is_on,
            "nobreak" => no_break(is_on, place, remarks),
            "dtr" => self.dtr = Some(is_on),
            "rts" => self.rts = Some(is_on),
            "dtrhi" => self.dtr = Some(true),
            "dtrlo" => self.dtr = Some(false),
            "rtshi" => self.rts = Some(true),
            "rtslo" => self.rts = Some(false),
            "rdonly" => self.read_only = is_on,
            "wronly" => self.write_only = is_on.then_some(place),
            "custspeed" => remarks.translated(place, "custspeed: any rate that the driver has is possible here"),
            "rs485" => self.rs485 = rs485(value.unwrap_or(""), place, remarks)?,
            "speed" if value.is_some() => self.speed(value.unwrap_or(""), place)?,
            "1stopbit" => self.format("", "", "1"),
            "2stopbits" => self.format("", "", "2"),
            "5databits" | "6databits" | "7databits" | "8databits" => self.format("", &name[..1], ""),
            "none" | "even" | "odd" | "mark" | "space" if value.is_none() => self.format(&name[..1], "", ""),
            "parity" | "databits" | "stopbits" if value.is_some() => {
                let value = value.unwrap_or("");
                let parity = value.get(..1).filter(|_| name == "parity").unwrap_or("");
                let digit = |key: &str| if name == key { value } else { "" };
                self.format(parity, digit("databits"), digit("stopbits"));
            }
            _ if name.starts_with(|c: char| c.is_ascii_digit()) => self.speed(plain, place)?,
            _ => {
                let message = format!("`{}` is no word for a line that ser2net has: left out", shown(text));
                remarks.no_equivalent(place, message);
            }
        }
        Ok(())
    }

    /// `9600`, `9600n`, `9600n8`, `9600n81`
    fn speed(&mut self, text: &str, place: Place) -> Result<(), ImportRefusal> {
        let wrong = || {
            let message = format!("`{}` is not a baud rate with parity, data bits and stop bits", shown(text));
            ImportRefusal::fault(place, message, "write `9600n81`: the rate, one of n e o m s, 5 to 8, and 1 or 2")
        };
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (rate, rest) = text.split_at(digits);
        self.settings.baud = rate.parse().map_err(|_| wrong())?;
        let mut letters = rest.chars();
        let parity = letters.next().map(|c| c.to_ascii_lowercase());
        let data = letters.next();
        let stop = letters.next();
        let is_right = parity.is_none_or(|c| "neoms".contains(c))
            && data.is_none_or(|c| ('5'..='8').contains(&c))
            && stop.is_none_or(|c| matches!(c, '1' | '2'))
            && letters.next().is_none();
        if !is_right {
            return Err(wrong());
        }
        let text = |c: Option<char>| c.map_or(String::new(), String::from);
        self.format(&text(parity), &text(data), &text(stop));
        Ok(())
    }

    /// Those that are not empty.
    fn format(&mut self, parity: &str, data: &str, stop: &str) {
        use crate::line::{DataBits, Parity, StopBits};
        self.settings.parity = match parity.to_ascii_lowercase().as_str() {
            "n" => Parity::None,
            "e" => Parity::Even,
            "o" => Parity::Odd,
            "m" => Parity::Mark,
            "s" => Parity::Space,
            _ => self.settings.parity,
        };
        self.settings.data_bits = data.parse::<DataBits>().unwrap_or(self.settings.data_bits);
        self.settings.stop_bits = stop.parse::<StopBits>().unwrap_or(self.settings.stop_bits);
    }
}

/// Whether `default:` may say this of serial devices.
fn is_known(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "local",
        "xonxoff",
        "rtscts",
        "hangup-when-done",
        "nobreak",
        "dtr",
        "rts",
        "rdonly",
        "wronly",
        "custspeed",
        "rs485",
        "parity",
        "databits",
        "stopbits",
    ];
    NAMES.contains(&name)
}

fn no_break(is_on: bool, place: Place, remarks: &mut Remarks) {
    if is_on {
        remarks.translated(place, "nobreak: opening a device never touches its break here");
    }
}

/// `off`, or `before:after[:word…]` in milliseconds.
pub(super) fn rs485(text: &str, place: Place, remarks: &mut Remarks) -> Result<Option<Ser2netRs485>, ImportRefusal> {
    if switch(text) == Some(false) && text != "0" {
        return Ok(None);
    }
    let wrong = || {
        let message = format!("`{}` is not what rs485 is set to", shown(text));
        ImportRefusal::fault(
            place,
            message,
            "write `rs485=2:3:rts_on_send`: milliseconds before and after sending, and words",
        )
    };
    let mut parts = text.split(':');
    let mut time = || parts.next()?.trim().parse().ok().map(Duration::from_millis);
    let (before, after) = (time().ok_or_else(wrong)?, time().ok_or_else(wrong)?);
    let mut rs485 = Ser2netRs485 { before, after, rts_on_send: false, rts_after_send: false, rx_during_tx: false };
    for word in parts {
        match word.trim().to_ascii_lowercase().replace('-', "_").as_str() {
            "rts_on_send" => rs485.rts_on_send = true,
            "rts_after_send" => rs485.rts_after_send = true,
            "rx_during_tx" => rs485.rx_during_tx = true,
            "terminate_bus" => remarks.no_equivalent(place, "rs485: `terminate_bus` has no key here"),
            _ => return Err(wrong()),
        }
    }
    if rs485.rts_on_send == rs485.rts_after_send {
        // As Linux mends it (uart_sanitize_serial_rs485).
        (rs485.rts_on_send, rs485.rts_after_send) = (true, false);
    }
    let longest = Duration::from_millis(100);
    if rs485.before.max(rs485.after) > longest {
        remarks.better(place, "rs485: Linux waits for 100 ms at most, so the pause is written as 100ms");
        (rs485.before, rs485.after) = (rs485.before.min(longest), rs485.after.min(longest));
    }
    Ok(Some(rs485))
}
