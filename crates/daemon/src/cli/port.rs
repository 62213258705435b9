//! `sermux serve --port …`: a port without a file, as `key=value` separated by commas.
//!
//! The argument becomes the YAML that a file would have, so that keys, values and faults are the same. A fault is shown at its
//! place in the argument.

use std::process::ExitCode;

use sermux_port_config::config::load::{Origin, Text, YamlPiece};
use sermux_port_config::Fault;

/// What a port is written like.
const EXAMPLE: &str = "write device=/dev/ttyUSB0,line=115200 8N1,listen=raw:*:4001";

/// The ports of these arguments.
pub(super) fn texts(arguments: &[String]) -> Result<Vec<Text>, Box<Fault>> {
    arguments.iter().enumerate().map(|(index, argument)| text(argument, index + 1)).collect()
}

/// The ports of these arguments, or all that is wrong with them on standard error.
pub(super) fn texts_or_complain(arguments: &[String]) -> Result<Vec<Text>, ExitCode> {
    let (mut texts, mut is_wrong) = (Vec::new(), false);
    for (index, argument) in arguments.iter().enumerate() {
        match text(argument, index + 1) {
            Ok(text) => texts.push(text),
            Err(fault) => {
                note_part!("{fault}");
                is_wrong = true;
            }
        }
    }
    if is_wrong {
        return Err(ExitCode::from(super::CONFIGURATION));
    }
    Ok(texts)
}

/// The port of the `number`th `--port`, from 1: that is its name too, when it has no `name=`.
fn text(argument: &str, number: usize) -> Result<Text, Box<Fault>> {
    let name = format!("--port {number}");
    let fault = |at: usize, message: String| {
        Box::new(Fault {
            file: name.clone(),
            line: 1,
            column: at,
            path: String::new(),
            message,
            notes: Vec::new(),
            help: Some(EXAMPLE.to_owned()),
            source: None,
        })
    };
    if let Some(at) = argument.chars().position(char::is_control) {
        return Err(fault(at + 1, "no value has a control character in it".to_owned()));
    }
    let pairs = pairs(argument).map_err(|at| fault(at, "a key and `=` are missing here".to_owned()))?;
    let has = |keys: &[&str]| pairs.iter().any(|pair| keys.contains(&pair.key));
    let is_enabled = !pairs.iter().any(|pair| (pair.key, pair.value) == ("enable", "false"));
    if !has(&["device", "usb"]) {
        return Err(fault(1, "the port has no `device=`".to_owned()));
    }
    if is_enabled && !has(&["listen"]) {
        return Err(fault(1, "the port has no `listen=`".to_owned()));
    }
    let mut names = pairs.iter().filter(|pair| pair.key == "name");
    let port = names.next();
    if let Some(second) = names.next() {
        return Err(fault(second.key_at, "the port has a name already".to_owned()));
    }

    let mut yaml = Yaml::default();
    yaml.line("ports:");
    match port {
        Some(pair) => yaml.begin("  ").quoted(pair.value, pair.value_at).end(":"),
        None => yaml.line(&format!("  port{number}:")),
    }
    for pair in pairs.iter().filter(|pair| !matches!(pair.key, "name" | "listen")) {
        yaml.begin("    ").piece(pair.key, pair.key_at).more(": ");
        // Words that a file would have in quotes, or could have; the others are numbers, words or { … } of YAML.
        if matches!(pair.key, "device" | "line" | "usb" | "usb-serial" | "lock-file") {
            yaml.quoted(pair.value, pair.value_at);
        } else {
            yaml.piece(pair.value, pair.value_at);
        }
        yaml.end("");
    }
    if pairs.iter().any(|pair| pair.key == "listen") {
        yaml.line("    listen:");
    }
    for pair in pairs.iter().filter(|pair| pair.key == "listen") {
        let (protocol, address) = listener(pair.value);
        let at = pair.value_at + pair.value.chars().count() - address.chars().count();
        yaml.begin("      - ").piece("{ protocol: ", pair.value_at).more(protocol).more(", ");
        yaml.piece("address: ", pair.value_at).quoted(address, at).end(" }");
    }
    let origin = Origin { text: argument.to_owned(), pieces: yaml.pieces };
    Ok(Text { name, text: yaml.text, origin })
}

/// `key=value`, and where both begin, from 1, in characters.
struct Pair<'a> {
    key: &'a str,
    key_at: usize,
    value: &'a str,
    value_at: usize,
}

/// What has no key belongs to the value before it, so that a value may have commas. Or where a key is missing.
fn pairs(argument: &str) -> Result<Vec<Pair<'_>>, usize> {
    let is_key = |key: &str| {
        let is_of_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !key.is_empty() && key.bytes().all(is_of_key)
    };
    let starts = std::iter::once(0).chain(argument.match_indices(',').map(|(at, _)| at + 1));
    let mut keys: Vec<usize> = starts
        .filter(|start| {
            argument[*start..]
                .split(',')
                .next()
                .and_then(|piece| piece.split_once('='))
                .is_some_and(|(key, _)| is_key(key.trim()))
        })
        .collect();
    if keys.first() != Some(&0) {
        return Err(1);
    }
    keys.push(argument.len() + 1);
    let at = |byte: usize| argument[..byte].chars().count() + 1;
    let trimmed = |start: usize, end: usize| {
        let text = &argument[start..end];
        (text.trim(), at(start + text.len() - text.trim_start().len()))
    };
    let pair = |bounds: &[usize]| {
        let (start, end) = (bounds[0], bounds[1] - 1);
        let equals = argument[start..end].find('=').map_or(end, |equals| start + equals);
        let ((key, key_at), (value, value_at)) = (trimmed(start, equals), trimmed((equals + 1).min(end), end));
        Pair { key, key_at, value, value_at }
    };
    Ok(keys.windows(2).map(pair).collect())
}

