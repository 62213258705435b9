//! The socket as a file: made so that only those can connect who may, never taken from a live instance, removed at the
//! end.
//!
//! Whoever may write to the file may connect (unix(7)): the owner, the members of its group, root. The kernel looks at
//! that with all groups of the one who connects, so nothing is looked at a second time here.
//!
//! Two instances that start at the same time take turns: each holds a lock on the folder while it looks whether somebody
//! listens, removes what is left of somebody who does not, and binds.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{chown, DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Group;
use sermux_port_config::config::Control;
use socket2::{Domain, SockAddr, Socket, Type};
use tracing::warn;

use crate::control::place::Place;

/// Connections that wait to be accepted (listen(2)).
const QUEUE: i32 = 32;

/// A socket that listens, and whose file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct ControlFile {
    path: PathBuf,
    /// Device and inode: somebody may have put another one in its place.
    identity: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum NoSocket {
    /// Another instance is about to make one in this folder.
    Turn,
    /// Another instance listens there.
    Held,
    /// It is not a socket.
    Other,
    /// The system's word for it, and what could not be done.
    Io(&'static str, io::Error),
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSocket::Turn => f.write_str("another program holds a lock on its folder"),
            NoSocket::Held => f.write_str("another instance of sermux listens there"),
            NoSocket::Other => f.write_str("a file that is not a socket is there; remove it or name another place"),
            NoSocket::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Makes the socket. Looks at files: on the blocking pool.
pub(crate) fn make_blocking(place: &Place, control: &Control) -> Result<(UnixListener, ControlFile), NoSocket> {
    if let Some(folder) = &place.folder {
        make_folder(folder).map_err(|error| NoSocket::Io("its folder cannot be made", error))?;
    }
    let _turn = lock_folder(&place.socket)?;
    remove_stale(&place.socket)?;
    let socket = bind(&place.socket, control).map_err(|error| NoSocket::Io("it cannot be made", error))?;
    let metadata = fs::symlink_metadata(&place.socket).map_err(|error| NoSocket::Io("it is gone again", error))?;
    let file = ControlFile { path: place.socket.clone(), identity: (metadata.dev(), metadata.ino()) };
    Ok((socket, file))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Nobody else makes or removes a socket in this folder until it is dropped.
fn lock_folder(socket: &Path) -> Result<Flock<File>, NoSocket> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let folder = File::open(folder).map_err(|error| NoSocket::Io("its folder cannot be opened", error))?;
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        Errno::EWOULDBLOCK => NoSocket::Turn,
        error => NoSocket::Io("its folder cannot be locked", error.into()),
    })
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), NoSocket> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(NoSocket::Io("it cannot be looked at", error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(NoSocket::Other);
    }
    match try_connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| NoSocket::Io("what is left of another one cannot be removed", error))
        }
        Ok(()) => Err(NoSocket::Held),
        // Its queue is full, so somebody listens.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(NoSocket::Held),
        Err(error) => Err(NoSocket::Io("another one is there, and it does not answer", error)),
    }
}

fn try_connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Nobody can connect before it listens, and then everything about it is as it should be.
fn bind(path: &Path, control: &Control) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let ready =
        give_rights(path, control).and_then(|()| socket.listen(QUEUE)).and_then(|()| socket.set_nonblocking(true));
    if let Err(error) = ready {
        // It was made a moment ago; that it could not be finished is what counts.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(socket.into())
}

/// A group that it cannot be given to leaves it to its owner alone.
fn give_rights(path: &Path, control: &Control) -> io::Result<()> {
    let mode = match control.group.as_deref().map(|name| (name, give_to(path, name))) {
        None | Some((_, Ok(()))) => control.mode,
        Some((group, Err(why))) => {
            warn!(socket = %path.display(), "only its owner and root may use it: {why} (control.group: {group})");
            control.mode & 0o700
        }
    };
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn give_to(path: &Path, group: &str) -> Result<(), String> {
    let found = Group::from_name(group).map_err(|error| format!("group {group} cannot be looked up: {error}"))?;
    let gid = found.ok_or_else(|| format!("there is no group {group}; make it with `groupadd {group}`"))?.gid;
    chown(path, None, Some(gid.as_raw())).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "this user is not in group {group}; as a service it is with SupplementaryGroups={group} in the unit"
            )
        }
        _ => format!("it cannot be given to group {group}: {error}"),
    })
}

impl ControlFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlFile {
    fn drop(&mut self) {
        // Without the lock somebody is just looking at it, and finds out by itself that nobody listens.
        let Ok(_turn) = lock_folder(&self.path) else { return };
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return };
        if (metadata.dev(), metadata.ino()) == self.identity {
            // What is left is taken away by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn place(folder: &Path) -> Place {
        Place { socket: folder.join("control.sock"), folder: None }
    }

    #[test]
    fn what_is_left_of_a_dead_instance_is_replaced_and_a_live_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        // std leaves the file of a listener behind.
        drop(UnixListener::bind(&place.socket).unwrap());
        assert!(place.socket.exists());
        let (first, file) = make_blocking(&place, &Control::default()).unwrap();
        assert!(matches!(make_blocking(&place, &Control::default()), Err(NoSocket::Held)));
        assert!(UnixStream::connect(&place.socket).is_ok());
        drop((first, file));
        assert!(!place.socket.exists(), "removed at the end");
    }

    #[test]
    fn the_file_of_somebody_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        fs::write(&place.socket, "mine").unwrap();
        assert!(matches!(make_blocking(&place, &Control::default()), Err(NoSocket::Other)));
        fs::remove_file(&place.socket).unwrap();

        let (_listener, file) = make_blocking(&place, &Control::default()).unwrap();
        fs::remove_file(&place.socket).unwrap();
        let _theirs = UnixListener::bind(&place.socket).unwrap();
        drop(file);
        assert!(place.socket.exists(), "another one's socket was removed");
    }

    #[test]
    fn rights_are_as_configured_and_a_group_that_does_not_exist_gets_none() {
        let mode = |control: &Control| {
            let folder = tempfile::tempdir().unwrap();
            let place = place(folder.path());
            let _made = make_blocking(&place, control).unwrap();
            fs::metadata(&place.socket).unwrap().mode() & 0o777
        };
        assert_eq!(mode(&Control::default()), 0o660);
        assert_eq!(mode(&Control { mode: 0o600, ..Control::default() }), 0o600);
        assert_eq!(mode(&Control { group: Some("no-such-group".to_owned()), ..Control::default() }), 0o600);
    }

    #[test]
    fn instances_that_start_together_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let lock = lock_folder(&place.socket).unwrap();
        assert!(matches!(make_blocking(&place, &Control::default()), Err(NoSocket::Turn)));
        drop(lock);
        assert!(make_blocking(&place, &Control::default()).is_ok());
    }
}
