//! The query of a Redis URI, and the parts of a URI without their percent-encoding.
//! Which keys go together is decided in `uri`.

use crate::model::parse_duration;
use crate::state::{Error, ErrorKind};
use std::time::Duration;

/// The keys of the query. `db` is for sockets alone.
pub(crate) const QUERY: [&str; 8] =
    ["connect-timeout", "timeout", "lease", "durability", "ca", "cert", "key", "db"];

/// The keys after `?`, all of them of [`QUERY`]; each is taken once, and what is left over is an error.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the pairs.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(unknown_key)?;
            // A `?` in a password makes a query of what follows it, which is not shown.
            if !QUERY.contains(&key) {
                return Err(unknown_key());
            }
            let value = decoded(value, "reading the query of a Redis URI")?;
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(twice(key));
            }
            pairs.push((key.to_owned(), value));
        }
        Ok(Self(pairs))
    }

    /// Takes the value of a key, if it is given.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(at).1)
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
                Err(fault(&doing, "It is a duration above zero: `500ms`, `10s`."))
            }
        }
    }

    /// Fails if a key is left that nobody took.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(unknown_key()) }
    }
}

fn twice(key: &str) -> Error {
    fault("reading the query of a Redis URI", &format!("`{key}` is given twice; keep one of the two."))
}

pub(crate) fn unknown_key() -> Error {
    let hint = "Its keys are connect-timeout, timeout, lease, durability, ca, cert and key, and db for a socket; in a \
                password, `?` is written `%3F`.";
    fault("reading the query of a Redis URI", hint)
}

/// A text without its percent-encoding.
pub(crate) fn decoded(text: &str, doing: &str) -> Result<String, Error> {
    let bad = || {
        fault(doing, "After `%` come two hexadecimal digits, and the whole is UTF-8; `%` itself is `%25`.")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(bad);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

pub(crate) fn fault(doing: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Uri, doing).hint(hint)
}
