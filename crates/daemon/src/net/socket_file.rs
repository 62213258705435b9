//! The file of a Unix socket: created so that only permitted users can connect, never taken from a live program, removed at
//! the end.
//!
//! Users that may write to the file may connect (unix(7)): its owner, the members of its group, root. The kernel checks
//! that with all groups of the connecting process, so nothing is checked again here.
//!
//! Two programs that want the same socket take turns: each holds a lock while it checks whether a program listens, removes a
//! socket on which none does, and binds. The lock is on a file of our own that others cannot open: any user who may read the
//! folder could hold a lock on the folder for ever.
//!
//! A user who owns the folder, or may write to it, can replace the socket by another file at any moment. So nothing here uses
//! the path twice: the folder is opened once, the file is opened in it without following a link, and rights and owner are set
//! on that open file, if it is the socket that was just created.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{openat, AtFlags, Flock, FlockArg, OFlag};
use nix::sys::stat::{fchmod, fstatat, FileStat, Mode};
use nix::unistd::{fchownat, unlinkat, Gid, Group, Uid, UnlinkatFlags, User};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// After this time a turn that another program has is tried again.
const TURN_RETRY: Duration = Duration::from_millis(50);

/// How often a lock file that is no good, or that somebody has just removed, is made anew.
const LOCK_TRIES: usize = 16;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedSocket {
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
    /// Another program is about to make this one.
    Turn,
    /// Somebody listens there.
    Held,
    /// It is not a socket.
    Other,
    /// Others could put something else in its place: why, and what to do.
    Folder(String),
    /// It cannot have the owner or the group that it should have: why, and what to do.
    Rights(String),
    /// The system's word for it, and what could not be done.
    Io(&'static str, io::Error),
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSocket::Turn => f.write_str("another program is about to listen there (another instance of sermux?)"),
            NoSocket::Held => f.write_str("another program listens there (another instance of sermux?)"),
            NoSocket::Other => f.write_str("a file that is not a socket is there; remove it or name another place"),
            NoSocket::Folder(why) | NoSocket::Rights(why) => f.write_str(why),
            NoSocket::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Within this program they wait for each other instead: it takes a moment.
static TURN_HERE: Mutex<()> = Mutex::new(());

/// Makes the socket, when its turn has come; that is tried so often.
pub(crate) async fn make(wanted: &WantedSocket, turn_tries: usize) -> Result<(UnixListener, SocketFile), NoSocket> {
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
fn make_blocking(wanted: &WantedSocket) -> Result<(StdListener, SocketFile), NoSocket> {
    let path = &wanted.path;
    // Looked up first: the user database may be slow.
    let (owner, group) = (wanted.owner.as_deref().map(user), wanted.group.as_deref().map(group));
    let ids = (owner.transpose()?, group.transpose()?);
    let _turn_here = TURN_HERE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Folder::of(path)?;
    folder.check()?;
    let _turn = folder.turn()?;
    remove_stale(&folder, path)?;
    let (socket, identity) = bind(&folder, wanted, ids)?;
    Ok((socket, SocketFile { path: path.clone(), identity }))
}

/// The folder of a socket, opened: what is done in it is done there, wherever its path leads later.
#[derive(Debug)]
struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    /// The socket's name in it.
    name: OsString,
}

impl Folder {
    fn of(socket: &Path) -> Result<Folder, NoSocket> {
        let path = socket.parent().unwrap_or(Path::new("/"));
        let file = File::open(path).map_err(|error| NoSocket::Io("its folder cannot be opened", error))?;
        let name = socket.file_name().unwrap_or(OsStr::new(".")).to_owned();
        let metadata = file.metadata().map_err(|error| NoSocket::Io("its folder cannot be opened", error))?;
        if !metadata.is_dir() {
            return Err(NoSocket::Io("its folder cannot be opened", Errno::ENOTDIR.into()));
        }
        Ok(Folder { fd: file.into(), path: path.to_owned(), name })
    }

    /// Where every user may rename what others have made, no file is safe.
    fn check(&self) -> Result<(), NoSocket> {
        let stat =
            nix::sys::stat::fstat(&self.fd).map_err(|errno| NoSocket::Io("its folder cannot be read", errno.into()))?;
        let (world, sticky) = (libc::S_IWOTH, libc::S_ISVTX);
        if stat.st_mode & world != 0 && stat.st_mode & sticky == 0 {
            let folder = self.path.display();
            return Err(NoSocket::Folder(format!(
                "every user may rename files in its folder {folder}; sudo chmod o-w {folder}, or sudo chmod +t {folder}"
            )));
        }
        Ok(())
    }

    /// What is there under this name; a link is not followed.
    fn look(&self, name: &OsStr) -> io::Result<FileStat> {
        Ok(fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Nobody else makes or removes this socket until it is dropped.
    fn turn(&self) -> Result<Turn<'_>, NoSocket> {
        let cannot = |error: io::Error| NoSocket::Io("no lock file can be made beside it", error);
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".lock");
        for _ in 0..LOCK_TRIES {
            let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let opened = openat(&self.fd, name.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR);
            let file = match opened {
                Ok(fd) => File::from(fd),
                // A link, or what another user has put there (protected_regular of proc_sys_fs(5)).
                Err(Errno::ELOOP | Errno::EACCES | Errno::ENXIO) if self.look(&name).is_ok() => {
                    self.remove(&name).map_err(cannot)?;
                    continue;
                }
                Err(errno) => return Err(cannot(errno.into())),
            };
            let metadata = file.metadata().map_err(cannot)?;
            let is_own = metadata.is_file() && metadata.uid() == Uid::effective().as_raw();
            if !is_own || metadata.mode() & 0o077 != 0 {
                // Others can open it, and so hold the lock for as long as they like.
                self.remove(&name).map_err(cannot)?;
                continue;
            }
            let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, Errno::EWOULDBLOCK)) => return Err(NoSocket::Turn),
                Err((_, errno)) => return Err(cannot(errno.into())),
            };
            // The one who had it has removed it meanwhile: a lock on that keeps nobody out.
            if self.look(&name).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (metadata.dev(), metadata.ino())) {
                return Ok(Turn { folder: self, name, _lock: lock });
            }
        }
        Err(NoSocket::Turn)
    }
}

