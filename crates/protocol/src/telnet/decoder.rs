//! What a telnet peer sends, told apart: data, commands, negotiation, subnegotiation.

use memchr::{memchr, memchr2_iter, memchr_iter};

use super::code::{IAC, SB, SE};
use super::escape::leading_iacs;
use super::negotiation::Verb;

/// The longest value of a subnegotiation, in bytes after un-doubling. Longer ones are dropped whole.
pub const MAX_VALUE: usize = 256;

/// A subnegotiation that has not ended after this number of bytes, with its option, never will: what follows is data.
pub const MAX_SUBNEGOTIATION: usize = 1024;

/// What precedes the value: the option, and for COM-PORT the command.
const PREFIX: usize = 2;

/// Something that is not data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TelnetEvent {
    /// A command of two bytes.
    Command(u8),
    /// WILL, WONT, DO or DONT.
    Negotiation(Verb, u8),
    /// A whole subnegotiation, of this option. See [`Decoder::value`].
    Subnegotiation(u8),
}

/// What is dropped right behind a CR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AfterCr {
    /// NUL: how a CR alone is sent outside BINARY (RFC 854, "The NVT printer and keyboard").
    pub(crate) nul: bool,
    /// LF: for a line that wants its Enter to be CR.
    pub(crate) lf: bool,
}

impl AfterCr {
    fn matters(self) -> bool {
        self.nul || self.lf
    }

    /// Where in `data` the first byte is that is dropped. What is looked for is the rarer byte: text is full of CR LF,
    /// and stopping at each CR takes longer than all else that is done with it.
    fn first_dropped(self, data: &[u8]) -> Option<usize> {
        let behind_cr = |at: &usize| *at > 0 && data[*at - 1] == b'\r';
        match (self.nul, self.lf) {
            (false, false) => None,
            (true, false) => memchr_iter(b'\0', data).find(behind_cr),
            (false, true) => memchr_iter(b'\n', data).find(behind_cr),
            (true, true) => memchr2_iter(b'\0', b'\n', data).find(behind_cr),
        }
    }

    fn drops(self, byte: u8) -> bool {
        (self.nul && byte == b'\0') || (self.lf && byte == b'\n')
    }
}

/// A place in what a telnet peer sends. Any split of the input yields the same data and events.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: DecoderState,
    /// The latest byte of data was a CR.
    after_cr: bool,
    content: [u8; PREFIX + MAX_VALUE],
    len: usize,
    /// How long the subnegotiation is so far; only its first `len` bytes are kept.
    total: usize,
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    Data,
    /// Behind an IAC.
    Command,
    /// Behind IAC and a verb.
    Negotiation(Verb),
    Subnegotiation,
    /// Behind an IAC in a subnegotiation.
    SubnegotiationCommand,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        let content = [0; PREFIX + MAX_VALUE];
        Decoder { state: DecoderState::Data, after_cr: false, content, len: 0, total: 0, dropped: 0 }
    }

    /// Appends the data in `input` to `data`, up to the next event, and moves `input` behind what was taken. `None`:
    /// all of it was taken.
    pub(crate) fn decode(&mut self, input: &mut &[u8], after_cr: AfterCr, data: &mut Vec<u8>) -> Option<TelnetEvent> {
        while let Some((byte, rest)) = input.split_first() {
            match self.state {
                DecoderState::Data => *input = self.take_data(input, after_cr, data),
                DecoderState::Subnegotiation => *input = self.take_content(input),
                DecoderState::Command => {
                    *input = rest;
                    let event = self.take_command(*byte, data);
                    if event.is_some() {
                        return event;
                    }
                }
                DecoderState::Negotiation(verb) => {
                    *input = rest;
                    self.state = DecoderState::Data;
                    return Some(TelnetEvent::Negotiation(verb, *byte));
                }
                DecoderState::SubnegotiationCommand => {
                    *input = rest;
                    let event = self.take_content_command(*byte, data);
                    if event.is_some() {
                        return event;
                    }
                }
            }
        }
        None
    }

    /// The latest subnegotiation, behind its option: for COM-PORT the command and its value.
    pub(crate) fn value(&self) -> &[u8] {
        self.content.get(1..self.len).unwrap_or_default()
    }

    /// How many subnegotiations were dropped because they were too long or cut off.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Data up to an IAC that is not half of a pair. Returns what is left.
    fn take_data<'a>(&mut self, input: &'a [u8], after_cr: AfterCr, data: &mut Vec<u8>) -> &'a [u8] {
        let mut rest = input;
        while let Some(first) = rest.first() {
            if *first == IAC {
                let run = leading_iacs(rest);
                if run >= 2 {
                    data.resize(data.len() + run / 2, IAC);
                    self.after_cr = false;
                }
                rest = &rest[run..];
                if run % 2 == 1 {
                    self.state = DecoderState::Command;
                    return rest;
                }
                continue;
            }
            if std::mem::take(&mut self.after_cr) && after_cr.drops(*first) {
                rest = &rest[1..];
                continue;
            }
            let (mut text, behind) = rest.split_at(memchr(IAC, rest).unwrap_or(rest.len()));
            while let Some(dropped) = after_cr.first_dropped(text) {
                data.extend_from_slice(&text[..dropped]);
                text = &text[dropped + 1..];
            }
            data.extend_from_slice(text);
            self.after_cr = after_cr.matters() && text.last() == Some(&b'\r');
            rest = behind;
        }
        rest
    }

    fn take_command(&mut self, byte: u8, data: &mut Vec<u8>) -> Option<TelnetEvent> {
        self.state = DecoderState::Data;
        match byte {
            IAC => {
                data.push(IAC);
                self.after_cr = false;
                None
            }
            SB => {
                self.state = DecoderState::Subnegotiation;
                (self.len, self.total) = (0, 0);
                None
            }
            _ => match Verb::from_code(byte) {
                Some(verb) => {
                    self.state = DecoderState::Negotiation(verb);
                    None
                }
                None => Some(TelnetEvent::Command(byte)),
            },
        }
    }

    /// The inside of a subnegotiation, up to an IAC or to where it is given up. Returns what is left.
    fn take_content<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let most = input.len().min(MAX_SUBNEGOTIATION - self.total);
        match memchr(IAC, &input[..most]) {
            Some(end) => {
                self.push_content(&input[..end]);
                self.state = DecoderState::SubnegotiationCommand;
                &input[end + 1..]
            }
            None => {
                self.push_content(&input[..most]);
                &input[most..]
            }
        }
    }

    fn take_content_command(&mut self, byte: u8, data: &mut Vec<u8>) -> Option<TelnetEvent> {
        self.state = DecoderState::Subnegotiation;
        match byte {
            IAC => self.push_content(&[IAC]),
            SE => {
                self.state = DecoderState::Data;
                return match self.content[..self.len].first() {
                    Some(option) if self.len == self.total => Some(TelnetEvent::Subnegotiation(*option)),
                    _ => {
                        self.dropped += 1;
                        None
                    }
                };
            }
            // No command: a peer that does not double 0xFF.
            ..SE => self.push_content(&[IAC, byte]),
            // The peer began something else: its IAC SE was lost or never sent. Waiting for one would swallow data.
            _ => {
                self.dropped += 1;
                return self.take_command(byte, data);
            }
        }
        None
    }

    fn push_content(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.content.len() - self.len);
        self.content[self.len..self.len + kept].copy_from_slice(&bytes[..kept]);
        self.len += kept;
        self.total += bytes.len();
        if self.total >= MAX_SUBNEGOTIATION {
            self.dropped += 1;
            self.state = DecoderState::Data;
            self.after_cr = false;
        }
    }
}
