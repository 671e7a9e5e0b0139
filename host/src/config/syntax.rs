//! Explains TOML syntax errors without quoting the text, since a line may hold a secret.
//! `manifest::syntax` explains those of manifests, with source lines.

/// Returns the line, counted from one, and the parser's message, or the name of a duplicate key.
#[must_use]
pub(crate) fn explain_toml(text: &str, error: &toml::de::Error) -> (usize, String) {
    let span = error.span().unwrap_or_default();
    let line = text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1);
    let message = error.message();
    let is_duplicate = message == "duplicate key" || message.starts_with("cannot extend value");
    let message = match text.get(span) {
        Some(key) if is_duplicate && !key.is_empty() => format!("duplicate key `{key}`"),
        _ => message.to_owned(), // another fault, or a key without a span
    };
    (line, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str) -> (usize, String) {
        explain_toml(text, &toml::from_str::<toml::Table>(text).unwrap_err())
    }

    #[test]
    fn duplicate_key_is_named_with_its_line() {
        for (text, line, key) in [
            ("n = 5\nn = 6\n", 2, "n"),
            ("n = 5\n\nn.x = 6\n", 3, "n"),
            ("t = { x = 1, x = 2 }\n", 1, "x"),
            ("[t]\nx = 1\n[t]\n", 3, "t"),
        ] {
            assert_eq!(explained(text), (line, format!("duplicate key `{key}`")));
        }
    }

    #[test]
    fn other_faults_have_the_parser_message_without_values() {
        let (line, message) = explained("a = 1\ntoken = 'hunter2\n");
        assert_eq!(line, 2);
        assert!(message.contains("literal string") && !message.contains("hunter2"), "{message}");
    }
}
