//! With a driver in the test's hands; it blocks as TIOCMIWAIT does, in a system call that signals interrupt.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::unistd::{pipe, read, write};
use tokio::time::timeout;

use super::*;

/// A device with inputs that a test changes.
#[derive(Clone, Debug)]
struct Fake {
    now: Arc<Mutex<InputsSeen>>,
    /// What the next looks see, before `now`.
    script: Arc<Mutex<VecDeque<InputsSeen>>>,
    looks: Arc<AtomicUsize>,
    /// Somebody is in a wait.
    waiting: Arc<AtomicBool>,
    /// A byte in it ends a wait that has begun before.
    told: Arc<(OwnedFd, OwnedFd)>,
    wait: Wait,
}

#[derive(Clone, Copy, Debug)]
enum Wait {
    /// As a good driver.
    Tells,
    /// As one that has no TIOCMIWAIT.
    Missing,
    /// Says at once that something has changed.
    Babbles,
    /// Does not notice a signal until the second: the first one came just before the call.
    Late,
}

impl Fake {
    fn new(wait: Wait) -> Self {
        Fake {
            now: Arc::default(),
            script: Arc::default(),
            looks: Arc::default(),
            waiting: Arc::default(),
            told: Arc::new(pipe().unwrap()),
            wait,
        }
    }

    /// Changes the inputs, and nobody says so.
    fn change(&self, inputs: ModemState) {
        self.now.lock().unwrap().inputs = inputs;
    }

    /// Says that something has changed, to who waits.
    async fn tell(&self) {
        self.until(|fake| fake.waiting.load(Ordering::SeqCst)).await;
        write(&self.told.1, b"!").unwrap();
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so(self) {
            assert!(Instant::now() < deadline);
            tokio::task::yield_now().await;
        }
    }

    async fn until_looks(&self, looks: usize) {
        self.until(|fake| fake.looks.load(Ordering::SeqCst) >= looks).await;
    }

    fn watch(&self) -> ModemWatch {
        ModemWatch::start(self.clone(), InputsSeen::default(), TRUSTED).unwrap()
    }
}

impl Inputs for Fake {
    fn look(&self) -> nix::Result<InputsSeen> {
        let scripted = self.script.lock().unwrap().pop_front();
        let seen = scripted.unwrap_or(*self.now.lock().unwrap());
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(seen)
    }

