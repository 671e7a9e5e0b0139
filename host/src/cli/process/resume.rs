//! The message that shows how to resume a run that did not succeed.
//! `commands/run` prints it on stderr, after everything else.

use crate::cache::CacheUri;
use crate::cli::args::RunArguments;
use crate::engine::Ended;
use crate::model::{RunId, RunStatus, show_duration};
use crate::state::{Backend, StateUri};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

/// Returns a sentence with the resume command, or with the setting that is needed to resume. What `--rerun` has discarded is
/// gone, so the command runs it without that flag.
pub(crate) fn resume_hint(
    ended: Ended,
    arguments: &RunArguments,
    (run, deadline): (&RunId, Option<Duration>),
    state: &dyn Backend,
) -> String {
    let (outcome, more_time) = match (ended, deadline.map(show_duration)) {
        (Ended::Interrupted, _) => ("interrupted".to_owned(), ""),
        (Ended::Run(RunStatus::Cancelled), _) => ("was cancelled".to_owned(), ""),
        (Ended::Run(RunStatus::TimedOut), Some(deadline)) => {
            (format!("reached its `deadline` = {deadline}"), MORE_TIME)
        }
        (Ended::Run(RunStatus::TimedOut), None) => ("reached its `deadline`".to_owned(), MORE_TIME),
        (Ended::Run(RunStatus::Failed | RunStatus::Succeeded | RunStatus::Running), _) => {
            ("failed".to_owned(), "")
        }
    };
    if !state.outlives_process() {
        return format!(
            "run {run} {outcome}; its results were kept in memory, and are lost. To make runs resumable, keep results \
             in Redis: --state redis://HOST:6379, or CASCADE_STATE{more_time}\n"
        );
    }
    let mut command = format!("cascade-host run {} --run-id {run}", quoted_path(&arguments.scope.manifest));
    command.push_str(&state_flag(arguments.backend.state.as_deref()));
    command.push_str(&cache_flag(arguments.cache.cache.as_deref()));
    for target in &arguments.scope.targets {
        command.push_str(&format!(" --target {}", quoted(target)));
    }
    if arguments.keep_going {
        command.push_str(" --keep-going");
    }
    if arguments.fail_fast {
        command.push_str(" --fail-fast");
    }
    if arguments.verify {
        command.push_str(" --verify");
    }
    if let Some(file) = &arguments.params.params_file {
        command.push_str(&format!(" --params-file {}", quoted_path(file)));
    }
    // Values may be secrets: repeat only their names.
    for pair in &arguments.params.params {
        let pair = pair.to_string_lossy();
        let name = pair.split('=').next().unwrap_or_default();
        command.push_str(&format!(" -p {}", quoted(&format!("{name}=…"))));
    }
    format!("run {run} {outcome}; finished results are kept{more_time}. To resume: {command}\n")
}

/// The advice to a run that was too slow.
const MORE_TIME: &str =
    "; a resumed run has all of that time again, and a longer `deadline` in the manifest is the same plan";

/// Returns the `--cache` flag as typed, without user and password; empty if it was not given.
fn cache_flag(typed: Option<&str>) -> String {
    typed.map_or_else(String::new, |typed| match CacheUri::parse(typed) {
        Ok(CacheUri::Off) => " --cache off".to_owned(),
        Ok(CacheUri::At(uri)) => format!(" --cache {}", quoted(&without_login(&uri, typed))),
        Err(_) => String::new(), // an invalid URI was never used
    })
}

/// Returns the `--state` flag as typed, without user and password; empty if it was not given.
pub(crate) fn state_flag(typed: Option<&str>) -> String {
    typed.map_or_else(String::new, |typed| match StateUri::parse(typed) {
        Ok(state) => format!(" --state {}", quoted(&without_login(&state, typed))),
        Err(_) => String::new(), // an invalid URI was never used
    })
}

/// Returns the URI without user and password, but with the typed options.
fn without_login(state: &StateUri, typed: &str) -> String {
    let shown = state.to_string();
    match typed.split_once('?') {
        Some((_, options)) => format!("{}?{options}", shown.split('?').next().unwrap_or_default()),
        None => shown,
    }
}

/// Quotes a path for a shell. Bytes that are not UTF-8 are escaped in the syntax of bash and zsh.
fn quoted_path(path: &Path) -> String {
    if let Some(text) = path.to_str() {
        return quoted(text);
    }
    let bytes = path.as_os_str().as_bytes().iter().map(|byte| match byte {
        b' '..=b'~' if !matches!(byte, b'\'' | b'\\') => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"), // a quote, a control character, or no ASCII
    });
    format!("$'{}'", bytes.collect::<String>())
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Arguments, Command};
    use crate::state::Factory;
    use clap::Parser as _;

    fn shown(line: &str, state: &str) -> String {
        ended(Ended::Interrupted, line, state)
    }

    fn ended(ended: Ended, line: &str, state: &str) -> String {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Run(run) = arguments.command else { panic!("not a run") };
        let state = Factory::new().backend(&StateUri::parse(state).unwrap()).unwrap();
        let deadline = Some(Duration::from_hours(2));
        resume_hint(ended, &run, (&RunId::new("r1").unwrap(), deadline), state.as_ref())
    }

    #[test]
    fn resume_command_repeats_the_flags_without_secrets() {
        let uri = "redis://:pw@h?lease=3s&timeout=2s";
        let text = shown(&format!("cascade-host run m.toml -p token=hunter2 --state {uri}"), uri);
        let command =
            "cascade-host run m.toml --run-id r1 --state 'redis://***@h:6379/0?lease=3s&timeout=2s'";
        assert!(text.contains(command), "{text}");
        assert!(
            text.contains("-p 'token=…'") && !text.contains("hunter2") && !text.contains(":pw@"),
            "{text}"
        );
    }

    #[test]
    fn resume_command_keeps_the_policy_and_discards_nothing_again() {
        let uri = "redis://h";
        for flag in ["--keep-going", "--fail-fast"] {
            let text = shown(&format!("cascade-host run m.toml --run-id r1 --rerun t[3] {flag}"), uri);
            assert!(text.ends_with(&format!("run m.toml --run-id r1 {flag}\n")), "{text}");
        }
    }

    #[test]
    fn resume_command_repeats_the_cache_without_its_password() {
        for (typed, shown_uri) in [("off", "off"), ("redis://:pw@h/1", "'redis://***@h:6379/1'")] {
            let text = shown(&format!("cascade-host run m.toml --cache {typed}"), "redis://h");
            assert!(text.ends_with(&format!("run m.toml --run-id r1 --cache {shown_uri}\n")), "{text}");
        }
    }

    #[test]
    fn hint_after_a_deadline_has_its_value_and_the_remedy() {
        for state in ["redis://h", "memory:"] {
            let text = ended(Ended::Run(RunStatus::TimedOut), "cascade-host run m.toml", state);
            assert!(text.contains("run r1 reached its `deadline` = 2h;"), "{text}");
            assert!(text.contains("a longer `deadline` in the manifest"), "{text}");
        }
    }

    #[test]
    fn non_utf8_paths_are_quoted_for_a_shell() {
        let path = Path::new(std::ffi::OsStr::from_bytes(b"it's caf\xe9.toml"));
        assert_eq!(quoted_path(path), r"$'it\x27s caf\xe9.toml'");
        assert_eq!(quoted_path(Path::new("it's.toml")), r"'it'\''s.toml'");
    }

    #[test]
    fn hint_for_memory_names_the_setting() {
        let text = shown("cascade-host run m.toml", "memory:");
        assert!(text.contains("--state redis://"), "{text}");
    }
}
