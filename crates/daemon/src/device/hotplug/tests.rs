use std::future::poll_fn;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// A /dev of its own. The folder above it is nobody else's either, so no other test can wake who waits here.
struct Dev(TempDir);

impl Dev {
    fn new() -> Self {
        let dev = Self(tempfile::tempdir().unwrap());
        fs::create_dir(dev.path("")).unwrap();
        dev
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("dev").join(name)
    }

    fn make(&self, name: &str) {
        fs::File::create(self.path(name)).unwrap();
    }

    fn make_folder(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
    }

    fn watch(&self, hotplug: &Hotplug, name: &str) -> WatchedName {
        hotplug.watch(&Device::Path(self.path(name)))
    }
}

async fn told(watched: &mut WatchedName) {
    let changed = poll_fn(|cx| watched.poll_changed(cx));
    tokio::time::timeout(Duration::from_secs(20), changed).await.expect("the change is reported");
}

/// Whether a change was reported until now: a change of another name, made now, is reported after it.
async fn was_told(watched: &mut WatchedName, hotplug: &Hotplug) -> bool {
    let elsewhere = Dev::new();
    let mut later = elsewhere.watch(hotplug, "later");
    elsewhere.make("later");
    told(&mut later).await;
    watched.poll_changed(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// The kernel's list of what is watched (proc_pid_fdinfo(5)).
fn kernel_watches(hotplug: &Hotplug) -> usize {
    let fd = hotplug.watch.as_ref().unwrap().shared.lock().inotify.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    info.lines().filter(|line| line.starts_with("inotify wd:")).count()
}

#[tokio::test]
async fn a_node_that_appears_is_told() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let mut watched = dev.watch(&hotplug, "ttyUSB0");
    assert!(!was_told(&mut watched, &hotplug).await);
    dev.make("ttyUSB0");
    told(&mut watched).await;
    assert!(!was_told(&mut watched, &hotplug).await, "once");
}

#[tokio::test]
async fn other_names_do_not_wake() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let mut watched = dev.watch(&hotplug, "ttyUSB1");
    for name in ["ttyUSB0", "ttyUSB10", "ttyUSB", "serial"] {
        dev.make(name);
    }
    assert!(!was_told(&mut watched, &hotplug).await);
}

#[tokio::test]
async fn a_node_that_is_renamed_into_place_is_told() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    dev.make(".tmp-c188:0");
    let mut watched = dev.watch(&hotplug, "ttyUSB0");
    fs::rename(dev.path(".tmp-c188:0"), dev.path("ttyUSB0")).unwrap();
    told(&mut watched).await;
}

#[tokio::test]
async fn rights_that_change_are_told() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    dev.make("ttyUSB0");
    let mut watched = dev.watch(&hotplug, "ttyUSB0");
    fs::set_permissions(dev.path("ttyUSB0"), fs::Permissions::from_mode(0o660)).unwrap();
    told(&mut watched).await;
}

#[tokio::test]
async fn what_opens_and_closes_the_device_tells_nothing_so_that_trying_does_not_wake_itself() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    dev.make("ttyUSB0");
    let mut watched = dev.watch(&hotplug, "ttyUSB0");
    drop(fs::OpenOptions::new().read(true).write(true).open(dev.path("ttyUSB0")).unwrap());
    assert!(!was_told(&mut watched, &hotplug).await);
}

#[tokio::test]
async fn a_link_that_appears_is_told_and_then_what_it_leads_to() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    dev.make_folder("serial");
    dev.make_folder("serial/by-id");
    let mut watched = dev.watch(&hotplug, "serial/by-id/usb-FTDI");
    symlink("../../ttyUSB0", dev.path("serial/by-id/.#usb-FTDI")).unwrap();
    fs::rename(dev.path("serial/by-id/.#usb-FTDI"), dev.path("serial/by-id/usb-FTDI")).unwrap();
    told(&mut watched).await;
    dev.make("ttyUSB0");
    told(&mut watched).await;

    // It leads elsewhere now, and the old end matters no more.
    fs::remove_file(dev.path("serial/by-id/usb-FTDI")).unwrap();
    symlink(dev.path("ttyUSB1"), dev.path("serial/by-id/usb-FTDI")).unwrap();
    told(&mut watched).await;
    fs::set_permissions(dev.path("ttyUSB0"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!was_told(&mut watched, &hotplug).await);
    dev.make("ttyUSB1");
    told(&mut watched).await;
}

