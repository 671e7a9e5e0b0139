//! Gathers the inputs of a run: params from the user, variables and files from this host, each read once.
//! `plan` fits them to their types.

use crate::app::matching_files::{Unlisted, matching_files};
use crate::app::params;
use crate::app::params::{Params, TextFault};

use crate::config::{Environment, MAX_INPUT, NotText, append_input, read_input};
use crate::model::{Datum, Fault, Faults, InputPattern, Shortage, shortlist};
use crate::plan;
use crate::plan::{FileList, Input, InputKind, NotUtf8, Supplied};
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::Path;

/// Returns the input found for each position in the plan; adds errors to `faults`.
pub(crate) fn gather(
    inputs: &[Input],
    texts: &Params,
    environment: &Environment,
    faults: &mut Faults,
) -> Vec<Option<Supplied>> {
    let mut params = supplied(inputs, texts, faults);
    let found = inputs.iter().map(|input| match &input.kind {
        InputKind::Param { name, .. } => params.remove(name.as_str()),
        InputKind::Env { name, .. } => match environment.get(name) {
            Ok(value) => value.map(|value| Supplied::Datum(Datum::Text(value.to_owned()))),
            Err(variable) => {
                faults.push(Fault::spanned(input.span.clone(), variable.to_string()).help(NotText::help()));
                None
            }
        },
        InputKind::Literal { .. } => None, // is its own value
        InputKind::File(path) => match read_input(path) {
            Ok(bytes) => Some(Supplied::Content(bytes)),
            Err(error) => {
                let fault =
                    Fault::spanned(input.span.clone(), format!("cannot read the file `{}`", path.display()))
                        .note(error.to_string())
                        .help(
                            Shortage::from_error(&error)
                                .map_or("paths are relative to the manifest's folder", Shortage::help),
                        );
                faults.push(fault);
                Some(Supplied::Content(Vec::new()))
            }
        },
        InputKind::Files { folder, pattern } => Some(files(input, (folder, pattern), faults)),
    });
    found.collect()
}

/// Maximum number of unreadable files that are reported for one pattern.
const MAX_UNREADABLE: usize = 5;

/// Reads the files of a pattern.
fn files(input: &Input, (folder, pattern): (&Path, &InputPattern), faults: &mut Faults) -> Supplied {
    let names = matching_files(folder, pattern).unwrap_or_else(|reason| {
        faults.push(unlisted(input, pattern, &reason));
        Vec::new()
    });
    let mut list = FileList::new(input, names.len());
    let mut found = Vec::new();
    for name in &names {
        let path = folder.join(name);
        let fault_at = |message: String| Fault::spanned(input.span.clone(), message);
        match list.push(name, |out| append_input(&path, out)) {
            Ok(Ok(())) => continue,
            Ok(Err(NotUtf8)) => {
                let fault = fault_at(format!("the file `{name}` is not UTF-8 text"));
                found.push(fault.help(format!(
                    "use `list<u8>` for the content of binary files, or leave the file out of `{pattern}`"
                )));
            }
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                let fault = fault_at(format!("the files of `{pattern}` are too large together"));
                found.push(fault.note(format!("with `{name}` they have more than {MAX_INPUT}")));
                break;
            }
            Err(error) => {
                let fault = fault_at(format!("cannot read the file `{name}`")).note(error.to_string());
                found.push(match Shortage::from_error(&error) {
                    Some(shortage) => fault.help(shortage.help()),
                    None => fault, // the note says it
                });
            }
        }
        if found.len() >= MAX_UNREADABLE {
            break;
        }
    }
    if found.is_empty() {
        return list.finish();
    }
    faults.list.extend(found);
    FileList::new(input, 0).finish()
}

