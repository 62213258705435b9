//! Devices are opened on the blocking pool, a few at a time.

use std::sync::Arc;

use sermux_port_config::config::Port;
use tokio::sync::oneshot;

use crate::line::{self, OpenError, Opened};
use crate::port::Opener;
use crate::workers::Workers;

/// The threads that open devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Opens(Workers);

impl Opens {
    /// Opens a port's device when its turn has come.
    pub(super) fn opener(&self) -> Opener {
        let opens = self.clone();
        Box::new(move |port| Box::pin(opens.clone().open(port)))
    }

    async fn open(self, port: Arc<Port>) -> Result<Opened, OpenError> {
        let path = port.device.to_string().into();
        let (reply, opened) = oneshot::channel();
        self.0.add(move || {
            // The port may have ended meanwhile.
            if !reply.is_closed() {
                let _ = reply.send(line::open_blocking(&port));
            }
        });
        opened.await.unwrap_or_else(|_| Err(OpenError::Other { path, what: "opening it was given up".to_owned() }))
    }
}
