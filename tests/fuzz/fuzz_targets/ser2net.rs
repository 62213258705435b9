#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sermux_fuzz::ser2net::run(input));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("this is for cargo-fuzz; without it: fuzz-stable ser2net SECONDS");
}
