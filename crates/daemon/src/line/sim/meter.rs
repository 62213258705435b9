//! The telegrams of a simulated smart meter: DSMR 5 of a Dutch household with solar panels and a gas meter.
//!
//! A pure function of seed and time, except for the counters, which add up what was consumed between one telegram and the
//! next. No clock and no I/O. Integers throughout, so that every machine computes the same telegrams.
//!
//! Layout: DSMR P1 companion standard 5.0.2. Times are Dutch local time, with S for summer and W for winter.

mod local;
#[cfg(test)]
mod tests;

use std::fmt;

use sermux_protocol::frame::crc16;

use self::local::Local;

/// A meter, and the household behind it.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    seed: u64,
    phases: usize,
    /// Time of the latest telegram.
    latest: Option<u64>,
    /// Watt-seconds delivered to the household, by tariff: low, normal.
    delivered: [u64; 2],
    /// Watt-seconds that the household returned, by tariff.
    returned: [u64; 2],
    /// Litres of gas, as read at `gas_read_at`.
    gas: u64,
    gas_read_at: u64,
}

/// What flows at one moment.
struct Flow {
    phases: Vec<Phase>,
    /// Watts over all phases, positive from the grid. Dutch meters sum the phases before they count.
    watts: i64,
}

struct Phase {
    /// Positive from the grid.
    watts: i64,
    decivolts: i64,
}

impl Meter {
    /// The meter that `seed` stands for: its numbers, one phase or three, and how its household lives.
    pub(crate) fn new(seed: u64) -> Self {
        let mut meter =
            Meter { seed, phases: 1, latest: None, delivered: [0; 2], returned: [0; 2], gas: 0, gas_read_at: 0 };
        if meter.random(Trait::Phases, 0) % 2 == 1 {
            meter.phases = 3;
        }
        // A few years old: up to 8 MWh and 2 MWh per tariff, and 4000 m3.
        for tariff in 0..2 {
            meter.delivered[tariff] = meter.random(Trait::Delivered, tariff as u64) % 8_000_000 * WATT_HOUR;
            meter.returned[tariff] = meter.random(Trait::Returned, tariff as u64) % 2_000_000 * WATT_HOUR;
        }
        meter.gas = meter.random(Trait::Gas, 0) % 4_000_000;
        meter
    }

    /// The telegram that the meter sends at this time, from `/` to the line end behind the CRC. Consumption since the
    /// telegram before goes into the counters; they stand still if the time runs backwards.
    pub(crate) fn telegram(&mut self, unix_seconds: u64) -> Vec<u8> {
        let unix_seconds = unix_seconds.min(LAST);
        let now = Local::at(unix_seconds);
        let flow = self.flow(unix_seconds);
        self.count(unix_seconds, &now, &flow);

        let mut telegram = Telegram::new(format_args!("/XMX5LGBBFG10{:08}", self.number(Trait::Electricity, 8)));
        telegram.line("1-3:0.2.8", 50);
        telegram.line("0-0:1.0.0", &now);
        let number = format!("E0047{:012}", self.number(Trait::Electricity, 12));
        telegram.line("0-0:96.1.1", InHex(number));
        telegram.line("1-0:1.8.1", KilowattHours(self.delivered[0]));
        telegram.line("1-0:1.8.2", KilowattHours(self.delivered[1]));
        telegram.line("1-0:2.8.1", KilowattHours(self.returned[0]));
        telegram.line("1-0:2.8.2", KilowattHours(self.returned[1]));
        telegram.line("0-0:96.14.0", format_args!("{:04}", now.tariff() + 1));
        telegram.line("1-0:1.7.0", Kilowatts(flow.watts));
        telegram.line("1-0:2.7.0", Kilowatts(-flow.watts));

        self.write_events(&mut telegram);
        telegram.line("0-0:96.13.0", "");
        flow.write_phases(&mut telegram);
        self.write_gas(&mut telegram);
        telegram.end()
    }

    /// One long power failure with its log, a few short ones, and sags.
    fn write_events(&self, telegram: &mut Telegram) {
        let short_failures = 1 + self.random(Trait::Failures, 0) % 9;
        telegram.line("0-0:96.7.21", format_args!("{short_failures:05}"));
        telegram.line("0-0:96.7.9", "00001");
        let end = Local::at(FIRST_FAILURE + self.random(Trait::Failures, 1) % (3 * 365 * DAY));
        let seconds = 180 + self.random(Trait::Failures, 2) % 9000; // shorter than three minutes is not long
        telegram.line("1-0:99.97.0", format_args!("1)(0-0:96.7.19)({end})({seconds:010}*s"));
        for (obis, phase) in ["1-0:32.32.0", "1-0:52.32.0", "1-0:72.32.0"].iter().zip(0..self.phases) {
            telegram.line(obis, format_args!("{:05}", self.random(Trait::Sags, phase as u64) % 6));
        }
        for obis in &["1-0:32.36.0", "1-0:52.36.0", "1-0:72.36.0"][..self.phases] {
            telegram.line(obis, "00000");
        }
    }

