//! Answers that stay open: server-sent events (the HTML standard, section 9.2). A reader that lags gets the newest event.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{watch, OwnedSemaphorePermit};
use tokio::time::timeout;

/// After this time without an event an empty comment is sent: proxies close a silent connection, and sermux notices a reader
/// that has disconnected.
const SILENCE: Duration = Duration::from_secs(15);

/// In an answer's extensions: the answer goes on for as long as its reader takes what there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting(Arc<AtomicU64>);

impl Lasting {
    /// A number that grows with what the reader takes: each 15 s at the latest, if it takes anything.
    pub(super) fn taken(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One event. Each line of `data` is one of the event; readers get them with a line feed between them.
pub(super) fn event(name: &str, id: u64, data: &str) -> Bytes {
    let mut text = format!("id: {id}\nevent: {name}\n");
    for line in data.lines() {
        text.push_str("data: ");
        // A CR alone would end the line.
        text.extend(line.chars().filter(|c| *c != '\r'));
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// The body: an event for each new value, of which one that is not taken in time is passed over.
pub(super) struct Events<T, S> {
    next: Next<T, S>,
    lasting: Lasting,
    _turn: OwnedSemaphorePermit,
}

/// What waits for the next event. `None`: there are no more.
type Next<T, S> = Pin<Box<dyn Future<Output = Option<(Bytes, EventSource<T, S>)>> + Send>>;

struct EventSource<T, S> {
    values: watch::Receiver<T>,
    /// The newest as an event, if there is anything to be shown.
    show: S,
}

impl<T, S> Events<T, S>
where
    T: Send + Sync + 'static,
    S: Fn(&mut watch::Receiver<T>) -> Option<Bytes> + Send + 'static,
{
    pub(super) fn new(values: watch::Receiver<T>, show: S, turn: OwnedSemaphorePermit) -> (Self, Lasting) {
        let lasting = Lasting::default();
        let next: Next<T, S> = Box::pin(EventSource { values, show }.next());
        (Self { next, lasting: lasting.clone(), _turn: turn }, lasting)
    }
}

impl<T, S> EventSource<T, S>
where
    T: Send + Sync + 'static,
    S: Fn(&mut watch::Receiver<T>) -> Option<Bytes> + Send + 'static,
{
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            match timeout(SILENCE, self.values.changed()).await {
                Ok(changed) => changed.ok()?,
                Err(_) => return Some((Bytes::from_static(b":\n\n"), self)),
            }
            if let Some(bytes) = (self.show)(&mut self.values) {
                return Some((bytes, self));
            }
        }
    }
}

impl<T, S> Body for Events<T, S>
where
    T: Send + Sync + 'static,
    S: Fn(&mut watch::Receiver<T>) -> Option<Bytes> + Send + 'static,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        // Asked for when the reader has taken what was before, more or less.
        let Some((bytes, source)) = ready!(this.next.as_mut().poll(cx)) else { return Poll::Ready(None) };
        this.lasting.0.fetch_add(1, Ordering::Relaxed);
        this.next = Box::pin(source.next());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl<T, S> Unpin for Events<T, S> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_data_is_one_of_the_event() {
        let shown = event("telegram", 7, "/XMX5\r\n\r\n1-0:1.7.0(1\r2*kW)\r\n!\r\n");
        assert_eq!(shown, "id: 7\nevent: telegram\ndata: /XMX5\ndata: \ndata: 1-0:1.7.0(12*kW)\ndata: !\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_lags_gets_the_newest_and_a_silent_one_a_sign_of_life() {
        let turns = Arc::new(tokio::sync::Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().expect("a turn");
        let (sender, values) = watch::channel(0);
        let show = |values: &mut watch::Receiver<u64>| Some(event("n", 0, &values.borrow_and_update().to_string()));
        let (mut events, lasting) = Events::new(values, show, turn);
        let mut next = async || {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut events).poll_frame(cx)).await;
            frame.map(|frame| frame.expect("a frame").into_data().expect("data"))
        };
        sender.send_replace(1);
        sender.send_replace(2);
        assert_eq!(next().await.as_deref(), Some(&b"id: 0\nevent: n\ndata: 2\n\n"[..]));
        assert_eq!(next().await.as_deref(), Some(&b":\n\n"[..]));
        assert_eq!(lasting.taken(), 2);
        drop(sender);
        assert_eq!(next().await, None);
    }
}
