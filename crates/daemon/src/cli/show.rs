//! `sermux show --resolved`: the configuration with every default filled in.

use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(path: &Path) -> ExitCode {
    let loaded = match super::load_or_complain(path) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    match serde_yaml::to_string(&loaded.config) {
        Ok(yaml) => super::print(&yaml),
        Err(error) => {
            note!("{}: cannot be written as YAML: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
