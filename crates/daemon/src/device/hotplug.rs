//! Wakes a port that waits for its device when the device's name changed.
//!
//! It uses inotify on every folder of the name's path, and of the paths of its symbolic links. If a folder does not exist yet, it
//! watches the folder above it. In a folder that only leads to the next one it watches only that entry, so that other changes in
//! /tmp wake no port. A process has one [`Hotplug`], because a user may have 128 inotify instances
//! (fs.inotify.max_user_instances) and a daemon may have more ports. It costs a sleeping task.
//!
//! The driver of a port makes a [`WatchedName`] *before* it tries to open the device, keeps it for as long as the device
//! cannot be opened, polls it together with its timer, and tries again when it is ready:
//!
//! ```no_run
//! # use std::task::{Context, Poll};
//! # use sermux::device::hotplug::{Hotplug, WatchedName};
//! # use sermux_port_config::config::Device;
//! # fn example(hotplug: &Hotplug, device: &Device, cx: &mut Context<'_>) {
//! let mut watched: WatchedName = hotplug.watch(device);
//! // try to open; it failed; then, in each poll:
//! if watched.poll_changed(cx).is_ready() {
//!     // try again now, and forget the back-off
//! }
//! # }
//! ```
//!
//! Slow polling is still needed for what inotify does not report: mounts, network file systems, a folder that was removed while
//! a program was in it, and a program that closed the device (not requested from inotify, since each try closes the device too
//! and would wake itself).
//!
//! For some milliseconds a new node belongs to root, until udev has set its group: a try right after the device appeared may fail
//! with EACCES; the change of rights wakes the port again.

use std::any::Any;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::future::{poll_fn, Future as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{ready, Context, Poll, Waker};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use sermux_port_config::config::Device;
use slab::Slab;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;
use tokio::task::{JoinError, JoinHandle};

use crate::defect;
use crate::sys;

/// The folder itself is gone, or is elsewhere.
const ENDED: AddWatchFlags = AddWatchFlags::IN_DELETE_SELF.union(AddWatchFlags::IN_MOVE_SELF);

/// Something with a name appeared in the folder, was renamed into it, or got other rights.
const APPEARED: AddWatchFlags =
    AddWatchFlags::IN_CREATE.union(AddWatchFlags::IN_MOVED_TO).union(AddWatchFlags::IN_ATTRIB);

/// A folder that several wait for is watched for what each of them wants.
const HOW: AddWatchFlags = AddWatchFlags::IN_ONLYDIR
    .union(AddWatchFlags::IN_DONT_FOLLOW)
    .union(AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD));

/// Links that a name may lead through, as the kernel has it (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// How often a name is resolved again because it changed while it was being resolved.
const ROUNDS: usize = 8;

/// The watch over all devices that ports of this process wait for. Clones are the same watch.
#[derive(Clone, Debug)]
pub struct Hotplug {
    /// None: the system gives no inotify, and nothing is ever told.
    watch: Option<Arc<HotplugWatch>>,
}

/// One device's name under watch, until this is dropped.
#[derive(Debug)]
pub struct WatchedName {
    place: Option<(Arc<HotplugWatch>, usize)>,
}

impl Hotplug {
    /// Begins to watch, with a task of the runtime that the caller is in. A system without inotify is logged, and
    /// then no change is ever reported.
    #[must_use]
    pub fn start() -> Self {
        let started = HotplugWatch::start();
        if let Err(error) = &started {
            tracing::warn!(event = %"device.watch-failed",
                "cannot watch for new devices ({error}); sermux looks for them from time to time");
        }
        Self { watch: started.ok() }
    }

    /// Tells nothing: for those who wait by the clock alone.
    #[must_use]
    pub fn off() -> Self {
        Self { watch: None }
    }

    /// Watches a device's name and reports what happens to it from now on. Nothing happens to a simulated device.
    #[must_use]
    pub fn watch(&self, device: &Device) -> WatchedName {
        match device {
            Device::Path(path) => self.watch_name(WatchTarget::Path(path.clone())),
            Device::Usb(_) => self.watch_name(WatchTarget::AnyTty(PathBuf::from("/dev"))),
            Device::Sim(_) => WatchedName { place: None },
        }
    }

