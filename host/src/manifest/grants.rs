//! Reads `grants` of a component or a task.
//! Only their form is checked; `app/grants` finds the folders and reads the variables.

use crate::manifest::Grants;
use crate::manifest::folder::{preopens, reject_duplicates};
use crate::manifest::keys::GRANTS;
use crate::manifest::pipeline::NONE;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{boolean, filled, list, text};
use crate::manifest::table::{Slot, Table};
use crate::model::{Endpoint, EndpointFault, Fault, Span, Spanned, UrlPrefix, UrlPrefixFault};
use std::collections::HashMap;
use toml::de::DeValue;

/// Reads `grants`; those with faults are left out.
pub(crate) fn grants(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Grants {
    let mark = reader.mark();
    let form = match slot.value {
        DeValue::String(text) if text == NONE => "`grants = {}`, which takes all of them away",
        _ => "`grants = { env = [\"LANG\"] }`", // any other value says nothing of what is meant
    };
    let Some(mut table) = Table::open(reader, slot, GRANTS, ("`grants`", form)) else {
        return Grants { span: slot.span.clone(), is_partial: true, ..Grants::default() };
    };
    let mut grants = Grants {
        span: slot.span.clone(),
        env: table.optional(reader, "env", variables).unwrap_or_default(),
        args: table.optional(reader, "args", |reader, slot| list(reader, slot, argument)).unwrap_or_default(),
        read: table.optional(reader, "read", preopens).unwrap_or_default(),
        write: table.optional(reader, "write", preopens).unwrap_or_default(),
        http: table
            .optional(reader, "http", |reader, slot| distinct_list(reader, slot, prefix))
            .unwrap_or_default(),
        tcp: table
            .optional(reader, "tcp", |reader, slot| distinct_list(reader, slot, address))
            .unwrap_or_default(),
        dns: table.optional(reader, "dns", boolean).unwrap_or_default(),
        clock: table.optional(reader, "clock", boolean).unwrap_or_default(),
        random: table.optional(reader, "random", boolean).unwrap_or_default(),
        context: table.optional(reader, "context", boolean).unwrap_or_default(),
        keyvalue: table
            .optional(reader, "keyvalue", |reader, slot| distinct_list(reader, slot, bucket))
            .unwrap_or_default(),
        is_partial: false,
    };
    table.close(reader);
    reject_duplicates(reader, &mut grants.read, &grants.write);
    grants.is_partial = !reader.is_sound_since(mark);
    grants
}

/// Reads a list of `NAME` or `NAME=value`, each name once.
fn variables(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<Spanned<String>>> {
    // The text may be a secret, and is not quoted.
    if !matches!(slot.value, DeValue::Array(_)) {
        return reader.fault(slot.mismatch("a list").help("write `env = [\"NAME\", \"OTHER=value\"]`"));
    }
    let variables = list(reader, slot, filled)?;
    let mut first: HashMap<&str, &Span> = HashMap::new();
    for variable in &variables {
        let name = variable.value.split('=').next().unwrap_or_default();
        if !is_variable(name) {
            let fault = invalid_variable(variable, name);
            reader.fault::<()>(if variable.value.contains('=') { fault.secret() } else { fault });
        } else if let Some(earlier) = first.insert(name, &variable.span) {
            let fault = Fault::spanned(variable.span.clone(), format!("variable `{name}` is granted twice"));
            reader.fault::<()>(fault.related(earlier.clone(), "first here"));
        }
    }
    Some(variables)
}

/// Returns whether a name is a valid variable name, by the common rules of shells and service managers.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Returns the fault of an invalid variable name.
fn invalid_variable(variable: &Spanned<String>, name: &str) -> Fault {
    let fault = |message: &str| Fault::spanned(variable.span.clone(), message);
    if name.is_empty() {
        return fault("the name of the variable is missing before `=`")
            .help("write `\"NAME\"` to pass one on, or `\"NAME=value\"` to set one");
    }
    if name.contains('*') {
        return fault("a variable cannot be granted by a wildcard")
            .help("write each of them, as `env = [\"LANG\", \"TZ\"]`");
    }
    let fault = fault("a variable name has letters, digits, `_`, `.` and `-` only, and starts with no digit");
    let bare = name.trim();
    let bare = bare.strip_prefix('$').unwrap_or(bare);
    let bare = bare.strip_prefix('{').and_then(|bare| bare.strip_suffix('}')).unwrap_or(bare);
    match (is_variable(bare), variable.value.len() == name.len()) {
        (true, true) => fault.help(format!("write `\"{bare}\"`")),
        (true, false) => fault.help(format!("write `\"{bare}=…\"`, with nothing else before the `=`")),
        (false, _) => fault.help("write `\"NAME\"` to pass one on, or `\"NAME=value\"` to set one"),
    }
}

/// Reads an argument: any text, which may be empty.
fn argument(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<String> {
    let text = text(reader, slot)?;
    if text.contains('\0') {
        return reader.fault(slot.fault("cannot contain a NUL character"));
    }
    Some(text)
}

/// Reads a list without duplicates.
fn distinct_list<'t, 'f, T: PartialEq>(
    reader: &mut Reader<'f>,
    slot: &Slot<'t>,
    read: impl Fn(&mut Reader<'f>, &Slot<'t>) -> Option<Spanned<T>>,
) -> Option<Vec<Spanned<T>>> {
    let granted = list(reader, slot, read)?;
    for (index, again) in granted.iter().enumerate() {
        if let Some(first) = granted.iter().take(index).find(|first| first.value == again.value) {
            let fault =
                Fault::spanned(again.span.clone(), format!("an element of `{}` is granted twice", slot.name));
            reader.fault::<()>(fault.related(first.span.clone(), "first here").help("keep one of the two"));
        }
    }
    Some(granted)
}

/// Reads an `http://` or `https://` URL without user, query or fragment.
fn prefix(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<UrlPrefix>> {
    let text = filled(reader, slot)?;
    let fault = match UrlPrefix::parse(&text.value) {
        Ok(prefix) => return Some(Spanned::new(prefix, text.span)),
        Err(fault) => fault,
    };
    let help = match &fault {
        UrlPrefixFault::NotNormal { normal } => format!("write `\"{normal}\"`"),
        _ => "write for example `\"https://api.example.com/v1/\"`".to_owned(), // the message has the cause
    };
    let fault = Fault::spanned(text.span, fault.to_string()).help(help);
    reader.fault(if text.value.contains('@') { fault.secret() } else { fault })
}

/// Reads `host:port`.
fn address(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Endpoint>> {
    let text = filled(reader, slot)?;
    let fault = match Endpoint::parse(&text.value) {
        Ok(endpoint) => return Some(Spanned::new(endpoint, text.span)),
        Err(fault) => fault,
    };
    let help = match &fault {
        EndpointFault::NotNormal { normal } => format!("write `\"{normal}\"`"),
        _ => "write for example `\"127.0.0.1:5432\"` or `\"[::1]:5432\"`".to_owned(), // the message has the cause
    };
    reader.fault(Fault::spanned(text.span, fault.to_string()).help(help))
}

/// Maximum length of a bucket name, which becomes part of a key in the state backend.
pub(crate) const MAX_BUCKET: usize = 64;

/// Reads a bucket's name.
fn bucket(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    let text = filled(reader, slot)?;
    let has_valid_chars =
        text.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if has_valid_chars && text.value.len() <= MAX_BUCKET {
        return Some(text);
    }
    let message = format!("a bucket name has up to {MAX_BUCKET} letters, digits, `.`, `_` and `-`");
    reader.fault(Fault::spanned(text.span, message).help("write for example `keyvalue = [\"shared-name\"]`"))
}