/// The lock of [`Folder::turn`]. Its file goes with it.
struct Turn<'a> {
    folder: &'a Folder,
    name: OsString,
    _lock: Flock<File>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // The next one makes it anew.
        let _ = self.folder.remove(&self.name);
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(folder: &Folder, path: &Path) -> Result<(), NoSocket> {
    let stat = match folder.look(&folder.name) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(NoSocket::Io("it cannot be looked at", error)),
    };
    if !is_socket(&stat) {
        return Err(NoSocket::Other);
    }
    match is_held(path) {
        Ok(false) => folder
            .remove(&folder.name)
            .map_err(|error| NoSocket::Io("a leftover socket of another program cannot be removed", error)),
        Ok(true) => Err(NoSocket::Held),
        Err(error) => {
            Err(NoSocket::Io("another socket is there, and sermux cannot find out whether it is in use", error))
        }
    }
}

fn is_socket(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
}

/// Whether some process has this socket. A socket for datagrams asks: one for streams refuses it by its type, and the
/// listener there does not notice. Only a file that belongs to no socket any more refuses the connection.
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
fn bind(
    folder: &Folder,
    wanted: &WantedSocket,
    ids: (Option<Uid>, Option<Gid>),
) -> Result<(StdListener, (u64, u64)), NoSocket> {
    let cannot = |error| NoSocket::Io("it cannot be made", error);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(cannot)?;
    // The file gets these rights, less the umask: never more than it should have.
    let _ = fchmod(&socket, Mode::from_bits_truncate(wanted.mode));
    socket.bind(&SockAddr::unix(&wanted.path).map_err(cannot)?).map_err(cannot)?;
    let listen = || socket.listen(wanted.queue).and_then(|()| socket.set_nonblocking(true)).map_err(cannot);
    let finished = Made::look(folder).and_then(|made| {
        made.give_rights(wanted, ids)?;
        listen()?;
        Ok(made.identity)
    });
    match finished {
        Ok(identity) => Ok((socket.into(), identity)),
        Err(error) => {
            // It was made a moment ago; that it could not be finished is what counts.
            let _ = folder.remove(&folder.name);
            Err(error)
        }
    }
}

/// The file of a socket that was made a moment ago, opened as it is.
struct Made {
    /// For its place alone (O_PATH of open(2)).
    fd: OwnedFd,
    mode: u32,
    identity: (u64, u64),
}

