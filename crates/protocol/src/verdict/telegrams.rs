//! Whole P1 telegrams in what was received, and what they say of their meter.

use std::time::Duration;

use super::{obis_codes, Cause, Certainty, MeterModel, Reading, Verdict};
use crate::frame::held::Held;
use crate::frame::p1::P1Framer;
use crate::frame::Check;

/// The telegrams, if there are any.
pub(super) fn judge(reading: &Reading<'_>) -> Option<Verdict> {
    let bytes = reading.bytes;
    let mut framer = P1Framer::new();
    let mut found = Vec::new();
    framer.push(Held::whole(0, bytes), 0, reading.at, |frame| found.push(frame));
    let mut meter = MeterModel::default();
    let mut codes = 0;
    let mut places = Vec::new();
    for frame in &found {
        let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let telegram = &bytes[place(frame.start)..place(frame.end)];
        let here = obis_codes(telegram, |byte| byte);
        if here == 0 && !frame.check.is_good() {
            continue;
        }
        codes += here;
        meter.telegrams += 1;
        places.push((place(frame.start), place(frame.end)));
        match frame.check {
            Check::Good => meter.crc_good += 1,
            Check::GoodBy(other) => {
                meter.crc_good += 1;
                meter.other_crc = Some(other);
            }
            Check::Bad => meter.crc_bad += 1,
            Check::Absent => {}
        }
        meter.read(telegram, frame.check);
    }
    meter.spread = spread(reading, &places);
    meter.before_each = before_each(bytes, &places);
    let evidence = usize::try_from(meter.telegrams).unwrap_or(usize::MAX);
    let certainty = match (meter.telegrams, meter.crc_good) {
        (0, _) => return None,
        (_, 1..) => Certainty::Certain,
        _ if meter.crc_bad == 0 && codes >= 3 => Certainty::Certain,
        _ if codes >= 3 => Certainty::Likely,
        _ => Certainty::Possible,
    };
    Some(Verdict { cause: Cause::P1(meter), certainty, evidence })
}

/// When the byte at this place came.
fn came(arrivals: &[(usize, Duration)], place: usize) -> Option<Duration> {
    let after = arrivals.partition_point(|(begin, _)| *begin <= place);
    Some(arrivals.get(after.checked_sub(1)?)?.1)
}

/// `/`, three letters or digits for the maker, and more (DSMR P1, 6.2).
pub(super) fn is_identification(bytes: &[u8]) -> bool {
    let maker = bytes.get(1..4).is_some_and(|maker| maker.iter().all(u8::is_ascii_alphanumeric));
    bytes.first() == Some(&b'/') && maker && bytes.get(4).is_some_and(|byte| (0x21..0x7F).contains(byte))
}

/// Steps from one telegram to a later one, and their time. The first burst of a reading may be what had waited for it: its
/// telegrams came faster than the line can carry them, and nobody knows when.
fn spread(reading: &Reading<'_>, places: &[(usize, usize)]) -> Option<(u32, Duration)> {
    let char_time = reading.settings.char_time();
    let came: Option<Vec<(usize, Duration)>> =
        places.iter().map(|(start, _)| Some((*start, came(reading.arrivals, *start)?))).collect();
    let came = came?;
    let is_burst = |pair: &[(usize, Duration)]| {
        let on_the_line = char_time * u32::try_from(pair[1].0 - pair[0].0).unwrap_or(u32::MAX);
        pair[1].1.saturating_sub(pair[0].1) < on_the_line / 2
    };
    let queued = came.windows(2).take_while(|pair| is_burst(pair)).count();
    let fresh = if queued == 0 { &came[..] } else { came.get(queued + 1..)? };
    let (first, last) = (fresh.first()?, fresh.last()?);
    // No faster than the line: a queue in front of it may hand over later bursts too.
    let on_the_line = char_time * u32::try_from(last.0 - first.0).unwrap_or(u32::MAX);
    Some((u32::try_from(fresh.len() - 1).ok()?, last.1.saturating_sub(first.1).max(on_the_line)))
}

/// The same few bytes before every telegram. What is before the first may be the end of another one.
fn before_each(bytes: &[u8], places: &[(usize, usize)]) -> Vec<u8> {
    const MOST: usize = 4;
    let between = |pair: &[(usize, usize)]| &bytes[pair[0].1.min(pair[1].0)..pair[1].0];
    let mut all = places.windows(2).map(between);
    let first = places.first().map_or(&[][..], |(start, _)| &bytes[..*start]);
    let before = all.next().unwrap_or(first);
    let is_the_same = !before.is_empty() && before.len() <= MOST && all.all(|other| other == before);
    if is_the_same && first.ends_with(before) {
        before.to_vec()
    } else {
        Vec::new()
    }
}

/// Lines of a meter, of which no telegram is whole.
pub(super) fn fragments(reading: &Reading<'_>) -> Option<Verdict> {
    let codes = obis_codes(reading.bytes, |byte| byte);
    let masked = obis_codes(reading.bytes, |byte| byte & 0x7F);
    let is_text = codes >= 3 && codes * 4 >= masked;
    is_text.then_some(Verdict { cause: Cause::P1Fragments, certainty: Certainty::Likely, evidence: codes })
}
