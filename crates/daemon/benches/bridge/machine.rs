//! The machine that a run is made on: what it is, and how busy it was with other work.

use std::fmt;
use std::fs;
use std::time::Duration;

use nix::sys::resource::{getrusage, UsageWho};
use nix::unistd::{sysconf, SysconfVar};

use crate::pause;

/// The clocks of all cores at one moment.
pub(crate) struct Clocks {
    /// Ticks of all cores, whatever they did.
    all: f64,
    idle: f64,
    /// What a hypervisor gave to other guests.
    stolen: f64,
    /// What the benchmark and the subjects that have ended took, in ticks.
    own: f64,
}

/// How much of all cores was taken meanwhile, in percent.
#[derive(Clone, Copy)]
pub(crate) struct Noise {
    /// By other processes, and by the kernel outside of any process: also what it did for the subjects there.
    pub(crate) others: f64,
    pub(crate) stolen: f64,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal: proc(5). What follows is in user and nice already.
        let ticks: Vec<f64> = first.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
        let tick = |index: usize| ticks.get(index).copied().unwrap_or(0.0);
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
        let own = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN].into_iter().filter_map(|who| getrusage(who).ok());
        let microseconds = own.flat_map(|usage| [usage.user_time(), usage.system_time()]);
        let seconds: f64 = microseconds.map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum();
        Self { all: ticks.iter().sum(), idle: tick(3) + tick(4), stolen: tick(7), own: seconds * per_second }
    }

    pub(crate) fn noise_since(&self) -> Noise {
        let now = Self::now();
        let all = (now.all - self.all).max(1.0);
        let stolen = now.stolen - self.stolen;
        let busy = all - (now.idle - self.idle) - stolen;
        let others = (busy - (now.own - self.own)).max(0.0);
        Noise { others: others / all * 100.0, stolen: stolen / all * 100.0 }
    }
}

impl Noise {
    /// What the machine does while the benchmark does nothing.
    pub(crate) fn of_the_machine_alone() -> Self {
        let clocks = Clocks::now();
        pause(Duration::from_secs(2));
        clocks.noise_since()
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "others took {:.1} % of all cores", self.others)?;
        if self.stolen >= 0.1 {
            write!(out, ", the hypervisor {:.1} %", self.stolen)?;
        }
        Ok(())
    }
}

/// Processor, cores, memory and kernel.
pub(crate) fn description() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpu = file("/proc/cpuinfo");
    let model =
        value(&cpu, "model name").or_else(|| value(&cpu, "Model")).unwrap_or_else(|| "unknown processor".into());
    let guest = if cpu.contains(" hypervisor") { ", a virtual machine" } else { "" };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = value(&file("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let gibibytes =
        memory.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) / 1048576.0;
    let kernel = file("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores{guest}, {gibibytes:.0} GiB, Linux {}", kernel.trim())
}

/// The load of the last minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
