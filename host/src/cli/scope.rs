//! The scope of a command: a manifest, and its tasks that `--target` names.
//! `app` interprets the targets.

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

/// A manifest and the targeted tasks; an empty list means all tasks.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// The tasks.
    pub(crate) targets: Vec<String>,
}

impl clap::Args for Scope {
    fn augment_args(command: Command) -> Command {
        let manifest = Arg::new(MANIFEST)
            .value_name("MANIFEST")
            .help("The manifest")
            .value_parser(PathBufValueParser::new())
            .required_unless_present(TARGET);
        let target = Arg::new(TARGET)
            .long("target")
            .value_name("TASK")
            .help("Only these tasks and what they need")
            .num_args(1..)
            .value_delimiter(',')
            .value_parser(ValueParser::os_string())
            .action(clap::ArgAction::Append);
        command.arg(manifest).arg(target)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Scope {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let occurrences = matches.get_occurrences::<OsString>(TARGET).into_iter().flatten();
        let mut occurrences: Vec<Vec<OsString>> = occurrences.map(|words| words.cloned().collect()).collect();
        let manifest = match matches.get_one::<PathBuf>(MANIFEST) {
            Some(manifest) => manifest.clone(),
            // `--target a manifest.toml`: clap takes the manifest for a target. The last target is the manifest.
            None => match occurrences.iter_mut().rev().find(|words| words.len() > 1).and_then(Vec::pop) {
                Some(word) => PathBuf::from(word),
                None => return Err(missing_manifest()),
            },
        };
        let targets = occurrences.into_iter().flatten().map(text).collect::<Result<_, _>>()?;
        Ok(Self { manifest, targets })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
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
    use clap::Parser as _;

    fn scope(line: &str) -> Result<(String, Vec<String>), String> {
        let words = std::iter::once("cascade-host").chain(line.split(' '));
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        let scope = match arguments.command {
            Parsed::Run(run) => run.scope,
            Parsed::Plan(plan) => plan.scope,
            other => panic!("{other:?}"),
        };
        Ok((scope.manifest.display().to_string(), scope.targets))
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