/// `raw:*:4001`, `telnet:4002`, `rfc2217:*:4003`, or the address alone: its words in YAML and the address.
fn listener(text: &str) -> (&'static str, &str) {
    match text.split_once(':') {
        Some(("raw", address)) => ("raw", address),
        Some(("telnet", address)) => ("telnet", address),
        Some(("rfc2217", address)) => ("telnet, rfc2217: true", address),
        _ => ("raw", text),
    }
}

/// YAML that is being written, and where its parts come from.
#[derive(Default)]
struct Yaml {
    text: String,
    pieces: Vec<YamlPiece>,
    lines: usize,
    column: usize,
}

impl Yaml {
    fn more(&mut self, text: &str) -> &mut Self {
        self.text += text;
        self.column += text.chars().count();
        self
    }

    fn begin(&mut self, indent: &str) -> &mut Self {
        self.lines += 1;
        self.column = 1;
        self.more(indent)
    }

    fn end(&mut self, text: &str) {
        self.more(text).more("\n");
    }

    fn line(&mut self, text: &str) {
        self.begin(text).end("");
    }

    fn piece(&mut self, text: &str, at: usize) -> &mut Self {
        self.pieces.push(YamlPiece { line: self.lines, column: self.column, at, width: text.chars().count() });
        self.more(text)
    }

    /// A text of JSON is one of YAML.
    fn quoted(&mut self, text: &str, at: usize) -> &mut Self {
        let width = text.chars().count();
        self.pieces.push(YamlPiece { line: self.lines, column: self.column, at, width });
        self.pieces.push(YamlPiece { line: self.lines, column: self.column + 1, at, width });
        self.more(&serde_json::Value::from(text).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::ConfigSource;

    fn source(ports: &[&str]) -> ConfigSource {
        let texts = ports.iter().enumerate().map(|(index, port)| text(port, index + 1).unwrap());
        ConfigSource::nothing().with(texts.collect())
    }

    #[test]
    fn a_port_is_what_a_file_would_say() {
        let source = source(&[
            "device=/dev/ttyTEST0,line=115200 7E1, rts-cts,listen=raw:*:4001,listen=rfc2217:4002,max-clients=4,exclusive=false",
            "device=usb:0403:6001,A1, listen=telnet:[::1]:4003,name=lab,frame={ delimiter: \"\\r\\n\" },write=first",
            "device=sim:dsmr-p1?gap=2&version=5.0,profile=dsmr-p1,listen=4004",
            "device=sim:echo,listen=unix:/run/x",
        ]);
        let config = source.load_blocking().unwrap_or_else(|faults| panic!("{faults}")).config;
        let names: Vec<&str> = config.ports.keys().map(String::as_str).collect();
        assert_eq!(names, ["lab", "port1", "port3", "port4"]);
        let port = &config.ports["port1"];
        assert_eq!(port.line.settings.to_string(), "115200 7E1 rts-cts");
        assert!(!port.exclusive);
        let addresses: Vec<String> = port.listen.iter().map(|listener| listener.address.to_string()).collect();
        assert_eq!(addresses, ["*:4001", "localhost:4002"]);
        assert!(port.listen[1].protocol.has_rfc2217() && port.listen[1].max_clients == 4);
        assert_eq!(config.ports["lab"].device.to_string(), "usb:0403:6001,A1");
        assert_eq!(config.ports["port4"].listen[0].address.to_string(), "unix:/run/x");
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands_in_the_argument() {
        for (port, place, why) in [
            ("/dev/ttyUSB0", "1:1", "a key and `=` are missing"),
            ("line=9600,listen=1", "1:1", "no `device=`"),
            ("device=sim:echo", "1:1", "no `listen=`"),
            ("device=sim:echo,name=a,listen=1,name=b", "1:33", "a name already"),
            ("device=sim:echo\nx: y,listen=1", "1:16", "control character"),
            ("device=ttyUSB0,listen=4001", "1:8", "did you mean `/dev/ttyUSB0`?"),
            ("device=sim:echo,line=115200 9N1,listen=1", "1:22", "9N1"),
            ("device=sim:echo,listen=tcp:1", "1:24", "tcp"),
            ("device=sim:echo,listen=raw:x", "1:28", "port"),
            ("device=sim:echo,listen=1,basud=9600", "1:26", "basud: unknown key"),
            ("device=sim:echo,listen=1,write=fist", "1:32", "first"),
            ("device=sim:echo,listen=1,frame={ gap: 20ms", "1:", "}"),
            ("device=sim:echo,name=a b,listen=1", "1:22", "cannot be the name"),
        ] {
            let said = match text(port, 1) {
                Err(fault) => fault.to_string(),
                Ok(text) => ConfigSource::nothing().with(vec![text]).load_blocking().unwrap_err().to_string(),
            };
            assert!(said.starts_with(&format!("--port 1:{place}")) && said.contains(why), "{port}: {said}");
        }
    }
}