    fn wait_blocking(&self) -> nix::Result<()> {
        match self.wait {
            Wait::Tells => {
                while poll(&mut [PollFd::new(self.told.0.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1) {
                    read(&self.told.0, &mut [0])?;
                }
                self.waiting.store(true, Ordering::SeqCst);
                let told = read(&self.told.0, &mut [0]);
                self.waiting.store(false, Ordering::SeqCst);
                told.map(drop)
            }
            Wait::Missing => Err(Errno::ENOTTY),
            Wait::Babbles => Ok(()),
            Wait::Late => {
                let _ = read(&self.told.0, &mut [0]);
                read(&self.told.0, &mut [0]).map(drop)
            }
        }
    }
}

const NONE: ModemState = ModemState { cts: false, dsr: false, ri: false, dcd: false };
const CTS: ModemState = ModemState { cts: true, ..NONE };
const RI: ModemState = ModemState { ri: true, ..NONE };

async fn change(watch: &mut ModemWatch) -> InputChange {
    timeout(Duration::from_secs(20), poll_fn(|cx| watch.poll_change(cx))).await.expect("no change is reported")
}

#[tokio::test]
async fn what_the_driver_tells_is_told() {
    let fake = Fake::new(Wait::Tells);
    let mut watch = fake.watch();
    for inputs in [CTS, NONE, RI, CTS] {
        fake.change(inputs);
        fake.tell().await;
        assert_eq!(change(&mut watch).await.inputs, inputs);
    }
}

#[tokio::test]
async fn a_change_that_the_driver_slept_through_is_found() {
    let fake = Fake::new(Wait::Tells);
    let mut watch = fake.watch();
    for inputs in [CTS, NONE, CTS] {
        fake.change(inputs);
        assert_eq!(change(&mut watch).await.inputs, inputs);
    }
}

/// One look in 100 ms is enough for a driver that tells, and one in 10 ms makes up for one that does not.
#[tokio::test]
async fn a_driver_is_trusted_as_far_as_it_tells() {
    let fake = Fake::new(Wait::Tells);
    let mut watch = fake.watch();
    let look_each = |watch: &ModemWatch| watch.shared.lock().look_each;
    fake.until_looks(1).await;
    assert_eq!(look_each(&watch), Some(TRUSTED));
    fake.change(CTS);
    change(&mut watch).await;
    assert_eq!(look_each(&watch), Some(DISTRUSTED));

    // A look may be faster than what the driver tells, and then it begins anew.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut inputs = [NONE, CTS].into_iter().cycle();
    let mut changes = 0_u32;
    while look_each(&watch) == Some(DISTRUSTED) {
        assert!(Instant::now() < deadline);
        fake.change(inputs.next().unwrap());
        fake.tell().await;
        change(&mut watch).await;
        changes += 1;
    }
    assert!(changes >= TO_BE_TRUSTED.into(), "{changes}");
    let rings = ModemState { ri: true, ..fake.now.lock().unwrap().inputs };
    fake.change(rings);
    while change(&mut watch).await.inputs != rings {}
    assert_eq!(look_each(&watch), Some(TRUSTED), "an 8250 does not tell that RI rises");
}

#[tokio::test]
async fn without_a_way_to_wait_the_thread_looks() {
    let fake = Fake::new(Wait::Missing);
    let mut watch = fake.watch();
    for inputs in [CTS, NONE, RI] {
        fake.change(inputs);
        assert_eq!(change(&mut watch).await.inputs, inputs);
    }
    // Nobody needs to interrupt it, which it knows once it has tried to wait.
    fake.until(|_| watch.shared.lock().look_each.is_none()).await;
}

#[tokio::test]
async fn a_driver_that_babbles_makes_no_thread_spin() {
    let fake = Fake::new(Wait::Babbles);
    let begin = Instant::now();
    let mut watch = fake.watch();
    while fake.looks.load(Ordering::SeqCst) < 20 {
        let nothing = timeout(Duration::from_millis(5), poll_fn(|cx| watch.poll_change(cx))).await;
        assert!(nothing.is_err(), "{nothing:?}");
    }
    // Two looks for each pause.
    assert!(begin.elapsed() > 5 * DISTRUSTED, "{:?}", begin.elapsed());
}

/// A ring that is over before anybody looks is reported all the same.
#[tokio::test]
async fn the_end_of_a_ring_is_told_once() {
    let fake = Fake::new(Wait::Tells);
    let mut watch = fake.watch();
    let told = |inputs, ri_fell| InputChange { inputs, ri_fell };
    fake.change(RI);
    fake.tell().await;
    assert_eq!(change(&mut watch).await, told(RI, false));
    fake.change(NONE);
    fake.tell().await;
    assert_eq!(change(&mut watch).await, told(NONE, true));
    fake.now.lock().unwrap().rings = 1;
    fake.tell().await;
    assert_eq!(change(&mut watch).await, told(NONE, true), "too short to be seen");
    fake.change(CTS);
    fake.tell().await;
    assert_eq!(change(&mut watch).await, told(CTS, false));
}

/// As long as a look finds something, the next thing is another look and not the wait: the driver does not tell what
/// changed before it was asked.
#[tokio::test]
async fn what_changes_while_a_change_is_told_is_found_at_once() {
    let fake = Fake::new(Wait::Tells);
    let look = |inputs| InputsSeen { inputs, rings: 0 };
    fake.script.lock().unwrap().extend([look(CTS), look(NONE), look(CTS)]);
    fake.change(CTS);
    let _watch = fake.watch();
    // Nobody polls, so no look is due, and the driver says nothing.
    fake.until_looks(4).await;
}

/// Changes that come faster than they are taken are reported as one, and none of their rings is lost.
#[tokio::test]
async fn changes_that_nobody_takes_are_told_as_one() {
    let fake = Fake::new(Wait::Tells);
    let look = |inputs| InputsSeen { inputs, rings: 0 };
    fake.script.lock().unwrap().extend([look(RI), look(NONE), look(CTS)]);
    fake.change(CTS);
    let mut watch = fake.watch();
    fake.until_looks(4).await;
    assert_eq!(change(&mut watch).await, InputChange { inputs: CTS, ri_fell: true });
}

/// At whatever moment it is ended: before its first call, in it, or between two.
#[tokio::test]
async fn a_thread_ends_whenever_it_is_asked_to() {
    for round in 0..3000 {
        let fake = Fake::new(if round % 2 == 0 { Wait::Tells } else { Wait::Late });
        let watch = fake.watch();
        if round % 3 == 0 {
            fake.change(CTS);
            write(&fake.told.1, b"!").unwrap();
        }
        for _ in 0..round {
            std::hint::spin_loop();
        }
        let shared = Arc::clone(&watch.shared);
        drop(watch);
        assert!(shared.lock().has_ended, "round {round}");
        assert_eq!(Arc::strong_count(&fake.told), 1, "it has let go of the device");
    }
}

#[tokio::test]
async fn ending_it_does_not_wait_and_it_ends_all_the_same() {
    let fake = Fake::new(Wait::Tells);
    let watch = fake.watch();
    let shared = Arc::clone(&watch.shared);
    watch.end();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !shared.lock().has_ended {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}
