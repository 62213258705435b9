//! Notifications to systemd (sd_notify(3)). Without systemd all of it does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use socket2::Socket;

use crate::sys;

/// How often the status line may change: it is for people.
pub(crate) const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The listening sockets of socket activation (sd_listen_fds(3)). Called once, at start.
pub(crate) fn sockets() -> Vec<Socket> {
    match sys::handed_over() {
        Ok(descriptors) => descriptors.into_iter().map(Socket::from).collect(),
        Err(error) => {
            tracing::warn!(event = %"listener.handover-failed",
                "could not use the sockets that systemd passes: {error}");
            Vec::new()
        }
    }
}

/// Whether anybody listens.
pub(crate) fn listens() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Addresses are bound, ports are being opened.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] ends it.
pub(crate) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now().ok());
    tell(&states);
}

/// The end was asked for.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The line that `systemctl status` shows.
pub(crate) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The runtime thread is alive.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often to call [`alive`]: twice in the time that the unit's WatchdogSec= allows.
pub(crate) fn alive_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| !every.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(event = %"sermux.notify-failed", "could not notify systemd: {error}");
    }
}
