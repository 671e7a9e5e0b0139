//! The warning of finally tasks that have not ended well.
//! `engine` finds it out.

use crate::engine::{Ended, Unwell};
use crate::events::Fact;

/// Returns the warning that names the finally tasks which have not ended well; none if all have.
pub(crate) fn warning(ended: Ended, unwell: &Unwell) -> Option<Fact> {
    let Ended::Run(status) = ended else { return None };
    let Unwell { failed, open } = unwell;
    let mut parts = Vec::new();
    if let Some(first) = failed.first() {
        let has = if failed.len() == 1 { "has" } else { "have" };
        let stays = format!("the run has ended as `{status}` all the same");
        parts.push(format!(
            "{} of `[finally]` {has} failed; {stays}, and `--rerun {first}` runs `[finally]` again",
            names(failed)
        ));
    }
    if !open.is_empty() {
        let (was, them) = if open.len() == 1 { ("was", "it") } else { ("were", "them") };
        let again = format!("a resumed run comes to {them} again");
        parts.push(format!("{} of `[finally]` {was} cancelled; {again}", names(open)));
    }
    let message = parts.join("; ");
    (!message.is_empty()).then_some(Fact::Warning { code: "finally".into(), message })
}

fn names(tasks: &[String]) -> String {
    let noun = if tasks.len() == 1 { "task" } else { "tasks" };
    let names: Vec<String> = tasks.iter().map(|name| format!("`{name}`")).collect();
    format!("{noun} {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunStatus;

    fn message(status: RunStatus, failed: &[&str], open: &[&str]) -> Option<String> {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        match warning(Ended::Run(status), &Unwell { failed: list(failed), open: list(open) }) {
            Some(Fact::Warning { message, .. }) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn tasks_that_have_not_ended_well_are_named_with_a_remedy() {
        assert_eq!(message(RunStatus::Succeeded, &[], &[]), None);
        let failed = message(RunStatus::Succeeded, &["a", "b"], &[]).unwrap();
        assert!(failed.starts_with("tasks `a`, `b` of `[finally]` have failed;"), "{failed}");
        assert!(failed.contains("`succeeded` all the same") && failed.contains("`--rerun a`"), "{failed}");
        let open = message(RunStatus::Cancelled, &[], &["c"]).unwrap();
        assert!(open.contains("task `c`") && open.contains("resumed"), "{open}");
    }
}
