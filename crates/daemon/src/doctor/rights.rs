//! Whether the service's user and the caller are in the group that may open a device.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::{read, Finding};
use crate::device::Root;

/// The user of the service.
const SERVICE: &str = "sermux";

/// The group of serial devices in Debian.
const USUAL: &str = "dialout";

pub(super) fn check(root: &Root, node: &Path, caller: Option<&str>) -> Vec<Finding> {
    let Some(groups) = read::text(root, "/etc/group") else { return Vec::new() };
    let users = read::text(root, "/etc/passwd").unwrap_or_default();
    let has_service = entry(&users, SERVICE).is_some();
    if let Some(mode) = closed(root, node) {
        let who = if has_service { "the service" } else { "every user but its owner" };
        let what = format!("{}: its mode is {mode:04o}, so {who} cannot open the device", node.display());
        let why = "an earlier login prompt left this mode; udev restores the group's rights";
        return vec![Finding::bad(what).so(format!("sudo udevadm trigger --action=add {}    # {why}", node.display()))];
    }
    let Some(group) = group_of(root, node, &groups) else { return Vec::new() };
    let mut found = Vec::new();
    if has_service && !is_in(SERVICE, &group, &users) {
        found.push(
            Finding::bad(format!(
                "user {SERVICE} is not in group {}, to which {} belongs, so the service cannot open the device",
                group.name,
                node.display()
            ))
            .at("/etc/group", Some(group.line))
            .so(format!("sudo usermod -aG {} {SERVICE} && sudo systemctl restart sermux", group.name)),
        );
    }
    if let Some(caller) = caller.filter(|caller| *caller != "root" && *caller != SERVICE) {
        if !is_in(caller, &group, &users) {
            let what = format!("user {caller} is not in group {}, to which {} belongs", group.name, node.display());
            // A user who has the service needs no rights of their own.
            let finding = if has_service {
                Finding::warning(format!("{what}; only the service can open the device"))
            } else {
                Finding::bad(what)
            };
            found.push(
                finding
                    .at("/etc/group", Some(group.line))
                    .so(format!("sudo usermod -aG {} {caller}, then log in again", group.name)),
            );
        }
    }
    found
}

/// The mode of a device that neither its group nor everybody may open.
fn closed(root: &Root, node: &Path) -> Option<u32> {
    let metadata = std::fs::metadata(root.path(node)).ok()?;
    let mode = metadata.mode() & 0o777;
    let is_closed = mode & 0o060 != 0o060 && mode & 0o006 != 0o006;
    (metadata.file_type().is_char_device() && is_closed).then_some(mode)
}

struct Group<'a> {
    name: &'a str,
    id: &'a str,
    members: Vec<&'a str>,
    line: usize,
}

/// The node's own, if it is a device; else the usual one.
fn group_of<'a>(root: &Root, node: &Path, groups: &'a str) -> Option<Group<'a>> {
    let metadata = std::fs::metadata(root.path(node)).ok();
    let device = metadata.filter(|metadata| metadata.file_type().is_char_device());
    let id = device.as_ref().map(|device| device.gid().to_string());
    if let Some(device) = &device {
        // A group that may not open it, or everybody who may: membership is not what it takes.
        if device.mode() & 0o060 != 0o060 || device.mode() & 0o006 == 0o006 {
            return None;
        }
    }
    groups.lines().enumerate().find_map(|(at, line)| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = id.as_deref().map_or(name == USUAL, |id| id == number);
        let members = fields.next().unwrap_or_default().split(',').map(str::trim).collect();
        is_it.then_some(Group { name, id: number, members, line: at + 1 })
    })
}

fn is_in(user: &str, group: &Group<'_>, users: &str) -> bool {
    group.members.contains(&user) || entry(users, user) == Some(group.id)
}

/// The first group of a user.
fn entry<'a>(users: &'a str, user: &str) -> Option<&'a str> {
    let line = users.lines().find(|line| line.split(':').next() == Some(user))?;
    line.split(':').nth(3)
}
