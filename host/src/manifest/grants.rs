//! `grants` of a component or a task: what its guest may touch.
//! The forms only; whether a folder exists or a variable is set is seen when a task runs.

use crate::manifest::Grants;
use crate::manifest::Preopen;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::boolean;
use crate::manifest::scalar::filled;
use crate::manifest::scalar::list;
use crate::manifest::scalar::text;
use crate::manifest::table::Slot;
use crate::manifest::table::Table;
use crate::model::Endpoint;
use crate::model::EndpointFault;
use crate::model::Fault;
use crate::model::Span;
use crate::model::Spanned;
use crate::model::UrlPrefix;
use crate::model::UrlPrefixFault;
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
fn prefix(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<UrlPrefix>> {
    let text = filled(reader, slot)?;
    let fault = match UrlPrefix::parse(&text.value) {
        Ok(prefix) => return Some(Spanned::new(prefix, text.span)),
        Err(fault) => fault,
    };
    let help = match &fault {
        UrlPrefixFault::NotNormal { normal } => format!("write `\"{normal}\"`"),
        _ => "write for example `\"https://api.example.com/v1/\"`".to_owned(), // the message says the rest
    };
    let fault = Fault::at(text.span, fault.to_string()).help(help);
    reader.fault(if text.value.contains('@') { fault.secret() } else { fault })
}

/// `host:port`.
fn address(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Endpoint>> {
    let text = filled(reader, slot)?;
    let fault = match Endpoint::parse(&text.value) {
        Ok(endpoint) => return Some(Spanned::new(endpoint, text.span)),
        Err(fault) => fault,
    };
    let help = match &fault {
        EndpointFault::NotNormal { normal } => format!("write `\"{normal}\"`"),
        _ => "write for example `\"127.0.0.1:5432\"` or `\"[::1]:5432\"`".to_owned(), // likewise
    };
    reader.fault(Fault::at(text.span, fault.to_string()).help(help))
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
