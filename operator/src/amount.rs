//! Amounts as Kubernetes writes them, compared as numbers.

/// Digits behind the point that count.
const MAX_FRACTION: usize = 9;

/// Bytes of a size such as `2Gi`, `1.5G` or `500`; none when it is no such size.
pub(crate) fn bytes(text: &str) -> Option<u128> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = factor(unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > MAX_FRACTION {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    // A part of a byte is a byte.
    Some(digits.checked_mul(factor)?.div_ceil(scale))
}

fn factor(unit: &str) -> Option<u128> {
    let exponent = |units: &str| {
        let place = units.find(unit.chars().next()?)?;
        u32::try_from(place + 1).ok()
    };
    match unit.len() {
        0 => Some(1),
        1 => Some(1000_u128.pow(exponent("kMGTPE")?)),
        2 if unit.ends_with('i') => Some(1024_u128.pow(exponent("KMGTPE")?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers() {
        for (text, expected) in [
            ("500", Some(500)),
            ("1k", Some(1000)),
            ("2Ki", Some(2048)),
            ("1.5Gi", Some(3 << 29)),
            ("0.1", Some(1)),
            ("3E", Some(3_000_000_000_000_000_000)),
            ("", None),
            ("Gi", None),
            ("1K", None),
            ("1Gib", None),
            ("1e3", None),
            ("1.2.3", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
