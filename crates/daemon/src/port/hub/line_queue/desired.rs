//! The desired state of a line: the state it is opened with, the operator's changes, and the clients' changes on top.
//!
//! What clients with `access: control` changed holds as long as one of them is connected: it is applied again at each
//! opening, and taken back when the last of them has left (`on-release`). What others set, by hand or by `on-connect`,
//! holds until the device is opened again.
//!
//! A client that has closed its sending side has left in this sense as soon as the line has done what it asked; nor does it count
//! when a new client is the first one (`Hub::is_first`), for which the line is given back and taken anew. What was asked while the
//! device was being opened is set right behind the opening. Without a line, requests are answered from what the line will have.

use sermux_port_config::config::{OnConnect, OnDisconnect, OnRelease, Port};
use sermux_port_config::line::LineSettings;
use sermux_port_config::signal::{Effect, ModemControl};
use sermux_protocol::rfc2217::View;

use super::asked::Asker;

/// Settings and outputs; an output that is `None` is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Baud rate, data bits, parity, stop bits, flow control.
    pub settings: LineSettings,
    /// Data terminal ready.
    pub dtr: Option<bool>,
    /// Request to send.
    pub rts: Option<bool>,
}

/// The settings of the listener that the clients are connected through, in place of the port's.
#[derive(Clone, Copy, Debug)]
struct Lent {
    settings: LineSettings,
    /// What the line goes back to.
    under: LineSettings,
}

/// What clients changed.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    settings: Option<LineSettings>,
    dtr: Option<bool>,
    rts: Option<bool>,
}

#[derive(Debug)]
pub(super) struct Desired {
    configured: Levels,
    on_connect: (Option<bool>, Option<bool>),
    on_disconnect: (Option<bool>, Option<bool>),
    on_release: OnRelease,
    /// There are clients.
    occupied: bool,
    /// What the line has if no client changed anything.
    base: Levels,
    lent: Option<Lent>,
    by_clients: Changes,
    /// What the line is being opened with.
    opening: Option<Levels>,
}

impl Desired {
    pub(super) fn of(port: &Port) -> Self {
        let configured = configured(port);
        Self {
            configured,
            on_connect: on_connect(&port.modem.on_connect),
            on_disconnect: on_disconnect(&port.modem.on_disconnect),
            on_release: port.on_release,
            occupied: false,
            base: configured,
            lent: None,
            by_clients: Changes::default(),
            opening: None,
        }
    }

    /// Another configuration. What it changes goes before what clients changed.
    pub(super) fn configure(&mut self, port: &Port) {
        let before = std::mem::replace(&mut self.configured, configured(port));
        self.on_connect = on_connect(&port.modem.on_connect);
        self.on_disconnect = on_disconnect(&port.modem.on_disconnect);
        self.on_release = port.on_release;
        if before.settings != self.configured.settings {
            match &mut self.lent {
                Some(lent) => lent.under = self.configured.settings,
                None => (self.base.settings, self.by_clients.settings) = (self.configured.settings, None),
            }
        }
        if before.dtr != self.configured.dtr {
            (self.base.dtr, self.by_clients.dtr) = (self.configured.dtr, None);
        }
        if before.rts != self.configured.rts {
            (self.base.rts, self.by_clients.rts) = (self.configured.rts, None);
        }
    }

    /// Whether there are clients.
    pub(super) fn occupy(&mut self, occupied: bool) {
        self.occupied = occupied;
    }

    /// What a line is opened with where no client changed anything.
    fn at_open(&self) -> Levels {
        let (dtr, rts) = if self.occupied { self.on_connect } else { (None, None) };
        let settings = self.lent.filter(|_| self.occupied).map_or(self.configured.settings, |lent| lent.settings);
        Levels { settings, dtr: dtr.or(self.configured.dtr), rts: rts.or(self.configured.rts) }
    }

    fn with_changes(&self, base: Levels) -> Levels {
        let Changes { settings, dtr, rts } = self.by_clients;
        Levels { settings: settings.unwrap_or(base.settings), dtr: dtr.or(base.dtr), rts: rts.or(base.rts) }
    }

    /// What the line would have if it were open: what is known of one that is not. Linux raises outputs that are left alone.
    pub(super) fn expected(&self) -> View {
        let Levels { settings, dtr, rts } = self.with_changes(self.at_open());
        let outputs = ModemControl { dtr: dtr.unwrap_or(true), rts: rts.unwrap_or(true) };
        View { settings, outputs, ..View::default() }
    }

    /// The line is about to be opened, with this.
    pub(super) fn open(&mut self) -> Levels {
        let levels = self.with_changes(self.at_open());
        self.opening = Some(levels);
        levels
    }

    /// The line is open: what has to be done to it because that was asked for meanwhile.
    pub(super) fn opened(&mut self) -> Vec<Effect> {
        self.base = self.at_open();
        if let Some(lent) = &mut self.lent {
            lent.under = self.configured.settings;
        }
        let now = self.with_changes(self.base);
        let Some(opened_with) = self.opening.take() else { return Vec::new() };
        let changed = |now: Option<bool>, before| now.filter(|_| now != before);
        let (dtr, rts) = (changed(now.dtr, opened_with.dtr), changed(now.rts, opened_with.rts));
        effects(Some(now.settings).filter(|settings| *settings != opened_with.settings), dtr, rts)
    }

