//! The text of an index: the number between the brackets of `items[3]`, in paths and in names of elements.
//! What lies at an index is known to others.

/// Why a number is the text of no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// The number has more than 32 bits.
    #[error("the index {0} is too large; the largest is {max}", max = u32::MAX)]
    TooLarge(String),
    /// The number begins with zeros that do not count.
    #[error("the index {0} has leading zeros; write {short}", short = without_zeros(.0))]
    LeadingZeros(String),
}

fn without_zeros(digits: &str) -> &str {
    let short = digits.trim_start_matches('0');
    if short.is_empty() { "0" } else { short }
}

/// Reads an index, in the one form that it has. None for a text that is no number.
#[must_use]
pub fn parse_index(text: &str) -> Option<Result<u32, IndexFault>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match text.parse() {
        _ if text.len() > 1 && text.starts_with('0') => Err(IndexFault::LeadingZeros(text.to_owned())),
        Ok(index) => Ok(index),
        Err(_) => Err(IndexFault::TooLarge(text.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_one_form() {
        for (text, index) in [("0", 0), ("10", 10), ("4294967295", u32::MAX)] {
            assert_eq!(parse_index(text), Some(Ok(index)));
        }
        for text in ["", "-1", "+1", " 1", "1x", "x", "٣"] {
            assert_eq!(parse_index(text), None, "{text}");
        }
        for (text, message) in [
            ("00", "the index 00 has leading zeros; write 0"),
            ("0070", "the index 0070 has leading zeros; write 70"),
            ("4294967296", "the index 4294967296 is too large; the largest is 4294967295"),
            (
                "99999999999999999999",
                "the index 99999999999999999999 is too large; the largest is 4294967295",
            ),
        ] {
            assert_eq!(parse_index(text).unwrap().unwrap_err().to_string(), message);
        }
    }
}
