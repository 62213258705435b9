//! Against real ptys.

mod handle;

use std::future::{poll_fn, Future};
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};
use std::{fs, thread};

use allocation_counter::measure;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::{fchmodat, FchmodatFlags};
use nix::unistd::{chown, geteuid, setfsuid, Gid, Uid};
use sermux_port_config::config::Device;
use tokio::time::timeout;

use super::*;
use crate::line::{self, test_port, write_now};

/// The far end of a pty.
struct Master {
    fd: OwnedFd,
    slave: PathBuf,
}

impl Master {
    fn new() -> Master {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = PathBuf::from(ptsname_r(&master).unwrap());
        Master { fd: sys::duplicate(&master).unwrap(), slave }
    }

    fn port(&self, settings: &str) -> Port {
        test_port(Device::Path(self.slave.clone()), settings)
    }

    fn open(&self) -> Box<dyn Line> {
        line::open_blocking(&self.port("115200 8N1")).unwrap().line
    }

    /// As a [`TtyLine`], to look inside.
    fn open_tty(&self) -> TtyLine {
        let port = self.port("115200 8N1");
        let look = LookedAt::at(&self.slave, &port).unwrap();
        let before = sys::termios2(&look.fd).unwrap();
        let fd = look.claim(&self.slave, &port).unwrap();
        TtyLine::set_up(Arc::new(fd), &before, &port).unwrap().0
    }

    /// Another descriptor of the line's end, which claims nothing. Only root gets one while a line has it exclusively.
    fn look_at_slave(&self) -> OwnedFd {
        fs::File::options().read(true).write(true).open(&self.slave).unwrap().into()
    }

    /// Writes what fits.
    fn write(&self, bytes: &[u8]) -> usize {
        match nix::unistd::write(&self.fd, bytes) {
            Ok(n) => n,
            Err(Errno::EAGAIN) => 0,
            Err(errno) => panic!("{errno}"),
        }
    }

    /// Reads what is there.
    fn read(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match nix::unistd::read(&self.fd, &mut buf) {
                Ok(0) | Err(Errno::EAGAIN | Errno::EIO) => return bytes,
                Ok(n) => bytes.extend_from_slice(&buf[..n]),
                Err(errno) => panic!("{errno}"),
            }
        }
    }
}

async fn read(line: &mut dyn Line, buf: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| line.poll_read(cx, buf)).await
}

async fn write(line: &mut dyn Line, buf: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| line.poll_write(cx, buf)).await
}

/// Once, without waiting and without the reactor having run in between.
async fn read_now(line: &mut dyn Line, buf: &mut [u8]) -> Option<io::Result<usize>> {
    poll_fn(|cx| {
        Poll::Ready(match line.poll_read(cx, buf) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        })
    })
    .await
}

/// Everything here happens at once or never.
async fn soon<F: Future>(future: F) -> F::Output {
    const DEADLINE: Duration = Duration::from_secs(20);
    let begin = Instant::now();
    let result = timeout(DEADLINE, future).await;
    // `timeout` polls once more when its time has come, and that poll finds what no waker told of.
    assert!(begin.elapsed() < DEADLINE, "nothing happened");
    result.expect("nothing happened")
}

/// Numbers for a test; the same from the same seed.
struct Dice(u64);

impl Dice {
    fn between(&mut self, from: usize, to: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        from + usize::try_from(self.0 >> 33).unwrap() % (to - from + 1)
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| u8::try_from(self.between(0, 255)).unwrap()).collect()
    }
}

#[tokio::test]
async fn settings_are_applied_and_read_back() {
    let master = Master::new();
    let mut port = master.port("250000 8N2 xon-xoff");
    port.exclusive = false;
    let opened = line::open_blocking(&port).unwrap();
    assert_eq!(opened.report.snapshot.settings, port.line.settings);
    assert_eq!(opened.report.differences, [""; 0]);

    let actual = sys::termios2(master.look_at_slave()).unwrap();
    assert_eq!((actual.c_ospeed, actual.c_ispeed), (250_000, 250_000));
    assert_eq!(actual.c_iflag, libc::IXON | libc::IXOFF);
    assert_eq!((actual.c_oflag, actual.c_lflag), (0, 0));
    let format = libc::CSIZE | libc::CSTOPB | libc::CREAD | libc::CLOCAL | libc::HUPCL | libc::CRTSCTS;
    assert_eq!(actual.c_cflag & format, libc::CS8 | libc::CSTOPB | libc::CREAD | libc::CLOCAL);
}

