//! Which options are on: the Q method of RFC 1143, by which no two peers can talk each other into a loop.
//!
//! Each option has two sides that are negotiated apart: ours ([`Side::Us`]: we say WILL and WONT, the peer DO and DONT)
//! and the peer's ([`Side::Him`], as the RFC calls it: the other way round). A change that we asked for is pending until
//! it is answered; one that is asked for meanwhile waits in a queue of one bit. An option that is in no table is
//! refused whenever it is asked for, and never on.

use super::code::{DO, DONT, WILL, WONT};

/// Whose option it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Us,
    /// The peer's.
    Him,
}

/// The four words of negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The sender has the option, or would like to.
    Will,
    /// The sender has it not.
    Wont,
    /// The sender wants, or agrees, that the receiver has it.
    Do,
    /// The sender wants the receiver not to have it.
    Dont,
}

impl Verb {
    /// The verb with this code.
    pub fn from_code(code: u8) -> Option<Verb> {
        match code {
            WILL => Some(Verb::Will),
            WONT => Some(Verb::Wont),
            DO => Some(Verb::Do),
            DONT => Some(Verb::Dont),
            _ => None,
        }
    }

    /// Its code.
    pub fn code(self) -> u8 {
        match self {
            Verb::Will => WILL,
            Verb::Wont => WONT,
            Verb::Do => DO,
            Verb::Dont => DONT,
        }
    }

    /// What we say to turn an option of this side on or off.
    fn said(side: Side, on: bool) -> Verb {
        match (side, on) {
            (Side::Us, true) => Verb::Will,
            (Side::Us, false) => Verb::Wont,
            (Side::Him, true) => Verb::Do,
            (Side::Him, false) => Verb::Dont,
        }
    }

    /// What it means when the peer says it.
    fn heard(self) -> (Side, bool) {
        match self {
            Verb::Will => (Side::Him, true),
            Verb::Wont => (Side::Him, false),
            Verb::Do => (Side::Us, true),
            Verb::Dont => (Side::Us, false),
        }
    }
}

/// The state of one side of one option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OptionState {
    #[default]
    No,
    Yes,
    /// We asked for it to end. `again`: and by now want it back.
    WantNo {
        again: bool,
    },
    /// We asked for it. `end`: and by now want it no more.
    WantYes {
        end: bool,
    },
}

/// One side of one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OptionSide {
    /// Whether the peer may turn it on.
    accepted: bool,
    state: OptionState,
}

impl OptionSide {
    fn new(accepted: bool) -> OptionSide {
        OptionSide { accepted, state: OptionState::No }
    }

    /// The peer wants it on or off, or agrees: what we say to that, if anything.
    fn hear(&mut self, on: bool) -> Option<bool> {
        let (state, say) = match (self.state, on) {
            (OptionState::No, true) if self.accepted => (OptionState::Yes, Some(true)),
            (OptionState::No, true) => (OptionState::No, Some(false)),
            (OptionState::No, false) => (OptionState::No, None),
            (OptionState::Yes, true) => (OptionState::Yes, None),
            (OptionState::Yes, false) => (OptionState::No, Some(false)),
            // A peer that answers our "no" with "yes" is broken; RFC 1143 takes it for what it was meant to say.
            (OptionState::WantNo { again: false }, true) => (OptionState::No, None),
            (OptionState::WantNo { again: true }, true) => (OptionState::Yes, None),
            (OptionState::WantNo { again: false }, false) => (OptionState::No, None),
            (OptionState::WantNo { again: true }, false) => (OptionState::WantYes { end: false }, Some(true)),
            (OptionState::WantYes { end: false }, true) => (OptionState::Yes, None),
            (OptionState::WantYes { end: true }, true) => (OptionState::WantNo { again: false }, Some(false)),
            (OptionState::WantYes { .. }, false) => (OptionState::No, None),
        };
        self.state = state;
        say
    }

    /// We want it on: whether to send that now.
    fn enable(&mut self) -> bool {
        let (state, say) = match self.state {
            OptionState::No => (OptionState::WantYes { end: false }, true),
            OptionState::Yes => (OptionState::Yes, false),
            OptionState::WantNo { .. } => (OptionState::WantNo { again: true }, false),
            OptionState::WantYes { .. } => (OptionState::WantYes { end: false }, false),
        };
        self.state = state;
        say
    }

    /// We want it off: whether to send that now.
    fn disable(&mut self) -> bool {
        let (state, say) = match self.state {
            OptionState::No => (OptionState::No, false),
            OptionState::Yes => (OptionState::WantNo { again: false }, true),
            OptionState::WantNo { .. } => (OptionState::WantNo { again: false }, false),
            OptionState::WantYes { .. } => (OptionState::WantYes { end: true }, false),
        };
        self.state = state;
        say
    }
}

/// What one peer is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The option's code.
    pub option: u8,
    /// The other side may turn ours on.
    pub us: bool,
    /// The other side may turn its own on.
    pub him: bool,
}

/// The options of one connection, as one of its ends sees them.
#[derive(Clone, Debug)]
pub struct TelnetOptions {
    table: [Option<(u8, OptionSide, OptionSide)>; OPTIONS],
}

/// How many options there is room for.
const OPTIONS: usize = 6;

impl TelnetOptions {
    /// All options off; at most six are ever on, further ones are refused.
    pub fn new(accept: &[Accept]) -> TelnetOptions {
        debug_assert!(accept.len() <= OPTIONS, "more options than there is room for");
        let mut table = [None; OPTIONS];
        for (entry, accept) in table.iter_mut().zip(accept) {
            *entry = Some((accept.option, OptionSide::new(accept.us), OptionSide::new(accept.him)));
        }
        TelnetOptions { table }
    }

    /// The peer said this: what is answered, if anything.
    pub fn hear(&mut self, verb: Verb, option: u8) -> Option<Verb> {
        let (side, on) = verb.heard();
        let say = match self.half(option, side) {
            Some(half) => half.hear(on),
            None if on => Some(false),
            None => None,
        };
        say.map(|on| Verb::said(side, on))
    }

    /// We would like this option on: what to send for it, if anything now.
    pub fn enable(&mut self, side: Side, option: u8) -> Option<Verb> {
        self.half(option, side)?.enable().then(|| Verb::said(side, true))
    }

    /// We would like this option off: what to send for it, if anything now.
    pub fn disable(&mut self, side: Side, option: u8) -> Option<Verb> {
        self.half(option, side)?.disable().then(|| Verb::said(side, false))
    }

    /// Whether both ends have agreed on it.
    pub fn is_on(&self, side: Side, option: u8) -> bool {
        self.state(side, option) == OptionState::Yes
    }

    /// Whether something that we said about it is not answered yet.
    pub fn is_pending(&self, side: Side, option: u8) -> bool {
        matches!(self.state(side, option), OptionState::WantNo { .. } | OptionState::WantYes { .. })
    }

    fn state(&self, side: Side, option: u8) -> OptionState {
        let entry = self.table.iter().flatten().find(|entry| entry.0 == option);
        entry.map_or(OptionState::No, |(_, us, him)| match side {
            Side::Us => us.state,
            Side::Him => him.state,
        })
    }

    fn half(&mut self, option: u8, side: Side) -> Option<&mut OptionSide> {
        let entry = self.table.iter_mut().flatten().find(|entry| entry.0 == option);
        entry.map(|(_, us, him)| match side {
            Side::Us => us,
            Side::Him => him,
        })
    }
}
