//! Manifests with one mistake each, and the host's exact output.
//! `BLESS=1 cargo test -p cascade-host-tests golden` rewrites the expectations; review them before committing.

use cascade_host_tests::{Host, repository};
use std::fs;
use std::path::{Path, PathBuf};

/// Minimum number of cases, so that a suite that finds no cases fails.
const FEWEST: usize = 100;

#[test]
fn every_mistake_has_its_golden_error() {
    let folders = cases("manifest");
    assert!(folders.len() >= FEWEST, "only {} cases", folders.len());
    let faults: Vec<String> = folders.iter().filter_map(|folder| fault(folder)).collect();
    assert!(faults.is_empty(), "{}\n{} of {} cases differ", faults.join("\n"), faults.len(), folders.len());
}

/// Returns the folders of a kind of cases, sorted by name.
fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = repository().join("tests/cases").join(kind);
    let entries = fs::read_dir(&folder).expect("the cases are there").flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("manifest.toml").is_file()).collect();
    folders.sort();
    folders
}

/// Returns whether expectations are rewritten instead of compared.
#[expect(clippy::disallowed_methods, reason = "the ban is for the host")]
fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Returns the difference between a case and its expectation, if any.
fn fault(folder: &Path) -> Option<String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let finished = Host::new(["check", "manifest.toml"]).within(folder).run();
    if finished.code != Some(2) || !finished.stdout.is_empty() {
        return Some(format!("== {name}: exit code {:?} in place of 2\n{}", finished.code, finished.stderr));
    }
    let expected = folder.join("expected.err");
    if is_blessing() {
        fs::write(&expected, &finished.stderr).expect("the case can be written");
        return None;
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    (expected != finished.stderr)
        .then(|| format!("== {name}: expected\n{expected}== found\n{}", finished.stderr))
}
