//! Why a device could not be opened, in words for the operator: what happened, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use sermux_port_config::config::Usb;

use super::{access, busy, console, Root};

/// Why a device could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// There is no such node, or no hardware behind it.
    Absent {
        /// The device.
        path: PathBuf,
    },
    /// There is a node, and no hardware behind it.
    NoHardware {
        /// The device.
        path: PathBuf,
    },
    /// No adapter that is plugged in is the one.
    NoAdapter {
        /// The adapter.
        usb: Usb,
        /// What is there instead.
        hint: String,
    },
    /// This user may not open it.
    Forbidden {
        /// The device.
        path: PathBuf,
        /// Why, and what would help.
        hint: String,
    },
    /// Somebody else holds it.
    Busy {
        /// The device.
        path: PathBuf,
        /// Who, as far as can be seen.
        by: String,
    },
    /// It is there and is something else.
    NotATty {
        /// The device.
        path: PathBuf,
        /// What it is: "a directory".
        what: &'static str,
    },
    /// Anything else.
    Other {
        /// The device.
        path: PathBuf,
        /// What could not be done, and the system's word for it.
        what: String,
    },
}

impl OpenError {
    /// In a word, as sermux-log(7) has it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            OpenError::Absent { .. } | OpenError::NoHardware { .. } | OpenError::NoAdapter { .. } => "absent",
            OpenError::Forbidden { .. } => "forbidden",
            OpenError::Busy { .. } => "busy",
            OpenError::NotATty { .. } => "not-a-tty",
            OpenError::Other { .. } => "other",
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Absent { path } => write!(f, "{}: not there (yet); {}", path.display(), where_to_look(path)),
            OpenError::NoHardware { path } => write!(
                f,
                "{}: the node is there, but no hardware answers behind it; plug the device in, or correct `device` (`sermux \
                 devices` shows what there is)",
                path.display()
            ),
            OpenError::NoAdapter { usb, hint } => write!(f, "{usb}: not there (yet); {hint}"),
            OpenError::Forbidden { path, hint } => write!(f, "{}: permission denied; {hint}", path.display()),
            OpenError::Busy { path, by } => write!(f, "{}: busy: {by}", path.display()),
            OpenError::NotATty { path, what } => {
                write!(f, "{}: {what}, not a serial port: {}", path.display(), what_to_do(path, what))
            }
            OpenError::Other { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Where a device's links lead.
pub(crate) fn node_of(path: &Path) -> Result<PathBuf, OpenError> {
    path.canonicalize().map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
        OpenError::from_open(path, errno, None)
    })
}

/// With what stands where a tty should be.
fn what_to_do(path: &Path, what: &str) -> String {
    let in_dev = path.starts_with("/dev");
    match what {
        A_DIRECTORY if in_dev => {
            "a container makes one where the device was missing when it started: plug the device in \
                                  and start the container again"
                .to_owned()
        }
        A_FILE if in_dev => format!(
            "a program wrote to this name while the device was unplugged: sudo rm {}, then plug the device in again",
            path.display()
        ),
        _ => "give a tty, such as /dev/ttyUSB0 or a link in /dev/serial/by-id".to_owned(),
    }
}

const A_DIRECTORY: &str = "a directory";
const A_FILE: &str = "a regular file";

/// What makes a device appear.
fn where_to_look(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with("ttyAMA") || name.starts_with("serial") {
        "on a Raspberry Pi switch the serial port on: raspi-config, interface options, serial port: login shell no, \
         hardware yes"
    } else {
        "plug it in, or correct `device` (`sermux devices` shows what there is)"
    }
}

impl OpenError {
    /// Whether there is nothing that could be opened: it is waited for.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, OpenError::Absent { .. } | OpenError::NoHardware { .. } | OpenError::NoAdapter { .. })
    }

    /// What an error of stat(2) or open(2) means; `stat` is the node, when there is one.
    pub(crate) fn from_open(path: &Path, error: Errno, stat: Option<&FileStat>) -> OpenError {
        let path = path.to_owned();
        match error {
            Errno::ENOENT | Errno::ENOTDIR => OpenError::Absent { path },
            Errno::ENXIO | Errno::ENODEV => OpenError::NoHardware { path },
            Errno::EBUSY => OpenError::busy(&path),
            Errno::EACCES => {
                let hint = match stat {
                    // agetty takes the node for itself, and login gives it to whom it lets in.
                    Some(stat) => {
                        let node = path.canonicalize().ok();
                        let login = node.and_then(|node| console::login(&Root::default(), &node));
                        login.unwrap_or_else(|| access::hint(stat))
                    }
                    None => "a folder above it may not be entered by this user".to_owned(),
                };
                OpenError::Forbidden { path, hint }
            }
            // A device cgroup says EPERM where the node's mode would have said EACCES.
            Errno::EPERM => OpenError::Forbidden {
                path,
                hint: "the service's DeviceAllow, or the container's list of devices, leaves it out".to_owned(),
            },
            error => OpenError::other(&path, "cannot be opened", error),
        }
    }

    /// That somebody holds it, and who: looks through all processes, so it may take some milliseconds.
    pub(crate) fn busy(path: &Path) -> OpenError {
        let node = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        OpenError::Busy { path: path.to_owned(), by: busy::who(&Root::default(), &node) }
    }

    /// What an error means that came from the device once it was open.
    pub(crate) fn other(path: &Path, doing: &str, error: Errno) -> OpenError {
        OpenError::Other { path: path.to_owned(), what: format!("{doing}: {}", error.desc().to_lowercase()) }
    }
}

/// What a node is that is no character device.
pub(crate) fn kind_of(mode: libc::mode_t) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => A_DIRECTORY,
        libc::S_IFREG => A_FILE,
        libc::S_IFIFO => "a named pipe",
        libc::S_IFSOCK => "a socket",
        libc::S_IFBLK => "a block device",
        _ => "another kind of device",
    }
}
