//! The program under the name `ser2net`: its command line, and what others expect of a program of that name.
//!
//! The arguments are those of ser2net(8): each option of its own, its value in the next argument. Programs start it in this way
//! (labgrid's exporter; ser2net's own tests), so what they rely on is kept to the letter: the line of `-v`, `Ready` after `-r`, that it
//! stays alive whatever the devices do, and that it ends within a second of SIGTERM.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use sermux_port_config::config::load::MAX_FILE;
use sermux_port_config::config::LogFormat;

use super::serve::{self, Conduct};
use crate::log::LogOutput;
use crate::supervisor::{ConfigSource, Ser2netSource, UucpLocks};

/// The line that labgrid takes apart: three words, the last of integers and dots. It asks for a version that takes `-Y`.
const VERSION: &str = "ser2net version 4.6.7\n";

/// Where ser2net looks when no file is named: its own place, Debian's, and that of the time before YAML.
const DEFAULT_FILES: [&str; 3] = ["/etc/ser2net/ser2net.yaml", "/etc/ser2net.yaml", "/etc/ser2net.conf"];

/// With what comes after it, less than the second after which others lose patience.
const DRAIN_LIMIT: Duration = Duration::from_millis(600);

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    file: Option<PathBuf>,
    /// Pieces of YAML (`-Y`), which are one text.
    yaml: String,
    /// Lines of the old form (`-C`).
    lines: String,
    runs: Runs,
    is_ready_told: bool,
    uucp_locks: UucpLocks,
    signature: Option<String>,
    pid_file: Option<PathBuf>,
    /// What has no meaning here, each with the reason.
    ignored: Vec<&'static str>,
}

/// How it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Runs {
    /// In the background, as a daemon.
    #[default]
    Detached,
    /// `-n`
    Foreground,
    /// `-d`: and the log goes to standard output.
    Debugging,
}

/// What ends it before anything is served.
#[derive(Debug, PartialEq, Eq)]
enum Instead {
    Version,
    Wrong(String),
}

/// Whether the program was called by this name.
pub(super) fn is_called(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|name| Path::new(name).file_name().is_some_and(|name| name == "ser2net"))
}

pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    match Wanted::of(arguments.get(1..).unwrap_or_default()) {
        Ok(wanted) => serve(wanted),
        Err(Instead::Version) => super::print(VERSION),
        Err(Instead::Wrong(why)) => {
            note!("ser2net: {why}");
            note!("usage: ser2net [-c FILE] [-C LINE] [-Y YAML]… [-n] [-d] [-r] [-u] [-P PIDFILE] [-s SIGNATURE] [-v]");
            ExitCode::FAILURE
        }
    }
}

fn serve(mut wanted: Wanted) -> ExitCode {
    for ignored in &wanted.ignored {
        note!("ser2net: {ignored}");
    }
    let source = match wanted.source() {
        Ok(source) => ConfigSource::ser2net(source),
        Err(why) => {
            note!("ser2net: {why}");
            return ExitCode::FAILURE;
        }
    };
    let Ok(loaded) = super::load_source_or_complain(&source) else { return ExitCode::FAILURE };
    if wanted.runs == Runs::Detached {
        // No thread runs yet.
        if let Err(error) = nix::unistd::daemon(false, false) {
            note!("ser2net: cannot go into the background: {error}; -n stays in the foreground");
            return ExitCode::FAILURE;
        }
    }
    if let Some(file) = &wanted.pid_file {
        if let Err(error) = fs::write(file, format!("{}\n", std::process::id())) {
            note!("ser2net: {}: {error}", file.display());
        }
    }
    let conduct = Conduct {
        // Detached, nothing but the journal is left to write to.
        log_format: Some(if wanted.runs == Runs::Detached { LogFormat::Journal } else { LogFormat::Text }),
        log_to: if wanted.runs == Runs::Debugging { LogOutput::Stdout } else { LogOutput::Stderr },
        verbosity: 0,
        control: None,
        drain_limit: DRAIN_LIMIT,
        started: if wanted.is_ready_told { tell_ready } else { || {} },
    };
    let code = serve::run_with(loaded.config, Some(source), &conduct, Vec::new());
    if let Some(file) = &wanted.pid_file {
        // It may be gone already.
        let _ = fs::remove_file(file);
    }
    code
}

fn tell_ready() {
    super::print("Ready\n");
}