#[tokio::test]
async fn what_a_pty_does_not_carry_is_kept_as_asked_and_said() {
    let master = Master::new();
    let port = master.port("9600 7M1");
    let report = line::open_blocking(&port).unwrap().report;
    assert_eq!(report.snapshot.settings, port.line.settings);
    assert_eq!(report.differences, [""; 0]);
    assert_eq!(report.not_carried, [NotCarried::DataBits, NotCarried::Parity, NotCarried::ModemControl]);
    assert_eq!(report.rdev, Some(stat(&master.slave).unwrap().st_rdev));
}

/// TIOCSLCKTRMIOS makes the pty keep a flag, as some drivers do; serialport then refuses to open it.
#[tokio::test]
async fn a_flag_that_the_driver_keeps_is_a_difference_and_no_refusal() {
    let master = Master::new();
    let slave = master.look_at_slave();
    let mut mask = libc::termios::from(nix::sys::termios::tcgetattr(&slave).unwrap());
    (mask.c_iflag, mask.c_oflag, mask.c_cflag, mask.c_lflag) = (0, 0, 0, libc::ECHO);
    mask.c_cc.fill(0);
    if sys::lock_settings(&slave, &mask) == Err(Errno::EPERM) {
        eprintln!("not root: no flag can be locked, nothing tested");
        return;
    }
    let error = open_through_serialport(&master.slave, &master.port("9600 8N1")).unwrap_err();
    assert_eq!(error.to_string(), "Settings did not apply correctly");

    let opened = line::open_blocking(&master.port("9600 8N1")).unwrap();
    assert_eq!(
        opened.report.differences,
        ["the driver keeps flags of its own: input 0o0, output 0o0, control 0o0, local 0o10"]
    );
    assert!(matches!(line::open_blocking(&master.port("9600 8N1")), Err(OpenError::Busy { .. })));
}

#[tokio::test]
async fn a_second_exclusive_open_is_busy_and_takes_nothing_from_the_first() {
    let master = Master::new();
    let first = master.open_tty();
    let busy = || {
        let error = line::open_blocking(&master.port("9600 8N1")).unwrap_err();
        assert!(matches!(error, OpenError::Busy { .. }), "{error:?}");
        error.to_string()
    };
    // This one never came through the front door, so nobody knows it for one of ours.
    assert!(busy().starts_with(&format!("{}: busy: ", master.slave.display())));
    let claim = Claim::new(&master.slave, &Device::Path("/dev/serial/by-id/x".into()));
    assert!(
        busy().ends_with("busy: another port of this sermux has it open, the one with `device: /dev/serial/by-id/x`")
    );
    drop(claim);
    assert_eq!(sys::lock(master.look_at_slave(), Lock::Exclusive), Err(Errno::EWOULDBLOCK));
    assert_eq!(sys::termios2(first.fd.get_ref()).unwrap().c_ospeed, 115_200);
    drop(first);
    drop(master.open());
}

#[test]
fn a_device_that_was_opened_and_closed_leaves_nothing_on_the_heap() {
    let master = Master::new();
    let port = master.port("115200 8N1");
    let open_and_close = || drop(LookedAt::at(&master.slave, &port).unwrap().claim(&master.slave, &port).unwrap());
    // What is made once and stays.
    open_and_close();
    let counted = measure(open_and_close);
    assert!(counted.count_total > 0, "nothing was counted");
    assert_eq!(counted.bytes_current, 0);
}

#[tokio::test]
async fn a_device_that_is_closed_can_be_opened_by_everybody() {
    let master = Master::new();
    let keep_open = master.look_at_slave();
    let line = master.open();
    // Not even while it is open: after a crash nobody would be there to clear it.
    assert_eq!(sys::is_exclusive(&keep_open), Ok(false));
    soon(line::close(line)).await;
    assert_eq!(sys::lock(&keep_open, Lock::Exclusive), Ok(()));
}

#[tokio::test]
async fn ports_that_are_not_exclusive_share_a_device() {
    let master = Master::new();
    let mut port = master.port("9600 8N1");
    port.exclusive = false;
    let _first = line::open_blocking(&port).unwrap();
    let _second = line::open_blocking(&port).unwrap();
    assert_eq!(sys::is_exclusive(master.look_at_slave()), Ok(false));
}