    fn write_gas(&self, telegram: &mut Telegram) {
        telegram.line("0-1:24.1.0", "003");
        telegram.line("0-1:96.1.0", InHex(format!("G0061{:012}", self.number(Trait::Gas, 12))));
        let (read_at, cubic_metres, litres) = (Local::at(self.gas_read_at), self.gas / 1000 % 100_000, self.gas % 1000);
        telegram.line("0-1:24.2.1", format_args!("{read_at})({cubic_metres:05}.{litres:03}*m3"));
    }

    /// Moves the counters on to `now`.
    fn count(&mut self, unix_seconds: u64, now: &Local, flow: &Flow) {
        let elapsed = self.latest.map_or(0, |latest| unix_seconds.saturating_sub(latest)).min(DAY);
        self.delivered[now.tariff()] += positive(flow.watts) * elapsed;
        self.returned[now.tariff()] += positive(-flow.watts) * elapsed;

        let read_at = unix_seconds - unix_seconds % GAS_INTERVAL;
        if self.latest.is_some() {
            let intervals = (read_at.saturating_sub(self.gas_read_at) / GAS_INTERVAL).min(DAY / GAS_INTERVAL);
            self.gas += self.gas_per_interval(read_at) * intervals;
        }
        self.gas_read_at = read_at;
        self.latest = Some(unix_seconds);
    }

    fn flow(&self, at: u64) -> Flow {
        let solar = self.solar(at);
        let load = self.load(at);
        // Each phase goes the same way as the others, years apart.
        let own_time = |phase: usize| at + phase as u64 * 1000 * DAY;
        // What is plugged in where changes slowly; the panels feed the last phase.
        let share = |phase| 200 + self.drift(Trait::Share, own_time(phase), 3 * HOUR);
        let shares: i64 = (0..self.phases).map(share).sum();
        let phases: Vec<Phase> = (0..self.phases)
            .map(|phase| {
                let fed = if phase + 1 == self.phases { solar } else { 0 };
                let watts = load * share(phase) / shares - fed;
                // The grid sags under load and rises with what is returned.
                let near = self.drift(Trait::Voltage, own_time(phase), 11) / 200;
                let far = self.drift(Trait::Grid, at, 10 * MINUTE) / 20;
                Phase { watts, decivolts: 2280 + near + far - watts / 400 }
            })
            .collect();
        let watts = phases.iter().map(|phase| phase.watts).sum();
        Flow { phases, watts }
    }

    /// Watts that the household takes.
    fn load(&self, at: u64) -> i64 {
        let hour = Local::at(at).hour;
        let idle = 120 + self.drift(Trait::Idle, at, HOUR) / 10 + self.drift(Trait::Flicker, at, 5) / 60;
        let fridge_runs = (at + self.random(Trait::Fridge, 0) % HOUR) % (45 * MINUTE) < 15 * MINUTE;
        let fridge = if fridge_runs { 85 } else { 0 };
        let evening = match hour {
            7..=8 => self.drift(Trait::Evening, at, 15 * MINUTE) / 3,
            17..=22 => 150 + self.drift(Trait::Evening, at, 15 * MINUTE) / 2,
            _ => 0,
        };
        let boils = (7..=22).contains(&hour)
            && at % (10 * MINUTE) < 3 * MINUTE
            && self.random(Trait::Kettle, at / (10 * MINUTE)) % 8 == 0;
        let kettle = if boils { 1950 } else { 0 };
        idle + fridge + evening + kettle
    }

    /// Watts from the panels: a parabola from sunrise to sunset, under passing clouds.
    fn solar(&self, at: u64) -> i64 {
        let season = season(at);
        let half_day = 14_000 + 16_000 * season / FULL;
        let from_noon = signed(at % DAY) - SOLAR_NOON;
        let height = FULL - FULL * from_noon * from_noon / (half_day * half_day);
        let peak = 700 + 2600 * season / FULL;
        let sky = 200 + (FULL - 200) * self.drift(Trait::Clouds, at, 20 * MINUTE) / FULL;
        (peak * height.max(0) / FULL) * sky / FULL
    }

    /// Litres: hot water now and then, heating in the cold half of the year.
    fn gas_per_interval(&self, at: u64) -> u64 {
        let demand = self.drift(Trait::Gas, at, HOUR);
        let heating = (demand - 300) * (FULL - season(at)) / FULL / 14;
        let hot_water = if demand % 5 == 0 { 12 } else { 0 };
        positive(heating) + hot_water
    }

