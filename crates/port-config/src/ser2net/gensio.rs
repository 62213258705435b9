//! gensio's strings: `name(options),name(options),arguments`. Comma, space, tab and line end all separate.
//!
//! What stands behind the last name are arguments, such as `localhost,2001` and `/dev/ttyS0,9600n81,local`. A string that
//! names no transport is that of tcp: `3001`, `telnet,4999`.

use crate::error::shown;

/// A string in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GensioString {
    /// From the outside in.
    pub(super) layers: Vec<GensioLayer>,
    pub(super) arguments: Vec<GensioWord>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct GensioLayer {
    /// In lower case.
    pub(super) name: GensioWord,
    pub(super) options: Vec<GensioWord>,
}

/// A word and where it begins, in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GensioWord {
    pub(super) text: String,
    pub(super) at: usize,
    pub(super) width: usize,
}

impl GensioWord {
    /// `name` and `value` of `name=value`; the name is in lower case and has `-` for `_`.
    pub(super) fn assignment(&self) -> (String, Option<&str>) {
        let (name, value) =
            self.text.split_once('=').map_or((self.text.as_str(), None), |(name, value)| (name, Some(value)));
        (name.trim().to_ascii_lowercase().replace('_', "-"), value.map(str::trim))
    }
}

/// What stands around another one.
const FILTERS: [&str; 16] = [
    "telnet",
    "ssl",
    "mux",
    "certauth",
    "relpkt",
    "msgdelim",
    "kiss",
    "ax25",
    "xlt",
    "script",
    "trace",
    "perf",
    "keepopen",
    "ratelimit",
    "cadence",
    "mdns",
];

/// What takes arguments.
const ENDS: [&str; 18] = [
    "tcp",
    "udp",
    "sctp",
    "unix",
    "unixdgram",
    "unixseq",
    "stdio",
    "serialdev",
    "sdev",
    "pty",
    "dummy",
    "conacc",
    "ipmisol",
    "echo",
    "file",
    "sound",
    "afskmdm",
    "exec",
];

/// Where a string goes wrong, in characters, and how.
pub(super) type GensioError = (usize, String);

pub(super) fn parse(text: &str) -> Result<GensioString, GensioError> {
    let mut reader = GensioScanner { chars: text.chars().collect(), at: 0 };
    let mut stack = GensioString { layers: Vec::new(), arguments: Vec::new() };
    while let Some(word) = reader.word(is_end_of_name)? {
        let name = GensioWord { text: word.text.to_ascii_lowercase(), ..word };
        let options = reader.options()?;
        let is_end = ENDS.contains(&name.text.as_str());
        if !is_end && !FILTERS.contains(&name.text.as_str()) {
            if options.is_some() {
                return Err((name.at, format!("`{}` is no gensio that is known here", shown(&name.text))));
            }
            reader.at = name.at;
            break;
        }
        stack.layers.push(GensioLayer { name, options: options.unwrap_or_default() });
        if is_end {
            break;
        }
    }
    while let Some(word) = reader.word(is_separator)? {
        stack.arguments.push(word);
    }
    Ok(stack)
}

/// The words of a list of options.
pub(super) fn words(text: &str) -> Result<Vec<GensioWord>, GensioError> {
    let mut reader = GensioScanner { chars: text.chars().collect(), at: 0 };
    let mut words = Vec::new();
    while let Some(word) = reader.word(is_separator)? {
        words.push(word);
    }
    Ok(words)
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | ' ' | '\t' | '\n' | '\r')
}

fn is_end_of_name(c: char) -> bool {
    is_separator(c) || c == '('
}

fn is_end_of_option(c: char) -> bool {
    is_separator(c) || c == ')'
}

struct GensioScanner {
    chars: Vec<char>,
    at: usize,
}

impl GensioScanner {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// The next word; `None` at the end, and before what ends it.
    fn word(&mut self, ends: fn(char) -> bool) -> Result<Option<GensioWord>, GensioError> {
        while self.peek().is_some_and(is_separator) {
            self.at += 1;
        }
        let start = self.at;
        let (mut text, mut quote, mut depth) = (String::new(), None, 0_usize);
        while let Some(c) = self.peek() {
            match quote {
                None if depth == 0 && ends(c) => break,
                None if matches!(c, '"' | '\'') => quote = Some((c, self.at)),
                Some((mark, _)) if c == mark => quote = None,
                _ if c == '\\' && self.at + 1 < self.chars.len() => {
                    self.at += 1;
                    text.extend(self.peek());
                }
                _ => {
                    // The value of an option may be a string with options of its own.
                    match c {
                        '(' => depth += 1,
                        ')' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    text.push(c);
                }
            }
            self.at += 1;
        }
        if let Some((mark, at)) = quote {
            return Err((at, format!("the quotation mark `{mark}` is not closed")));
        }
        Ok((self.at > start).then(|| GensioWord { text, at: start, width: self.at - start }))
    }

    /// `(a=b,c)`, or nothing of that kind.
    fn options(&mut self) -> Result<Option<Vec<GensioWord>>, GensioError> {
        if self.peek() != Some('(') {
            return Ok(None);
        }
        let open = self.at;
        self.at += 1;
        let mut words = Vec::new();
        while let Some(word) = self.word(is_end_of_option)? {
            words.push(word);
        }
        if self.peek() != Some(')') {
            return Err((open, "the bracket `(` is not closed".to_owned()));
        }
        self.at += 1;
        Ok(Some(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `telnet[rfc2217] tcp[] | localhost 2001`
    fn shown(text: &str) -> String {
        let stack = parse(text).unwrap();
        let words = |words: &[GensioWord]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join(" ");
        let layers: Vec<_> =
            stack.layers.iter().map(|layer| format!("{}[{}]", layer.name.text, words(&layer.options))).collect();
        format!("{} | {}", layers.join(" "), words(&stack.arguments))
    }

    #[test]
    fn a_string_has_layers_with_options_and_arguments() {
        for (text, parts) in [
            ("tcp,2001", "tcp[] | 2001"),
            ("tcp, localhost, 2001", "tcp[] | localhost 2001"),
            ("TCP\t2001\n", "tcp[] | 2001"),
            ("3001", " | 3001"),
            ("telnet,4999", "telnet[] | 4999"),
            ("telnet(rfc2217,mode=server),tcp,2001", "telnet[rfc2217 mode=server] tcp[] | 2001"),
            ("telnet(rfc2217)tcp,2001", "telnet[rfc2217] tcp[] | 2001"),
            ("ssl(CA=/etc/my\\ CA/,'key=a b'),tcp,1", "ssl[CA=/etc/my CA/ key=a b] tcp[] | 1"),
            ("conacc(retry-time=5),tcp,host,2001", "conacc[retry-time=5] | tcp host 2001"),
            ("serialdev, /dev/ttyS0 9600n81  local", "serialdev[] | /dev/ttyS0 9600n81 local"),
            ("mdns(a=tcp(b,c),d),x", "mdns[a=tcp(b,c) d] | x"),
            ("", " | "),
            (" , ,", " | "),
        ] {
            assert_eq!(shown(text), parts, "{text:?}");
        }
    }

    #[test]
    fn what_is_open_is_named_with_its_place() {
        for (text, at, what) in [
            ("telnet(rfc2217,tcp,2001", 6, "bracket"),
            ("tcp,\"2001", 4, "quotation mark"),
            ("tellnet(rfc2217),tcp,2001", 0, "`tellnet`"),
        ] {
            let (place, message) = parse(text).unwrap_err();
            assert_eq!(place, at, "{text:?}");
            assert!(message.contains(what), "{message}");
        }
    }
}
