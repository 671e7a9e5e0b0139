//! The query of a Redis URI, and percent-decoding of the parts of a URI.
//! `uri` decides which keys may be combined.

use crate::model::parse_duration;
use crate::state::{Error, ErrorKind};
use std::time::Duration;

/// The keys of the query. `db` applies to sockets only.
pub(crate) const QUERY: [&str; 8] =
    ["connect-timeout", "timeout", "lease", "durability", "ca", "cert", "key", "db"];

/// The pairs after `?`, with keys of [`QUERY`]. Each is taken once; a remaining one is an error.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the pairs.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(unknown_key)?;
            // A `?` in a password turns the rest of it into a query, so unknown keys are never shown.
            if !QUERY.contains(&key) {
                return Err(unknown_key());
            }
            let value = decoded(value, "reading the query of a Redis URI")?;
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(duplicate(key));
            }
            pairs.push((key.to_owned(), value));
        }
        Ok(Self(pairs))
    }

    /// Takes the value of a key, if there is one.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        let idx = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(idx).1)
    }

    /// Takes a duration above zero.
    pub(crate) fn duration(&mut self, key: &str) -> Result<Option<Duration>, Error> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        match parse_duration(&text) {
            Ok(duration) if !duration.is_zero() => Ok(Some(duration)),
            Ok(_) | Err(_) => {
                let doing = format!("reading `{key}` of a Redis URI");
                Err(fault(&doing, "The value is a duration above zero: `500ms`, `10s`."))
            }
        }
    }

    /// Fails if a key was not taken.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(unknown_key()) }
    }
}

fn duplicate(key: &str) -> Error {
    fault("reading the query of a Redis URI", &format!("`{key}` is given twice; keep one of the two."))
}

pub(crate) fn unknown_key() -> Error {
    let hint = "The query keys are connect-timeout, timeout, lease, durability, ca, cert and key, and db for a socket; in a \
                password, `?` is written `%3F`.";
    fault("reading the query of a Redis URI", hint)
}

/// Decodes percent-encoding.
pub(crate) fn decoded(text: &str, doing: &str) -> Result<String, Error> {
    let invalid = || {
        fault(
            doing,
            "`%` is followed by two hexadecimal digits, and the decoded text is UTF-8; write `%` itself as `%25`.",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(invalid);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| invalid())?);
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

pub(crate) fn fault(doing: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Uri, doing).hint(hint)
}