#[tokio::test]
async fn a_device_that_is_not_there_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttyUSB0");
    let dangling = folder.path().join("by-id");
    std::os::unix::fs::symlink(&path, &dangling).unwrap();
    for path in [&path, &dangling] {
        let error = line::open_blocking(&test_port(Device::Path(path.clone()), "9600")).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{}: not there (yet); plug it in", path.display())), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_tty_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    for (path, what) in [
        (folder.path(), "a directory"),
        (file.as_path(), "a regular file"),
        (Path::new("/dev/null"), "another kind of device"),
    ] {
        let error = line::open_blocking(&test_port(Device::Path(path.to_owned()), "9600")).unwrap_err();
        assert_eq!(error, OpenError::NotATty { path: path.to_owned(), what });
        assert!(error.to_string().contains(", not a serial port: give a tty, such as /dev/ttyUSB0"));
    }
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

/// For root in a thread whose file system user is somebody else, since root is never refused.
#[test]
fn a_device_of_another_group_is_forbidden_with_what_to_do() {
    let master = Master::new();
    let mode = Mode::from_bits_truncate(0o060);
    fchmodat(nix::fcntl::AT_FDCWD, &master.slave, mode, FchmodatFlags::FollowSymlink).unwrap();
    if geteuid().is_root() {
        chown(&master.slave, None, Some(Gid::from_raw(5))).unwrap();
    }
    let error = opened_by_nobody(&master);
    let OpenError::Forbidden { hint, .. } = &error else { panic!("{error:?}") };
    assert!(hint.starts_with("the device belongs to group "), "{hint}");
    assert!(hint.contains("is not in it: sudo usermod -aG ") && hint.ends_with(", then log in again"), "{hint}");
    assert!(error.to_string().starts_with(&format!("{}: permission denied; ", master.slave.display())));
}

/// Why a user without any rights cannot open it.
fn opened_by_nobody(master: &Master) -> OpenError {
    let path = master.slave.clone();
    let opening = thread::spawn(move || {
        setfsuid(Uid::from_raw(65534));
        line::open_blocking(&test_port(Device::Path(path), "9600")).unwrap_err()
    });
    opening.join().unwrap()
}

#[test]
fn a_device_that_only_its_owner_may_open_is_forbidden_with_its_mode() {
    let master = Master::new();
    fchmodat(nix::fcntl::AT_FDCWD, &master.slave, Mode::empty(), FchmodatFlags::FollowSymlink).unwrap();
    let error = opened_by_nobody(&master);
    assert!(error.to_string().contains("permission denied; its mode is 0000, owner "), "{error}");
}

