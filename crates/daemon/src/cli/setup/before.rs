//! What would keep setup from writing the port, found before anybody waits for a meter. Writes nothing and opens no device.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use sermux_port_config::config::load::load;

use super::super::text::meaning;
use super::super::{complain, Arguments, CONFIGURATION, FORBIDDEN};
use super::{port_file, say, SetupOptions};
use crate::setup::files::may_write;
use crate::setup::PORT;

/// Reports what is in the way. With `--dry-run` nothing will be written, so nothing is.
pub(super) fn check(arguments: &Arguments, options: &SetupOptions) -> Result<(), ExitCode> {
    if options.dry_run {
        return Ok(());
    }
    let file = port_file(&arguments.config);
    let has_file = file.exists();
    let has_config = arguments.config.exists();
    // Without a terminal and --yes it only shows the file, for which nobody needs a right.
    if options.yes || io::stdin().is_terminal() {
        may_be_written(&file)?;
        if !has_config {
            may_be_written(&arguments.config)?;
        }
    }
    // Where the port's own file has the faults, it is about to be replaced, and the check that follows judges that.
    if has_config && !has_file {
        let loaded = load(&arguments.config).map_err(|faults| {
            let code = complain(&arguments.config, &faults);
            say("nothing was written: correct the configuration first");
            code
        })?;
        if let Some(port) = loaded.config.ports.get(PORT) {
            say(&format!(
                "port {PORT} exists already, with the device {}; setup did not write it, so setup does not change it\n  \
                 `sermux status {PORT}` shows the port, `sermux probe {}` checks what the meter sends\n  to set it up anew, \
                 remove {PORT} from {} or from the file that it includes",
                port.device,
                port.device,
                arguments.config.display()
            ));
            return Err(ExitCode::from(CONFIGURATION));
        }
    } else if has_file && !options.yes {
        say(&format!("{} exists already; setup does not replace it without --yes", file.display()));
    }
    Ok(())
}

fn may_be_written(path: &Path) -> Result<(), ExitCode> {
    let Err((folder, error)) = may_write(path) else { return Ok(()) };
    say(&format!("cannot write {}: {}: {}", path.display(), folder.display(), meaning(&error)));
    let is_forbidden = error.kind() == io::ErrorKind::PermissionDenied;
    say(if is_forbidden {
        "  use `sudo sermux setup p1`, or --dry-run to see the file only"
    } else {
        "  --dry-run shows the file without writing it"
    });
    Err(if is_forbidden { ExitCode::from(FORBIDDEN) } else { ExitCode::FAILURE })
}
