//! UUCP lock files: `LCK..ttyUSB0` in /var/lock, with the number of the process that uses the device.
//!
//! The format is that of HoneyDanBer UUCP, as the File Hierarchy Standard 3.0 has it (5.9): the number in decimal as ten
//! characters with blanks before it, and a line feed. A file of four bytes is read too: there the number is binary.
//!
//! A number means something only where the process is: a container has numbers of its own, and may share the folder. So this
//! program also locks its file (flock(2)), which every container sees; and a number that is not there is believed to be one of
//! the past only where all processes of the machine can be seen.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sermux_port_config::config::Port;

use super::holder::{Holders, Process};
use super::{claim, OpenError, Root};

/// Folders in which programs look; on many systems the second is the first.
const FOLDERS: [&str; 2] = ["/run/lock", "/var/lock"];

/// A file without a number may be one that is just being written; after this time it is none.
const HALF_WRITTEN: Duration = Duration::from_secs(60);

/// How often another file is found where one was just removed.
const TRIES: usize = 4;

/// A lock file of this process, which is removed when it is dropped.
#[derive(Debug)]
pub struct LockFile {
    held: HeldPath,
    /// Locked for as long as it is open.
    _file: Option<Flock<File>>,
}

/// Which processes there can be that this one does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// None: it is in the first namespace of processes (pid_namespaces(7)).
    All,
    /// Those outside of its container.
    Container,
}

impl Sight {
    fn own() -> Sight {
        /// PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h.
        const FIRST: &str = "pid:[4026531836]";
        match fs::read_link("/proc/self/ns/pid") {
            Ok(namespace) if namespace.as_os_str() != FIRST => Sight::Container,
            // A kernel without such namespaces has no others.
            _ => Sight::All,
        }
    }
}

/// A path whose lock this process has or is about to make: its own number in the file does not tell one port from another,
/// nor from what a process left that had the same number.
#[derive(Debug)]
struct HeldPath(PathBuf);

static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl HeldPath {
    /// `None`: another port of this process has it.
    fn new(path: PathBuf) -> Option<HeldPath> {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains(&path) {
            return None;
        }
        held.push(path.clone());
        Some(HeldPath(path))
    }
}

impl Drop for HeldPath {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}

/// Why there is no lock.
#[derive(Debug, PartialEq, Eq)]
enum LockRefused {
    /// In words.
    Held(String),
    /// In words.
    Failed(String),
}

impl LockFile {
    /// The lock of a port's device, when the port wants one. `node` is no link.
    pub(crate) fn of_port(port: &Port, node: &Path) -> Result<Option<LockFile>, OpenError> {
        let Some(folder) = &port.lock_file else { return Ok(None) };
        match Self::take(folder, node, Sight::own()) {
            Ok(lock) => Ok(Some(lock)),
            Err(LockRefused::Held(by)) => Err(OpenError::Busy { path: node.to_owned(), by }),
            Err(LockRefused::Failed(what)) => Err(OpenError::Other { path: node.to_owned(), what }),
        }
    }