    /// A value in `0..FULL` that moves smoothly from one random point to the next, each period.
    fn drift(&self, of: Trait, at: u64, period: u64) -> i64 {
        let point = |slot| signed(self.random(of, slot) % FULL.unsigned_abs());
        let (from, to) = (point(at / period), point(at / period + 1));
        let along = FULL * signed(at % period) / signed(period);
        let eased = along * along * (3 * FULL - 2 * along) / (FULL * FULL);
        from + (to - from) * eased / FULL
    }

    /// A decimal number of this many digits that stays the same for this meter.
    fn number(&self, of: Trait, digits: u32) -> u64 {
        self.random(of, u64::MAX) % 10_u64.pow(digits)
    }

    /// Splitmix64 over seed, trait and `n`, one after the other.
    fn random(&self, of: Trait, n: u64) -> u64 {
        [self.seed, of as u64, n].iter().fold(0, |state, value| {
            let mixed = (state ^ value).wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        })
    }
}

/// What a random number is for; each has its own sequence.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
enum Trait {
    Phases,
    Electricity,
    Gas,
    Delivered,
    Returned,
    Failures,
    Sags,
    Grid,
    Idle,
    Flicker,
    Fridge,
    Evening,
    Kettle,
    Clouds,
    Share,
    Voltage,
}

impl Flow {
    fn write_phases(&self, telegram: &mut Telegram) {
        for (phase, obis) in self.phases.iter().zip(["1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"]) {
            let (volts, tenths) = (phase.decivolts / 10, phase.decivolts % 10);
            telegram.line(obis, format_args!("{volts:03}.{tenths}*V"));
        }
        for (phase, obis) in self.phases.iter().zip(["1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"]) {
            telegram.line(obis, format_args!("{:03}*A", phase.amperes()));
        }
        for (phase, obis) in self.phases.iter().zip(["1-0:21.7.0", "1-0:41.7.0", "1-0:61.7.0"]) {
            telegram.line(obis, Kilowatts(phase.watts));
        }
        for (phase, obis) in self.phases.iter().zip(["1-0:22.7.0", "1-0:42.7.0", "1-0:62.7.0"]) {
            telegram.line(obis, Kilowatts(-phase.watts));
        }
    }
}

impl Phase {
    /// Rounded to whole amperes, as meters do.
    fn amperes(&self) -> i64 {
        (self.watts.abs() * 10 + self.decivolts / 2) / self.decivolts
    }
}

/// A telegram in the making.
struct Telegram(String);

impl Telegram {
    fn new(identification: fmt::Arguments<'_>) -> Self {
        Telegram(format!("{identification}\r\n\r\n"))
    }

    fn line(&mut self, obis: &str, value: impl fmt::Display) {
        self.0 += &format!("{obis}({value})\r\n");
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push('!');
        let crc = crc16::checksum(self.0.as_bytes());
        self.0 += &format!("{crc:04X}\r\n");
        self.0.into_bytes()
    }
}

/// Watt-seconds, shown as a counter of six digits and three decimals that starts again after the last.
struct KilowattHours(u64);

impl fmt::Display for KilowattHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watt_hours = self.0 / WATT_HOUR;
        write!(f, "{:06}.{:03}*kWh", watt_hours / 1000 % 1_000_000, watt_hours % 1000)
    }
}

/// Watts; what flows the other way is shown as nothing.
struct Kilowatts(i64);

impl fmt::Display for Kilowatts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watts = positive(self.0);
        write!(f, "{:02}.{:03}*kW", watts / 1000, watts % 1000)
    }
}

/// Text as meters send it, two digits for a character.
struct InHex(String);

impl fmt::Display for InHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// 0 at midwinter, [`FULL`] at midsummer.
fn season(at: u64) -> i64 {
    let since_midwinter = signed((at / DAY * 4 + 44) % 1461 / 4);
    let from_midsummer = (since_midwinter - 182).abs();
    FULL - FULL * from_midsummer / 183
}

/// What is below zero counts as nothing.
fn positive(value: i64) -> u64 {
    value.max(0).unsigned_abs()
}

/// For values far from the limit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// One, in the fixed-point arithmetic here.
const FULL: i64 = 1024;

/// In watt-seconds.
const WATT_HOUR: u64 = 3600;

/// Gas meters are read this often (DSMR 5; hourly before).
const GAS_INTERVAL: u64 = 5 * MINUTE;

/// Seconds of the UTC day when the sun is highest over the Netherlands: 11:40.
const SOLAR_NOON: i64 = 42_000;

/// The end of 9999: what is later counts as then, so that no sum overflows.
const LAST: u64 = 253_402_300_799;

/// 1 January 2017: no power failure is older.
const FIRST_FAILURE: u64 = 1_483_228_800;
