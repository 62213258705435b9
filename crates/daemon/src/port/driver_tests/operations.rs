//! Operations on the line other than reading and writing.

use sermux_port_config::signal::{Effect, Purge, Step};
use sermux_protocol::rfc2217::View;
use tokio::sync::oneshot;

use super::*;
use crate::line::Operation;
use crate::port::hub::Outcome;

impl Rig {
    /// Asks something of the line, without waiting for the answer.
    async fn ask(&self, effect: Effect) -> oneshot::Receiver<(Outcome, View)> {
        let (reply, answer) = oneshot::channel();
        assert!(self.link.send(Command::Ask { effect, reply }).await);
        answer
    }

    /// Asks something of the line; how it came out, and after how long.
    pub(super) async fn done(&self, effect: Effect) -> (Outcome, View, Duration) {
        let asked_at = Instant::now();
        let (outcome, view) = timeout(SOON, self.ask(effect).await).await.expect("an answer").expect("an answer");
        (outcome, view, asked_at.elapsed())
    }

    /// A running port with its line open, and a client.
    async fn with_line() -> (Self, SimHandle, DuplexStream) {
        let rig = Self::start(port("line: 9600 8N1"));
        let wire = rig.plug();
        let client = rig.connect(1 << 16).await;
        until(|| !rig.tries().is_empty()).await;
        assert_eq!(rig.done(Effect::Look).await.0, Outcome::Done);
        wire.operations();
        (rig, wire, client)
    }
}

fn settings(text: &str) -> Effect {
    Effect::Settings(text.parse().unwrap())
}

/// Everything that the line gets until it has got `n` bytes.
async fn written(wire: &SimHandle, n: usize) -> Vec<u8> {
    let mut got = Vec::new();
    until(|| {
        got.extend(wire.tx());
        got.len() >= n
    })
    .await;
    got
}

#[tokio::test(start_paused = true)]
async fn settings_wait_for_the_bytes_before_them_and_the_bytes_after_them_wait_for_the_settings() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.set_unsent(5);
    client.write_all(b"before").await.unwrap();
    assert_eq!(written(&wire, 6).await, b"before");
    let answer = rig.ask(settings("19200 7E1")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.write_all(b"after").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(wire.operations(), [], "the line was set before everything had left");
    assert_eq!(wire.tx(), b"", "bytes overtook the settings");

    wire.set_unsent(0);
    let (outcome, view) = timeout(SOON, answer).await.unwrap().unwrap();
    assert_eq!((outcome, view.settings.to_string().as_str()), (Outcome::Done, "19200 7E1"));
    assert_eq!(wire.operations(), [Operation::Configure("19200 7E1".parse().unwrap())]);
    assert_eq!(written(&wire, 5).await, b"after");
}

#[tokio::test(start_paused = true)]
async fn settings_wait_two_seconds_at_most() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.block_tx(true);
    client.write_all(b"stays").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (outcome, view, after) = rig.done(settings("19200 7E1")).await;
    assert_eq!((outcome, view.settings.to_string().as_str()), (Outcome::Done, "19200 7E1"));
    assert!((2000..2050).contains(&after.as_millis()), "{after:?}");
    wire.block_tx(false);
    assert_eq!(written(&wire, 5).await, b"stays", "nothing is lost for it");
}

#[tokio::test(start_paused = true)]
async fn settings_that_the_line_has_need_no_operation() {
    let (rig, wire, _client) = Rig::with_line().await;
    let (outcome, _, after) = rig.done(settings("9600 8N1")).await;
    assert_eq!((outcome, after.as_millis()), (Outcome::Done, 0));
    assert_eq!(wire.operations(), []);
}

#[tokio::test(start_paused = true)]
async fn what_the_line_has_is_answered_not_what_was_asked() {
    let (rig, wire, _client) = Rig::with_line().await;
    wire.runs_only_at(115_200);
    let (outcome, view, _) = rig.done(settings("250000 8N1")).await;
    assert_eq!((outcome, view.settings.to_string().as_str()), (Outcome::Done, "115200 8N1"));
}

#[tokio::test(start_paused = true)]
async fn outputs_pass_bytes_that_cannot_leave() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.block_tx(true);
    client.write_all(b"stays").await.unwrap();
    let (outcome, view, after) = rig.done(Effect::Outputs { dtr: Some(false), rts: None }).await;
    assert_eq!((outcome, view.outputs.dtr, view.outputs.rts), (Outcome::Done, false, true));
    assert!(after < Duration::from_millis(50), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_break_lasts_as_long_as_it_was_asked_for_and_bytes_wait_for_its_end() {
    let (rig, wire, mut client) = Rig::with_line().await;
    client.write_all(b"before").await.unwrap();
    assert_eq!(written(&wire, 6).await, b"before");
    let (outcome, view, _) = rig.done(Effect::BreakPulse(Duration::from_millis(300))).await;
    assert!((outcome, view.break_on) == (Outcome::Done, true));
    let began = Instant::now();
    client.write_all(b"after").await.unwrap();
    assert_eq!(written(&wire, 5).await, b"after");
    let lasted = began.elapsed().as_millis();
    assert!((300..350).contains(&lasted), "{lasted} ms");
    assert_eq!(wire.operations(), [Operation::Break(true), Operation::Break(false)]);
}

#[tokio::test(start_paused = true)]
async fn a_break_never_waits_for_bytes_that_cannot_leave() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.set_unsent(100);
    client.write_all(b"on the wire").await.unwrap();
    assert_eq!(written(&wire, 11).await, b"on the wire");
    wire.block_tx(true);
    client.write_all(b"still here").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (outcome, _, after) = rig.done(Effect::BreakPulse(Duration::from_millis(100))).await;
    assert_eq!(outcome, Outcome::Done);
    assert!((2000..2050).contains(&after.as_millis()), "{after:?}");
    assert_eq!(wire.operations(), [Operation::Purge(Purge::Tx), Operation::Break(true)]);
    wire.block_tx(false);
    client.write_all(b"after").await.unwrap();
    assert_eq!(written(&wire, 5).await, b"after", "what was in the way is gone, what came later is not");
}

