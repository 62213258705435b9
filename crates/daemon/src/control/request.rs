//! The bodies of the requests that change something, and of their answers.

use serde::{Deserialize, Serialize};

use super::status::ModemShape;
use crate::hex;

/// `POST /v1/ports/NAME/set`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SetBody {
    /// The settings that change, in the short form: `9600`, `9600 7E1`, `8N1`, `rts-cts`. The others stay.
    /// Or `default`: settings, DTR and RTS as configured.
    pub(crate) line: String,
}

/// `POST /v1/ports/NAME/modem`. What is left out stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ModemBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dtr: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rts: Option<bool>,
}

/// `POST /v1/ports/NAME/break`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct BreakBody {
    /// How long, in milliseconds.
    pub(crate) duration_ms: u64,
}

impl BreakBody {
    pub(crate) const LONGEST_MS: u64 = 5000;
}

impl Default for BreakBody {
    fn default() -> BreakBody {
        BreakBody { duration_ms: 250 }
    }
}

/// `POST /v1/ports/NAME/purge`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct PurgeBody {
    pub(crate) queue: PurgeQueue,
}

/// Which way the bytes go that are thrown away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PurgeQueue {
    Rx,
    Tx,
    #[default]
    Both,
}

/// `POST /v1/ports/NAME/reset`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ResetBody {
    /// The name of one of the port's macros, or of a built-in one.
    #[serde(rename = "macro")]
    pub(crate) name: String,
}

/// `POST /v1/ports/NAME/kick`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct KickBody {
    /// Its id, its address, or the IP address of a host; without it all clients of the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
}

/// What was done to a line, and what the line has now, read back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LineNowShape {
    pub(crate) port: String,
    /// What was asked for, in full; only with `set`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) asked: Option<String>,
    pub(crate) line: String,
    /// Where the device does something else than it was asked.
    #[serde(default)]
    pub(crate) differences: Vec<String>,
    pub(crate) modem: ModemShape,
    #[serde(rename = "break")]
    pub(crate) break_on: bool,
}

/// Who was kicked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct KickedShape {
    pub(crate) port: String,
    pub(crate) clients: Vec<KickedClientShape>,
}

/// A client that was kicked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct KickedClientShape {
    pub(crate) id: u64,
    pub(crate) address: String,
}

/// `GET /v1/ports/NAME/history`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct HeldShape {
    pub(crate) port: String,
    /// How many bytes came from the line before these.
    pub(crate) offset: u64,
    /// The bytes, two hexadecimal digits each.
    pub(crate) hex: String,
}

impl HeldShape {
    /// The most that can be asked for.
    pub(crate) const MOST: usize = 64 * 1024;
}

/// A line of `GET /v1/ports/NAME/follow`: what one read of the line gave. The first one is empty.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PieceShape {
    /// When it came, after the beginning.
    pub(crate) seconds: f64,
    /// How many bytes are missing before it.
    pub(crate) lost: u64,
    /// The bytes, two hexadecimal digits each.
    pub(crate) hex: String,
}

impl PieceShape {
    /// The longest that can be asked for: less than a connection may last.
    pub(crate) const MOST_SECONDS: u64 = 50;

    /// The bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        hex::bytes(&self.hex)
    }
}

/// `GET /v1/config`: the configuration in force, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ConfigShape<C> {
    /// The file that a reload reads.
    pub(crate) file: Option<String>,
    /// The ports of the command line, which a reload keeps, as they were written there.
    pub(crate) command_line: Vec<String>,
    /// All of it as a configuration file would have it, with every default filled in.
    pub(crate) config: C,
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ReloadedShape {
    pub(crate) file: String,
    /// Ports that were started.
    pub(crate) added: Vec<String>,
    /// Ports that were ended.
    pub(crate) removed: Vec<String>,
    /// Ports that went on with another configuration.
    pub(crate) changed: Vec<ChangedShape>,
    /// How many ports are as they were.
    pub(crate) untouched: usize,
    pub(crate) warnings: Vec<String>,
}

/// A port that went on with another configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ChangedShape {
    pub(crate) port: String,
    /// `live`: in place. `relisten`: listeners were closed or opened. `reopen`: the device was opened again.
    pub(crate) class: String,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RefusedShape {
    /// What is wrong.
    pub(crate) error: String,
    /// What would help.
    #[serde(default)]
    pub(crate) help: Option<String>,
    /// For programs, where an answer has to be distinguished from others of its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<RefusedKind>,
    /// The faults of a configuration, each as a compiler would show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<String>,
}

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefusedKind {
    /// There is no port of this name.
    NoPort,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}
