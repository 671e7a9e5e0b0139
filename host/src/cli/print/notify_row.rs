//! The webhook of a plan: where the summary of a run goes, and after which endings.
//! `plan_table` has the tasks.

use crate::app::Hook;
use crate::model::RunStatus;
use serde::Serialize;

/// The webhook of `[notify]`. Without its path, which may be a secret.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NotifyRow {
    /// The origin of the URL, or the variable that has it.
    to: String,
    /// The endings for which a summary is sent.
    on: Vec<&'static str>,
    /// Whether the summary is signed.
    signed: bool,
}

impl NotifyRow {
    /// Describes a webhook.
    pub(crate) fn new(hook: &Hook) -> Self {
        let on = RunStatus::ALL.into_iter().filter(|status| hook.tells(*status));
        Self { to: hook.shown.clone(), on: on.map(RunStatus::as_str).collect(), signed: hook.is_signing() }
    }

    /// Formats a line.
    pub(crate) fn text(&self) -> String {
        let signed = if self.signed { "signed" } else { "not signed" };
        format!("notifies {}, {signed}, when the run has ended as: {}", self.to, self.on.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_the_receiver_and_the_endings() {
        let row = NotifyRow { to: "`https://h`".into(), on: vec!["failed", "timeout"], signed: true };
        assert_eq!(row.text(), "notifies `https://h`, signed, when the run has ended as: failed, timeout");
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(json, r#"{"to":"`https://h`","on":["failed","timeout"],"signed":true}"#);
    }
}