    /// Locks, after removing what a process left that has ended.
    fn take(folder: &Path, node: &Path, sight: Sight) -> Result<LockFile, LockRefused> {
        // Resolved, so that messages name /run/lock where the folder is a link to it.
        let folder = fs::canonicalize(folder).map_err(|error| failed(folder, &error))?;
        let Some(held) = HeldPath::new(folder.join(file_name(node))) else {
            return Err(LockRefused::Held(
                claim::text(node).unwrap_or_else(|| "another port of this sermux has it".to_owned()),
            ));
        };
        let path = &held.0;
        for _ in 0..TRIES {
            let mut own = Draft::write(&folder).map_err(|error| failed(&folder, &error))?;
            // Unlike a rename this fails when there is one, and unlike writing it in place it is never seen half.
            match fs::hard_link(&own.path, path) {
                Ok(()) => return Ok(LockFile { _file: own.file.take(), held }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_stale(path, node, sight)?,
                Err(error) => return Err(failed(&folder, &error)),
            }
        }
        Err(LockRefused::Held(format!("its lock file {} is created again each time it is removed", path.display())))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Not one that somebody has put in its place.
        let path = &self.held.0;
        if LockOwner::in_file(path).is_ok_and(|owner| owner == LockOwner::Pid(std::process::id())) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes a lock that nobody holds; an error when somebody does, or when it cannot be removed.
fn remove_stale(path: &Path, node: &Path, sight: Sight) -> Result<(), LockRefused> {
    let found = match LockOwner::in_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(LockRefused::Held(format!("its lock file {} cannot be read: {error}", path.display())))
        }
        Ok(found) => found,
    };
    match found.holds(path, node, sight) {
        Some(by) => Err(LockRefused::Held(by)),
        None => take_away(path, found),
    }
}

/// Removes the lock file of this owner, and no other that has taken its place.
fn take_away(path: &Path, found: LockOwner) -> Result<(), LockRefused> {
    // Two may do this at the same time, and the second must not remove the new lock of the first: so it is taken away
    // first, under a name of our own, and looked at there.
    let away = path.with_file_name(format!("LTMP..{}", next_name()));
    fs::rename(path, &away).map_err(|error| {
        let rm = format!("sudo rm {}", path.display());
        LockRefused::Held(format!(
            "its lock file is one that {found} left behind, and cannot be removed ({error}): {rm}"
        ))
    })?;
    let mine = LockOwner::in_file(&away).is_ok_and(|now| now == found);
    if !mine {
        let _ = fs::hard_link(&away, path);
    }
    let _ = fs::remove_file(&away);
    if mine {
        tracing::info!(event = %"device.lock-removed", file = %path.display(),
            "removed the lock file that {found} left behind");
    }
    Ok(())
}

fn failed(folder: &Path, error: &io::Error) -> LockRefused {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "make the folder, or name another in `lock-file`",
        io::ErrorKind::PermissionDenied => "give this user write access to it, or name another in `lock-file`",
        io::ErrorKind::ReadOnlyFilesystem => {
            "as a service: add ReadWritePaths= for it (systemctl edit sermux), or name /run/lock in `lock-file`"
        }
        _ => "name another folder in `lock-file`",
    };
    LockRefused::Failed(format!("no lock file can be made in {}: {error}; {help}", folder.display()))
}

/// `LCK..ttyUSB0`, and `LCK..pts_3` for what is deeper in /dev.
fn file_name(node: &Path) -> String {
    let name = node.strip_prefix("/dev").ok().or_else(|| node.file_name().map(Path::new)).unwrap_or(node);
    format!("LCK..{}", name.display().to_string().replace('/', "_"))
}

/// Different for each call in this process, and for each process.
fn next_name() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    format!("{}.{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

/// A lock file before it has its name. Removed when dropped: the lock is another link to it.
struct Draft {
    path: PathBuf,
    /// Taken by the lock that it becomes.
    file: Option<Flock<File>>,
}

impl Draft {
    fn write(folder: &Path) -> io::Result<Draft> {
        let path = folder.join(format!("LTMP..{}", next_name()));
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path) {
            // Of a process that had this number before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path)?;
                OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?
            }
            file => file?,
        };
        let mut draft = Draft { path, file: None };
        // Everybody is to read who holds the device, whatever the umask.
        file.set_permissions(Permissions::from_mode(0o644))?;
        writeln!(file, "{:>10}", std::process::id())?;
        // Nobody else has it yet.
        draft.file = Some(Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)?);
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whom a lock file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LockOwner {
    Pid(u32),
    /// Something else than a number stands there.
    Nobody,
}

impl LockOwner {
    fn in_file(path: &Path) -> io::Result<LockOwner> {
        let bytes = fs::read(path)?;
        let text = String::from_utf8_lossy(&bytes);
        let in_text = text.split_whitespace().next().and_then(|word| word.parse().ok());
        let in_binary = || Some(u32::from_ne_bytes(bytes.as_slice().try_into().ok()?));
        let pid: Option<u32> = in_text.or_else(in_binary);
        // Only these are numbers of processes.
        Ok(match pid.filter(|pid| (1..=0x40_0000).contains(pid)) {
            Some(pid) => LockOwner::Pid(pid),
            None => LockOwner::Nobody,
        })
    }

