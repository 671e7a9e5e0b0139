//! The fault of a component that is not the pinned one, wherever it comes from.
//! `checked` compares files, `remote_components` what is fetched.

use crate::model::{Digest, Fault, Name, Spanned};

/// Returns the fault; `shown` is the file or the source.
pub(crate) fn not_pinned(name: &Name, pin: &Spanned<Digest>, (shown, found): (&str, &Digest)) -> Fault {
    let message = format!("the component `{name}` does not match its pinned digest");
    Fault::spanned(pin.span.clone(), message).note(format!("`{shown}` has the SHA-256 {found}"))
}

/// Returns the help that accepts another component.
pub(crate) fn accepting(found: &Digest) -> String {
    format!("to accept this file, write `sha256 = \"{found}\"`")
}
