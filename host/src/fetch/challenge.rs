//! Reads `www-authenticate`: which login a registry demands.
//! `authorization` meets the demand.

use std::collections::BTreeMap;

/// Maximum number of challenges and parameters that are read of one header. Threat: a header made of them.
const MAX_PARTS: usize = 32;

/// A demand for a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic,
    /// A token, which another server issues.
    Bearer {
        /// URL of that server.
        realm: String,
        /// The name by which it knows the registry.
        service: Option<String>,
        /// What the token is for.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Returns the challenge to meet, of all that the headers have: tokens before passwords.
    pub(crate) fn of<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let all: Vec<Self> = headers.flat_map(challenges).collect();
        let is_bearer = |challenge: &&Self| matches!(challenge, Self::Bearer { .. });
        all.iter().find(is_bearer).or(all.first()).cloned()
    }

    fn new(scheme: &str, mut params: BTreeMap<String, String>) -> Option<Self> {
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => Some(Self::Bearer {
                realm: params.remove("realm")?,
                service: params.remove("service"),
                scope: params.remove("scope"),
            }),
            _ => None, // schemes that no registry uses
        }
    }
}

/// Returns the challenges of one header: schemes, each with its parameters.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut scheme: Option<(String, BTreeMap<String, String>)> = None;
    for part in parts(header).into_iter().take(MAX_PARTS) {
        let (word, param) = match part.split_once(char::is_whitespace) {
            // `Bearer realm="…"`: a scheme and its first parameter.
            Some((word, rest)) if !word.contains('=') => (Some(word), rest.trim()),
            _ if !part.contains('=') => (Some(part), ""),
            _ => (None, part), // a further parameter
        };
        if let Some(word) = word {
            found.extend(scheme.take().and_then(|(word, params)| Challenge::new(&word, params)));
            scheme = Some((word.to_owned(), BTreeMap::new()));
        }
        if let (Some((_, params)), Some((name, value))) = (&mut scheme, param.split_once('=')) {
            params.insert(name.trim().to_ascii_lowercase(), unquoted(value.trim()));
        }
    }
    found.extend(scheme.and_then(|(word, params)| Challenge::new(&word, params)));
    found
}

/// Splits at commas outside of quotes.
fn parts(header: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |c: char| {
        let ends = c == ',' && !is_quoted;
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = c == '\\' && !is_escaped;
        ends
    };
    header.split(is_end).map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(header: &str) -> Option<Challenge> {
        Challenge::of([header].into_iter())
    }

    #[test]
    fn challenges_of_registries_are_read() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Some(Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) })
        };
        let docker = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
                      scope=\"repository:library/busybox:pull,push\"";
        let scope = "repository:library/busybox:pull,push";
        assert_eq!(
            of(docker),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some(scope))
        );
        assert_eq!(of("bearer  realm = \"https://a/\" , service=s"), bearer("https://a/", Some("s"), None));
        assert_eq!(of("Basic realm=\"Registry\""), Some(Challenge::Basic));
        assert_eq!(of("Basic"), Some(Challenge::Basic));
        assert_eq!(
            of("Basic realm=\"a, b\", Bearer realm=\"https://a/?\\\"x\""),
            bearer("https://a/?\"x", None, None)
        );
        for header in ["", "Bearer", "Bearer service=\"x\"", "Negotiate", "=,=,", "realm=\"x\""] {
            assert_eq!(of(header), None, "{header}");
        }
        assert_eq!(Challenge::of(["Basic", "Bearer realm=r"].into_iter()), bearer("r", None, None));
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(header in "[a-zA-Z=\\\\\", ]{0,64}|\\PC{0,64}") {
            of(&header);
        }
    }
}