#[tokio::test]
async fn folders_that_appear_later_are_followed() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let mut watched = dev.watch(&hotplug, "serial/by-id/usb-FTDI");
    dev.make_folder("serial");
    told(&mut watched).await;
    dev.make_folder("serial/by-id");
    told(&mut watched).await;
    dev.make("serial/by-id/usb-FTDI");
    told(&mut watched).await;
}

#[tokio::test]
async fn folders_that_appear_at_once_are_not_missed() {
    for _ in 0..100 {
        let (dev, hotplug) = (Dev::new(), Hotplug::start());
        let mut watched = dev.watch(&hotplug, "serial/by-id/usb-FTDI");
        fs::create_dir_all(dev.path("serial/by-id")).unwrap();
        dev.make("serial/by-id/usb-FTDI");
        told(&mut watched).await;
        while was_told(&mut watched, &hotplug).await {}
        fs::set_permissions(dev.path("serial/by-id/usb-FTDI"), fs::Permissions::from_mode(0o600)).unwrap();
        told(&mut watched).await;
    }
}

#[tokio::test]
async fn what_happens_beside_the_folders_that_lead_to_the_name_wakes_nobody() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    dev.make_folder("serial");
    dev.make_folder("serial/by-id");
    let mut watched = dev.watch(&hotplug, "serial/by-id/usb-FTDI");
    let mut bystander = dev.watch(&hotplug, "serial/by-id/usb-other");
    dev.make("ttyUSB0");
    dev.make("serial/x");
    // Not even the task that reads: there is nothing to read.
    let read = hotplug.watch.as_ref().unwrap().shared.lock().inotify.read_events();
    assert_eq!(read.unwrap_err(), Errno::EAGAIN);
    dev.make("serial/by-id/usb-FTDI");
    told(&mut watched).await;
    assert!(bystander.poll_changed(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn a_folder_that_was_replaced_is_not_mistaken_for_the_one_that_took_its_place() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    dev.make_folder("by-id");
    let mut watched = dev.watch(&hotplug, "by-id/usb-FTDI");
    fs::remove_dir(dev.path("by-id")).unwrap();
    dev.make_folder("by-id");
    told(&mut watched).await;
    while was_told(&mut watched, &hotplug).await {}
    dev.make("by-id/usb-FTDI");
    told(&mut watched).await;

    fs::rename(dev.path("by-id"), dev.path("by-id.old")).unwrap();
    dev.make_folder("by-id");
    told(&mut watched).await;
    while was_told(&mut watched, &hotplug).await {}
    dev.make("by-id/usb-FTDI");
    told(&mut watched).await;
}

#[tokio::test]
async fn a_device_that_comes_and_goes_is_told_each_time_and_nothing_is_left_behind() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let bystander = dev.watch(&hotplug, "ttyUSB9");
    let before = kernel_watches(&hotplug);
    for round in 0..1_000 {
        let mut watched = dev.watch(&hotplug, "by-id/usb-FTDI");
        dev.make_folder("by-id");
        told(&mut watched).await;
        symlink("../ttyUSB0", dev.path("by-id/usb-FTDI")).unwrap();
        told(&mut watched).await;
        dev.make("ttyUSB0");
        told(&mut watched).await;
        if round % 2 == 0 {
            drop(watched);
            fs::remove_dir_all(dev.path("by-id")).unwrap();
        } else {
            fs::remove_dir_all(dev.path("by-id")).unwrap();
            drop(watched);
        }
        fs::remove_file(dev.path("ttyUSB0")).unwrap();
    }
    assert_eq!(kernel_watches(&hotplug), before);
    drop(bystander);
    assert_eq!(kernel_watches(&hotplug), 0);
    let watch = hotplug.watch.as_ref().unwrap();
    let state = watch.shared.lock();
    assert!(state.waiting.is_empty() && state.folders.is_empty());
}

