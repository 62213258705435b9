//! `ser2net.conf`, as versions before 4 had it: a line for each port, and lines that name texts, files and devices for the
//! lines below them.

use std::collections::HashMap;

use super::accepter::{self, Accepter, TelnetAccepter};
use super::comments::Comments;
use super::connection::{Connection, Setting, SettingOrigin};
use super::connector::{self, Ser2netLine};
use super::defaults::Ser2netDefaults;
use super::gensio::{self, GensioWord};
use super::options;
use super::reader::{number, of_defaults, spelt, Ser2netReader};
use super::remark::{ImportRefusal, Remarks};
use super::yaml::PlacedText;
use crate::config::file::is_plain_name;
use crate::config::source::{lines, Place, Problem};
use crate::error::shown;

/// The words that a line may begin with, apart from a TCP port.
const WORDS: [&str; 13] = [
    "BANNER",
    "OPENSTR",
    "CLOSESTR",
    "CLOSEON",
    "SIGNATURE",
    "TRACEFILE",
    "CONTROLPORT",
    "DEVICE",
    "DEFAULT",
    "ROTATOR",
    "RS485CONF",
    "LED",
    "SERIALDEV",
];

const STATES: [&str; 4] = ["raw", "rawlp", "telnet", "off"];

/// Whether a text is such a file, by the first line that says something.
pub(super) fn is_conf(text: &str) -> bool {
    let mut said = lines(text).into_iter().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    said.next().is_some_and(is_line)
}

/// Whether only such a file has this line.
fn is_line(line: &str) -> bool {
    let mut fields = line.split(':');
    let (first, second) = (fields.next().unwrap_or(""), fields.next());
    let is_word = WORDS.contains(&first) && second.is_some();
    is_word || second.is_some_and(|state| STATES.contains(&state.trim().to_ascii_lowercase().as_str()))
}

/// What lines have named for those below them.
#[derive(Default)]
struct ConfNames {
    banners: HashMap<String, String>,
    open: HashMap<String, String>,
    close: HashMap<String, String>,
    close_on: HashMap<String, String>,
    signatures: HashMap<String, String>,
    traces: HashMap<String, String>,
    devices: HashMap<String, String>,
    rs485: HashMap<String, String>,
}

impl ConfNames {
    fn of(&mut self, word: &str) -> Option<&mut HashMap<String, String>> {
        Some(match word {
            "BANNER" => &mut self.banners,
            "OPENSTR" => &mut self.open,
            "CLOSESTR" => &mut self.close,
            "CLOSEON" => &mut self.close_on,
            "SIGNATURE" => &mut self.signatures,
            "TRACEFILE" => &mut self.traces,
            "DEVICE" | "SERIALDEV" => &mut self.devices,
            "RS485CONF" => &mut self.rs485,
            _ => return None,
        })
    }
}

pub(super) fn read(reader: &mut Ser2netReader<'_>, file: usize, text: &str) {
    let comments = Comments::of_lines(text);
    let mut names = ConfNames::default();
    for (number, line) in joined(text) {
        let said = line.trim_start();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        let column = line.chars().count() - said.chars().count() + 1;
        let width = said.chars().count();
        let text = PlacedText {
            text: said.trim_end().to_owned(),
            place: Place { file, line: number, column, width },
            is_literal: true,
        };
        let (word, rest) = said.split_once(':').unwrap_or((said, ""));
        match word {
            "DEFAULT" => default(reader, &text, rest),
            "CONTROLPORT" => beside(reader, &text, "CONTROLPORT", "there is no port for control by telnet; `sermux status`, `kick` and `set` do this on the machine itself"),
            "ROTATOR" => beside(reader, &text, "ROTATOR", "sermux has no address yet that leads to the first free port of a group: left out"),
            "LED" => beside(reader, &text, "LED", "sermux switches no LEDs: left out"),
            _ => match names.of(word) {
                Some(named) => match rest.split_once(':') {
                    Some((name, value)) => {
                        named.insert(name.trim().to_owned(), value.to_owned());
                    }
                    None => {
                        let problem = Problem::new(text.place, "", format!("`{word}` has a name and a value"));
                        reader.faults.push(problem.help(format!("write `{word}:name:value`")));
                    }
                },
                None => connection(reader, &text, &names, &comments),
            },
        }
    }
}

/// Lines with those that end with a backslash put together, and the number of the first one.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (index, line) in lines(text).into_iter().enumerate() {
        let continues = line.ends_with('\\') && !line.trim_start().starts_with('#') && !line.contains("BANNER:");
        let part = if continues { &line[..line.len() - 1] } else { line };
        match joined.last_mut() {
            Some((_, last)) if is_open => last.push_str(part.trim_start()),
            _ => joined.push((index + 1, part.to_owned())),
        }
        is_open = continues;
    }
    joined
}