#[tokio::test]
async fn a_hang_up_is_seen_by_reader_writer_and_drain() {
    let master = Master::new();
    let mut line = master.open();
    let mut buf = [0; 64];
    assert!(read_now(&mut *line, &mut buf).await.is_none());

    let waiting = async {
        let n = read(&mut *line, &mut buf).await.unwrap();
        (n, line)
    };
    let mut waiting = pin!(waiting);
    poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(master);
    let (n, mut line) = soon(waiting).await;
    assert_eq!(n, 0);
    for _ in 0..3 {
        assert_eq!(soon(read(&mut *line, &mut [0; 64])).await.unwrap(), 0);
        assert_eq!(soon(write(&mut *line, b"x")).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(line.unsent().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
    soon(line::close(line)).await;
}

#[tokio::test]
async fn two_hundred_opens_leave_no_descriptor() {
    let master = Master::new();
    for _ in 0..200 {
        let line = master.open();
        assert!(line::open_blocking(&master.port("9600")).is_err());
        line.close_blocking();
    }
    // Other tests open and close things meanwhile, so only those of this pty count.
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter(|entry| {
            entry.as_ref().is_ok_and(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == master.slave))
        })
        .count();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn a_write_waits_for_room_and_goes_on() {
    let master = Master::new();
    let mut line = master.open();
    let sent = Dice(7).bytes(200_000);
    let mut received = Vec::new();
    let mut offset = 0;
    let mut stalls = 0;
    while offset < sent.len() {
        // Until it takes no more …
        while let Ok(n) = timeout(Duration::from_millis(20), write(&mut *line, &sent[offset..])).await {
            offset += n.unwrap();
            if offset == sent.len() {
                break;
            }
        }
        stalls += 1;
        // … then a waiting writer is woken by the far end that reads.
        let reader = async {
            loop {
                received.extend(master.read());
                tokio::task::yield_now().await;
            }
        };
        if offset < sent.len() {
            tokio::select! {
                biased;
                n = soon(write(&mut *line, &sent[offset..])) => offset += n.unwrap(),
                () = reader => unreachable!(),
            }
        }
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while received.len() < sent.len() && Instant::now() < deadline {
        received.extend(master.read());
        tokio::task::yield_now().await;
    }
    assert!(stalls > 2, "the pty never was full");
    assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());
    assert_eq!(line.unsent().unwrap(), 0);
}

#[tokio::test]
async fn what_was_written_to_a_pty_survives_the_close() {
    let master = Master::new();
    let mut line = master.open();
    assert_eq!(soon(write(&mut *line, b"last words")).await.unwrap(), 10);
    soon(line::close(line)).await;
    let mut received = Vec::new();
    soon(async {
        while received.len() < 10 {
            received.extend(master.read());
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(received, b"last words");
}

#[tokio::test]
async fn what_came_in_before_the_open_is_read_on_a_pty() {
    let master = Master::new();
    let keep_open = master.look_at_slave();
    let mut raw = sys::termios2(&keep_open).unwrap();
    raw.c_lflag = 0;
    sys::set_termios2(&keep_open, &raw).unwrap();
    assert_eq!(master.write(b"early"), 5);
    let mut line = master.open();
    let mut buf = [0; 64];
    let n = soon(read(&mut *line, &mut buf)).await.unwrap();
    assert_eq!(&buf[..n], b"early");
}

#[tokio::test]
async fn a_short_read_is_the_last_one_until_the_kernel_says_more() {
    let master = Master::new();
    let mut tty = master.open_tty();
    let mut buf = [0; 64];
    master.write(b"one");
    assert_eq!(soon(read(&mut tty, &mut buf)).await.unwrap(), 3);

    master.write(b"two");
    let deadline = Instant::now() + Duration::from_secs(30);
    while sys::unread(tty.fd.get_ref()).unwrap() < 3 {
        assert!(Instant::now() < deadline);
    }
    // The bytes are there and a read would give them; but the reactor has not run since the short read, so there is
    // none.
    assert!(read_now(&mut tty, &mut buf).await.is_none());
    assert_eq!(soon(read(&mut tty, &mut buf)).await.unwrap(), 3);
    assert_eq!(&buf[..3], b"two");
}

/// Reads at most `most` bytes at a time until nothing is left, relies on being woken, and never asks again after a short read.
async fn drain(line: &mut dyn Line, dice: &mut Dice, most: usize, received: &mut Vec<u8>, until: usize) {
    let mut buf = vec![0; most];
    poll_fn(|cx| {
        while received.len() < until {
            let size = dice.between(1, buf.len());
            match line.poll_read(cx, &mut buf[..size]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => {
                    let n = result.unwrap();
                    assert_ne!(n, 0, "the pty hung up");
                    received.extend_from_slice(&buf[..n]);
                    if n < size && received.len() < until {
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn nothing_stays_unread() {
    let master = Master::new();
    let mut line = master.open();
    let mut dice = Dice(0x5e72_6d75);
    let mut sizes: Vec<usize> = (1..=5000).step_by(7).chain([4095, 4096, 4097, 63, 64, 65]).collect();
    for i in (1..sizes.len()).rev() {
        sizes.swap(i, dice.between(0, i));
    }
    for size in sizes {
        let sent = dice.bytes(size);
        let mut received = Vec::new();
        let mut offset = 0;
        // No further write wakes the reader once the burst is out.
        while offset < size {
            let part = dice.between(1, size - offset);
            offset += master.write(&sent[offset..offset + part]);
            if dice.between(0, 3) == 0 {
                let so_far = received.len() + (offset - received.len()) / 2;
                soon(drain(&mut *line, &mut dice, 8192, &mut received, so_far)).await;
            }
        }
        soon(drain(&mut *line, &mut dice, 8192, &mut received, size)).await;
        assert!(received == sent, "a burst of {size} came out otherwise");
    }
}

#[tokio::test]
async fn nothing_stays_unread_when_bytes_come_while_it_reads() {
    let master = Master::new();
    let mut line = master.open();
    let sent = Dice(1).bytes(2_000_000);
    let expected = sent.clone();
    nix::fcntl::fcntl(&master.fd, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let writer = thread::spawn(move || {
        let mut dice = Dice(2);
        let mut offset = 0;
        while offset < sent.len() {
            let size = dice.between(1, 600).min(sent.len() - offset);
            offset += master.write(&sent[offset..offset + size]);
            for _ in 0..dice.between(0, 2000) {
                std::hint::spin_loop();
            }
        }
        master
    });
    let mut received = Vec::new();
    soon(drain(&mut *line, &mut Dice(3), 8192, &mut received, expected.len())).await;
    assert!(received == expected, "{} of {} bytes, or others", received.len(), expected.len());
    drop(writer.join().unwrap());
}
