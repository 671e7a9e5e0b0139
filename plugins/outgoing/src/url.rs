//! Responsible for the parts of a URL that a request has.
//! Leaves relative ones to the crate `address`.

/// A URL in parts.
pub struct Parts<'u> {
    pub is_https: bool,
    pub authority: &'u str,
    /// Path and query, at least `/`.
    pub path: String,
}

/// Takes a URL apart; none if it is not one of HTTP.
pub fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let is_https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let is_plain = url.chars().all(|letter| !letter.is_whitespace() && !letter.is_control());
    (is_plain && !authority.is_empty()).then_some(Parts { is_https, authority, path })
}

/// Scheme, host and port, as far as one server is meant.
pub fn origin(url: &str) -> Option<(bool, String)> {
    let parts = parts(url)?;
    Some((parts.is_https, parts.authority.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let shown =
            |url| parts(url).map(|parts| format!("{} {} {}", parts.is_https, parts.authority, parts.path));
        assert_eq!(shown("https://a:1/b?c#d").as_deref(), Some("true a:1 /b?c"));
        assert_eq!(shown("HTTP://a").as_deref(), Some("false a /"));
        assert_eq!(shown("http://a?b").as_deref(), Some("false a /?b"));
        for url in ["", "a", "ftp://a", "http://", "http:///a", "http://a/b c", "http://a/\n"] {
            assert_eq!(shown(url), None, "{url}");
        }
    }
}
