//! Defects on demand, for tests: a part of the program that was asked to panics at its next event. Builds without debug
//! assertions have none of it.

#[cfg(debug_assertions)]
use std::sync::{Mutex, PoisonError};

/// The part that is to panic.
#[cfg(debug_assertions)]
static ASKED: Mutex<Option<String>> = Mutex::new(None);

/// Has this part panic at its next event.
#[cfg(debug_assertions)]
pub(crate) fn ask(part: String) {
    *ASKED.lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
}

/// Panics if this part was asked to.
#[cfg(debug_assertions)]
pub(crate) fn here(part: &str) {
    let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner).take_if(|asked| asked == part);
    assert!(asked.is_none(), "asked to");
}

/// Nothing can be asked.
#[cfg(not(debug_assertions))]
pub(crate) fn here(_part: &str) {}