#[tokio::test(start_paused = true)]
async fn bytes_between_two_breaks_are_not_lost_however_long_the_first_one_is() {
    let (rig, wire, mut client) = Rig::with_line().await;
    assert_eq!(rig.done(Effect::BreakPulse(Duration::from_secs(5))).await.0, Outcome::Done);
    client.write_all(b"between").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let second = rig.ask(Effect::BreakPulse(Duration::from_millis(100))).await;
    assert_eq!(written(&wire, 7).await, b"between");
    assert_eq!(timeout(SOON, second).await.unwrap().unwrap().0, Outcome::Done);
    assert_eq!(wire.operations(), [Operation::Break(true), Operation::Break(false), Operation::Break(true)]);
}

#[tokio::test(start_paused = true)]
async fn a_purge_passes_an_operation_that_is_stuck_and_frees_it() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.stick();
    let stuck = rig.ask(Effect::Outputs { dtr: Some(false), rts: None }).await;
    let mut waits = rig.ask(Effect::Look).await;
    let purged = rig.ask(Effect::Purge(Purge::Both)).await;
    assert_eq!(purged.await.unwrap().0, Outcome::Done);
    assert_eq!(stuck.await.unwrap().0, Outcome::Done);
    assert_eq!((&mut waits).await.unwrap().0, Outcome::Done);
    client.write_all(b"on").await.unwrap();
    assert_eq!(written(&wire, 2).await, b"on");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_line_that_is_stuck_is_answered_and_the_port_goes_on() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.stick();
    let stuck = rig.ask(Effect::Look).await;
    let waits = rig.ask(settings("19200 8N1")).await;
    while wire.operations().is_empty() {
        tokio::task::yield_now().await;
    }
    // The clock stands still by itself while a thread of the blocking pool is busy.
    tokio::time::advance(Duration::from_secs(4)).await;
    tokio::task::yield_now().await;
    assert!(rig.status.is_open());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(stuck.await.unwrap().0, Outcome::Failed);
    assert_eq!(waits.await.unwrap().0, Outcome::Failed);
    wire.rx(b"still");
    let mut still = [0; 5];
    client.read_exact(&mut still).await.unwrap();
    assert_eq!(&still, b"still");
    assert!(!rig.status.is_open(), "a port whose line does not answer is not well");
    wire.unstick();
    until(|| rig.status.is_open()).await;
    assert_eq!(rig.done(settings("19200 8N1")).await.0, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_purge_empties_what_is_queued_for_the_line() {
    let (rig, wire, mut client) = Rig::with_line().await;
    wire.block_tx(true);
    client.write_all(b"thrown away").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(rig.done(Effect::Purge(Purge::Tx)).await.0, Outcome::Done);
    wire.block_tx(false);
    client.write_all(b"kept").await.unwrap();
    assert_eq!(written(&wire, 4).await, b"kept");
    assert_eq!(wire.operations(), [Operation::Purge(Purge::Tx)]);
}

#[tokio::test(start_paused = true)]
async fn a_macro_is_one_operation() {
    let (rig, wire, _client) = Rig::with_line().await;
    let set = |dtr, rts| Step::Set { dtr: Some(dtr), rts: Some(rts) };
    let steps: Arc<[Step]> = [set(false, true), Step::Wait(Duration::from_millis(1)), set(true, false)].into();
    let (outcome, view, _) = rig.done(Effect::Run(Arc::clone(&steps))).await;
    assert_eq!((outcome, view.outputs.dtr, view.outputs.rts), (Outcome::Done, true, false));
    assert_eq!(wire.operations(), [Operation::Run(steps)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_line_the_answer_says_so() {
    let rig = Rig::start(port(""));
    let wire = rig.plug();
    until(|| !rig.tries().is_empty()).await;
    wire.hang_up();
    until(|| wire.is_closed()).await;
    assert_eq!(rig.done(settings("19200 8N1")).await.0, Outcome::NoLine);
    assert_eq!(rig.done(Effect::Purge(Purge::Both)).await.0, Outcome::NoLine);
}

#[tokio::test(start_paused = true)]
async fn an_operation_on_a_line_that_goes_is_answered_and_the_next_line_is_asked_again() {
    let (rig, wire, _client) = Rig::with_line().await;
    wire.stick();
    let asked = rig.ask(Effect::Look).await;
    tokio::time::sleep(Duration::ZERO).await;
    let second = rig.plug();
    wire.hang_up();
    assert_eq!(asked.await.unwrap().0, Outcome::NoLine);
    until(|| rig.tries().len() == 2).await;
    assert_eq!(rig.done(settings("19200 8N1")).await.0, Outcome::Done);
    assert_eq!(second.operations(), [Operation::Configure("19200 8N1".parse().unwrap())]);
    // The thread of the first one ends.
    wire.unstick();
}
