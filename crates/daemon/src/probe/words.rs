//! A verdict in plain words: what it is, and what to do.

use sermux_protocol::frame::OtherCrc;
use sermux_protocol::verdict::{Cause, Certainty};

use super::{Found, Heard};
use crate::doctor::INVERTERS;
use crate::setup::MeterSetup;

/// Its name for programs.
pub(crate) fn name(cause: &Cause) -> &'static str {
    match cause {
        Cause::P1(_) => "p1",
        Cause::EncryptedP1 => "p1-encrypted",
        Cause::P1Fragments => "p1-fragments",
        Cause::Inverted => "inverted",
        Cause::SevenBitParity => "seven-bit-parity",
        Cause::SpeedTooHigh => "speed-too-high",
        Cause::SpeedTooLow => "speed-too-low",
        Cause::Console => "console",
        Cause::Nmea => "nmea",
        Cause::Text => "text",
        Cause::Silence => "silence",
        Cause::Unknown => "unknown",
    }
}

/// The name, for programs, of a rule for CRCs that is none of the standard.
pub(crate) fn other_crc(crc: OtherCrc) -> &'static str {
    match crc {
        OtherCrc::X25 => "x25",
        OtherCrc::OverCrLf => "over-cr-lf",
    }
}

/// Whether it is good data.
pub(crate) fn is_good(cause: &Cause) -> bool {
    match cause {
        Cause::P1(meter) => meter.telegrams > meter.crc_bad,
        _ => matches!(cause, Cause::EncryptedP1 | Cause::Console | Cause::Nmea | Cause::Text),
    }
}

/// What it is.
pub(crate) fn what(heard: &Heard) -> String {
    let what = match &heard.best.verdict.cause {
        Cause::P1(_) => "P1 telegrams of a smart meter",
        Cause::EncryptedP1 => "encrypted P1 telegrams of a smart meter, as in Luxembourg",
        Cause::P1Fragments => "lines of a smart meter, but no whole P1 telegram",
        Cause::Inverted => "the signal is inverted: a P1 output without its inverter",
        Cause::SevenBitParity => "seven bits with even parity (DSMR 2 or 3), read as eight bits",
        Cause::SpeedTooHigh if heard.is_unfinished() => {
            return format!("received a signal slower than {} baud, and nothing since then", heard.best.settings.baud);
        }
        Cause::SpeedTooHigh => "the device sends at a lower baud rate",
        Cause::SpeedTooLow => "the device sends at a higher baud rate",
        Cause::Console => "the console of a computer",
        Cause::Nmea => "NMEA 0183 sentences, as receivers of GPS send them",
        Cause::Text => "text",
        Cause::Silence => "nothing is received",
        Cause::Unknown => "the received data is not recognised",
    };
    what.to_owned()
}

/// What to do.
pub(crate) fn advice(heard: &Heard) -> String {
    let Found { settings, verdict, .. } = &heard.best;
    let keys = MeterSetup::of(&verdict.cause, *settings).map(|reading| reading.keys()).unwrap_or_default();
    let advice = match &verdict.cause {
        Cause::P1(meter) if meter.crc_bad == meter.telegrams => "the CRC of every telegram is wrong or missing: check that the cable is short and firm, and that no other program reads the device",
        Cause::P1(_) => return format!("use {keys}"),
        Cause::EncryptedP1 => {
            return format!("use {keys}: sermux passes the telegrams on encrypted; readers need the key, which the grid operator provides");
        }
        Cause::P1Fragments => "check that the cable is short and firm, and that no other program reads the device",
        Cause::Inverted => INVERTERS,
        Cause::SevenBitParity => return format!("use {keys} (9600 7E1)"),
        Cause::SpeedTooHigh if heard.is_unfinished() => "listen for longer (--time 66): a meter of DSMR 2 or 3 sends at 9600 7E1, every 10 s",
        Cause::SpeedTooHigh => "try a lower baud rate",
        Cause::SpeedTooLow => "try a higher baud rate",
        Cause::Console => "if it is this machine's own console: sudo raspi-config, interface options, serial port: login shell no, hardware yes",
        Cause::Nmea => "use `profile: gps-nmea`, or nmea-0183",
        Cause::Text => "use these settings as `line:`",
        Cause::Silence if verdict.certainty < Certainty::Certain => "listen for longer (--time 66): many meters send only every 10 s",
        Cause::Silence => "check that data request (pin 2) of the P1 port has +5 V, that the pin and the UART are the right ones, and that no console or Bluetooth uses the UART",
        Cause::Unknown => "the device may send only when asked, or need other settings: see its manual",
    };
    advice.to_owned()
}
