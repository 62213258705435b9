//! Operations and changes, on ptys.

use sermux_port_config::line::{FlowControl, LineSettings};
use sermux_port_config::signal::{LineState, ModemControl, ModemState, Step};

use super::*;
use crate::line::tty::errors::ErrorWatch;
use crate::line::{Operation, Snapshot};

fn settings(text: &str) -> LineSettings {
    text.parse().unwrap()
}

async fn carry_out(line: &mut dyn Line, operation: Operation) -> Snapshot {
    line::carry_out(line, operation).await.unwrap()
}

#[tokio::test]
async fn settings_are_changed_at_once_and_read_back() {
    let master = Master::new();
    let mut tty = master.open_tty();
    let asked = settings("31250 8N2 xon-xoff");
    let snapshot = carry_out(&mut tty, Operation::Configure(asked)).await;
    assert_eq!(snapshot.settings, asked);
    assert_eq!(carry_out(&mut tty, Operation::Look).await, snapshot);

    let actual = sys::termios2(tty.fd.get_ref()).unwrap();
    assert_eq!((actual.c_ospeed, actual.c_iflag), (31250, libc::IXON | libc::IXOFF));
    assert_eq!(actual.c_cflag & (libc::CSTOPB | libc::CLOCAL), libc::CSTOPB | libc::CLOCAL);
}

/// What is answered is what another program has set meanwhile, not what was asked for last.
#[tokio::test]
async fn what_is_looked_at_is_the_device() {
    let master = Master::new();
    let mut tty = master.open_tty();
    let mut other = sys::termios2(tty.fd.get_ref()).unwrap();
    other.c_cflag = (other.c_cflag & !libc::CBAUD) | libc::B19200 | libc::CSTOPB;
    other.c_ospeed = 19200;
    sys::set_termios2(tty.fd.get_ref(), &other).unwrap();
    assert_eq!(carry_out(&mut tty, Operation::Look).await.settings, settings("19200 8N2"));
}

#[tokio::test]
async fn clocal_and_hupcl_stay_when_settings_change() {
    for (clocal, hangup_on_close) in [(true, false), (false, true)] {
        let master = Master::new();
        let mut port = master.port("9600 8N1");
        port.line.clocal = clocal;
        port.modem.hangup_on_close = hangup_on_close;
        port.exclusive = false;
        let mut line = line::open_blocking(&port).unwrap().line;
        carry_out(&mut *line, Operation::Configure(settings("19200 8N1"))).await;
        let flags = sys::termios2(master.look_at_slave()).unwrap().c_cflag;
        assert_eq!((flags & libc::CLOCAL != 0, flags & libc::HUPCL != 0), (clocal, hangup_on_close));
    }
}

#[tokio::test]
async fn flow_control_that_cannot_be_leaves_what_is_there() {
    let master = Master::new();
    let mut line = master.open();
    for present in ["9600 8N1 rts-cts", "9600 8N1 xon-xoff", "9600 8N1"] {
        carry_out(&mut *line, Operation::Configure(settings(present))).await;
        let impossible = LineSettings { flow_control: FlowControl::DtrDsr, ..settings(present) };
        assert_eq!(carry_out(&mut *line, Operation::Configure(impossible)).await.settings, settings(present));
    }
}

#[tokio::test]
async fn what_a_pty_does_not_carry_is_answered_as_commanded() {
    let master = Master::new();
    let mut line = master.open();
    for asked in ["9600 7M1", "9600 5N1.5", "9600 5N2", "9600 5N1"] {
        assert_eq!(carry_out(&mut *line, Operation::Configure(settings(asked))).await.settings, settings(asked));
    }

    assert_eq!(carry_out(&mut *line, Operation::Look).await.outputs, ModemControl { dtr: true, rts: true });
    let outputs = carry_out(&mut *line, Operation::Outputs { dtr: Some(false), rts: None }).await.outputs;
    assert_eq!(outputs, ModemControl { dtr: false, rts: true });
    let steps = [Step::Set { dtr: Some(true), rts: Some(false) }, Step::Wait(Duration::from_millis(1))];
    let snapshot = carry_out(&mut *line, Operation::Run(steps.into())).await;
    assert_eq!(snapshot.outputs, ModemControl { dtr: true, rts: false });
    assert_eq!((snapshot.inputs, snapshot.counters), (ModemState::default(), None));
    for on in [true, false] {
        assert_eq!(carry_out(&mut *line, Operation::Break(on)).await, snapshot, "there is nothing to break");
    }
}

