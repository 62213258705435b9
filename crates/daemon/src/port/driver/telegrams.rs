//! Publishes the latest telegram to the API's readers, which are not clients, whether they have read the one before or
//! not.

use std::sync::Arc;

use tokio::sync::watch;

use super::Driver;
use crate::port::hub::Telegram;
use crate::port::link::Telegrams;

/// Where they find it. Nothing, as long as nobody looks.
#[derive(Debug, Default)]
pub(super) struct Shown(Option<watch::Sender<Option<Arc<Telegram>>>>);

impl Driver {
    /// `None`: the port has no telegrams.
    pub(super) fn look_at_telegrams(&mut self) -> Option<Telegrams> {
        if !self.hub.has_telegrams() {
            return None;
        }
        let latest = || watch::Sender::new(self.hub.telegram().cloned().map(Arc::new));
        Some(self.shown_telegram.0.get_or_insert_with(latest).subscribe())
    }

    /// To be called when telegrams may have come. A reader that has disconnected costs one call more.
    pub(super) fn show_telegram(&mut self) {
        let Some(shown) = &self.shown_telegram.0 else { return };
        if shown.receiver_count() == 0 || !self.hub.has_telegrams() {
            self.shown_telegram = Shown::default();
            return;
        }
        let latest = self.hub.telegram();
        let number = |telegram: &Telegram| telegram.number;
        if shown.borrow().as_deref().map(number) != latest.map(number) {
            shown.send_replace(latest.cloned().map(Arc::new));
        }
    }
}