    /// Why its task has panicked, as soon as it has. No change is reported until it is started again. May be dropped while it waits.
    pub(crate) async fn failed(&self) -> Box<dyn Any + Send> {
        poll_fn(|cx| {
            let Some(watch) = &self.watch else { return Poll::Pending };
            let mut reader = watch.reader();
            let Some(task) = reader.as_mut() else { return Poll::Pending };
            let ended = ready!(Pin::new(task).poll(cx));
            *reader = None;
            match ended.map_err(JoinError::try_into_panic) {
                Err(Ok(panic)) => Poll::Ready(panic),
                // Without inotify, which the log says.
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Starts its task again. Wakes every port that waits for a device: nobody knows what has happened meanwhile.
    pub(crate) fn start_again(&self) {
        if let Some(watch) = &self.watch {
            let shared = Arc::downgrade(&watch.shared);
            *watch.reader() = Some(tokio::spawn(read_anew(shared)));
        }
    }

    fn watch_name(&self, target: WatchTarget) -> WatchedName {
        let place = self.watch.as_ref().map(|watch| {
            let mut state = watch.shared.lock();
            let key = state.waiting.insert(WaitingName { target, changed: false, waker: None, folders: Vec::new() });
            state.arm(key);
            (Arc::clone(watch), key)
        });
        WatchedName { place }
    }
}

impl WatchedName {
    /// Ready when something has happened to the device's name since the last time, or since it was watched.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((watch, key)) = &self.place else { return Poll::Pending };
        let mut state = watch.shared.lock();
        let Some(waiting) = state.waiting.get_mut(*key) else { return Poll::Pending };
        if std::mem::take(&mut waiting.changed) {
            return Poll::Ready(());
        }
        match &mut waiting.waker {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for WatchedName {
    fn drop(&mut self) {
        if let Some((watch, key)) = &self.place {
            watch.shared.lock().forget(*key);
        }
    }
}

/// What the clones and those who wait hold together.
#[derive(Debug)]
struct HotplugWatch {
    shared: Arc<HotplugShared>,
    /// None: it has ended, and that was reported.
    reader: Mutex<Option<JoinHandle<()>>>,
}

impl HotplugWatch {
    fn start() -> std::io::Result<Arc<Self>> {
        let (inotify, readable) = inotify()?;
        let state = HotplugState { inotify, folders: HashMap::new(), waiting: Slab::new(), said_limit: false };
        let shared = Arc::new(HotplugShared(Mutex::new(state)));
        let reader = tokio::spawn(read(readable, Arc::downgrade(&shared)));
        Ok(Arc::new(Self { shared, reader: Mutex::new(Some(reader)) }))
    }

    fn reader(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inotify() -> std::io::Result<(Inotify, AsyncFd<Arc<OwnedFd>>)> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    // `Inotify` cannot be registered itself: it has no raw descriptor to show.
    let readable = sys::watch(Arc::new(inotify.as_fd().try_clone_to_owned()?), Interest::READABLE)?;
    Ok((inotify, readable))
}

impl Drop for HotplugWatch {
    fn drop(&mut self) {
        if let Some(reader) = self.reader().take() {
            reader.abort();
        }
    }
}

/// Behind a lock, because names are watched by the tasks that wait for them: what happens right after must not be missed.
#[derive(Debug)]
struct HotplugShared(Mutex<HotplugState>);

impl HotplugShared {
    fn lock(&self) -> MutexGuard<'_, HotplugState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct HotplugState {
    inotify: Inotify,
    /// Who waits for what in each folder.
    folders: HashMap<WatchDescriptor, Vec<(usize, Name)>>,
    waiting: Slab<WaitingName>,
    /// That no more watches can be had is logged once.
    said_limit: bool,
}

#[derive(Debug)]
struct WaitingName {
    target: WatchTarget,
    changed: bool,
    waker: Option<Waker>,
    folders: Vec<WatchDescriptor>,
}

#[derive(Clone, Debug)]
enum WatchTarget {
    /// This name.
    Path(PathBuf),
    /// Any serial port in this folder.
    AnyTty(PathBuf),
}

/// What is looked for in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// Nothing: it leads to the next folder.
    Nothing,
    Is(OsString),
    /// A tty, but no virtual console.
    AnyTty,
}

impl Name {
    fn mask(&self) -> AddWatchFlags {
        let wanted = if *self == Name::Nothing { ENDED } else { ENDED.union(APPEARED) };
        wanted.union(HOW)
    }

    fn matches(&self, name: &OsStr) -> bool {
        match self {
            Name::Nothing => false,
            Name::Is(is) => is == name,
            Name::AnyTty => {
                let kind = name.as_bytes().strip_prefix(b"tty").and_then(<[u8]>::first);
                kind.is_some_and(|first| !first.is_ascii_digit())
            }
        }
    }
}

/// Hands events to those they concern, for as long as there is a watch.
async fn read(readable: AsyncFd<Arc<OwnedFd>>, shared: Weak<HotplugShared>) {
    while let Ok(mut readiness) = readable.readable().await {
        let Some(shared) = shared.upgrade() else { return };
        let mut woken = Vec::new();
        {
            let mut state = shared.lock();
            match state.inotify.read_events() {
                Ok(events) => {
                    defect::here("hotplug");
                    events.into_iter().for_each(|event| state.take(&event, &mut woken));
                }
                Err(Errno::EAGAIN) => readiness.clear_ready(),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    tracing::warn!(event = %"device.watch-failed",
                        "watching for new devices failed ({errno}); sermux looks for them from time to time");
                    return;
                }
            }
        }
        // After the lock is free: whom it wakes may ask at once.
        woken.into_iter().for_each(Waker::wake);
    }
}

/// As [`read`], after a reader that panicked: what that had in its hands may be half-done.
async fn read_anew(shared: Weak<HotplugShared>) {
    let anew = match (shared.upgrade(), inotify()) {
        (None, _) => return,
        (Some(shared), Ok((inotify, readable))) => {
            let woken = shared.lock().begin_anew(inotify);
            woken.into_iter().for_each(Waker::wake);
            readable
        }
        (_, Err(error)) => {
            tracing::warn!(event = %"device.watch-failed",
                "cannot watch for new devices ({error}); sermux looks for them from time to time");
            return;
        }
    };
    read(anew, shared).await;
}

impl HotplugState {
    /// Watches everything that is waited for, and nothing else. Whom to wake.
    fn begin_anew(&mut self, inotify: Inotify) -> Vec<Waker> {
        self.inotify = inotify;
        self.folders.clear();
        let keys: Vec<usize> = self.waiting.iter().map(|(key, _)| key).collect();
        let mut woken = Vec::new();
        for key in keys {
            if let Some(waiting) = self.waiting.get_mut(key) {
                waiting.folders.clear();
                waiting.changed = true;
                woken.extend(waiting.waker.take());
            }
            self.arm(key);
        }
        woken
    }

    fn take(&mut self, event: &InotifyEvent, woken: &mut Vec<Waker>) {
        let concerned: Vec<usize> = if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            // Events were lost, and nobody knows whose.
            self.waiting.iter().map(|(key, _)| key).collect()
        } else {
            let interests = self.folders.get(&event.wd).map(Vec::as_slice).unwrap_or_default();
            let is_ended = event.mask.intersects(ENDED.union(AddWatchFlags::IN_UNMOUNT));
            let is_wanted = |wanted: &Name| event.name.as_deref().map_or(is_ended, |name| wanted.matches(name));
            interests.iter().filter(|(_, wanted)| is_wanted(wanted)).map(|(key, _)| *key).collect()
        };
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            // The folder is gone, and the kernel has taken the watch back.
            self.folders.remove(&event.wd);
        }
        for key in concerned {
            // First the watch, then the try: so nothing falls between them.
            self.arm(key);
            let Some(waiting) = self.waiting.get_mut(key) else { continue };
            waiting.changed = true;
            woken.extend(waiting.waker.take());
        }
    }

    /// Watches what the name leads through now, and no longer what it led through before.
    fn arm(&mut self, key: usize) {
        let Some(waiting) = self.waiting.get(key) else { return };
        let target = waiting.target.clone();
        for _ in 0..ROUNDS {
            let wanted = folders_of(&target);
            let mut folders = Vec::new();
            let mut is_whole = true;
            for (folder, name) in &wanted {
                match self.inotify.add_watch(folder, name.mask()) {
                    Ok(wd) => folders.push((wd, name.clone())),
                    Err(Errno::ENOENT | Errno::ENOTDIR) => is_whole = false,
                    Err(errno) => self.say_unwatched(folder, errno),
                }
            }
            self.replace(key, folders);
            if is_whole && folders_of(&target) == wanted {
                return;
            }
        }
        // It changes faster than it can be looked at. Each change of it comes here again.
    }

    fn replace(&mut self, key: usize, folders: Vec<(WatchDescriptor, Name)>) {
        let Some(waiting) = self.waiting.get_mut(key) else { return };
        let now = folders.iter().map(|(wd, _)| *wd).collect();
        let before = std::mem::replace(&mut waiting.folders, now);
        for wd in &before {
            if let Some(interests) = self.folders.get_mut(wd) {
                interests.retain(|(owner, _)| *owner != key);
            }
        }
        for (wd, name) in folders {
            self.folders.entry(wd).or_default().push((key, name));
        }
        for wd in before {
            if self.folders.get(&wd).is_some_and(Vec::is_empty) {
                self.folders.remove(&wd);
                let _ = self.inotify.rm_watch(wd);
            }
        }
    }

    fn forget(&mut self, key: usize) {
        self.replace(key, Vec::new());
        self.waiting.try_remove(key);
    }

    fn say_unwatched(&mut self, folder: &Path, errno: Errno) {
        let folder = folder.display();
        if errno != Errno::ENOSPC && errno != Errno::ENOMEM {
            tracing::debug!(event = %"device.folder-unwatched", %folder, %errno, "could not watch a folder for new devices");
        } else if !std::mem::replace(&mut self.said_limit, true) {
            tracing::warn!(
                event = %"device.watch-failed", %folder,
                "no more inotify watches (sysctl fs.inotify.max_user_watches): devices that appear are \
                 found by looking for them now and then"
            );
        }
    }
}

/// The folders that a name leads through, each with what decides there; to the end, or to the first that is missing.
///
/// Looks at a few inodes, and under /dev they are in memory.
fn folders_of(target: &WatchTarget) -> Vec<(PathBuf, Name)> {
    let (WatchTarget::Path(path) | WatchTarget::AnyTty(path)) = target;
    let mut folders = Vec::new();
    let mut folder = PathBuf::from("/");
    let mut rest = Vec::new();
    push_parts(&mut rest, path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            folder.pop();
            continue;
        }
        let here = folder.join(&part);
        let kind = fs::symlink_metadata(&here).map(|metadata| metadata.file_type());
        let leads_on = kind.as_ref().is_ok_and(fs::FileType::is_dir);
        folders.push((folder.clone(), if leads_on { Name::Nothing } else { Name::Is(part) }));
        match kind {
            Ok(kind) if kind.is_symlink() => {
                links += 1;
                let Ok(to) = fs::read_link(&here) else { break };
                if links > MOST_LINKS {
                    break;
                }
                if to.is_absolute() {
                    folder = PathBuf::from("/");
                }
                push_parts(&mut rest, &to);
            }
            Ok(kind) if kind.is_dir() => {
                folder = here;
                if rest.is_empty() && matches!(target, WatchTarget::AnyTty(_)) {
                    folders.push((folder, Name::AnyTty));
                    break;
                }
            }
            _ => break,
        }
    }
    folders
}

/// Puts the parts of a path on a stack, its first one on top.
fn push_parts(stack: &mut Vec<OsString>, path: &Path) {
    stack.extend(path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::from_bytes(b"..").to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    }));
}

#[cfg(test)]
mod tests;
