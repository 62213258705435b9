//! With a driver in the test's hands; it blocks as TIOCMIWAIT does, in a system call that signals interrupt.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::{pipe, read, write};
use tokio::time::timeout;

use super::*;

/// A device with inputs that a test changes.
#[derive(Clone, Debug)]
struct Fake {
    now: Arc<Mutex<Look>>,
    /// What the next looks see, before `now`.
    script: Arc<Mutex<VecDeque<Look>>>,
    looks: Arc<AtomicUsize>,
    /// A byte in it ends a wait.
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
            told: Arc::new(pipe().unwrap()),
            wait,
        }
    }

    /// Changes the inputs, and nobody says so.
    fn change(&self, inputs: ModemState) {
        self.now.lock().unwrap().inputs = inputs;
    }

    fn tell(&self) {
        write(&self.told.1, b"!").unwrap();
    }

    fn watch(&self) -> ModemWatch {
        ModemWatch::start(self.clone(), Look::default()).unwrap()
    }
}

impl Inputs for Fake {
    fn look(&self) -> nix::Result<Look> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let scripted = self.script.lock().unwrap().pop_front();
        Ok(scripted.unwrap_or(*self.now.lock().unwrap()))
    }

    fn wait_blocking(&self) -> nix::Result<()> {
        match self.wait {
            Wait::Tells => read(&self.told.0, &mut [0]).map(drop),
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
    timeout(Duration::from_secs(20), poll_fn(|cx| watch.poll_change(cx))).await.expect("no change is told")
}

#[tokio::test]
async fn what_the_driver_tells_is_told() {
    let fake = Fake::new(Wait::Tells);
    let mut watch = fake.watch();
    for inputs in [CTS, NONE, RI, CTS] {
        fake.change(inputs);
        fake.tell();
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
    let deadline = Instant::now() + Duration::from_secs(20);
    while fake.looks.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert_eq!(look_each(&watch), Some(TRUSTED));
    fake.change(CTS);
    change(&mut watch).await;
    assert_eq!(look_each(&watch), Some(DISTRUSTED));

    // A look may be faster than what the driver tells, so it gets more than one try.
    let mut inputs = [NONE, CTS].into_iter().cycle();
    while look_each(&watch) == Some(DISTRUSTED) {
        assert!(Instant::now() < deadline);
        fake.change(inputs.next().unwrap());
        fake.tell();
        change(&mut watch).await;
    }
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
    assert_eq!(watch.shared.lock().look_each, None, "nobody needs to interrupt it");
}

#[tokio::test]
async fn a_driver_that_babbles_makes_no_thread_spin() {
    let fake = Fake::new(Wait::Babbles);
    let begin = Instant::now();
    let mut watch = fake.watch();
    while fake.looks.load(Ordering::Relaxed) < 20 {
        let nothing = timeout(Duration::from_millis(5), poll_fn(|cx| watch.poll_change(cx))).await;
        assert!(nothing.is_err(), "{nothing:?}");
    }
    // Two looks for each pause.
    assert!(begin.elapsed() > 5 * DISTRUSTED, "{:?}", begin.elapsed());
}

/// A ring that is over before anybody looks is told all the same.
#[tokio::test]
async fn the_end_of_a_ring_is_told_once() {
    let fake = Fake::new(Wait::Tells);
    let mut watch = fake.watch();
    let told = |inputs, ri_fell| InputChange { inputs, ri_fell };
    fake.change(RI);
    fake.tell();
    assert_eq!(change(&mut watch).await, told(RI, false));
    fake.change(NONE);
    fake.tell();
    assert_eq!(change(&mut watch).await, told(NONE, true));
    fake.now.lock().unwrap().rings = 1;
    fake.tell();
    assert_eq!(change(&mut watch).await, told(NONE, true), "too short to be seen");
    fake.change(CTS);
    fake.tell();
    assert_eq!(change(&mut watch).await, told(CTS, false));
}

/// Changes that come faster than they are taken are told as one, and none of their rings is lost.
#[tokio::test]
async fn changes_that_nobody_takes_are_told_as_one() {
    let fake = Fake::new(Wait::Tells);
    let look = |inputs| Look { inputs, rings: 0 };
    let looks = [look(RI), look(NONE), look(CTS)];
    fake.script.lock().unwrap().extend(looks);
    fake.change(CTS);
    let mut watch = fake.watch();
    for _ in looks {
        fake.tell();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while fake.looks.load(Ordering::Relaxed) <= looks.len() {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
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
            fake.tell();
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