fn unlisted(input: &Input, pattern: &InputPattern, reason: &Unlisted) -> Fault {
    let fault_at = |message: String| Fault::spanned(input.span.clone(), message);
    match reason {
        Unlisted::None => fault_at(format!("no file matches `{pattern}`"))
            .help("patterns are relative to the manifest's folder; `*` stays within a name, and `**` stands for any number of folders"),
        Unlisted::Misfits(misfits) => {
            let fault = fault_at(format!("not all that matches `{pattern}` is a file to read"));
            let fault = misfits.iter().fold(fault, |fault, misfit| fault.note(misfit.clone()));
            fault.help(format!("make the pattern narrower, as `*.csv`; `{}**` takes the files in folders too", pattern.folder()))
        }
        Unlisted::TooMany => fault_at(format!("`{pattern}` matches too many files")).note(reason.to_string()),
        Unlisted::Folder(_, error) => {
            let fault = fault_at(format!("cannot list the files of `{pattern}`"));
            let fault = fault.note(format!("{reason}: {error}"));
            match Shortage::from_error(error) {
                Some(shortage) => fault.help(shortage.help()),
                None => fault, // the note says it
            }
        }
    }
}

/// Adds the faults of inputs that are known without a run.
pub(crate) fn find_faults(inputs: &[Input], environment: &Environment, faults: &mut Faults) {
    let found = gather(inputs, &Params::default(), environment, faults);
    let reported: Vec<_> = faults.list.iter().map(|fault| fault.location.clone()).collect();
    for (input, found) in inputs.iter().zip(found) {
        if !matches!(input.kind, InputKind::Param { .. })
            && let Err(more) = plan::fit(input, found)
        {
            faults.list.extend(more.into_iter().filter(|fault| !reported.contains(&fault.location)));
        }
    }
}

/// Returns the values of params by name. `-p` overrides the program, which overrides the file.
fn supplied(inputs: &[Input], texts: &Params, faults: &mut Faults) -> HashMap<String, Supplied> {
    let known: HashMap<&str, &Input> =
        inputs.iter().filter_map(|input| Some((param_name(input)?, input))).collect();
    let mut values = HashMap::new();
    if let Some(path) = &texts.file {
        match params::read_file(path) {
            Ok(entries) => {
                for (name, datum) in entries {
                    if !known.contains_key(name.as_str()) {
                        faults.push(unknown(&name, &format!("`{}`", path.display()), &known));
                    } else if values.insert(name.clone(), Supplied::Datum(datum)).is_some() {
                        let message = format!("`{}` sets param `{name}` twice", path.display());
                        faults.push(Fault::of_file(message).help("keep one of the two"));
                    }
                }
            }
            Err(fault) => faults.push(with_help(Fault::of_file(fault.message.clone()), fault)),
        }
    }
    for (name, value) in &texts.values {
        if known.contains_key(name.as_str()) {
            values.insert(name.clone(), value.clone());
        } else {
            faults.push(unknown(name, "the program", &known));
        }
    }
    let mut seen: HashSet<&str> = HashSet::new();
    for pair in &texts.pairs {
        let (name, text) = match params::split(pair) {
            Ok(pair) => pair,
            Err(fault) => {
                faults.push(with_help(Fault::of_file(fault.message.clone()), fault));
                continue;
            }
        };
        let Some(input) = known.get(name) else {
            faults.push(unknown(name, "`-p`", &known));
            continue;
        };
        if !seen.insert(name) {
            faults.push(Fault::of_file(format!("`-p` sets param `{name}` twice")));
        }
        match params::value(&input.ty, text) {
            Ok(supplied) => drop(values.insert(name.to_owned(), supplied)),
            Err(fault) => {
                let located =
                    Fault::spanned(input.span.clone(), format!("param `{name}`: {}", fault.message));
                faults.push(with_help(located, fault));
            }
        }
    }
    values
}

fn param_name(input: &Input) -> Option<&str> {
    match &input.kind {
        InputKind::Param { name, .. } => Some(name.as_str()),
        InputKind::Env { .. } | InputKind::File(_) | InputKind::Files { .. } | InputKind::Literal { .. } => {
            None
        }
    }
}

fn with_help(fault: Fault, text: TextFault) -> Fault {
    match text.help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

fn unknown(name: &str, origin: &str, known: &HashMap<&str, &Input>) -> Fault {
    let mut names: Vec<&str> = known.keys().copied().collect();
    names.sort_unstable();
    let fault = Fault::of_file(format!("{origin} sets `{name}`, which is not a param of this manifest"))
        .suggest(name, names.iter().copied());
    if names.is_empty() {
        fault.note("the manifest has no params")
    } else {
        fault.note(format!("its params are {}", shortlist(name, names)))
    }
}
