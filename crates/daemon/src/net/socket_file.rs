//! The socket as a file: made so that only those can connect who may, never taken from a live program, removed at the
//! end.
//!
//! Whoever may write to the file may connect (unix(7)): its owner, the members of its group, root. The kernel looks at
//! that with all groups of the one who connects, so nothing is looked at a second time here.
//!
//! Two that want a socket in the same folder at the same time take turns: each holds a lock on the folder while it looks
//! whether somebody listens, removes what is left of somebody who does not, and binds.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{chown, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Gid, Group, Uid, User};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// After so long the turn is tried again that another one has.
const TURN_RETRY: Duration = Duration::from_millis(50);

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its access rights.
    pub(crate) mode: u32,
    /// The user that it is given to; `None`: it keeps the program's own.
    pub(crate) owner: Option<String>,
    /// The group that it is given to; `None`: it keeps the program's own.
    pub(crate) group: Option<String>,
    /// Connections that wait to be accepted (listen(2)).
    pub(crate) queue: i32,
}

/// The file of a socket that listens; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: somebody may have put another one in its place.
    identity: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum NoSocket {
    /// Another one is about to be made in this folder.
    Turn,
    /// Somebody listens there.
    Held,
    /// It is not a socket.
    Other,
    /// It cannot have the owner or the group that it should have: why, and what to do.
    Rights(String),
    /// The system's word for it, and what could not be done.
    Io(&'static str, io::Error),
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSocket::Turn => f.write_str("another program holds a lock on its folder"),
            NoSocket::Held => f.write_str("another program listens there (another instance of sermux?)"),
            NoSocket::Other => f.write_str("a file that is not a socket is there; remove it or name another place"),
            NoSocket::Rights(why) => f.write_str(why),
            NoSocket::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Within this program they wait for each other instead: it takes a moment.
static TURN_HERE: Mutex<()> = Mutex::new(());

/// Makes the socket, when its turn has come; that is tried so often.
pub(crate) async fn make(wanted: &Wanted, turn_tries: usize) -> Result<(UnixListener, SocketFile), NoSocket> {
    let mut tries = 1;
    loop {
        let wanted = wanted.clone();
        let made = tokio::task::spawn_blocking(move || make_blocking(&wanted)).await;
        match made.unwrap_or_else(|failed| Err(NoSocket::Io("it cannot be made", failed.into()))) {
            Err(NoSocket::Turn) if tries < turn_tries => {
                tries += 1;
                tokio::time::sleep(TURN_RETRY).await;
            }
            Ok((socket, file)) => {
                let socket =
                    UnixListener::from_std(socket).map_err(|error| NoSocket::Io("it cannot be used", error))?;
                return Ok((socket, file));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Looks at files and asks for users and groups: on the blocking pool.
fn make_blocking(wanted: &Wanted) -> Result<(StdListener, SocketFile), NoSocket> {
    let path = &wanted.path;
    // Asked for first: whoever knows the answer may be slow.
    let (owner, group) = (wanted.owner.as_deref().map(user), wanted.group.as_deref().map(group));
    let ids = (owner.transpose()?, group.transpose()?);
    let _turn_here = TURN_HERE.lock().unwrap_or_else(PoisonError::into_inner);
    let _turn = lock_folder(path)?;
    remove_stale(path)?;
    let socket = bind(wanted, ids)?;
    let metadata = fs::symlink_metadata(path).map_err(|error| NoSocket::Io("it is gone again", error))?;
    let file = SocketFile { path: path.clone(), identity: (metadata.dev(), metadata.ino()) };
    Ok((socket, file))
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
    match is_held(path) {
        Ok(false) => {
            fs::remove_file(path).map_err(|error| NoSocket::Io("what is left of another one cannot be removed", error))
        }
        Ok(true) => Err(NoSocket::Held),
        Err(error) => Err(NoSocket::Io("another one is there, and it cannot be asked", error)),
    }
}

/// Whether some process has this socket. A socket for datagrams asks: one for streams refuses it by its type, and whoever
/// listens there sees nobody come and go. Only a file that belongs to no socket any more refuses the connection.
fn is_held(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(error),
    }
}

/// Nobody can connect before it listens, and then everything about it is as it should be.
fn bind(wanted: &Wanted, ids: (Option<Uid>, Option<Gid>)) -> Result<StdListener, NoSocket> {
    let cannot = |error| NoSocket::Io("it cannot be made", error);
    let path = &wanted.path;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(cannot)?;
    socket.bind(&SockAddr::unix(path).map_err(cannot)?).map_err(cannot)?;
    let listen = || socket.listen(wanted.queue).and_then(|()| socket.set_nonblocking(true)).map_err(cannot);
    if let Err(error) = give_rights(wanted, ids).and_then(|()| listen()) {
        // It was made a moment ago; that it could not be finished is what counts.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(socket.into())
}

fn give_rights(wanted: &Wanted, (uid, gid): (Option<Uid>, Option<Gid>)) -> Result<(), NoSocket> {
    let path = &wanted.path;
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    fs::set_permissions(path, Permissions::from_mode(wanted.mode))
        .map_err(|error| NoSocket::Io("its rights cannot be set", error))?;
    if let (Some(gid), Some(group)) = (gid, &wanted.group) {
        chown(path, None, Some(gid.as_raw())).map_err(|error| {
            NoSocket::Rights(if denied(&error) {
                format!("this user is not in group {group}; as a service it is with SupplementaryGroups={group} in the unit")
            } else {
                format!("it cannot be given to group {group}: {error}")
            })
        })?;
    }
    if let (Some(uid), Some(owner)) = (uid, &wanted.owner) {
        chown(path, Some(uid.as_raw()), None).map_err(|error| {
            NoSocket::Rights(if denied(&error) {
                format!("only root can give it to user {owner}; name a `group` for those who may connect")
            } else {
                format!("it cannot be given to user {owner}: {error}")
            })
        })?;
    }
    Ok(())
}

fn group(name: &str) -> Result<Gid, NoSocket> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => Err(NoSocket::Rights(format!("there is no group {name}; make it with `groupadd {name}`"))),
        Err(error) => Err(NoSocket::Rights(format!("group {name} cannot be looked up: {error}"))),
    }
}

fn user(name: &str) -> Result<Uid, NoSocket> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid),
        Ok(None) => Err(NoSocket::Rights(format!("there is no user {name}"))),
        Err(error) => Err(NoSocket::Rights(format!("user {name} cannot be looked up: {error}"))),
    }
}

impl SocketFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _turn_here = TURN_HERE.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn wanted(folder: &Path) -> Wanted {
        Wanted { path: folder.join("a.sock"), mode: 0o660, owner: None, group: None, queue: 1 }
    }

    #[test]
    fn what_is_left_of_a_dead_program_is_replaced_and_a_live_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        // std leaves the file of a listener behind.
        drop(StdListener::bind(&wanted.path).unwrap());
        assert!(wanted.path.exists());
        let (first, file) = make_blocking(&wanted).unwrap();
        assert!(matches!(make_blocking(&wanted), Err(NoSocket::Held)));
        assert!(UnixStream::connect(&wanted.path).is_ok());
        drop((first, file));
        assert!(!wanted.path.exists(), "removed at the end");
    }

    #[test]
    fn a_live_one_of_any_kind_does_not_notice_that_it_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let (listener, _file) = make_blocking(&wanted).unwrap();
        assert!(matches!(make_blocking(&wanted), Err(NoSocket::Held)));
        let nobody = listener.accept().map(drop).unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);

        let path = folder.path().join("b.sock");
        let _datagrams = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        assert!(matches!(make_blocking(&Wanted { path, ..wanted.clone() }), Err(NoSocket::Held)));
        let path = folder.path().join("c.sock");
        let does_not_listen_yet = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        does_not_listen_yet.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        assert!(matches!(make_blocking(&Wanted { path, ..wanted }), Err(NoSocket::Held)));
    }

    #[test]
    fn the_file_of_somebody_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        fs::write(&wanted.path, "mine").unwrap();
        assert!(matches!(make_blocking(&wanted), Err(NoSocket::Other)));
        fs::remove_file(&wanted.path).unwrap();

        let (_listener, file) = make_blocking(&wanted).unwrap();
        fs::remove_file(&wanted.path).unwrap();
        let _theirs = StdListener::bind(&wanted.path).unwrap();
        drop(file);
        assert!(wanted.path.exists(), "another one's socket was removed");
    }

    #[test]
    fn rights_are_as_wanted_and_without_them_there_is_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        for mode in [0o660, 0o600, 0o666] {
            let _made = make_blocking(&Wanted { mode, ..wanted.clone() }).unwrap();
            assert_eq!(fs::metadata(&wanted.path).unwrap().mode() & 0o777, mode);
        }
        let nobody = || Some("no-such-name".to_owned());
        for wanted in [Wanted { group: nobody(), ..wanted.clone() }, Wanted { owner: nobody(), ..wanted.clone() }] {
            assert!(matches!(make_blocking(&wanted), Err(NoSocket::Rights(why)) if why.contains("no-such-name")));
            assert!(!wanted.path.exists(), "left behind with other rights");
        }
        let me = User::from_uid(Uid::current()).unwrap().map(|user| user.name);
        assert!(make_blocking(&Wanted { owner: me, ..wanted }).is_ok());
    }

    #[test]
    fn those_that_start_together_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let lock = lock_folder(&wanted.path).unwrap();
        assert!(matches!(make_blocking(&wanted), Err(NoSocket::Turn)));
        drop(lock);
        assert!(make_blocking(&wanted).is_ok());
    }
}