#[tokio::test]
async fn any_serial_port_is_told_to_those_who_wait_for_an_adapter_by_its_numbers() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let mut watched = hotplug.watch_name(WatchTarget::AnyTty(dev.path("bus")));
    dev.make_folder("bus");
    told(&mut watched).await;
    for name in ["bus/tty", "bus/tty1", "bus/sda", "bus/.tmp-c188:0", "ttyUSB0"] {
        dev.make(name);
    }
    assert!(!was_told(&mut watched, &hotplug).await);
    for name in ["bus/ttyUSB0", "bus/ttyACM12"] {
        dev.make(name);
        told(&mut watched).await;
    }
}

#[tokio::test]
async fn each_of_many_who_wait_in_one_folder_hears_of_its_own_device() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let mut waiting: Vec<_> = (0..256).map(|n| dev.watch(&hotplug, &format!("ttyUSB{n}"))).collect();
    let last = waiting.pop();
    drop(last);
    for (n, watched) in waiting.iter_mut().enumerate() {
        dev.make(&format!("ttyUSB{n}"));
        told(watched).await;
    }
    let path = dev.path("");
    assert!(
        kernel_watches(&hotplug) <= path.components().count(),
        "a folder is watched once, whatever number of ports wait there"
    );
}

#[tokio::test]
async fn what_happened_before_the_first_poll_is_told_too() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let mut watched = dev.watch(&hotplug, "ttyUSB0");
    dev.make("ttyUSB0");
    assert!(was_told(&mut watched, &hotplug).await);
}

#[tokio::test]
async fn links_that_lead_in_a_circle_or_nowhere_are_watched_as_far_as_they_go() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    symlink("b", dev.path("a")).unwrap();
    symlink("a", dev.path("b")).unwrap();
    let mut watched = dev.watch(&hotplug, "a");
    fs::remove_file(dev.path("b")).unwrap();
    dev.make("b");
    told(&mut watched).await;
    drop(hotplug.watch(&Device::Path("relative".into())));
    drop(hotplug.watch(&Device::Path("/".into())));
}

#[tokio::test]
async fn a_watch_that_ends_gives_everything_back() {
    // A user may have 128 instances, so one that stayed would soon be one too many.
    for _ in 0..300 {
        let hotplug = Hotplug::start();
        assert!(hotplug.watch.is_some());
        drop(hotplug);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_inotify_nothing_is_told_and_nothing_fails() {
    let (dev, hotplug) = (Dev::new(), Hotplug::off());
    let mut watched = dev.watch(&hotplug, "ttyUSB0");
    dev.make("ttyUSB0");
    assert!(watched.poll_changed(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn a_reader_that_was_started_again_tells_what_happened_meanwhile_and_what_happens_from_then_on() {
    let (dev, hotplug) = (Dev::new(), Hotplug::start());
    let (mut meanwhile, mut later) = (dev.watch(&hotplug, "meanwhile"), dev.watch(&hotplug, "later"));
    let reader = hotplug.watch.as_ref().unwrap().reader().take().unwrap();
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    dev.make("meanwhile");
    hotplug.start_again();
    told(&mut meanwhile).await;
    // Told though nothing happened to it: nobody knows that.
    told(&mut later).await;
    assert!(!was_told(&mut later, &hotplug).await);
    dev.make("later");
    told(&mut later).await;
    drop((meanwhile, later));
    assert_eq!(kernel_watches(&hotplug), 0);
}