    /// Who it is that holds the device by this file; `None`: nobody does.
    fn holds(self, path: &Path, node: &Path, sight: Sight) -> Option<String> {
        match self {
            LockOwner::Pid(_) if is_locked(path) => {
                Some(format!("held by another sermux (in another container?), by its lock file {}", path.display()))
            }
            // A process that had this number before: the ports of this one know of each other.
            LockOwner::Pid(pid) if pid == std::process::id() => None,
            LockOwner::Pid(pid) if is_alive(pid) => {
                let process = Process::of(&Root::default(), pid);
                Some(format!("held by {process}, by its lock file {}", path.display()))
            }
            LockOwner::Pid(pid) if sight == Sight::Container => {
                let file = path.display();
                Some(format!(
                    "its lock file {file} names pid {pid}, which may be outside of this container; if no program uses the \
                     device: rm {file}"
                ))
            }
            // Of a process in a container the file has a number that is another one here.
            LockOwner::Pid(_) => {
                let holders = Holders::of(&Root::default(), &[node.to_owned()]);
                let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
                let own = namespace("self");
                let in_container =
                    |process: &&Process| namespace(&process.pid.to_string()).is_some_and(|other| Some(other) != own);
                let other = holders.processes(node).find(in_container);
                other.map(|process| format!("held by {process}, and its lock file {} is there", path.display()))
            }
            LockOwner::Nobody => {
                let age = fs::metadata(path).and_then(|file| file.modified()).ok();
                let age = age.and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default();
                (age < HALF_WRITTEN).then(|| format!("its lock file {} has no process number (yet)", path.display()))
            }
        }
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockOwner::Pid(pid) => write!(f, "pid {pid}, which has ended,"),
            LockOwner::Nobody => f.write_str("somebody without a number"),
        }
    }
}

/// Whether some sermux has it: the one that made it keeps it locked.
fn is_locked(path: &Path) -> bool {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    opened.is_ok_and(|file| matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK))))
}

fn is_alive(pid: u32) -> bool {
    // EPERM: it is somebody else's.
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

/// A lock file that is there for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it is.
    pub path: PathBuf,
    /// Who it says holds the device; `None`: no number stands in it.
    pub process: Option<Process>,
    /// Whether that process is there. If not, the file was left behind.
    pub alive: bool,
}

impl Seen {
    /// All for a node.
    pub fn on(root: &Root, node: &Path) -> Vec<Seen> {
        let mut folders: Vec<&str> = FOLDERS.to_vec();
        let real = |folder: &str| fs::canonicalize(root.path(folder)).ok();
        folders.dedup_by_key(|folder| real(folder));
        let files = folders.into_iter().map(|folder| Path::new(folder).join(file_name(node)));
        files.filter_map(|path| Self::at(root, path)).collect()
    }

    fn at(root: &Root, path: PathBuf) -> Option<Seen> {
        let process = match LockOwner::in_file(&root.path(&path)).ok()? {
            LockOwner::Pid(pid) => Some(Process::of(root, pid)),
            LockOwner::Nobody => None,
        };
        let alive = process.as_ref().is_some_and(|process| {
            // Where processes of others are hidden (hidepid), asking the kernel still tells.
            process.program.is_some() || (*root == Root::default() && is_alive(process.pid))
        });
        Some(Seen { path, process, alive })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match (&self.process, self.alive) {
            (Some(process), true) => write!(f, "held by {process}, by its lock file {path}"),
            (Some(process), false) if Sight::own() == Sight::Container => {
                write!(f, "lock file {path} of pid {}, which is not in this container", process.pid)
            }
            (Some(process), false) => write!(f, "lock file {path} of pid {}, which has ended", process.pid),
            (None, _) => write!(f, "lock file {path}, which has no process number"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::tree::debian_pc;
    use super::*;

    const NODE: &str = "/dev/ttyUSB0";

    fn take(folder: &Path) -> Result<LockFile, LockRefused> {
        LockFile::take(folder, Path::new(NODE), Sight::All)
    }

    /// The number of a process that has ended.
    fn ended() -> u32 {
        let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_lock_is_a_file_with_this_processs_number_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let lock = take(folder.path()).unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("{:>10}\n", std::process::id()));
        assert_eq!(text.len(), 11);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(names(folder.path()), ["LCK..ttyUSB0"]);
        drop(lock);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn two_ports_of_one_process_do_not_take_it_from_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path()).unwrap();
        assert_eq!(
            take(folder.path()).unwrap_err(),
            LockRefused::Held("another port of this sermux has it".to_owned())
        );
        assert_eq!(names(folder.path()), ["LCK..ttyUSB0"]);
        drop(first);
        take(folder.path()).expect("it is free again");
    }

    #[test]
    fn a_living_process_is_named_and_its_lock_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        let pid = std::os::unix::process::parent_id();
        let process = Process::of(&Root::default(), pid);
        for content in [format!("{pid:>10}\n").into_bytes(), format!("{pid}").into_bytes(), pid.to_ne_bytes().to_vec()]
        {
            fs::write(&file, &content).unwrap();
            let Err(LockRefused::Held(by)) = take(folder.path()) else { panic!("{content:?}") };
            assert_eq!(by, format!("held by {process}, by its lock file {}", file.display()));
            assert_eq!(fs::read(&file).unwrap(), content);
            assert_eq!(names(folder.path()), ["LCK..ttyUSB0"]);
        }
    }

