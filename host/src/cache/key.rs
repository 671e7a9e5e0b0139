//! The key of a cached result: a digest of everything that a pure call's result depends on.
//! Hashing the values is left to the caller, so that a large value is hashed once rather than once per reader.

use crate::model::{Digest, Digester};

/// Version of the key's parts. Changing it makes all earlier entries unreachable.
const PURPOSE: &str = "cascade cache key 1";

/// Everything that the result of a pure call depends on.
#[derive(Debug, Clone, Copy)]
pub struct KeyParts<'a> {
    /// SHA-256 of the component's bytes.
    pub component: &'a Digest,
    /// The interface of the function; none for a function at the root.
    pub interface: Option<&'a str>,
    /// The function's name.
    pub function: &'a str,
    /// Digest of the shape of a command; none for a function.
    pub command: Option<&'a Digest>,
    /// Digests of the canonical bytes of the arguments, in order.
    pub args: &'a [Digest],
    /// Digest of the grants with their resolved values.
    pub grants: &'a Digest,
}

/// Computes the key of one call.
#[must_use]
pub fn key(parts: &KeyParts<'_>) -> Digest {
    let KeyParts { component, interface, function, command, args, grants } = *parts; // the compiler asks for a new part
    let mut digester = Digester::new(PURPOSE);
    digester
        .digest(component)
        .field(interface.unwrap_or_default().as_bytes())
        .field(function.as_bytes())
        .digest(grants);
    // Left out for functions: they keep the keys from before commands existed.
    if let Some(command) = command {
        digester.field(b"command").digest(command);
    }
    args.iter().for_each(|arg| {
        digester.digest(arg);
    });
    digester.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_key() {
        let (first, second) = (Digest::of_bytes(b"1"), Digest::of_bytes(b"2"));
        let base = KeyParts {
            component: &first,
            interface: None,
            function: "f",
            command: None,
            args: &[first],
            grants: &first,
        };
        let others = [
            KeyParts { component: &second, ..base },
            KeyParts { interface: Some("a:b/c"), ..base },
            KeyParts { function: "g", ..base },
            KeyParts { args: &[second], ..base },
            KeyParts { args: &[first, first], ..base },
            KeyParts { grants: &second, ..base },
            KeyParts { command: Some(&first), ..base },
            KeyParts { command: Some(&second), ..base },
        ];
        for other in others {
            assert_ne!(key(&base), key(&other), "{other:?}");
        }
        assert_eq!(key(&base), key(&base));
    }
}
