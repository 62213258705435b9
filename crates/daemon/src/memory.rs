//! What only the start needed is given back.
//!
//! Starting goes through most of the program once: arguments, files, profiles, the log. The kernel maps 64 KiB around each
//! page of it that is touched (fault-around), and what is mapped counts as resident and is the last to be reclaimed. So the
//! program's code, and that of its libraries, is unmapped once it has started; what running needs comes back by itself, from
//! the page cache.

#![allow(unsafe_code, reason = "madvise(2): unmapping pages that are in use is safe for code alone")]

use std::ffi::c_void;
use std::fs;
use std::ops::Range;
use std::ptr::{without_provenance_mut, NonNull};

use nix::sys::mman::{madvise, MmapAdvise};
use tracing::debug;

/// Unmaps the code that nothing is running.
pub(crate) fn give_back_code() {
    // Without /proc it stays, and no harm is done.
    for range in fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().filter_map(code) {
        if let Err(error) = forget(&range) {
            debug!(event = %"sermux.code-kept", "code stays mapped: {error}");
        }
    }
}

fn forget(code: &Range<usize>) -> nix::Result<()> {
    let Some(start) = NonNull::new(without_provenance_mut::<c_void>(code.start)) else { return Ok(()) };
    // SAFETY: this is a mapping of a file that may be executed and not written, so its pages are as the file has them, and
    // the kernel reads them from there again when they are touched next (madvise(2), MADV_DONTNEED).
    unsafe { madvise(start, code.len(), MmapAdvise::MADV_DONTNEED) }
}

/// The addresses of a line of /proc/self/maps (proc_pid_maps(5)), if a file's code is there that nothing can have changed.
fn code(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let path = words.nth(3)?;
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    (rights == "r-xp" && path.starts_with('/')).then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_is_given_back() {
        let line = "55d0a000-55d0b000 r-xp 00001000 fe:00 1234    /usr/bin/sermux";
        assert_eq!(code(line), Some(0x55d0_a000..0x55d0_b000));
        assert_eq!(
            code("55d0b000-55d0c000 r--p 00002000 fe:00 1234    /usr/bin/sermux"),
            None,
            "relocated data may be in it"
        );
        assert_eq!(code("55d0b000-55d0c000 rwxp 00002000 fe:00 1234    /usr/bin/sermux"), None);
        assert_eq!(code("7ffd1000-7ffd2000 r-xp 00000000 00:00 0       [vdso]"), None);
        assert_eq!(code("7f001000-7f002000 r-xp 00000000 00:00 0 "), None);
    }

    #[test]
    fn the_program_goes_on_without_noticing() {
        give_back_code();
        assert_eq!("sermux".chars().rev().collect::<String>(), "xumres");
    }
}
