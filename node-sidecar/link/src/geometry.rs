//! The size of a screen as people write it.

/// Size of a session that asks for none.
pub(crate) const DEFAULT: &str = "1280x800";

/// Smallest and largest side that makes sense, and the most pixels (256 MiB of memory).
const SIDE: std::ops::RangeInclusive<u32> = 64..=16_384;
const PIXELS: u64 = 64 * 1024 * 1024;

/// Checks `WIDTHxHEIGHT`; empty is the default.
pub(crate) fn check(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(DEFAULT.to_owned());
    }
    let number = |side: &str| {
        side.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| side.parse().ok())
            .flatten()
            .filter(|n: &u32| SIDE.contains(n))
    };
    let sides = text
        .split_once('x')
        .and_then(|(w, h)| Some((number(w)?, number(h)?)));
    match sides {
        Some((w, h)) if u64::from(w) * u64::from(h) <= PIXELS => Ok(format!("{w}x{h}")),
        Some(_) => Err(format!(
            "the screen size `{text}` has more than {PIXELS} pixels"
        )),
        None => Err(format!(
            "the screen size `{}` is not WIDTHxHEIGHT with sides from {} to {}",
            text.chars().take(40).collect::<String>(),
            SIDE.start(),
            SIDE.end()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert_eq!(check("").unwrap(), DEFAULT);
        assert_eq!(check("1920x1080").unwrap(), "1920x1080");
        for wrong in [
            "1920",
            "x",
            "0x0",
            "63x100",
            "1920x1080x24",
            "-1x5",
            "+800x600",
            "16385x100",
            "16384x16384",
            "800 x600",
            "1e3x800",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
