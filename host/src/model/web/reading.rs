//! Reads URL paths in two ways: as written, and as the most lenient server would.
//! `prefix` compares them.

/// Maximum depth of repeated percent-encoding; a deeper path has no reading.
const MAX_DEPTH: usize = 4;

/// Normalises percent-encoding (RFC 3986, 6.2.2): decodes unreserved characters, writes other escapes in upper case.
pub(crate) fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(percent) = rest.find('%') {
        let (before, escape) = rest.split_at(percent);
        plain.push_str(before);
        rest = match encoded(escape.as_bytes()) {
            Some(byte) => {
                let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if is_unreserved {
                    plain.push(char::from(byte));
                } else {
                    plain.push_str(&format!("%{byte:02X}"));
                }
                escape.get(3..).unwrap_or_default()
            }
            None => {
                // Keep the percent sign encoded, so that it forms no escape with the decoded text after it.
                plain.push_str("%25");
                escape.get(1..).unwrap_or_default()
            }
        };
    }
    plain.push_str(rest);
    plain
}

/// Returns the segments of a path as written: `/a/` has two, `a` and an empty one.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Returns the segments as the most lenient server would read them. Such a server decodes until nothing is encoded,
/// reads `\` as `/`, and drops parameters after `;` and empty segments. Only then does it resolve each `..`.
///
/// Returns `None` if there is no such reading: the path has control characters, is not UTF-8, or is encoded too
/// often.
pub(crate) fn lenient(path: &str) -> Option<Vec<String>> {
    let decoded = decoded(path)?;
    if decoded.chars().any(char::is_control) {
        return None;
    }
    let mut read: Vec<String> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => {
                read.pop();
            }
            segment => read.push(segment.to_owned()),
        }
    }
    Some(read)
}

fn decoded(path: &str) -> Option<String> {
    let mut text = path.to_owned();
    for _ in 0..MAX_DEPTH {
        let once = decoded_once(&text)?;
        if once == text {
            return Some(text);
        }
        text = once;
    }
    None
}

fn decoded_once(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match encoded(rest) {
            Some(byte) => (byte, after.get(2..).unwrap_or_default()),
            None => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Decodes the percent-encoded byte at the beginning of a text.
fn encoded(text: &[u8]) -> Option<u8> {
    let digit = |index: usize| text.get(index).and_then(|digit| char::from(*digit).to_digit(16));
    let byte = digit(1)? * 16 + digit(2)?;
    if text.first() == Some(&b'%') { u8::try_from(byte).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_characters_are_decoded() {
        for (path, expected) in [
            ("/%41%2d%7E/", "/A-~/"),
            ("/%2f%3b", "/%2F%3B"),
            ("/%zz%4", "/%25zz%254"),
            ("/%+1", "/%25+1"),
            ("/%é", "/%25é"),
            ("/%%32%65%25", "/%252e%25"),
        ] {
            assert_eq!(plain(path), expected, "{path}");
        }
    }

    #[test]
    fn lenient_reading_decodes_as_far_as_any_server() {
        for (path, expected) in [
            ("/", Some("")),
            ("/v1/a", Some("v1/a")),
            ("/v1//a/", Some("v1/a")),
            ("/v1/..%2fadmin", Some("admin")),
            ("/v1/%2e%2e%5cadmin", Some("admin")),
            ("/v1/%252e%252e%252fadmin", Some("admin")),
            ("/v1/..;a=b/admin", Some("admin")),
            ("/v1//../admin", Some("admin")),
            ("/v1/..%20/admin", Some("admin")),
            ("/../../a", Some("a")),
            ("/v1/%00", None),
            ("/v1/%c0%ae", None),
            ("/%2525252525252e", None),
        ] {
            assert_eq!(lenient(path).map(|read| read.join("/")).as_deref(), expected, "{path}");
        }
    }
}
