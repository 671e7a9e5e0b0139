//! Validates host names.
//! Name resolution is in `sandbox`.

/// Maximum length of a name, and of one label (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Returns whether a normalised name without a final dot is a host name: non-empty labels of letters, digits, `-` and
/// `_`.
pub(crate) fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_labels_are_non_empty_and_plain() {
        let long = "a".repeat(MAX_LABEL);
        for name in ["h", "db.example.com", "my_db", "xn--bcher-kva.example", "1.h", &long] {
            assert!(is_domain(name), "{name}");
        }
        let too_long = [format!("{long}a"), [long.as_str(); 4].join(".")];
        for name in ["", ".", "h..h", ".h", "h.", "h$", "a,b", "a b", "(h)"] {
            assert!(!is_domain(name), "{name}");
        }
        assert!(!too_long.iter().any(|name| is_domain(name)));
    }
}
