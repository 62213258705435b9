//! `sermux profiles`: the presets that a port can name.

use std::process::ExitCode;

use sermux_port_config::config::profile;

/// Lists them with what each is for.
pub(super) fn list() -> ExitCode {
    let width = profile::all().iter().map(|profile| profile.name.len()).max().unwrap_or_default();
    let lines = profile::all().iter().map(|profile| format!("{:width$}  {}\n", profile.name, profile.summary()));
    super::print(&lines.collect::<String>())
}

/// Prints one as it would stand in a file.
pub(super) fn show(name: &str) -> ExitCode {
    if let Some(profile) = profile::find(name) {
        return super::print(profile.text);
    }
    let hint = match profile::nearest(name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`sermux profiles` lists them".to_owned(),
    };
    note!("there is no profile `{}`: {hint}", name.escape_debug());
    ExitCode::FAILURE
}