    /// A client with the right to do so changes something.
    pub(super) fn client_sets(&mut self, effect: &Effect) {
        match effect {
            Effect::Settings(settings) => self.by_clients.settings = Some(*settings),
            Effect::Outputs { dtr, rts } => {
                self.by_clients.dtr = dtr.or(self.by_clients.dtr);
                self.by_clients.rts = rts.or(self.by_clients.rts);
            }
            _ => {}
        }
    }

    /// The line made something else of what a client asked for, and said so.
    pub(super) fn read_back(&mut self, asked: LineSettings, actual: LineSettings) {
        if self.by_clients.settings == Some(asked) {
            self.by_clients.settings = Some(actual);
        }
    }

    /// Somebody who is not a client has changed something.
    pub(super) fn others_set(&mut self, effect: &Effect) {
        match effect {
            Effect::Settings(settings) => {
                (self.base.settings, self.by_clients.settings) = (*settings, None);
                if let Some(lent) = &mut self.lent {
                    lent.under = *settings;
                }
            }
            Effect::Outputs { dtr, rts } => {
                if dtr.is_some() {
                    (self.base.dtr, self.by_clients.dtr) = (*dtr, None);
                }
                if rts.is_some() {
                    (self.base.rts, self.by_clients.rts) = (*rts, None);
                }
            }
            _ => {}
        }
    }

    /// What is done when its turn has come: a client that has come meanwhile may want what was to be taken back.
    pub(super) fn now(&self, asker: Asker, effect: Effect) -> Effect {
        let levels = self.with_changes(self.base);
        match (asker, effect) {
            (Asker::Desired(_), Effect::Settings(_)) => Effect::Settings(levels.settings),
            (Asker::Desired(_), Effect::Outputs { dtr, rts }) => {
                Effect::Outputs { dtr: dtr.and(levels.dtr), rts: rts.and(levels.rts) }
            }
            (_, effect) => effect,
        }
    }

    /// Whether clients left something other than what the line has without them.
    pub(super) fn has_changes(&self) -> bool {
        self.with_changes(self.base) != self.base
    }

    /// What the settings become for the first client of a listener with this `line`. `None`: they stay as they are.
    pub(super) fn lends(&self, line: Option<LineSettings>) -> Option<LineSettings> {
        match (line, self.lent) {
            (None, None) => None,
            (None, Some(lent)) => Some(lent.under),
            (Some(line), _) => Some(line),
        }
    }

    /// The first client of a listener with this `line` is there: what the settings become.
    pub(super) fn lend(&mut self, line: Option<LineSettings>) -> Option<LineSettings> {
        let settings = self.lends(line)?;
        let under = self.lent.map_or(self.base.settings, |lent| lent.under);
        self.lent = line.map(|settings| Lent { settings, under });
        (self.base.settings, self.by_clients.settings) = (settings, None);
        Some(settings)
    }

    /// Nobody is left who came through a listener with its own settings: what the settings become, if they do
    /// (`on-release`).
    pub(super) fn end_loan(&mut self) -> Option<LineSettings> {
        let lent = self.lent.filter(|_| self.on_release == OnRelease::Restore)?;
        self.lent = None;
        (self.base.settings, self.by_clients.settings) = (lent.under, None);
        Some(lent.under)
    }

    /// Whether clients of a listener with its own settings have the line.
    pub(super) fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// The settings that the port is configured with.
    pub(super) fn configured(&self) -> LineSettings {
        self.configured.settings
    }

    /// The last client that might change something has left: what has to be done to the line, and whether that undoes what
    /// clients changed. Without any client left `on-disconnect` decides, in the same step.
    pub(super) fn release(&mut self) -> (Vec<Effect>, bool) {
        let Changes { settings, dtr, rts } = std::mem::take(&mut self.by_clients);
        let after = if self.occupied { (None, None) } else { self.on_disconnect };
        let restores = self.on_release == OnRelease::Restore;
        if !restores {
            self.base.settings = settings.unwrap_or(self.base.settings);
            (self.base.dtr, self.base.rts) = (dtr.or(self.base.dtr), rts.or(self.base.rts));
        }
        (self.base.dtr, self.base.rts) = (after.0.or(self.base.dtr), after.1.or(self.base.rts));
        let base = self.base;
        let dtr = after.0.or(dtr.filter(|_| restores).and(base.dtr));
        let rts = after.1.or(rts.filter(|_| restores).and(base.rts));
        let settings = settings.filter(|settings| restores && *settings != base.settings);
        (effects(settings.map(|_| base.settings), dtr, rts), restores)
    }

    /// The line is to be as configured, whatever clients changed.
    pub(super) fn default(&mut self) -> Levels {
        self.by_clients = Changes::default();
        self.lent = self.lent.filter(|_| self.occupied);
        self.base = self.at_open();
        self.base
    }
}

fn effects(settings: Option<LineSettings>, dtr: Option<bool>, rts: Option<bool>) -> Vec<Effect> {
    let outputs = (dtr.is_some() || rts.is_some()).then_some(Effect::Outputs { dtr, rts });
    outputs.into_iter().chain(settings.map(Effect::Settings)).collect()
}

fn configured(port: &Port) -> Levels {
    Levels { settings: port.line.settings, dtr: port.modem.dtr.level(), rts: port.modem.rts.level() }
}

fn on_connect(on_connect: &OnConnect) -> (Option<bool>, Option<bool>) {
    (on_connect.dtr.level(), on_connect.rts.level())
}

fn on_disconnect(on_disconnect: &OnDisconnect) -> (Option<bool>, Option<bool>) {
    (on_disconnect.dtr.level(), on_disconnect.rts.level())
}
