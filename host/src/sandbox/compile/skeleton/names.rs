//! Names of WIT as languages spell them.
//! The generators of bindings spell them likewise.

/// Returns `a_name`.
pub(crate) fn snake(name: &str) -> String {
    name.replace('-', "_").to_lowercase()
}

/// Returns `AName`.
pub(crate) fn upper_camel(name: &str) -> String {
    name.split('-').map(capitalized).collect()
}

/// Returns `aName`.
pub(crate) fn lower_camel(name: &str) -> String {
    let (first, rest) = name.split_once('-').unwrap_or((name, ""));
    first.to_lowercase() + &upper_camel(rest)
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect()
    })
}

/// Returns a name with a `_` behind it if it is one of the words.
pub(crate) fn escaped(name: String, words: &str) -> String {
    if words.split(' ').any(|word| word == name) { name + "_" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_bindings_spell_them() {
        for (name, expected) in [
            ("a-long-name", ["a_long_name", "ALongName", "aLongName"]),
            ("HTTP-url2", ["http_url2", "HttpUrl2", "httpUrl2"]),
        ] {
            assert_eq!([snake(name), upper_camel(name), lower_camel(name)], expected);
        }
        assert_eq!(
            [escaped("type".to_owned(), "fn type"), escaped("typed".to_owned(), "fn type")],
            ["type_", "typed"]
        );
    }
}