impl Wanted {
    fn of(arguments: &[OsString]) -> Result<Wanted, Instead> {
        let mut wanted = Wanted::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let option = argument.to_str().and_then(|text| text.strip_prefix('-')).filter(|text| !text.is_empty());
            let wrong = || Instead::Wrong(format!("`{}` is not an option", argument.to_string_lossy().escape_debug()));
            let option = option.ok_or_else(wrong)?;
            let (letter, attached) = option.split_at(option.chars().next().map_or(0, char::len_utf8));
            if !attached.is_empty() && !TAKE_VALUES.contains(letter) {
                return Err(wrong());
            }
            let mut value = || {
                let value = if attached.is_empty() { rest.next().cloned() } else { Some(attached.into()) };
                value.ok_or_else(|| Instead::Wrong(format!("-{letter} needs a value")))
            };
            let text = |value: OsString| {
                value.into_string().map_err(|_| Instead::Wrong(format!("the value of -{letter} is not UTF-8")))
            };
            match letter {
                "v" => return Err(Instead::Version),
                "n" if wanted.runs == Runs::Detached => wanted.runs = Runs::Foreground,
                "n" => {}
                "d" => wanted.runs = Runs::Debugging,
                "r" => wanted.is_ready_told = true,
                "u" => wanted.uucp_locks = UucpLocks::None,
                "c" => wanted.file = Some(value()?.into()),
                "P" => wanted.pid_file = Some(value()?.into()),
                "s" => wanted.signature = Some(text(value()?)?),
                "Y" => wanted.yaml += &with_newlines(&text(value()?)?),
                "C" => {
                    wanted.lines += &text(value()?)?;
                    wanted.lines.push('\n');
                }
                "b" => {
                    wanted.ignored.push("-b: baud rates as Cisco IOS numbers them are not offered; -b has no effect")
                }
                "p" => {
                    value()?;
                    wanted.ignored.push("-p: there is no admin port; `sermux status` and `sermux kick` do its work");
                }
                // How many threads there are is not asked: one is enough.
                "t" => drop(value()?),
                "a" | "A" => {
                    value()?;
                    wanted.ignored.push("-a, -A: there are no logins; use allow and deny, or a tunnel");
                }
                _ => return Err(wrong()),
            }
        }
        Ok(wanted)
    }

    /// What is to be served.
    fn source(&mut self) -> Result<Ser2netSource, String> {
        let mut texts = Vec::new();
        if self.file.as_deref() == Some(Path::new(ConfigSource::STDIN)) {
            self.file = None;
            texts.push(("standard input".to_owned(), standard_input()?));
        } else if self.file.is_none() && self.yaml.is_empty() && self.lines.is_empty() {
            let found = DEFAULT_FILES.iter().map(Path::new).find(|file| file.exists());
            self.file = Some(found.unwrap_or(Path::new(DEFAULT_FILES[0])).to_owned());
        }
        for (name, text) in [("-Y", &mut self.yaml), ("-C", &mut self.lines)] {
            if !text.is_empty() {
                texts.push((name.to_owned(), std::mem::take(text)));
            }
        }
        Ok(Ser2netSource {
            file: self.file.clone(),
            texts,
            uucp_locks: self.uucp_locks,
            signature: self.signature.clone().filter(|signature| !signature.is_empty()),
            // As a service it has a folder of its own; several that a program starts must not fight for one socket.
            has_control: env::var_os("RUNTIME_DIRECTORY").is_some_and(|folder| !folder.is_empty()),
        })
    }
}

/// The options that take a value.
const TAKE_VALUES: &str = "cCYpPtsaA";

/// A piece of YAML with its newlines: one at its end, and one for each `#` outside of quotes.
fn with_newlines(piece: &str) -> String {
    let (mut text, mut quote, mut is_escaped) = (String::with_capacity(piece.len() + 1), None, false);
    for c in piece.chars() {
        match (quote, c) {
            (None, '#') => {
                text.push('\n');
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c && !is_escaped => quote = None,
            _ => {}
        }
        is_escaped = quote == Some('"') && c == '\\' && !is_escaped;
        text.push(c);
    }
    text.push('\n');
    text
}

fn standard_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "standard input: the text is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(arguments: &[&str]) -> Result<Wanted, Instead> {
        Wanted::of(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_arguments_of_labgrid_are_one_text_of_yaml() {
        let piece = "connection: &con01#  accepter: telnet(rfc2217,mode=server),tcp,4001";
        let device = "  connector: serialdev(nouucplock=true),/dev/ttyUSB0,115200n81,local";
        let arguments = ["-d", "-n", "-Y", piece, "-Y", device, "-Y", "  options:", "-Y", "    max-connections: 10"];
        let wanted = wanted(&arguments).unwrap();
        assert_eq!(wanted.runs, Runs::Debugging);
        assert_eq!(
            wanted.yaml,
            "connection: &con01\n  accepter: telnet(rfc2217,mode=server),tcp,4001\n  connector: \
             serialdev(nouucplock=true),/dev/ttyUSB0,115200n81,local\n  options:\n    max-connections: 10\n"
        );
    }

    #[test]
    fn a_hash_in_quotes_stays() {
        assert_eq!(with_newlines(r##"a: "#\"#"#b: '#'#c"##), "a: \"#\\\"#\"\nb: '#'\nc\n");
    }

    #[test]
    fn values_stand_behind_their_option_or_in_it_and_wrong_options_are_named() {
        assert_eq!(wanted(&["-c", "x"]).unwrap().file, wanted(&["-cx"]).unwrap().file);
        assert_eq!(wanted(&["-v"]), Err(Instead::Version));
        for (arguments, part) in
            [(&["-z"][..], "`-z`"), (&["x"], "`x`"), (&["-c"], "-c needs a value"), (&["-nd"], "`-nd`")]
        {
            let Err(Instead::Wrong(why)) = wanted(arguments) else { panic!("{arguments:?} is good") };
            assert!(why.contains(part), "{why}");
        }
    }
}
