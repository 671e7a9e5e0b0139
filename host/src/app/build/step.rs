//! The distinct build commands of a manifest and of those that it includes, in their order.
//! `build_process` runs them.

use crate::graph::Manifests;
use crate::model::{Fault, Faults};
use std::path::PathBuf;

/// One command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildStep {
    /// The components that it builds.
    pub components: Vec<String>,
    /// The command, for the shell.
    pub command: String,
    /// The working directory.
    pub folder: PathBuf,
}

/// Returns the distinct build commands of the manifests.
#[must_use]
pub(crate) fn build_steps(manifests: &Manifests) -> Vec<BuildStep> {
    let mut steps: Vec<BuildStep> = Vec::new();
    for (name, component) in manifests.components() {
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

/// Fails if a component with a build command is missing after the build.
pub(crate) fn check_built(manifests: &Manifests) -> Result<(), Faults> {
    let mut faults = Faults::none(manifests.sources().clone());
    for (name, component) in manifests.components() {
        if let (Some(_), Some(path)) = (&component.build, &component.path)
            && let Err(error) = std::fs::metadata(&path.value)
        {
            let fault = Fault::spanned(path.span.clone(), format!("there is no component `{name}`"));
            let fault = fault.note(format!("`{}`: {error}", path.value.display()));
            faults.push(fault.help(BUILD_LEFT_NO_FILE));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The help for a build command that did not create its component.
pub(crate) const BUILD_LEFT_NO_FILE: &str =
    "the build command ran but did not create this file: correct the `build` command or the `path`";
