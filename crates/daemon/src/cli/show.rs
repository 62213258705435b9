//! `sermux show --resolved`: the configuration with every default filled in.

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "why there is no result")]
pub(super) fn run(path: &Path) -> ExitCode {
    let loaded = match super::load_or_complain(path) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    match serde_yaml::to_string(&loaded.config) {
        Ok(yaml) => super::print(&yaml),
        Err(error) => {
            eprintln!("{}: cannot be written as YAML: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
