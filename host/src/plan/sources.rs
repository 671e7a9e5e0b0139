//! The external inputs of a run by display name: params, variables, files.
//! If a key of a task has changed, the report names the inputs whose values caused it.

use crate::model::{Digest, Digester, RunId};
use crate::plan::{Binding, InputKind, Plan, Task};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The values that a host has read for a run.
pub(crate) struct Read<'a> {
    /// The values of inputs, by position in the plan.
    pub(crate) inputs: &'a [Bytes],
    /// Names and values of granted variables, by the function's position in the plan.
    pub(crate) variables: &'a [&'a [(String, String)]],
    /// The run; all digests are keyed by its id, so that guessed values cannot be compared with digests of other runs.
    pub(crate) run: &'a RunId,
}

/// Returns the names of a plan's inputs; files are relative to `folder`, the manifest's.
pub(crate) fn names(plan: &Plan, folder: &Path) -> Vec<String> {
    plan.inputs().iter().map(|input| name(&input.kind, folder)).collect()
}

fn name(kind: &InputKind, folder: &Path) -> String {
    match kind {
        InputKind::Param { name, .. } => format!("param `{name}`"),
        InputKind::Env { name, .. } => format!("the variable `{name}`"),
        InputKind::Literal { name, .. } => format!("the value of the secret param `{name}`"),
        InputKind::File(path) => {
            format!("the file `{}`", path.strip_prefix(folder).unwrap_or(path).display())
        }
        InputKind::Files { folder: own, pattern } => {
            let path = own.join(pattern.to_string());
            format!("the list of files `{}`", path.strip_prefix(folder).unwrap_or(&path).display())
        }
    }
}

fn granted(name: &str) -> String {
    format!("the granted variable `{name}`")
}

/// Returns the digests of all values that were read, by name.
pub(crate) fn digests(read: &Read<'_>, names: &[String]) -> BTreeMap<String, Digest> {
    let inputs = names.iter().cloned().zip(read.inputs.iter().map(|bytes| &**bytes));
    let variables = read.variables.iter().flat_map(|variables| variables.iter());
    let variables = variables.map(|(name, value)| (granted(name), value.as_bytes()));
    // One name may have several values: a file as text and as bytes, a variable with two defaults.
    let mut values: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in inputs.chain(variables) {
        values.entry(name).or_default().push(value);
    }
    let digest = |values: Vec<&[u8]>| {
        let mut digester = Digester::new("cascade read 1");
        digester.field(read.run.as_str().as_bytes());
        for value in values {
            digester.field(value);
        }
        digester.finish()
    };
    values.into_iter().map(|(name, values)| (name, digest(values))).collect()
}

/// Returns the names of the inputs that values read.
pub(crate) fn inputs_of<'b>(
    bindings: impl Iterator<Item = &'b Binding>,
    names: &[String],
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    bindings.for_each(|binding| binding.each_input(&mut |input| found.extend(names.get(input).cloned())));
    found
}

/// Returns the names of the inputs that a key of a task reads: `args.x`, `for-each.x`, `when` or `grants`.
pub(crate) fn inputs_of_key(plan: &Plan, task: &Task, key: &str, names: &[String]) -> BTreeSet<String> {
    let function = plan.function_of(task);
    let param = |name: &str| function?.signature.params.iter().position(|(param, _)| **param == *name);
    let is_command = function.is_some_and(|function| function.command().is_some());
    let arg = |index: usize| task.args.get(index).into_iter().collect();
    let bindings: Vec<&Binding> = match key.split_once('.') {
        _ if is_command && param(key).is_some() => param(key).map_or_else(Vec::new, arg),
        Some(("args", name)) => param(name).map_or_else(Vec::new, arg),
        Some(("for-each", item)) => {
            task.for_each.iter().filter(|list| list.item.as_str() == item).map(|list| &list.list).collect()
        }
        None if key == "when" => task.when.iter().map(|when| &when.subject).collect(),
        _ => Vec::new(), // `grants` follow below; other keys read no input
    };
    let mut found = inputs_of(bindings.into_iter(), names);
    if let ("grants", Some(component)) = (key, function.and_then(|function| function.component())) {
        let variable = |entry: &str| granted(entry.split_once('=').map_or(entry, |(name, _)| name));
        found.extend(component.grants.env.iter().map(|entry| variable(&entry.value)));
    }
    found
}
