//! Why a device could not be opened, in words for the operator: what happened, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::unistd::{getegid, geteuid, getgroups, Gid, Group, Uid, User};

/// Why a device could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// There is no such node, or no hardware behind it.
    Absent {
        /// The device.
        path: PathBuf,
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

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Absent { path } => write!(f, "{}: not there (yet); {}", path.display(), where_to_look(path)),
            OpenError::Forbidden { path, hint } => write!(f, "{}: permission denied; {hint}", path.display()),
            OpenError::Busy { path } => {
                write!(f, "{}: busy: another program has it open (exclusive)", path.display())
            }
            OpenError::NotATty { path, what } => write!(
                f,
                "{}: {what}, not a serial port: give a tty, such as /dev/ttyUSB0 or a link in /dev/serial/by-id",
                path.display()
            ),
            OpenError::Other { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// What makes a device appear.
fn where_to_look(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with("ttyAMA") || name.starts_with("serial") {
        "on a Raspberry Pi switch the serial port on: raspi-config, interface options, serial port: login shell no, \
         hardware yes"
    } else {
        "plug it in, or correct `device` (`ls -l /dev/serial/by-id` shows the USB adapters)"
    }
}

impl OpenError {
    /// What an error of stat(2) or open(2) means; `stat` is the node, when there is one.
    pub(super) fn from_open(path: &Path, error: Errno, stat: Option<&FileStat>) -> OpenError {
        let path = path.to_owned();
        match error {
            // ENXIO and ENODEV: the node is there and its hardware is not, or not any more.
            Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::ENODEV => OpenError::Absent { path },
            Errno::EBUSY => OpenError::Busy { path },
            Errno::EACCES => {
                let hint = match stat {
                    Some(stat) => access_hint(stat),
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

    /// What an error means that came from the device once it was open.
    pub(super) fn other(path: &Path, doing: &str, error: Errno) -> OpenError {
        OpenError::Other { path: path.to_owned(), what: format!("{doing}: {}", error.desc().to_lowercase()) }
    }
}

/// Why the node's owner, group and mode keep this user out.
fn access_hint(stat: &FileStat) -> String {
    let uid = geteuid();
    let gid = Gid::from_raw(stat.st_gid);
    let user = User::from_uid(uid).ok().flatten();
    let group = Group::from_gid(gid).ok().flatten();

    let user_name = user.as_ref().map_or_else(|| uid.to_string(), |user| user.name.clone());
    let group_name = group.as_ref().map_or_else(|| gid.to_string(), |group| group.name.clone());

    let member_now = getegid() == gid || getgroups().is_ok_and(|groups| groups.contains(&gid));
    if stat.st_mode & 0o060 != 0o060 || member_now {
        let owner = User::from_uid(Uid::from_raw(stat.st_uid)).ok().flatten();
        let owner = owner.map_or_else(|| stat.st_uid.to_string(), |owner| owner.name);
        let mode = stat.st_mode & 0o777;
        return format!("its mode is {mode:04o}, owner {owner}, group {group_name}, which leaves out user {user_name}");
    }

    let listed = group.is_some_and(|group| group.mem.contains(&user_name));
    if listed {
        return format!(
            "the device belongs to group {group_name}; user {user_name} is in it, but was not when this session \
             began: log in again"
        );
    }
    format!(
        "the device belongs to group {group_name} and user {user_name} is not in it: \
         sudo usermod -aG {group_name} {user_name}, then log in again"
    )
}

/// What a node is that is no character device.
pub(super) fn kind_of(mode: libc::mode_t) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => "a directory",
        libc::S_IFREG => "a regular file",
        libc::S_IFIFO => "a named pipe",
        libc::S_IFSOCK => "a socket",
        libc::S_IFBLK => "a block device",
        _ => "another kind of device",
    }
}