    #[test]
    fn what_a_process_left_that_has_ended_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        for content in [format!("{:>10}\n", ended()), format!("{:>10}\n", std::process::id()), "4294967295".to_owned()]
        {
            fs::write(&file, &content).unwrap();
            if content.len() == 10 {
                // No number of a process: as one that is being written, until it is old.
                assert!(matches!(take(folder.path()), Err(LockRefused::Held(_))));
                let old = SystemTime::now() - 2 * HALF_WRITTEN;
                fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
            }
            let lock = take(folder.path()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{:>10}\n", std::process::id()));
            drop(lock);
            assert!(names(folder.path()).is_empty());
        }
    }

    #[test]
    fn where_not_all_processes_can_be_seen_no_number_is_one_of_the_past() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        fs::write(&file, format!("{:>10}\n", ended())).unwrap();
        let Err(LockRefused::Held(by)) = LockFile::take(folder.path(), Path::new(NODE), Sight::Container) else {
            panic!()
        };
        assert!(by.contains("outside of this container") && by.ends_with(&format!("rm {}", file.display())), "{by}");
        assert_eq!(names(folder.path()), ["LCK..ttyUSB0"]);
        take(folder.path()).expect("seen from outside it is");
    }

    #[test]
    fn a_lock_of_a_process_with_the_same_number_in_another_container_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        for pid in [std::process::id(), ended()] {
            fs::write(&file, format!("{pid:>10}\n")).unwrap();
            let theirs = Flock::lock(File::open(&file).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
            let Err(LockRefused::Held(by)) = take(folder.path()) else { panic!() };
            assert!(by.starts_with("held by another sermux"), "{by}");
            drop(theirs);
            take(folder.path()).expect("it is one of the past");
        }
    }

    #[test]
    fn a_lock_that_somebody_else_has_put_there_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        let lock = take(folder.path()).unwrap();
        fs::write(&file, "         1\n").unwrap();
        drop(lock);
        assert_eq!(names(folder.path()), ["LCK..ttyUSB0"]);
    }

    #[test]
    fn a_new_lock_in_the_place_of_a_stale_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("LCK..ttyUSB0");
        let stale = LockOwner::Pid(ended());
        // Somebody was faster: the stale one is gone.
        fs::write(&file, "         1\n").unwrap();
        take_away(&file, stale).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "         1\n");
        assert_eq!(names(folder.path()), ["LCK..ttyUSB0"]);
    }

    #[test]
    fn of_many_who_find_a_stale_lock_at_once_one_gets_it() {
        // Within one process they are all the same to a lock file, so each round is about the files alone.
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("LCK..ttyUSB0");
            fs::write(&file, format!("{:>10}\n", ended())).unwrap();
            let got = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..4).map(|_| scope.spawn(|| remove_stale(&file, Path::new(NODE), Sight::All))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
            });
            assert!(got >= 1);
            assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("lock");
        let Err(LockRefused::Failed(what)) = take(&missing) else { panic!() };
        assert!(what.starts_with(&format!("no lock file can be made in {}: ", missing.display())), "{what}");
        assert!(what.ends_with("; make the folder, or name another in `lock-file`"), "{what}");
    }

    #[test]
    fn the_file_has_the_name_of_the_node() {
        for (node, name) in
            [("/dev/ttyUSB0", "LCK..ttyUSB0"), ("/dev/pts/3", "LCK..pts_3"), ("/tmp/dev/ttyX", "LCK..ttyX")]
        {
            assert_eq!(file_name(Path::new(node)), name);
        }
    }

    #[test]
    fn a_folder_by_two_names_is_one_and_what_was_left_behind_is_told() {
        let pc = debian_pc();
        pc.file("/run/lock/LCK..ttyUSB0", "       412");
        pc.link("/var/lock", "/run/lock");
        let seen = Seen::on(&pc.root(), Path::new(NODE));
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].to_string(), "lock file /run/lock/LCK..ttyUSB0 of pid 412, which has ended");
        pc.file("/proc/412/comm", "minicom");
        let seen = Seen::on(&pc.root(), Path::new(NODE));
        assert_eq!(seen[0].to_string(), "held by pid 412 (minicom), by its lock file /run/lock/LCK..ttyUSB0");
        pc.file("/run/lock/LCK..ttyUSB0", "what?");
        assert_eq!(Seen::on(&pc.root(), Path::new(NODE))[0].process, None);
        assert_eq!(Seen::on(&pc.root(), Path::new("/dev/ttyUSB1")), []);
    }
}
