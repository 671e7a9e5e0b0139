//! The warning of outputs that are made of secrets: a run prints outputs as they are.
//! The plan knows what each output reads.

use crate::app::Session;
use crate::events::Fact;

/// Returns the warning that names the shown outputs of a run which are made of secrets, and these; none if there are none.
pub(crate) fn warning(session: &Session) -> Option<Fact> {
    let outputs = session.bound.plan().outputs().iter().zip(&session.targets.shown.declared);
    let shown = outputs.filter(|(_, is_shown)| **is_shown).filter_map(|(output, _)| {
        let secrets: Vec<String> = session.bound.secrets_in(output).into_iter().collect();
        (!secrets.is_empty())
            .then(|| format!("output `{}` is made of {}", output.name, secrets.join(" and ")))
    });
    let shown: Vec<String> = shown.collect();
    let message = format!(
        "outputs are printed as they are, secrets included: {}. Pass the secret to a task instead, or remove it from `[outputs]`",
        shown.join("; ")
    );
    (!shown.is_empty()).then_some(Fact::Warning { code: "secret-output".into(), message })
}
