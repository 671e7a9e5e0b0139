//! Runs the programs of the public WASI test suite with the real binary, each by its specification.
//! The programs are foreign and not in this repository: `tests/README.md` names their source, and how to build them.

use cascade_host_tests::{Finished, Project};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Programs that do not apply, with the reason.
const APART: [(&str, &str); 3] = [
    ("args_get-multiple-arguments", "an assertion of the adapter from preview 1 fails"),
    ("environ_get-multiple-variables", "an assertion of the adapter from preview 1 fails"),
    ("fd_write-to-invalid-fd", "the adapter from preview 1 looks at no descriptor where nothing is written"),
];

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (mut passed, mut apart, mut wrong) = (0, 0, 0);
    for component in folders.iter().flat_map(|folder| components(folder)) {
        let name = component.file_stem().unwrap_or_default().to_string_lossy();
        if let Some((_, why)) = APART.iter().find(|(apart, _)| *apart == name) {
            apart += 1;
            println!("apart    {name}: {why}");
            continue;
        }
        match judge(&component) {
            Ok(()) => passed += 1,
            Err(finished) => {
                wrong += 1;
                println!("WRONG    {name}: exit code {:?}\n{}", finished.code, finished.stderr);
            }
        }
    }
    println!("{passed} as expected, {wrong} not, {apart} do not apply");
    if wrong == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn components(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there").flatten();
    let mut components: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    components.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    components.sort();
    components
}

/// Runs one program as the only task of a manifest, as its specification requires.
fn judge(component: &Path) -> Result<(), Finished> {
    let text = std::fs::read_to_string(component.with_extension("json")).unwrap_or_else(|_| "{}".to_owned());
    let wanted: Value = serde_json::from_str(&text).expect("a specification is JSON");
    let root = wanted["root"].as_str();
    let project = Project::new(&format!(
        "[components.p]\npath = {:?}\n[components.p.grants]\nclock = true\nrandom = true\n{}{}\n\
         [tasks.t]\ncall = \"p.run\"\ntimeout = \"20s\"\n",
        component.display().to_string(),
        words(&wanted),
        root.map_or("", |_| "write = [\"root:/\"]"),
    ));
    if let Some(root) = root {
        copy(&component.with_file_name(root), &project.folder().join("root"));
    }
    let finished = project.run();
    let events = project.events();
    let written = events.of("task.log").filter(|event| event["stream"] == "stdout");
    let written: String = written.filter_map(|event| event["text"].as_str()).collect();
    let is_right = match wanted["exit_code"].as_i64() {
        None | Some(0) => finished.code == Some(0),
        Some(_) => finished.code == Some(1) && finished.stderr.contains("the function returned an error"),
    };
    let is_told = wanted["stdout"].as_str().is_none_or(|text| text.trim_end() == written.trim_end());
    if is_right && is_told { Ok(()) } else { Err(finished) }
}

/// Returns the manifest lines for arguments and variables.
fn words(wanted: &Value) -> String {
    let args = wanted["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let args: Vec<&str> = args.collect();
    let env = wanted["env"].as_object().into_iter().flatten();
    let env: Vec<String> =
        env.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    // Rust's `Debug` form of these lists is valid TOML.
    format!("args = {args:?}\nenv = {env:?}\n")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}
