//! `grants` of a component or a task: what its guest may touch.
//! The forms only; whether a folder exists or a variable is set is seen when a task runs.

use crate::manifest::Grants;
use crate::manifest::HttpPrefix;
use crate::manifest::Preopen;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::boolean;
use crate::manifest::scalar::filled;
use crate::manifest::scalar::list;
use crate::manifest::scalar::text;
use crate::manifest::table::Slot;
use crate::manifest::table::Table;
use crate::model::Fault;
use crate::model::Span;
use crate::model::Spanned;
use std::collections::HashMap;
use toml::de::DeValue;

/// The value of `grants`.
pub(crate) fn grants(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Grants> {
    let mut table = Table::open(reader, slot, "`grants`", "`grants = { env = [\"LANG\"] }`")?;
    let grants = Grants {
        span: slot.span.clone(),
        env: table.optional(reader, "env", variables).unwrap_or_default(),
        args: table.optional(reader, "args", |reader, slot| list(reader, slot, text)).unwrap_or_default(),
        read: table.optional(reader, "read", preopens).unwrap_or_default(),
        write: table.optional(reader, "write", preopens).unwrap_or_default(),
        http: table.optional(reader, "http", |reader, slot| list(reader, slot, prefix)).unwrap_or_default(),
        tcp: table.optional(reader, "tcp", |reader, slot| list(reader, slot, address)).unwrap_or_default(),
        dns: table.optional(reader, "dns", boolean).unwrap_or_default(),
        clock: table.optional(reader, "clock", boolean).unwrap_or_default(),
        random: table.optional(reader, "random", boolean).unwrap_or_default(),
        context: table.optional(reader, "context", boolean).unwrap_or_default(),
        keyvalue: table
            .optional(reader, "keyvalue", |reader, slot| list(reader, slot, bucket))
            .unwrap_or_default(),
    };
    table.close(reader);
    refuse_shadowed(reader, &grants);
    Some(grants)
}

/// `NAME` or `NAME=value`, each name once.
fn variables(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<Spanned<String>>> {
    // What was written may be a secret, and is not repeated.
    if !matches!(slot.value, DeValue::Array(_)) {
        return reader.fault(slot.mismatch("a list").help("write `env = [\"NAME\", \"OTHER=value\"]`"));
    }
    let variables = list(reader, slot, filled)?;
    let mut first: HashMap<&str, &Span> = HashMap::new();
    for variable in &variables {
        let name = variable.value.split('=').next().unwrap_or_default();
        if name.is_empty() {
            let fault = Fault::at(variable.span.clone(), "a variable has a name before its `=`");
            reader.fault::<()>(fault.help("write `\"NAME\"` to pass one on, or `\"NAME=value\"` to set one"));
        } else if let Some(earlier) = first.insert(name, &variable.span) {
            let fault = Fault::at(variable.span.clone(), format!("variable `{name}` is granted twice"));
            reader.fault::<()>(fault.related(earlier.clone(), "first here"));
        }
    }
    Some(variables)
}

fn preopens(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<Spanned<Preopen>>> {
    list(reader, slot, preopen)
}

/// `host` or `host:guest`.
fn preopen(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Preopen>> {
    let text = filled(reader, slot)?;
    let (host, guest) = text.value.split_once(':').unwrap_or((&text.value, &text.value));
    let forms = "write `\"folder\"` or `\"folder:/path/in/the/sandbox\"`";
    if guest.contains(':') && host != guest {
        return reader.fault(
            Fault::at(text.span, "a path has at most one `:`, before its name in the sandbox").help(forms),
        );
    }
    if host.is_empty() || guest.is_empty() {
        return reader.fault(Fault::at(text.span, "a path stands on both sides of the `:`").help(forms));
    }
    let preopen = Preopen { host: reader.join(host), guest: guest.to_owned() };
    Some(Spanned::new(preopen, text.span))
}

/// Two folders cannot have one name in the sandbox; the same folder may be granted for reading and for writing.
fn refuse_shadowed(reader: &mut Reader<'_>, grants: &Grants) {
    let mut first: HashMap<&str, &Spanned<Preopen>> = HashMap::new();
    for preopen in grants.read.iter().chain(&grants.write) {
        let earlier = *first.entry(preopen.value.guest.as_str()).or_insert(preopen);
        if earlier.value.host != preopen.value.host {
            let message = format!("two folders are called `{}` in the sandbox", preopen.value.guest);
            let fault =
                Fault::at(preopen.span.clone(), message).related(earlier.span.clone(), "the first one");
            reader.fault::<()>(fault.help("give one of them another name, as `\"folder:/other\"`"));
        }
    }
}

/// An `http://` or `https://` URL without user, query or fragment.
fn prefix(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<HttpPrefix>> {
    let text = filled(reader, slot)?;
    match check_prefix(&text.value) {
        Ok(prefix) => Some(Spanned::new(HttpPrefix(prefix), text.span)),
        Err(message) => {
            let fault =
                Fault::at(text.span, message).help("write for example `\"https://api.example.com/v1/\"`");
            reader.fault(if text.value.contains('@') { fault.secret() } else { fault })
        }
    }
}

/// The prefix as it is kept: a bare host ends in `/`, so that no longer host begins with it.
fn check_prefix(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let rest = rest.ok_or("an `http` grant begins with `http://` or `https://`")?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("an `http` grant names no user and no password");
    }
    if text.contains(['?', '#']) {
        return Err("an `http` grant has no query and no fragment");
    }
    if text.contains(|c: char| c.is_whitespace() || c == '*') {
        return Err("an `http` grant is a plain prefix, without spaces and wildcards");
    }
    if authority.is_empty() || !has_sound_port(authority) {
        return Err("an `http` grant names a host, and after a `:` a port");
    }
    Ok(if rest.contains('/') { text.to_owned() } else { format!("{text}/") })
}

fn has_sound_port(authority: &str) -> bool {
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    match after_host.split_once(':') {
        None => true,
        Some((host, port)) => port.parse::<u16>().is_ok() && (after_host != authority || !host.is_empty()),
    }
}

/// `host:port`.
fn address(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    let text = filled(reader, slot)?;
    let forms = "write for example `\"127.0.0.1:5432\"` or `\"[::1]:5432\"`";
    let message = match text.value.rsplit_once(':') {
        _ if text.value.contains("://") => "a `tcp` grant is a host and a port, not a URL",
        Some((host, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) || host.is_empty() => {
            "a `tcp` grant ends in a port from 1 to 65535"
        }
        Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
            "an IPv6 address stands in brackets before its port"
        }
        Some(_) => return Some(text),
        None => "a `tcp` grant ends in a port from 1 to 65535",
    };
    reader.fault(Fault::at(text.span, message).help(forms))
}

/// Longest name of a bucket; it becomes part of a key in the state backend.
const MAX_BUCKET: usize = 64;

/// The name of a bucket.
fn bucket(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    let text = filled(reader, slot)?;
    let is_clean = text.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if is_clean && text.value.len() <= MAX_BUCKET {
        return Some(text);
    }
    reader.fault(Fault::at(
        text.span,
        format!("a bucket has up to {MAX_BUCKET} letters, digits, `.`, `_` and `-` in its name"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_cannot_be_extended() {
        assert_eq!(check_prefix("https://example.com").unwrap(), "https://example.com/");
        assert_eq!(check_prefix("http://127.0.0.1:80/a").unwrap(), "http://127.0.0.1:80/a");
        assert_eq!(check_prefix("http://[::1]:80/").unwrap(), "http://[::1]:80/");
    }

    #[test]
    fn what_is_no_plain_prefix_is_refused() {
        for bad in [
            "example.com",
            "ftp://a/",
            "http://",
            "https://u:p@h/",
            "https://h/?q",
            "https://*.h/",
            "http://h:x/",
        ] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
