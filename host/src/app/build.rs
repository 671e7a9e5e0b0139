//! Runs the build commands of a manifest's components, each distinct one once, in the manifest's order.
//! Where what they print goes is handed in.

use crate::app::Refusal;
use crate::manifest::Manifest;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// One command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// The components that it builds.
    pub components: Vec<String>,
    /// The command, for the shell.
    pub command: String,
    /// Where it runs.
    pub folder: PathBuf,
}

/// The distinct build commands of a manifest.
#[must_use]
pub fn build_steps(manifest: &Manifest) -> Vec<BuildStep> {
    let mut steps: Vec<BuildStep> = Vec::new();
    for (name, component) in &manifest.components {
        let Some(command) = &component.build else {
            continue;
        };
        let same = |step: &&mut BuildStep| step.command == *command && step.folder == component.build_dir;
        match steps.iter_mut().find(same) {
            Some(step) => step.components.push(name.to_string()),
            None => steps.push(BuildStep {
                components: vec![name.to_string()],
                command: command.clone(),
                folder: component.build_dir.clone(),
            }),
        }
    }
    steps
}

/// Runs one command to its end; what it prints goes to `out`.
pub fn build(step: &BuildStep, out: Stdio) -> Result<(), Refusal> {
    let what = format!("the build command of {}", step.components.join(", "));
    let status = Command::new("sh")
        .arg("-c")
        .arg(&step.command)
        .current_dir(&step.folder)
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .map_err(|error| {
            Refusal::new(format!("cannot start {what} in `{}`", step.folder.display()))
                .help("`build-dir` is relative to the manifest's folder and must exist")
                .caused_by(error)
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Refusal::new(format!("{what} failed: {status}"))
        .note(format!("it was `{}` in `{}`", step.command, step.folder.display()))
        .help("what it printed stands above"))
}
