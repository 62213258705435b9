//! A connection of ser2net, whatever kind of file it is written in.

use super::accepter::Accepter;
use super::connector::Connector;
use super::remark::Remarks;
use super::yaml::PlacedText;
use crate::config::source::Place;

/// One connection with everything put into it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) name: String,
    /// Where it begins.
    pub(super) place: Place,
    /// The comments that belong to it, a line each.
    pub(super) comments: Vec<String>,
    pub(super) accepter: Accepter,
    pub(super) connector: Connector,
    pub(super) is_enabled: bool,
    /// Seconds of silence.
    pub(super) timeout: Option<(u64, Place)>,
    /// Those of `default:`, and behind them its own.
    pub(super) options: Vec<Setting>,
    /// The remarks about it until now.
    pub(super) remarks: Remarks,
}

/// An option of a connection.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// In lower case, with `-` for `_`.
    pub(super) name: String,
    pub(super) value: Option<PlacedText>,
    pub(super) place: Place,
    pub(super) origin: SettingOrigin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SettingOrigin {
    Own,
    Default,
}