impl Made {
    fn look(folder: &Folder) -> Result<Made, NoSocket> {
        let gone = |errno: Errno| NoSocket::Io("the file was removed again", errno.into());
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&folder.fd, folder.name.as_os_str(), flags, Mode::empty()).map_err(gone)?;
        let stat = nix::sys::stat::fstat(&fd).map_err(gone)?;
        // Neither a link nor a second name of some other file of this user, that somebody has put there meanwhile.
        if !is_socket(&stat) || stat.st_nlink != 1 || stat.st_uid != Uid::effective().as_raw() {
            return Err(NoSocket::Folder("something else was put in its place meanwhile".to_owned()));
        }
        Ok(Made { fd, mode: stat.st_mode & 0o777, identity: (stat.st_dev, stat.st_ino) })
    }

    fn give_rights(&self, wanted: &WantedSocket, (uid, gid): (Option<Uid>, Option<Gid>)) -> Result<(), NoSocket> {
        let denied = |errno: Errno| matches!(errno, Errno::EPERM | Errno::EACCES);
        if self.mode != wanted.mode {
            // There is no fchmod(2) for such a descriptor; this leads to the very file that it is of.
            let itself = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
            fs::set_permissions(itself, Permissions::from_mode(wanted.mode))
                .map_err(|error| NoSocket::Io("its rights cannot be set", error))?;
        }
        let chown = |uid, gid| fchownat(&self.fd, "", uid, gid, AtFlags::AT_EMPTY_PATH);
        if let (Some(gid), Some(group)) = (gid, &wanted.group) {
            chown(None, Some(gid)).map_err(|errno| {
                NoSocket::Rights(if denied(errno) {
                    format!("this user is not in group {group}; as a service it is with SupplementaryGroups={group} in the unit")
                } else {
                    format!("it cannot be given to group {group}: {}", errno.desc())
                })
            })?;
        }
        if let (Some(uid), Some(owner)) = (uid, &wanted.owner) {
            chown(Some(uid), None).map_err(|errno| {
                NoSocket::Rights(if denied(errno) {
                    format!("only root can give it to user {owner}; name a `group` for those who may connect")
                } else {
                    format!("it cannot be given to user {owner}: {}", errno.desc())
                })
            })?;
        }
        Ok(())
    }
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
        let Ok(folder) = Folder::of(&self.path) else { return };
        // Without the lock somebody is just looking at it, and finds out by itself that nobody listens.
        let Ok(_turn) = folder.turn() else { return };
        if folder.look(&folder.name).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity) {
            // What is left is taken away by the next one.
            let _ = folder.remove(&folder.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn wanted(folder: &Path) -> WantedSocket {
        WantedSocket { path: folder.join("a.sock"), mode: 0o660, owner: None, group: None, queue: 1 }
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
        assert!(matches!(make_blocking(&WantedSocket { path, ..wanted.clone() }), Err(NoSocket::Held)));
        let path = folder.path().join("c.sock");
        let does_not_listen_yet = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        does_not_listen_yet.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        assert!(matches!(make_blocking(&WantedSocket { path, ..wanted }), Err(NoSocket::Held)));
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
            let _made = make_blocking(&WantedSocket { mode, ..wanted.clone() }).unwrap();
            assert_eq!(fs::metadata(&wanted.path).unwrap().mode() & 0o777, mode);
        }
        let nobody = || Some("no-such-name".to_owned());
        for wanted in
            [WantedSocket { group: nobody(), ..wanted.clone() }, WantedSocket { owner: nobody(), ..wanted.clone() }]
        {
            assert!(matches!(make_blocking(&wanted), Err(NoSocket::Rights(why)) if why.contains("no-such-name")));
            assert!(!wanted.path.exists(), "left behind with other rights");
        }
        let me = User::from_uid(Uid::current()).unwrap().map(|user| user.name);
        assert!(make_blocking(&WantedSocket { owner: me, ..wanted }).is_ok());
    }

    #[test]
    fn those_that_start_together_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let there = Folder::of(&wanted.path).unwrap();
        let lock = there.turn().unwrap();
        assert!(matches!(make_blocking(&wanted), Err(NoSocket::Turn)));
        drop(lock);
        let _made = make_blocking(&wanted).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a.sock"], "the lock file stays behind");
    }

    #[test]
    fn a_lock_that_others_could_hold_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let lock = folder.path().join(".a.sock.lock");
        // The folder itself, a file that others can open, and one that is a link.
        let _folder = Flock::lock(File::open(folder.path()).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, Permissions::from_mode(0o644)).unwrap();
        let _file = Flock::lock(File::open(&lock).unwrap(), FlockArg::LockSharedNonblock).unwrap();
        drop(make_blocking(&wanted).unwrap());
        let victim = folder.path().join("victim");
        std::os::unix::fs::symlink(&victim, &lock).unwrap();
        drop(make_blocking(&wanted).unwrap());
        assert!(!victim.exists(), "a link was followed");
    }

    #[test]
    fn rights_go_to_the_socket_that_was_made_and_to_nothing_that_was_put_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = WantedSocket { mode: 0o666, ..wanted(folder.path()) };
        let secret = folder.path().join("secret");
        fs::write(&secret, "").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let there = Folder::of(&wanted.path).unwrap();
        for put in [
            |secret: &Path, path: &Path| std::os::unix::fs::symlink(secret, path),
            |secret: &Path, path: &Path| fs::hard_link(secret, path),
        ] {
            let _ = fs::remove_file(&wanted.path);
            put(&secret, &wanted.path).unwrap();
            assert!(matches!(Made::look(&there), Err(NoSocket::Folder(_))));
        }
        fs::remove_file(&wanted.path).unwrap();

        // Between the look and the rights.
        drop(StdListener::bind(&wanted.path).unwrap());
        let made = Made::look(&there).unwrap();
        fs::rename(&wanted.path, folder.path().join("aside")).unwrap();
        std::os::unix::fs::symlink(&secret, &wanted.path).unwrap();
        made.give_rights(&wanted, (None, None)).unwrap();
        assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(folder.path().join("aside")).unwrap().mode() & 0o777, 0o666);
    }

    #[test]
    fn a_folder_where_every_user_may_rename_files_is_refused_unless_it_is_sticky() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let set = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        set(0o777);
        assert!(matches!(make_blocking(&wanted), Err(NoSocket::Folder(why)) if why.contains("chmod o-w")));
        set(0o1777);
        assert!(make_blocking(&wanted).is_ok());
    }
}
