//! Parses and formats sizes as manifests write them: `"64KiB"`, `"1GiB"`, `"10MB"`.
//! Each size limit is documented where it is enforced.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// The error of parsing a [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeFault {
    /// The text does not start with a number.
    #[error("a size begins with a whole number")]
    Number,
    /// The unit is missing or unknown.
    #[error("a size ends in B, KiB, MiB, GiB, KB, MB or GB, not in `{0}`")]
    Unit(String),
    /// The size does not fit into 64 bits.
    #[error("the size does not fit 64 bits")]
    Large,
}

impl Size {
    /// Creates a size of `bytes` bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Parses a whole number with a unit: `"64KiB"`.
    pub fn parse(text: &str) -> Result<Self, SizeFault> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        if digits.is_empty() {
            return Err(SizeFault::Number);
        }
        let number: u64 = digits.parse().map_err(|_| SizeFault::Large)?;
        let factor: u64 = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            other => return Err(SizeFault::Unit(other.to_owned())),
        };
        number.checked_mul(factor).map(Self).ok_or(SizeFault::Large)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Returns the number of bytes, capped at the address space.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, unit) in [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_format_with_units() {
        assert_eq!(Size::parse("64KiB").unwrap(), Size::bytes(65_536));
        assert_eq!(Size::parse("10 MB").unwrap(), Size::bytes(10_000_000));
        assert_eq!(Size::parse("256MiB").unwrap().to_string(), "256MiB");
        assert_eq!(Size::bytes(1_500).to_string(), "1500B");
    }

    #[test]
    fn invalid_sizes_are_rejected() {
        for bad in ["", "MiB", "12", "12XB", "-1B", "1.5MiB", "99999999999GiB"] {
            assert!(Size::parse(bad).is_err(), "{bad}");
        }
    }
}
