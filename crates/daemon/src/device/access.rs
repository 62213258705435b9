//! Whether this user may open a device, and what would help if not.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{stat, FileStat};
use nix::unistd::{eaccess, getegid, getgroups, setfsuid, AccessFlags, Gid, Group, Uid, User};

/// Whether a device may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAccess {
    /// As far as its rights go.
    Allowed,
    /// There is no node, though there is hardware: a container that was not given it.
    NoNode,
    /// Not by this user; what would help.
    Forbidden(String),
}

impl DeviceAccess {
    /// To a node. Asks the kernel, so lists of rights count (acl(5)), and opens nothing.
    pub fn of(path: &Path) -> DeviceAccess {
        match eaccess(path, AccessFlags::R_OK | AccessFlags::W_OK) {
            Ok(()) => DeviceAccess::Allowed,
            Err(Errno::ENOENT) => DeviceAccess::NoNode,
            Err(errno) => DeviceAccess::Forbidden(match stat(path) {
                Ok(stat) if errno == Errno::EACCES => hint(&stat),
                _ => errno.desc().to_lowercase(),
            }),
        }
    }
}

/// Why the node's owner, group and mode keep this user out.
pub(crate) fn hint(stat: &FileStat) -> String {
    let uid = opens_as();
    if passes_modes() {
        return "not by its mode, which root may pass: its file system is mounted with nodev, the container or the service was \
                not given the device (--device, DeviceAllow=), or a security module (AppArmor, SELinux) forbids it"
            .to_owned();
    }
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
        let from_login = if group_name == "tty" && matches!(mode, 0o600 | 0o620) {
            "; a login prompt left it so: `sudo udevadm trigger --action=add` with its name gives it back, or a restart"
        } else {
            ""
        };
        return format!(
            "its mode is {mode:04o}, owner {owner}, group {group_name}, which leaves out user {user_name}{from_login}"
        );
    }

    if uid.is_root() {
        return format!(
            "the device belongs to group {group_name}, and root has no right here to pass its mode (CAP_DAC_OVERRIDE): give the \
             container or the service that group (--group-add {group_name}, SupplementaryGroups={group_name}) or that capability"
        );
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

/// Whether this thread may open files whatever their mode. Root without the capability is an ordinary user, as in a container that was
/// started with `--cap-drop`.
fn passes_modes() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    // Where there is no /proc.
    effective.map_or_else(|| opens_as().is_root(), |set| set & CAP_DAC_OVERRIDE != 0)
}

/// As whom this thread opens files. What is no user changes nothing (setfsuid(2)).
fn opens_as() -> Uid {
    setfsuid(Uid::from_raw(u32::MAX))
}

/// Of linux/capability.h, as a bit.
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
