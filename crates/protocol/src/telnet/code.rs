//! The bytes of telnet: its commands (RFC 854) and the options that are known here.

/// End of file (RFC 1184): the lowest command that there is.
pub const EOF: u8 = 236;
/// Ends a subnegotiation.
pub const SE: u8 = 240;
/// Nothing.
pub const NOP: u8 = 241;
/// Data mark: the place of a Synch.
pub const DM: u8 = 242;
/// Break.
pub const BRK: u8 = 243;
/// Interrupt process.
pub const IP: u8 = 244;
/// Abort output.
pub const AO: u8 = 245;
/// Are you there?
pub const AYT: u8 = 246;
/// Erase character.
pub const EC: u8 = 247;
/// Erase line.
pub const EL: u8 = 248;
/// Go ahead.
pub const GA: u8 = 249;
/// Begins a subnegotiation.
pub const SB: u8 = 250;
/// The sender offers an option of its own, or agrees to one.
pub const WILL: u8 = 251;
/// The sender has an option of its own no more, or not at all.
pub const WONT: u8 = 252;
/// The sender asks the receiver for an option, or agrees to one.
pub const DO: u8 = 253;
/// The sender asks the receiver to end an option, or refuses one.
pub const DONT: u8 = 254;
/// "Interpret as command": begins all of the above. As data it is doubled.
pub const IAC: u8 = 255;

/// Eight bits, and no rules about CR (RFC 856).
pub const BINARY: u8 = 0;
/// The sender echoes what it receives (RFC 857).
pub const ECHO: u8 = 1;
/// Suppress go-ahead (RFC 858): together with [`ECHO`], clients send each character at once.
pub const SGA: u8 = 3;
/// What the other side believes the options to be (RFC 859).
pub const STATUS: u8 = 5;
/// A mark that comes back once all before it was dealt with (RFC 860).
pub const TIMING_MARK: u8 = 6;
/// What terminal the client is (RFC 1091).
pub const TERMINAL_TYPE: u8 = 24;
/// The size of the client's window (RFC 1073).
pub const NAWS: u8 = 31;
/// Editing of lines at the client (RFC 1184).
pub const LINEMODE: u8 = 34;
/// The serial line can be set and asked for (RFC 2217).
pub const COM_PORT: u8 = 44;