fn beside(reader: &mut Ser2netReader<'_>, text: &PlacedText, subject: &str, words: &str) {
    let mut remarks = Remarks::about(subject);
    remarks.no_equivalent(text.place, words);
    reader.remarks.append(&mut remarks.list);
}

/// `DEFAULT:name:value`
fn default(reader: &mut Ser2netReader<'_>, text: &PlacedText, rest: &str) {
    let Some((name, value)) = rest.split_once(':') else {
        let problem = Problem::new(text.place, "", "`DEFAULT` has a name and a value");
        reader.faults.push(problem.help("write `DEFAULT:speed:9600`"));
        return;
    };
    let value = PlacedText { text: value.trim().to_owned(), place: text.place, is_literal: false };
    let class = if options::is_option(&spelt(name)) { Some("ser2net") } else { None };
    reader.defaults.set(class, name, value);
}

fn connection(reader: &mut Ser2netReader<'_>, text: &PlacedText, names: &ConfNames, comments: &Comments) {
    match of_line(reader, text, names, comments) {
        Ok(connection) => reader.connections.push(connection),
        Err(refusal) => {
            reader.left_out += 1;
            let subject = text.text.split(':').next().unwrap_or("").to_owned();
            reader.refuse(&subject, refusal);
        }
    }
}

const HELP: &str = "write `2001:raw:600:/dev/ttyS0:9600 NONE 1STOPBIT 8DATABITS`";

/// `[host,]port:state:timeout:device:options`
fn of_line(
    reader: &Ser2netReader<'_>,
    text: &PlacedText,
    names: &ConfNames,
    comments: &Comments,
) -> Result<Connection, ImportRefusal> {
    let fields = fields(&text.text);
    let field = |index: usize, what: &str| {
        fields
            .get(index)
            .filter(|word| !word.text.trim().is_empty())
            .ok_or_else(|| ImportRefusal::fault(text.place, format!("this line has no {what}"), HELP))
    };
    let at = |word: &GensioWord| text.at(word.at, word.width);
    let port = field(0, "TCP port")?;
    let state = field(1, "state (raw, rawlp, telnet, off)")?;
    let timeout = field(2, "time-out")?;
    let device = field(3, "device")?;
    let mut remarks = Remarks::about(port.text.trim());

    let port_text = PlacedText { text: port.text.clone(), place: at(port), is_literal: true };
    let words =
        gensio::words(&port.text).map_err(|(at, message)| ImportRefusal::fault(port_text.at(at, 1), message, HELP))?;
    let address = accepter::tcp(&port_text, &words)?;
    let state_word = state.text.trim().to_ascii_lowercase();
    let is_enabled = state_word != "off";
    let seconds = number(&timeout.text).ok_or_else(|| {
        let message = format!("`{}` is not a number of seconds", shown(&timeout.text));
        ImportRefusal::fault(at(timeout), message, HELP)
    })?;
    match state_word.as_str() {
        "raw" | "telnet" | "off" => {}
        "rawlp" => {
            let message =
                "`rawlp` is for printers, whose devices have no line settings; sermux opens serial ports alone";
            return Err(ImportRefusal::LeftOut(at(state), message.to_owned()));
        }
        _ => {
            let message = format!("`{}` is none of raw, rawlp, telnet and off", shown(&state.text));
            return Err(ImportRefusal::fault(at(state), message, HELP));
        }
    }

    let named = device.text.trim();
    let path = names.devices.get(named).map_or(named, |path| path.trim());
    let mut line = Ser2netLine::default();
    let mut settings = of_defaults(&reader.defaults);
    let mut has_remctl = of_default(&reader.defaults, "remctl");
    for (name, value) in reader.defaults.of("serialdev") {
        line.by_default(name, value, &mut remarks)?;
    }
    if let Some(options) = fields.get(4) {
        let words = gensio::words(&options.text)
            .map_err(|(at, message)| ImportRefusal::fault(text.at(options.at + at, 1), message, HELP))?;
        for word in &with_ports(words, &options.text) {
            let place = text.at(options.at + word.at, word.width);
            if !setting(word, place, names, &mut settings, &mut has_remctl, &mut remarks) {
                line.word(&rs485(&word.text, names), place, &mut remarks)?;
            }
        }
    }
    let telnet = match (state_word.as_str(), has_remctl) {
        ("telnet", true) => Some(TelnetAccepter::Rfc2217),
        ("telnet", false) => Some(TelnetAccepter::Plain),
        _ => None,
    };
    let connector = connector::finish(path, at(device), line, &mut remarks)?;
    let comments = comments.of(text.place.line, text.place.line);
    Ok(Connection {
        name: name(named, port.text.trim()),
        place: text.place,
        comments,
        accepter: Accepter { address, telnet, place: at(port) },
        connector,
        is_enabled,
        timeout: (seconds > 0).then_some((seconds, at(timeout))),
        options: settings,
        remarks,
    })
}

