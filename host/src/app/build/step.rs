//! The distinct build commands of a manifest and of those that it includes, in their order.
//! `build_process` runs them.

use crate::app::build::language::Language;
use crate::app::build::script::script;
use crate::graph::Manifests;
use crate::manifest::Component;
use crate::model::{Fault, Faults};
use std::path::{Path, PathBuf};

/// One command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildStep {
    /// The components that it builds.
    pub components: Vec<String>,
    /// The command, as the manifest writes it.
    pub written: String,
    /// The command, for the shell.
    pub command: String,
    /// The working directory.
    pub folder: PathBuf,
    /// Whether the component is as new as its sources, so that there is nothing to do.
    pub is_current: bool,
}

impl BuildStep {
    fn new(name: &str, component: &Component, build: &str) -> Self {
        let folder = component.build_dir.clone();
        let language = Language::named(build);
        let path = component.path().map(|(path, _)| &**path);
        let (command, is_current) = match (language, path) {
            (Some(language), Some(path)) => {
                (script(language, &beside(path, &folder)), language.is_current(&folder, path))
            }
            _ => (build.to_owned(), false),
        };
        Self { components: vec![name.to_owned()], written: build.to_owned(), command, folder, is_current }
    }
}

/// Returns a path as it reads in the folder where the command runs.
fn beside(path: &Path, folder: &Path) -> String {
    let inside = path.strip_prefix(folder).map(Path::to_owned);
    let path = inside.or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

/// Returns the distinct build commands of the manifests.
#[must_use]
pub(crate) fn build_steps(manifests: &Manifests) -> Vec<BuildStep> {
    let mut steps: Vec<BuildStep> = Vec::new();
    for (name, component) in manifests.components() {
        let Some(command) = &component.build else {
            continue;
        };
        let step = BuildStep::new(name.as_str(), component, command);
        let same = |other: &&mut BuildStep| other.command == step.command && other.folder == step.folder;
        match steps.iter_mut().find(same) {
            Some(other) => other.components.extend(step.components),
            None => steps.push(step),
        }
    }
    steps
}

/// Fails if a component with a build command is missing after the build.
pub(crate) fn check_built(manifests: &Manifests) -> Result<(), Faults> {
    let mut faults = Faults::none(manifests.sources().clone());
    for (name, component) in manifests.components() {
        if let (Some(_), Some((path, span))) = (&component.build, component.path())
            && let Err(error) = std::fs::metadata(path)
        {
            let fault = Fault::spanned(span.clone(), format!("there is no component `{name}`"));
            let fault = fault.note(format!("`{}`: {error}", path.display()));
            faults.push(fault.help(BUILD_LEFT_NO_FILE));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The help for a build command that did not create its component.
pub(crate) const BUILD_LEFT_NO_FILE: &str =
    "the build command ran but did not create this file: correct the `build` command or the `path`";
