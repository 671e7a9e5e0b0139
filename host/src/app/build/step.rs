//! The build commands of a manifest, each distinct one once, in the manifest's order.
//! How one is run is for `building`.

use crate::manifest::Manifest;
use std::path::PathBuf;

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
