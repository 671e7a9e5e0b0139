//! `schema`: every sound manifest of the repository satisfies it, and the mistakes that it knows are refused.
//! That it has the parser's keys is tested beside the code.

use boon::{Compiler, SchemaIndex, Schemas};
use cascade_host_tests::{Host, repository};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Golden cases whose mistakes a schema does not know: those of components, names and types, across keys, within texts such
/// as grants and paths, and dates, which JSON does not have.
const UNKNOWN_TO_SCHEMAS: &str = include_str!("../../cases/schema-accepts.txt");

struct Checker {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Checker {
    fn new() -> Self {
        let schema = Host::new(["schema"]).run().expect(0).json();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("manifest.json", schema).expect("the schema is a resource");
        let index = compiler.compile("manifest.json", &mut schemas).expect("the schema is one");
        Self { schemas, index }
    }

    /// Returns what the schema finds in a manifest; an empty text if it is TOML that satisfies it.
    fn faults(&self, text: &str) -> String {
        let manifest: Value = match toml::from_str::<toml::Table>(text) {
            Ok(table) => serde_json::to_value(table).expect("TOML is JSON, but for dates"),
            Err(error) => return error.to_string(),
        };
        self.schemas
            .validate(&manifest, self.index)
            .map_or_else(|error| format!("{error:#}"), |()| String::new())
    }
}

/// Returns the manifests below a folder of the repository.
fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(&*name, "target" | "node_modules" | ".venv" | ".git" | "cases") {
            manifests(&path, found);
        } else if path.extension().is_some_and(|end| end == "toml") && is_manifest(&path) {
            found.push(path);
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line.starts_with("cascade = ")))
}

#[test]
fn every_manifest_of_the_repository_satisfies_it() {
    let checker = Checker::new();
    let mut found = Vec::new();
    manifests(repository(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    let wrong = found.iter().filter_map(|path| {
        let faults = checker.faults(&fs::read_to_string(path).expect("it is text"));
        (!faults.is_empty()).then(|| format!("{}: {faults}", path.display()))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whole_manifests_of_the_manual_satisfy_it() {
    let checker = Checker::new();
    let mut count = 0;
    for page in fs::read_dir(repository().join("host/docs")).expect("the manual is there").flatten() {
        let Ok(text) = fs::read_to_string(page.path()) else { continue };
        for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("\n```")) {
            if block.0.lines().any(|line| line.starts_with("cascade = 1")) {
                assert_eq!(checker.faults(block.0), "", "{}:\n{}", page.path().display(), block.0);
                count += 1;
            }
        }
    }
    assert!(count > 3, "{count}");
}

#[test]
fn golden_mistakes_that_a_schema_can_know_are_refused() {
    let checker = Checker::new();
    let folder = repository().join("tests/cases/manifest");
    let mut accepted: Vec<String> = Vec::new();
    for case in fs::read_dir(folder).expect("the cases are there").flatten() {
        let Ok(text) = fs::read_to_string(case.path().join("manifest.toml")) else { continue };
        if checker.faults(&text).is_empty() {
            accepted.push(case.file_name().to_string_lossy().into_owned());
        }
    }
    accepted.sort();
    assert_eq!(
        accepted.join("\n"),
        UNKNOWN_TO_SCHEMAS.trim_end(),
        "read the difference: may a schema know it?"
    );
}