#[tokio::test]
async fn outputs_that_are_off_at_open_are_known_as_off() {
    let master = Master::new();
    let mut port = master.port("9600 8N1");
    port.modem.rts = sermux_port_config::signal::Output::Off;
    let report = line::open_blocking(&port).unwrap().report;
    assert_eq!(report.snapshot.outputs, ModemControl { dtr: true, rts: false });
}

#[tokio::test]
async fn whether_the_far_end_waits_follows_the_flow_control() {
    let master = Master::new();
    let mut tty = master.open_tty();
    assert!(tty.can_wait(), "a pty always does");
    let mut port = master.port("9600 8N1");
    port.exclusive = false;
    let before = sys::termios2(tty.fd.get_ref()).unwrap();
    let fd = Arc::new(tty.fd.get_ref().try_clone().unwrap());
    // As if it were a UART.
    let uart = TtyHandle::set_up(&fd, Chip::Other, &before, &port.line, &port.modem).unwrap().0;
    tty.handle = Arc::new(uart);
    for (flow_control, waits) in [
        (FlowControl::RtsCts, true),
        (FlowControl::None, false),
        (FlowControl::XonXoff, true),
        (FlowControl::XonXoffIn, true),
        (FlowControl::XonXoffOut, false),
        // Which stays, because there is no such thing.
        (FlowControl::DtrDsr, false),
    ] {
        let asked = LineSettings { flow_control, ..settings("9600 8N1") };
        tty.handle.configure(&fd, &asked).unwrap();
        let actual = tty.handle.look(&fd).unwrap().settings;
        assert_eq!(tty.can_wait(), waits, "{flow_control}");
        let differences = line::differences(&asked, &actual);
        assert_eq!(differences.len(), usize::from(flow_control == FlowControl::DtrDsr), "{differences:?}");
    }
}

/// The driver would say five while the chip goes on with eight.
#[tokio::test]
async fn an_ftdi_keeps_its_data_bits_when_five_are_asked_for() {
    let master = Master::new();
    let tty = master.open_tty();
    let fd = Arc::new(tty.fd.get_ref().try_clone().unwrap());
    let before = sys::termios2(&fd).unwrap();
    let port = master.port("9600 5N1");
    let (handle, wanted) = TtyHandle::set_up(&fd, Chip::FtdiSio, &before, &port.line, &port.modem).unwrap();
    assert_eq!(wanted.c_cflag & libc::CSIZE, libc::CS8);
    let actual = handle.carry_out(&Operation::Configure(settings("9600 5N1"))).unwrap().settings;
    assert_eq!(actual, settings("9600 8N1"));
    let said = line::differences(&port.line.settings, &actual);
    assert_eq!(said, ["line.data-bits: asked 5, the line has 8; FTDI and most USB adapters have 7 and 8 alone"]);
}

#[tokio::test]
async fn what_nobody_has_read_can_be_thrown_away() {
    use sermux_port_config::signal::Purge;
    let master = Master::new();
    let mut line = master.open();
    let mut buf = [0; 64];
    assert_eq!(master.write(b"old"), 3);
    carry_out(&mut *line, Operation::Purge(Purge::Tx)).await;
    assert_eq!(soon(read(&mut *line, &mut buf)).await.unwrap(), 3, "that was the other direction");

    assert_eq!(master.write(b"old"), 3);
    let snapshot = carry_out(&mut *line, Operation::Purge(Purge::Rx)).await;
    assert_eq!(snapshot.settings, settings("115200 8N1"));
    assert!(read_now(&mut *line, &mut buf).await.is_none());
    assert_eq!(master.write(b"new"), 3);
    let n = soon(read(&mut *line, &mut buf)).await.unwrap();
    assert_eq!(&buf[..n], b"new");
}

#[tokio::test]
async fn there_is_room_again_when_output_was_thrown_away() {
    use sermux_port_config::signal::Purge;
    let master = Master::new();
    let mut line = master.open();
    let block = [b'x'; 4096];
    while write_now(&mut *line, &block).await.is_some() {}
    carry_out(&mut *line, Operation::Purge(Purge::Rx)).await;
    assert!(write_now(&mut *line, b"x").await.is_none(), "that was the other direction");
    carry_out(&mut *line, Operation::Purge(Purge::Tx)).await;
    assert_eq!(write_now(&mut *line, b"fresh").await, Some(5));
}

#[tokio::test]
async fn a_transmitter_that_holds_nothing_is_empty() {
    let master = Master::new();
    let state = carry_out(&mut *master.open(), Operation::Look).await.line_state;
    assert_eq!(state, LineState { tx_holding_empty: true, tx_shift_empty: true, ..LineState::default() });
}

