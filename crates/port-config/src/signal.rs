//! The wires beside the data: what is done with the modem control outputs, and which queues a purge empties.

use serde::Serialize;

/// What happens to one modem control output (DTR or RTS) when the line is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Raised. Linux raises both on every open, so this is also what the wire shows until the others take effect.
    #[default]
    On,
    /// Dropped.
    Off,
    /// Left as the kernel put it.
    Keep,
}

/// Which of the kernel's queues of a line are thrown away (TCFLSH, termios(3) `tcflush`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Bytes received and not read yet.
    Rx,
    /// Bytes written and not sent yet.
    Tx,
    /// Both.
    Both,
}
