//! The scope of a command: a manifest, and its tasks that `--target` and `--rerun` name.
//! `app` interprets the names.

use crate::cli::candidates;
use clap::Arg;
use clap::ArgMatches;
use clap::Command;
use clap::FromArgMatches;
use clap::builder::PathBufValueParser;
use clap::builder::ValueParser;
use clap::error::ContextKind;
use clap::error::ContextValue;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::path::PathBuf;

const MANIFEST: &str = "manifest";
const TARGET: &str = "target";
const RERUN: &str = "rerun";

/// A manifest and names of tasks in it.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// The tasks to run; empty for all.
    pub(crate) targets: Vec<String>,
    /// The tasks, pipelines and elements that run again.
    pub(crate) rerun: Vec<String>,
}

impl clap::Args for Scope {
    fn augment_args(command: Command) -> Command {
        let manifest = Arg::new(MANIFEST)
            .value_name("MANIFEST")
            .help("The manifest")
            .value_parser(PathBufValueParser::new())
            .required_unless_present_any([TARGET, RERUN]);
        let names = |id: &'static str| {
            Arg::new(id)
                .long(id)
                .value_name("TASK")
                .num_args(1..)
                .value_delimiter(',')
                .value_parser(ValueParser::os_string())
                .action(clap::ArgAction::Append)
                .add(candidates::tasks())
        };
        let target = names(TARGET).help("Only these tasks and what they need");
        let rerun = names(RERUN).requires("run_id").help(
            "Run these tasks, pipelines or elements (`task[i]`) and what depends on them again, without the cache",
        );
        command.arg(manifest).arg(target).arg(rerun)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Scope {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut occurrences: Vec<Occurrence> =
            [TARGET, RERUN].into_iter().flat_map(|flag| occurrences(matches, flag)).collect();
        occurrences.sort_by_key(|occurrence| occurrence.place);
        let manifest = match matches.get_one::<PathBuf>(MANIFEST) {
            Some(manifest) => manifest.clone(),
            // `--target a manifest.toml`: clap takes the manifest for a target. The last name is the manifest.
            None => {
                let last = occurrences.iter_mut().rev().find(|occurrence| occurrence.words.len() > 1);
                match last.and_then(|occurrence| occurrence.words.pop()) {
                    Some(word) => PathBuf::from(word),
                    None => return Err(missing_manifest()),
                }
            }
        };
        let (mut targets, mut rerun) = (Vec::new(), Vec::new());
        for Occurrence { flag, words, place: _ } in occurrences {
            let names = if flag == TARGET { &mut targets } else { &mut rerun };
            for word in words {
                names.push(text(word)?);
            }
        }
        Ok(Self { manifest, targets, rerun })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// One use of a flag that takes names.
struct Occurrence {
    flag: &'static str,
    words: Vec<OsString>,
    /// The position of its last word on the command line.
    place: Option<usize>,
}

fn occurrences(matches: &ArgMatches, flag: &'static str) -> Vec<Occurrence> {
    let mut places = matches.indices_of(flag).into_iter().flatten();
    let all = matches.get_occurrences::<OsString>(flag).into_iter().flatten();
    all.map(|words| {
        let words: Vec<OsString> = words.cloned().collect();
        let place = places.by_ref().take(words.len()).last();
        Occurrence { flag, words, place }
    })
    .collect()
}

fn text(word: OsString) -> Result<String, clap::Error> {
    word.into_string().map_err(|_| clap::Error::new(ErrorKind::InvalidUtf8))
}

/// Returns clap's error for a missing required argument.
fn missing_manifest() -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::MissingRequiredArgument);
    error.insert(ContextKind::InvalidArg, ContextValue::Strings(vec!["<MANIFEST>".to_owned()]));
    error
}

#[cfg(test)]
mod tests {
    use crate::cli::args::{Arguments, Command as Parsed};
    use crate::cli::scope::Scope;
    use clap::Parser as _;

    fn parsed(line: &str) -> Result<Scope, String> {
        let words = std::iter::once("cascade-host").chain(line.split(' '));
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        match arguments.command {
            Parsed::Run(run) => Ok(run.scope),
            Parsed::Plan(plan) => Ok(plan.scope),
            other => panic!("{other:?}"),
        }
    }

    fn scope(line: &str) -> Result<(String, Vec<String>), String> {
        parsed(line).map(|scope| (scope.manifest.display().to_string(), scope.targets))
    }

    #[test]
    fn names_to_run_again_stand_beside_targets() {
        for line in [
            "run m.toml --run-id r --rerun a t[3] --target b",
            "run --run-id r --target b --rerun a t[3] m.toml",
            "run --rerun a,t[3] --run-id r --target b m.toml",
            "plan --rerun a --target b --rerun t[3] m.toml --run-id r",
        ] {
            let scope = parsed(line).unwrap();
            assert_eq!(scope.manifest.to_str(), Some("m.toml"), "{line}");
            assert_eq!(
                (scope.targets, scope.rerun),
                (vec!["b".into()], vec!["a".into(), "t[3]".into()]),
                "{line}"
            );
        }
        for (line, word) in
            [("run m.toml --rerun a", "--run-id"), ("run m.toml --run-id r --rerun a --fresh", "--fresh")]
        {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn manifest_may_precede_or_follow_targets() {
        for line in [
            "run m.toml --target a b",
            "run --target a b m.toml",
            "run --target a,b m.toml",
            "run --target a b m.toml -j 2",
            "run --target a m.toml --target b",
            "run --target a --target b m.toml",
            "run --target a b -- m.toml",
            "run --target=a -j 2 --target b m.toml --verify",
            "plan --target a b m.toml --json",
        ] {
            let expected = ("m.toml".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
            assert_eq!(scope(line), Ok(expected), "{line}");
        }
        assert_eq!(scope("run m.toml"), Ok(("m.toml".to_owned(), vec![])));
    }

    #[test]
    fn missing_manifest_is_named() {
        for line in ["run", "run --target a", "run --target a --target b", "plan --json"] {
            let error = scope(line).unwrap_err();
            assert!(error.contains("required arguments were not provided:\n  <MANIFEST>"), "{line}: {error}");
        }
    }
}
