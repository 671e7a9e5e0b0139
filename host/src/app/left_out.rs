//! The warning of a resumed run whose lists lack elements that failed in an earlier session.
//! `engine` warns of those that fail now.

use crate::app::Session;
use crate::events::Fact;
use crate::state::{Backend, Error, OpenKind, Opened, left_out_of, split_node_name};
use std::collections::{BTreeSet, HashSet};

/// Elements that the warning names.
const MAX_NAMED: usize = 20;

/// Elements that are looked at. Among them may be some that have failed and run again.
const MAX_READ: usize = 1000;

/// Returns the warning; none if nothing is left out of the lists that the run keeps.
pub(crate) async fn left_out_before(
    session: &Session,
    backend: &dyn Backend,
    opened: &Opened,
) -> Result<Option<Fact>, Error> {
    let plan = session.bound.plan();
    let stored = opened.stored.iter().filter_map(|task| plan.task(*task));
    let lists: HashSet<&str> =
        stored.filter(|task| !task.leaves_out.is_empty()).map(|task| task.name.as_str()).collect();
    if !matches!(opened.kind, OpenKind::Resumed { .. }) || lists.is_empty() {
        return Ok(None);
    }
    let mut names = backend.failed_elements(&session.run, MAX_READ).await?;
    names.retain(|name| split_node_name(name).is_some_and(|(task, _)| lists.contains(task.as_str())));
    names.sort_by_cached_key(|name| split_node_name(name));
    let more = match names.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more if names.len() < MAX_READ => format!(" and {more} more"),
        _ => " and more".to_owned(),
    };
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
    let lists: BTreeSet<String> = names.iter().filter_map(|name| left_out_of(name)).collect();
    if lists.is_empty() {
        return Ok(None);
    }
    let again: Vec<String> = lists.iter().map(|list| format!("'{list}'")).collect();
    let message = format!(
        "elements that failed in an earlier session are left out of their lists: {}{more}; `--rerun {}` calls them \
         again",
        shown.join(", "),
        again.join(" ")
    );
    Ok(Some(Fact::Warning { code: "elements-left-out".into(), message }))
}
