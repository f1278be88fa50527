//! Readings of the host: load, memory, processors, as `/proc` tells them.

use std::path::{Path, PathBuf};

/// What a host says about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Readings {
    /// CPU in use since the reading before, percent of all processors.
    pub cpu: f64,
    /// Free memory, bytes.
    pub freemem: u64,
    /// All memory, bytes.
    pub totalmem: u64,
    /// Seconds since the host started.
    pub uptime: u64,
    /// Load averages.
    pub loadavg: [f64; 3],
}

/// Ticks of all processors since the host started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticks {
    busy: u64,
    all: u64,
}

/// Reads `/proc` again and again.
#[derive(Debug)]
pub struct Host {
    proc: PathBuf,
    before: Ticks,
}

impl Host {
    /// A host whose `/proc` is there.
    pub fn new(proc: &Path) -> Self {
        Self {
            proc: proc.to_owned(),
            before: Ticks::default(),
        }
    }

    /// The readings now. What cannot be read stays zero.
    pub fn read(&mut self) -> Readings {
        let text = |name: &str| std::fs::read_to_string(self.proc.join(name)).unwrap_or_default();
        let ticks = ticks(&text("stat"));
        let cpu = percent(self.before, ticks);
        let (freemem, totalmem) = memory(&text("meminfo"));
        let readings = Readings {
            cpu,
            freemem,
            totalmem,
            uptime: uptime(&text("uptime")),
            loadavg: loadavg(&text("loadavg")),
        };
        self.before = ticks;
        readings
    }
}

fn ticks(stat: &str) -> Ticks {
    let line = stat
        .lines()
        .find(|l| l.starts_with("cpu "))
        .unwrap_or_default();
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        // The last two, guest times, are part of the first two already.
        .take(8)
        .map(|f| f.parse().unwrap_or(0))
        .collect();
    let all = fields.iter().sum();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    Ticks {
        busy: all - idle,
        all,
    }
}

fn percent(before: Ticks, now: Ticks) -> f64 {
    let all = now.all.saturating_sub(before.all);
    if all == 0 {
        return 0.0;
    }
    // One decimal: finer steps would only make every heartbeat look like news.
    let tenths = now.busy.saturating_sub(before.busy).saturating_mul(1000) / all;
    f64::from(u32::try_from(tenths.min(1000)).unwrap_or(1000)) / 10.0
}

fn memory(meminfo: &str) -> (u64, u64) {
    let field = |name: &str| {
        meminfo
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024)
    };
    (field("MemAvailable"), field("MemTotal"))
}

fn uptime(text: &str) -> u64 {
    text.split('.')
        .next()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0)
}

fn loadavg(text: &str) -> [f64; 3] {
    let mut out = [0.0; 3];
    for (slot, word) in out.iter_mut().zip(text.split_whitespace()) {
        *slot = word.parse().unwrap_or(0.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_in_use_since_the_last_reading() {
        let before = ticks("cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 2 3 4\n");
        let now = ticks("cpu  150 0 150 1000 100 0 0 0 70 0\n");
        assert_eq!((before.busy, before.all), (200, 1000));
        assert!((percent(before, now) - 25.0).abs() < 0.01);
        assert!(percent(now, now).abs() < 0.01);
        assert!(
            percent(now, before).abs() < 0.01,
            "a clock that runs backwards is no load"
        );
        assert_eq!(ticks(""), Ticks::default());
    }

    #[test]
    fn memory_uptime_and_load() {
        assert_eq!(
            memory("MemTotal:  2 kB\nMemFree: 9 kB\nMemAvailable:   1 kB\n"),
            (1024, 2048)
        );
        assert_eq!(uptime("12345.67 999.9\n"), 12345);
        assert!((loadavg("0.5 1.25 2.0 1/2 3\n")[1] - 1.25).abs() < 0.001);
    }

    #[test]
    fn a_real_host_has_memory() {
        let mut host = Host::new(Path::new("/proc"));
        let readings = host.read();
        assert!(readings.totalmem > readings.freemem && readings.freemem > 0);
    }
}
