//! Reads `[notify]`. No fault quotes its URL, whose path may be a secret.
//! `app` reads the variables and sends the notification.

use crate::manifest::keys::{NOTIFY, URI};
use crate::manifest::notification::{HookSource, Notify};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{filled, list, word};
use crate::manifest::table::{Slot, Table};
use crate::model::{Fault, RunStatus, SecureUrl, SecureUrlFault, Span, Spanned};
use toml::de::DeValue;

/// The endings of a run.
pub(crate) const ENDINGS: [(&str, RunStatus); 4] = [
    ("succeeded", RunStatus::Succeeded),
    ("failed", RunStatus::Failed),
    ("cancelled", RunStatus::Cancelled),
    ("timeout", RunStatus::TimedOut),
];

const URL: &str = "url = \"https://hooks.example.com/x\"";

const SECRET: &str = "secret = { env = \"HOOK_SECRET\" }";

/// Reads `[notify]`; `None` if it has a fault.
pub(crate) fn notify(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Notify> {
    let mark = reader.mark();
    let example = format!("`[notify]` and below it `{URL}`");
    let mut table = Table::open(reader, slot, NOTIFY, ("`[notify]`", &example))?;
    let url = table.required(reader, ("url", URL), url);
    let on = table.optional(reader, "on", endings);
    let secret = table.optional(reader, "secret", |reader, slot| match slot.value {
        DeValue::Table(_) => variable(reader, slot, SECRET),
        // No other kind names a variable. The text may be the secret itself.
        _ => {
            let fault = Fault::spanned(slot.span.clone(), "the secret of `[notify]` is read from a variable")
                .secret();
            reader.fault(fault.help(format!("write `{SECRET}`")))
        }
    });
    table.close(reader);
    let on = on.unwrap_or_else(|| ENDINGS.map(|(_, status)| status).to_vec());
    let notify = Notify { span: slot.key.clone(), url: url?, on, secret };
    reader.is_sound_since(mark).then_some(notify)
}

fn url(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<HookSource>> {
    let source = match slot.value {
        DeValue::String(_) => {
            let text = filled(reader, slot)?;
            match SecureUrl::parse(&text.value) {
                Ok(url) => HookSource::Url(url),
                Err(fault) => return reader.fault(invalid(&text.span, fault, "").secret()),
            }
        }
        DeValue::Table(_) => HookSource::Env(variable(reader, slot, "url = { env = \"HOOK\" }")?.value),
        // No other kind names a URL.
        _ => {
            let fault = slot.mismatch("a string or `{ env = \"NAME\" }`");
            return reader.fault(fault.help(format!("write for example `{URL}`")));
        }
    };
    Some(Spanned::new(source, slot.span.clone()))
}

/// Returns the fault of a URL that cannot be told; `origin` says where it is from, if not from the manifest.
pub(crate) fn invalid(span: &Span, fault: SecureUrlFault, origin: &str) -> Fault {
    let help = match fault {
        SecureUrlFault::Plain => {
            "write `https://`: a notification over `http` reaches this machine only, as `http://127.0.0.1:8080/`"
        }
        SecureUrlFault::Url(_) => "a URL is for example `https://hooks.example.com/x`",
    };
    Fault::spanned(span.clone(), format!("the URL of `[notify]`{origin} cannot be used: {fault}")).help(help)
}

/// Reads `{ env = "NAME" }`.
fn variable(reader: &mut Reader<'_>, slot: &Slot<'_>, example: &'static str) -> Option<Spanned<String>> {
    let (owner, shown) = (format!("`{}`", slot.name), format!("`{example}`"));
    let mut table = Table::open(reader, slot, URI, (&owner, &shown))?;
    let name = table.required(reader, ("env", example), filled);
    table.close(reader);
    Some(Spanned::new(name?.value, slot.span.clone()))
}

fn endings(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<RunStatus>> {
    let written =
        list(reader, slot, |reader, slot| Some((word(reader, slot, &ENDINGS)?, slot.span.clone())))?;
    if matches!(slot.value, DeValue::Array(array) if array.is_empty()) {
        let fault = slot.fault("has no ending, so nothing would be told");
        return reader.fault(fault.help("name one, as `on = [\"failed\"]`, or remove `on` for all"));
    }
    for (index, (status, span)) in written.iter().enumerate() {
        if let Some((_, first)) = written.iter().take(index).find(|(earlier, _)| earlier == status) {
            let fault = Fault::spanned(span.clone(), format!("the ending `{status}` is named twice"));
            reader.fault::<()>(fault.related(first.clone(), "first here").help("keep one of the two"));
        }
    }
    Some(written.into_iter().map(|(status, _)| status).collect())
}
