//! Listens to several devices at once: each is probed, or followed where the running program holds it.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use sermux_port_config::config::Device;
use tokio::sync::{oneshot, watch};
use tokio::time::{interval, sleep_until, Instant};

use super::super::held::{self, HeldPort};
use super::super::probe::ProgressLine;
use super::super::Arguments;
use crate::control::status::PortShape;
use crate::probe::session::ProbeSession;
use crate::probe::{probe, Failure, Found, Heard, Progress, Search, Stop};
use crate::setup::MeterSetup;

/// At most this number of devices are probed at a time; the others follow when those are done.
pub(super) const AT_ONCE: usize = 16;

/// What the others still get once a meter was heard: a second one that sends each second is heard as well.
const GRACE: Duration = Duration::from_millis(1500);

/// How often progress is shown.
const SHOW_EACH: Duration = Duration::from_millis(250);

/// What was heard on a device, and of which port of the running program.
pub(super) type HeardOn = Result<(Heard, Option<HeldPort>), Failure>;

/// How it is to be read. The settings of a port that runs stay where nothing better was heard.
pub(super) fn reading(heard: &Heard, is_held: bool) -> Option<MeterSetup> {
    let Found { settings, verdict, .. } = &heard.best;
    MeterSetup::of(&verdict.cause, *settings).or_else(|| is_held.then(|| MeterSetup::with(*settings)))
}

/// Whether a meter was heard.
pub(super) fn is_meter(outcome: &HeardOn) -> bool {
    outcome.as_ref().is_ok_and(|(heard, held)| reading(heard, held.is_some()).is_some_and(|reading| reading.is_meter))
}

/// Listens to at most [`AT_ONCE`] devices until a meter was heard on one of them. What was heard on each, in their order;
/// `Failure::Stopped` where that was nothing before the meter on another one was.
pub(super) fn hear(
    arguments: &Arguments,
    session: &mut ProbeSession,
    devices: &[Device],
    search: Search,
) -> Result<Vec<HeardOn>, Failure> {
    let ports: Vec<Option<PortShape>> = devices.iter().map(|device| held::port_with(arguments, device)).collect();
    let bytes: Vec<AtomicUsize> = devices.iter().map(|_| AtomicUsize::new(0)).collect();
    let (tell, stop) = Stop::new();
    thread::scope(|scope| {
        let works = devices.iter().zip(&ports).zip(&bytes).map(|((device, port), bytes)| -> EarsWork<'_> {
            let stop = stop.clone();
            let progress = |progress: Progress<'_>| {
                if let Progress::Found(found) = progress {
                    bytes.store(found.bytes, Ordering::Relaxed);
                }
            };
            let Some(port) = port else {
                let probed = probe(device.clone(), search, stop, progress);
                return Box::pin(async { Ok((probed.await?, None)) });
            };
            // The running program is asked in a thread that may wait for it.
            let (done, heard) = oneshot::channel();
            scope.spawn(move || done.send(held::hear(arguments, port, search, &stop, progress)).is_ok());
            Box::pin(async {
                let (heard, held) = heard.await.unwrap_or(Err(Failure::Stopped))?;
                Ok((heard, Some(held)))
            })
        });
        let listening = Hearing { outcomes: devices.iter().map(|_| None).collect(), works: works.collect() };
        let mut line = ProgressLine::default();
        session
            .run(|told| listening.until_a_meter(told, tell, |since: Instant| line.show(so_far(&bytes, since, search))))
    })
}

fn so_far(bytes: &[AtomicUsize], since: Instant, search: Search) -> String {
    let bytes: Vec<String> = bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed).to_string()).collect();
    let (spent, most) = (since.elapsed().as_secs(), search.time.as_secs());
    format!("listening, {spent} of {most} s; bytes: {}", bytes.join(", "))
}

type EarsWork<'a> = Pin<Box<dyn Future<Output = HeardOn> + 'a>>;

/// Devices that are listened to, and what was heard on those that are done.
struct Hearing<'a> {
    works: Vec<EarsWork<'a>>,
    outcomes: Vec<Option<HeardOn>>,
}

impl Hearing<'_> {
    /// Until all are done: by themselves, because a meter was heard, or because the command was stopped.
    async fn until_a_meter(
        mut self,
        mut told: Stop,
        tell: watch::Sender<bool>,
        mut show: impl FnMut(Instant),
    ) -> Result<Vec<HeardOn>, Failure> {
        let begin = Instant::now();
        let mut shows = interval(SHOW_EACH);
        let mut enough_at = None;
        while self.outcomes.iter().any(Option::is_none) {
            tokio::select! {
                biased;
                () = told.told(), if !told.is_told() => {
                    tell.send_replace(true);
                }
                () = poll_fn(|cx| self.poll_next(cx)) => {
                    if self.outcomes.iter().flatten().any(is_meter) {
                        enough_at.get_or_insert(Instant::now() + GRACE);
                    }
                }
                () = sleep_until(enough_at.unwrap_or(begin)), if enough_at.is_some() => {
                    tell.send_replace(true);
                    enough_at = None;
                }
                _ = shows.tick() => show(begin),
            }
        }
        if told.is_told() {
            return Err(Failure::Stopped);
        }
        Ok(self.outcomes.into_iter().flatten().collect())
    }

    /// Ready when one more is done.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut is_done = false;
        for (work, outcome) in self.works.iter_mut().zip(&mut self.outcomes) {
            if outcome.is_none() {
                if let Poll::Ready(heard) = work.as_mut().poll(cx) {
                    *outcome = Some(heard);
                    is_done = true;
                }
            }
        }
        if is_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
