//! Describes the program that a task runs, for `plan`: references as the manifest writes them, never their values.
//! The layout is in `plan_table`.

use crate::cli::print::plan_table::CommandRow;
use crate::graph::Manifests;
use crate::manifest::{Expr, Manifest, Reference};
use crate::model::{Datum, Path};
use crate::plan::{ComponentFunction, Task};
use crate::value::{Collected, Command, CommandOutput, Feed, Type};

/// Describes the program of a task; none for a function.
pub(crate) fn command_row(
    task: &Task,
    function: &ComponentFunction,
    manifests: &Manifests,
) -> Option<CommandRow> {
    let command = function.command.as_deref()?;
    let manifest = manifests.get(task.place.manifest)?;
    let (_, written) = manifests.task(task.place)?;
    let values = written.args.values().map(|(_, value)| shown(&value.value, manifest));
    let mut row = CommandRow {
        argv: std::iter::once(&*command.program)
            .chain(function.grants.args.iter().map(String::as_str))
            .map(word)
            .collect(),
        stdin: None,
        env: Vec::new(),
        files: Vec::new(),
        collects: collects(command),
    };
    for (feed, value) in command.feeds.iter().zip(values) {
        match feed {
            Feed::Arg => row.argv.push(value),
            Feed::Stdin => row.stdin = Some(value),
            // Values written here may be secrets, as those of granted variables may be.
            Feed::Env(name) => row.env.push(name.to_string()),
            Feed::File(path) => row.files.push(path.to_string()),
        }
    }
    Some(row)
}

fn collects(command: &Command) -> Vec<String> {
    match &command.output {
        CommandOutput::One(one) => vec![collected(one)],
        CommandOutput::Several(named) => {
            named.iter().map(|(name, one)| format!("{name}: {}", collected(one))).collect()
        }
    }
}

fn collected(collected: &Collected) -> String {
    let of = |what: &str, ty: &Type| format!("{what} as {ty}");
    match collected {
        Collected::Text | Collected::Bytes => of("stdout", &collected.ty()),
        Collected::Json(ty) => format!("stdout as JSON of {ty}"),
        Collected::File { path, .. } => of(path, &collected.ty()),
        Collected::Files { pattern, .. } => of(pattern, &collected.ty()),
    }
}

/// Maximum number of characters of a literal to show.
const MAX_LITERAL: usize = 60;

/// Shows a value: a literal as a word of a command line, and a reference as a manifest has it.
fn shown(value: &Expr, manifest: &Manifest) -> String {
    let reference = match value {
        Expr::Literal(Datum::Text(text)) => return word(text),
        Expr::Literal(Datum::Int(number)) => return number.to_string(),
        Expr::Literal(Datum::Float(number)) => return number.to_string(),
        Expr::Literal(Datum::Bool(value)) => return value.to_string(),
        Expr::Reference(reference) => reference,
        // No plan has a command with other values.
        Expr::Literal(_) | Expr::Array(_) | Expr::Table(_) | Expr::Faulty(_) => return "…".to_owned(),
    };
    let of = |kind: &str, name: &str, path: &Path| {
        let path = path.to_string();
        let path = path.trim_start_matches('.');
        let beside = if path.is_empty() { String::new() } else { format!(", path = \"{path}\"") };
        format!("{{ {kind} = \"{}\"{beside} }}", name.escape_debug())
    };
    match &**reference {
        Reference::Task { task, path, .. } => of("task", &task.value, path),
        Reference::Param { param, path } => of("param", &param.value, path),
        Reference::Item { item, path } => of("item", &item.value, path),
        Reference::Env { name, .. } => of("env", &name.value, &Path::root()),
        Reference::File { path } => {
            let path = path.value.strip_prefix(&manifest.folder).unwrap_or(&path.value);
            of("file", &path.to_string_lossy(), &Path::root())
        }
        // Only a `for-each` has a range, and no part of a command is a list.
        Reference::Run(value) => format!("{{ run = \"{}\" }}", value.as_str()),
        Reference::Range { .. } | Reference::Files { .. } => "…".to_owned(),
        Reference::Select { selector, .. } => {
            format!("{{ select = {}, … }}", shown(&selector.value, manifest))
        }
    }
}

/// Shows a text as a word of a command line.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && text.chars().count() <= MAX_LITERAL {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MAX_LITERAL).collect();
    let mark = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{mark}\"", cut.escape_debug())
}