#[tokio::test]
async fn on_a_device_that_is_gone_every_operation_says_so() {
    use sermux_port_config::signal::Purge;
    let operations = [
        Operation::Look,
        Operation::Configure(settings("9600 8N1")),
        Operation::Outputs { dtr: Some(true), rts: None },
        Operation::Break(true),
        Operation::Purge(Purge::Both),
        Operation::Run([Step::Set { dtr: Some(true), rts: None }].into()),
    ];
    let master = Master::new();
    let line = master.open_tty();
    let handle = Arc::clone(&line.handle);
    drop(master);
    for operation in &operations {
        let error = handle.carry_out(operation).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "hung up: {operation:?}");
    }
    drop(line);
    for operation in &operations {
        let error = handle.carry_out(operation).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "closed: {operation:?}");
    }
}

#[tokio::test]
async fn rs485_that_the_driver_does_not_have_is_a_difference() {
    use sermux_port_config::config::Rs485;
    let master = Master::new();
    let mut port = master.port("9600 8N1");
    port.line.rs485 = Some(Rs485 { enabled: true, ..Rs485::default() });
    let said = line::open_blocking(&port).unwrap().report.differences;
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("line.rs485: asked for, this driver has none ("), "{said:?}");
    port.line.rs485 = Some(Rs485::default());
    assert_eq!(line::open_blocking(&port).unwrap().report.differences, [""; 0], "none was asked for");
}

/// While a dead descriptor is open, the adapter that is plugged in again gets another name.
#[tokio::test]
async fn a_device_is_closed_at_once_though_a_macro_is_running() {
    let master = Master::new();
    let line = master.open_tty();
    let handle = Arc::clone(&line.handle);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let wait = Duration::from_millis(300);
    let steps = [Step::Set { dtr: Some(false), rts: None }, Step::Wait(wait), Step::Set { dtr: Some(true), rts: None }];
    let running = thread::spawn(move || {
        begun.send(()).unwrap();
        handle.carry_out(&Operation::Run(steps.into()))
    });
    has_begun.recv().unwrap();
    Box::new(line).close_blocking();
    assert_eq!(open_descriptors(&master.slave), 0);
    assert_eq!(running.join().unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn nothing_is_watched_on_a_pty() {
    let master = Master::new();
    let mut tty = master.open_tty();
    tty.watch(Watch { modem_state: true, line_state: true });
    assert!(tty.modem_watch.is_none(), "no thread");
    let change = poll_fn(|cx| Poll::Ready(tty.poll_change(cx))).await;
    assert!(change.is_pending());
    tty.watch(Watch::default());
}

/// A pty has no errors, but it doubles each 0xFF as a UART does that marks them.
#[tokio::test]
async fn marks_do_not_reach_the_reader() {
    let master = Master::new();
    let mut tty = master.open_tty();
    tty.errors = ErrorWatch::marks_for_test();
    let sent: Vec<u8> = [0xFF, 0, 0xFF, 0xFF, 1, 0xFF, 0].repeat(50);
    let early = master.write(&[0xFF, b'a', 0xFF]);
    // What comes at the moment of the switch may have marks or not.
    while sys::unread(tty.fd.get_ref()).unwrap() < early {
        tokio::task::yield_now().await;
    }
    tty.watch(Watch { modem_state: false, line_state: true });

    let mut received = Vec::new();
    // A byte at a time: most reads end within a mark.
    let mut buf = [0; 1];
    while received.len() < early {
        let n = soon(read(&mut tty, &mut buf)).await.unwrap();
        received.extend_from_slice(&buf[..n]);
    }
    assert_eq!(received, [0xFF, b'a', 0xFF], "from before the tty marked anything");
    assert_eq!(sys::termios2(tty.fd.get_ref()).unwrap().c_iflag, libc::INPCK | libc::PARMRK);
    assert_eq!(master.write(&sent), sent.len());
    received.clear();
    while received.len() < sent.len() / 2 {
        let n = soon(read(&mut tty, &mut buf)).await.unwrap();
        received.extend_from_slice(&buf[..n]);
    }
    // Reads that were full and have fewer bytes without the marks.
    soon(drain(&mut tty, &mut Dice(4), 5, &mut received, sent.len())).await;
    assert_eq!(received, sent);

    // They stay when the settings change, and when nobody wants to know any more.
    carry_out(&mut tty, Operation::Configure(settings("9600 8N1 xon-xoff"))).await;
    tty.watch(Watch::default());
    assert_eq!(master.write(&[0xFF]), 1);
    assert_eq!(soon(read(&mut tty, &mut buf)).await.unwrap(), 1);
    assert_eq!(buf[0], 0xFF);
}

/// How many descriptors of this process are open for it.
fn open_descriptors(path: &Path) -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == path)))
        .count()
}
