//! `inspect` over every component and module of the packages: an answer each time, at once, with what to do next.
//! What the components do is in `published`.

use crate::compile_in_turn;
use crate::packages::{ALL, fetched, modules};
use cascade_host_tests::{Finished, Host, Project, Registry};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Maximum time of an `inspect` beside compiling.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Attempts to be that fast: others may keep the machine busy.
const TRIES: usize = 5;

#[test]
fn every_file_of_npm_is_inspected() {
    inspect_all(Registry::Npm);
}

#[test]
fn every_file_of_pypi_is_inspected() {
    inspect_all(Registry::Pypi);
}

fn inspect_all(registry: Registry) {
    if registry.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let cache = fetched(registry);
    let mut mistakes = String::new();
    for (package, count) in ALL.iter().filter(|(package, _)| package.registry == registry) {
        let files = modules(&package.folder(&cache));
        assert_eq!(files.len(), *count, "{}: {files:?}", package.name);
        for file in files {
            if let Err(mistake) = inspect(&file) {
                let _ = writeln!(mistakes, "{}: {mistake}", file.display());
            }
        }
    }
    assert!(mistakes.is_empty(), "\n{mistakes}");
}

/// Inspects a file, and returns what is wrong with the answer.
fn inspect(file: &Path) -> Result<(), String> {
    let path = file.to_str().ok_or("the path is not UTF-8")?;
    let run = || Host::new(["inspect", path]).run();
    let first = run();
    let mut last = run();
    for _ in 1..TRIES {
        if last.took <= AT_ONCE {
            break;
        }
        last = run();
    }
    if last.took > AT_ONCE {
        return Err(format!("{:?} without compiling", last.took));
    }
    // The first time, a large file is compiled, which takes long enough to be told.
    let is_said = |line: &&str| !line.starts_with("compiling ") && !line.starts_with("compiled ");
    let said = |finished: &Finished| finished.stderr.lines().filter(is_said).collect::<Vec<_>>().join("\n");
    if (first.code, &first.stdout, said(&first)) != (last.code, &last.stdout, said(&last)) {
        return Err(format!("another answer the second time:\n{}\n{}", first.stderr, last.stderr));
    }
    match first.code {
        Some(0) => inspected(file, &first),
        Some(2) => refused(&first.stderr),
        code => Err(format!("{code:?}\n{}", first.stderr)),
    }
}

/// Checks a refusal: one error that says what the file is, and one thing to do.
fn refused(stderr: &str) -> Result<(), String> {
    let is_complete = stderr.lines().any(|line| line.starts_with("error: this "))
        && stderr.lines().any(|line| line.starts_with("help: "));
    if is_complete { Ok(()) } else { Err(format!("a refusal without help:\n{stderr}")) }
}

/// Pastes what `inspect` prints into a manifest, which has to be one that the host accepts.
fn inspected(file: &Path, shown: &Finished) -> Result<(), String> {
    let text = shown.text();
    let value = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(" = "));
    let call = value("call").ok_or_else(|| format!("no call to paste:\n{text}"))?;
    let name = call.trim_matches('"').split('.').next().unwrap_or_default();
    let mut manifest = format!("[components.{name}]\npath = \"{}\"\n", file.display());
    let imports = text.lines().map(str::trim).filter(|line| {
        (line.starts_with("[components.") && line.ends_with(".imports]")) || line.contains("\" = \"trap\"")
    });
    manifest.extend(imports.map(|line| format!("{line}\n")));
    let _ = writeln!(manifest, "[tasks.called]\ncall = {call}");
    let is_program = text.contains("wasi:cli/run@");
    if is_program {
        let command = value("command").ok_or_else(|| format!("no command to paste:\n{text}"))?;
        let _ = writeln!(manifest, "[tasks.run]\ncommand = {command}");
    }
    let checked = Project::new(&manifest).command("check").run();
    // A function lacks its arguments, which is all that may be wrong.
    let is_expected = |line: &&str| {
        line.starts_with("error: parameter `") || line.contains("in manifest.toml; nothing was run")
    };
    let errors = checked.stderr.lines().filter(|line| line.starts_with("error"));
    let is_accepted = if is_program { checked.code == Some(0) } else { matches!(checked.code, Some(0 | 2)) };
    if is_accepted && errors.clone().all(|line| is_expected(&line)) {
        return Ok(());
    }
    Err(format!("the lines of `inspect` are no manifest:\n{manifest}\n{}", checked.stderr))
}