/// The comma of `remaddr=192.0.2.7,0` separates no words.
fn with_ports(words: Vec<GensioWord>, text: &str) -> Vec<GensioWord> {
    let mut joined: Vec<GensioWord> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(last)
                if last.text.starts_with("remaddr=")
                    && word.at == last.at + last.width + 1
                    && text.chars().nth(word.at - 1) == Some(',')
                    && word.text.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                last.text = format!("{},{}", last.text, word.text);
                last.width += 1 + word.width;
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// The first four, each up to its colon, and the rest.
fn fields(text: &str) -> Vec<GensioWord> {
    let mut at = 0;
    let word = |field: &str| {
        let width = field.chars().count();
        let word = GensioWord { text: field.to_owned(), at, width };
        at += width + 1;
        word
    };
    text.splitn(5, ':').map(word).collect()
}

fn of_default(defaults: &Ser2netDefaults, name: &str) -> bool {
    defaults.value("ser2net", name).and_then(|value| super::switch(&value.text)).unwrap_or(false)
}

/// What the port is called: as the device is.
fn name(device: &str, port: &str) -> String {
    let last = device.rsplit('/').next().unwrap_or("");
    if is_plain_name(last) {
        return last.to_owned();
    }
    let number = port.rsplit(',').next().unwrap_or("").trim();
    format!("port{number}")
}

/// Whether a word is no setting of the line but an option of the connection.
fn setting(
    word: &GensioWord,
    place: Place,
    names: &ConfNames,
    settings: &mut Vec<Setting>,
    has_remctl: &mut bool,
    remarks: &mut Remarks,
) -> bool {
    let is_off = word.text.starts_with('-');
    let plain = GensioWord { text: word.text.trim_start_matches('-').to_owned(), ..word.clone() };
    let (name, value) = plain.assignment();
    if name == "remctl" {
        *has_remctl = !is_off;
        return true;
    }
    let text = |text: &str| Some(PlacedText { text: text.to_owned(), place, is_literal: false });
    let mut add = |name: &str, value: Option<PlacedText>| {
        settings.push(Setting { name: name.to_owned(), value, place, origin: SettingOrigin::Own });
        true
    };
    let of_names = |names: &HashMap<String, String>, name: &str| names.get(name).cloned();
    match (name.as_str(), value) {
        ("tr" | "tw" | "tb", Some(file)) => {
            add(&name, text(&of_names(&names.traces, file).unwrap_or_else(|| file.to_owned())))
        }
        ("os", Some(text_name)) => add("openstr", text(&of_names(&names.open, text_name).unwrap_or_default())),
        ("cs", Some(text_name)) => add("closestr", text(&of_names(&names.close, text_name).unwrap_or_default())),
        ("co", Some(text_name)) => add("closeon", text(&of_names(&names.close_on, text_name).unwrap_or_default())),
        ("banner", Some(banner)) => {
            add("banner", text(&of_names(&names.banners, banner).unwrap_or_else(|| banner.to_owned())))
        }
        (_, None) if names.banners.contains_key(&word.text) => {
            add("banner", text(&of_names(&names.banners, &word.text).unwrap_or_default()))
        }
        (_, None) if names.signatures.contains_key(&word.text) => {
            add("signature", text(&of_names(&names.signatures, &word.text).unwrap_or_default()))
        }
        ("banner", None) => {
            remarks.no_equivalent(place, "no `BANNER` above is named `banner`: left out");
            true
        }
        (name, None) if options::is_option(name) => add(name, text(if is_off { "false" } else { "true" })),
        (name, Some(value)) if options::is_option(name) => {
            let value = match name {
                "signature" => of_names(&names.signatures, value).unwrap_or_else(|| value.to_owned()),
                _ => value.to_owned(),
            };
            add(name, text(&value))
        }
        _ => false,
    }
}

/// `rs485=name` with the values of that name, as `rs485=before:after:…`.
fn rs485(word: &str, names: &ConfNames) -> String {
    let Some(values) = word.strip_prefix("rs485=").and_then(|name| names.rs485.get(name)) else {
        return word.to_owned();
    };
    // RS485CONF:name:before:after:rts-on-send:rts-after-send:rx-during-tx
    let values: Vec<&str> = values.split(':').map(str::trim).collect();
    let mut text = format!("rs485={}", values.iter().take(2).copied().collect::<Vec<_>>().join(":"));
    for (value, word) in values.iter().skip(2).zip(["rts_on_send", "rts_after_send", "rx_during_tx"]) {
        if *value == "1" || super::switch(value) == Some(true) {
            text = format!("{text}:{word}");
        }
    }
    text
}
