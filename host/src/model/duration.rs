//! Parses and formats durations as manifests write them: `"250ms"`, `"30s"`, `"5m"`, `"24h"`, `"7d"`.
//! The bounds of each setting are checked where it is read.

use std::time::Duration;

/// Maximum duration: a hundred years, so that sums with a clock never overflow.
const MAX: Duration = Duration::from_hours(100 * 366 * 24);

/// The error of parsing a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationFault {
    /// The text does not start with a number.
    #[error("a duration begins with a whole number")]
    Number,
    /// The unit is missing or unknown.
    #[error("a duration ends in ms, s, m, h or d, not in `{0}`")]
    Unit(String),
    /// The duration exceeds a hundred years.
    #[error("a duration is at most a hundred years")]
    Long,
}

/// Parses a whole number with a unit: `"30s"`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationFault> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(DurationFault::Number);
    }
    let number: u64 = digits.parse().map_err(|_| DurationFault::Long)?;
    let millis: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => return Err(DurationFault::Unit(other.to_owned())),
    };
    let total = number.checked_mul(millis).ok_or(DurationFault::Long)?;
    let duration = Duration::from_millis(total);
    if duration > MAX {
        return Err(DurationFault::Long);
    }
    Ok(duration)
}

/// Formats a duration for display: `250ms`, `1.5s`, `5m`, `24h`, `7d`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    match millis {
        0 => format!("{}µs", duration.as_micros()),
        1..1_000 => format!("{millis}ms"),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{:.1}s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, millis) in
            [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000)]
        {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis));
            assert_eq!(show_duration(duration), if text == "24h" { "1d" } else { text });
        }
    }

    #[test]
    fn invalid_durations_are_rejected() {
        for bad in ["", "s", "5", "5y", "-5s", "1.5s", "99999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
