//! The `!` that may end the telegram which is being received, and what came behind it. It judges nothing.

/// A `!` that may end a telegram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The offset behind it.
    pub(super) end: u64,
    /// It is the first character of its line.
    pub(super) begins_line: bool,
    /// What the hexadecimal digits behind it say, how many there are, and whether there may be more.
    pub(super) value: u16,
    pub(super) digits: u8,
    pub(super) may_go_on: bool,
    /// Something other than CR, NUL and spaces follows them.
    pub(super) is_dirty: bool,
    /// A CR follows them at once.
    pub(super) cr: bool,
    /// Bytes behind it.
    pub(super) seen: usize,
}

impl Mark {
    pub(super) fn new(end: u64, begins_line: bool) -> Self {
        Mark { end, begins_line, value: 0, digits: 0, may_go_on: true, is_dirty: false, cr: false, seen: 0 }
    }

    /// Whether this byte is one more digit.
    pub(super) fn read_digit(&mut self, byte: u8) -> bool {
        let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
        let Some(digit) = digit else { return false };
        self.value = self.value << 4 | digit;
        self.digits += 1;
        self.seen += 1;
        self.may_go_on = self.digits < 4;
        true
    }

    /// A byte behind the digits.
    pub(super) fn read_dirt(&mut self, byte: u8, at: u64) {
        self.cr |= byte == b'\r' && at == self.digits_end();
        self.is_dirty |= !matches!(byte, b'\r' | b'\0' | b' ');
        self.seen += 1;
    }

    pub(super) fn digits_end(&self) -> u64 {
        self.end + u64::from(self.digits)
    }

    pub(super) fn end_without_lf(&self) -> u64 {
        self.digits_end() + u64::from(self.cr)
    }
}
