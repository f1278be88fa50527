//! One line of a result: `name | ours | peer | ratio | aim | met`.

use std::fmt;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// MiB a second.
    MiBps,
    /// MiB.
    MiB,
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// Parts of a hundred, of one processor.
    Percent,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// Ours at most so much.
    AtMost(f64),
    /// Ours at most so many times the peer's.
    RatioAtMost(f64),
    /// Ours at least so many times the peer's.
    RatioAtLeast(f64),
}

/// A measured value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    name: String,
    unit: Unit,
    ours: f64,
    peer: Option<f64>,
    aim: Option<Aim>,
}

impl Figure {
    /// Ours alone.
    pub(crate) fn new(name: impl Into<String>, unit: Unit, ours: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            ours,
            peer: None,
            aim: None,
        }
    }

    /// Beside somebody else's.
    pub(crate) fn beside(mut self, peer: f64) -> Self {
        self.peer = Some(peer);
        self
    }

    /// With what is wanted.
    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.peer.filter(|p| *p > 0.0).map(|p| self.ours / p)
    }

    fn met(&self) -> Option<bool> {
        match self.aim? {
            Aim::AtMost(most) => Some(self.ours <= most),
            Aim::RatioAtMost(most) => Some(self.ratio()? <= most),
            Aim::RatioAtLeast(least) => Some(self.ratio()? >= least),
        }
    }

    fn value(&self, value: f64) -> String {
        match self.unit {
            Unit::Ms => format!("{value:.1} ms"),
            Unit::Us => format!("{value:.0} us"),
            Unit::MiBps => format!("{value:.0} MiB/s"),
            Unit::MiB => format!("{value:.1} MiB"),
            Unit::Count => format!("{value:.0}"),
            Unit::PerSecond => format!("{value:.1}/s"),
            Unit::Percent => format!("{value:.2} %"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let aim = self.aim.map(|aim| match aim {
            Aim::AtMost(most) => format!("<= {}", self.value(most)),
            Aim::RatioAtMost(most) => format!("<= {most} x"),
            Aim::RatioAtLeast(least) => format!(">= {least} x"),
        });
        let met = self.met().map(|met| if met { "yes" } else { "no" });
        write!(
            f,
            "{} | {} | {} | {} | {} | {}",
            self.name,
            self.value(self.ours),
            or_dash(self.peer.map(|p| self.value(p))),
            or_dash(self.ratio().map(|r| format!("{r:.2}"))),
            or_dash(aim),
            or_dash(met.map(str::to_owned)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_everything() {
        let line = Figure::new("start p50", Unit::Ms, 300.0)
            .beside(150.0)
            .aim(Aim::AtMost(600.0));
        assert_eq!(
            line.to_string(),
            "start p50 | 300.0 ms | 150.0 ms | 2.00 | <= 600.0 ms | yes"
        );
        let line = Figure::new("throughput", Unit::MiBps, 300.0)
            .beside(600.0)
            .aim(Aim::RatioAtLeast(0.8));
        assert!(line.to_string().ends_with("| 0.50 | >= 0.8 x | no"));
        let line = Figure::new("requests", Unit::Count, 0.0);
        assert_eq!(line.to_string(), "requests | 0 | - | - | - | -");
    }
}
