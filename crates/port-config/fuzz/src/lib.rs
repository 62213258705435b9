//! What is fuzzed. Each target takes any bytes and panics if something does not hold.

pub mod load;
pub mod values;

/// The targets by their names.
pub const TARGETS: [(&str, fn(&[u8])); 2] = [("load", load::run), ("values", values::run)];
