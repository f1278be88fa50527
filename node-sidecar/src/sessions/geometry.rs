//! Sizes of sessions: `WIDTHxHEIGHT` within limits.

use fastx_core::wire::problem::Problem;

/// Size of a session whose user named none.
pub(super) const DEFAULT: Geometry = Geometry {
    width: 1280,
    height: 800,
};
/// Smallest and largest side, pixels.
const SIDE: std::ops::RangeInclusive<u32> = 64..=8192;

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl std::str::FromStr for Geometry {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (width, height) = text.split_once('x').ok_or(())?;
        let side = |s: &str| {
            let digits = !s.is_empty() && s.len() <= 5 && s.bytes().all(|b| b.is_ascii_digit());
            let value = digits.then(|| s.parse::<u32>().ok()).flatten();
            value.filter(|v| SIDE.contains(v)).ok_or(())
        };
        Ok(Self {
            width: side(width)?,
            height: side(height)?,
        })
    }
}

impl std::fmt::Display for Geometry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// The size that a session gets: the wanted one or the default, within the profile's largest.
pub(super) fn choose(wanted: &str, largest: &str) -> Result<Geometry, Problem> {
    let largest: Option<Geometry> = largest.parse().ok();
    if wanted.is_empty() {
        return Ok(largest.map_or(DEFAULT, |l| Geometry {
            width: DEFAULT.width.min(l.width),
            height: DEFAULT.height.min(l.height),
        }));
    }
    let geometry: Geometry = wanted.parse().map_err(|()| {
        Problem::new(422, "bad-geometry", "The size is not valid").detail(format!(
            "The size must be WIDTHxHEIGHT with sides from {} to {} pixels, such as {DEFAULT}.",
            SIDE.start(),
            SIDE.end()
        ))
    })?;
    match largest {
        Some(l) if geometry.width > l.width || geometry.height > l.height => {
            Err(
                Problem::new(422, "bad-geometry", "The size is too large").detail(format!(
                    "The session's profile allows at most {l}, {geometry} was asked for."
                )),
            )
        }
        _ => Ok(geometry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_within_limits() {
        let ok = |wanted: &str, largest: &str| choose(wanted, largest).map(|g| g.to_string()).ok();
        assert_eq!(ok("", ""), Some("1280x800".into()));
        assert_eq!(ok("", "800x600"), Some("800x600".into()));
        assert_eq!(ok("1920x1080", ""), Some("1920x1080".into()));
        assert_eq!(ok("1920x1080", "1920x1080"), Some("1920x1080".into()));
        assert_eq!(ok("1921x1080", "1920x1080"), None);
        for bad in [
            "1x1",
            "9000x100",
            "100",
            "axb",
            "100x",
            "-100x100",
            "+100x100",
            "100x100x100",
            "1e3x100",
        ] {
            assert_eq!(ok(bad, ""), None, "{bad}");
        }
    }
}
