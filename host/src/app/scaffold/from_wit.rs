//! The files of a new folder with a task for an interface that exists: its functions are to be written.
//! `sandbox` writes the source, `from_component` the manifest, and `languages` has the other files.

use crate::app::build::Language;
use crate::app::scaffold::from_component::{Existing, manifest_for};
use crate::app::scaffold::languages::{Template, template};
use crate::app::scaffold::new_file::NewFile;
use crate::app::scaffold::templates::readme;
use crate::model::Name;
use crate::sandbox::{Component, Skeleton, SkeletonLanguage, WitFile};
use std::path::Path;

/// The world that builds of all languages look for.
const WORLD: &str = "task";

/// Name of the component in the manifest.
const COMPONENT: &str = "task";

/// An interface for which a folder is made.
pub(crate) struct FromWit<'a> {
    /// Name of the pipeline.
    pub(crate) name: &'a str,
    /// The language.
    pub(crate) language: Language,
    /// The files of the WIT, and the path that they were read from.
    pub(crate) wit: (&'a Path, &'a [Vec<WitFile>]),
    /// The source.
    pub(crate) skeleton: &'a Skeleton,
    /// A component with the functions.
    pub(crate) loaded: &'a Component,
}

/// Returns the language of a skeleton; none if that has to be written by hand.
pub(crate) const fn skeleton_language(language: Language) -> Option<SkeletonLanguage> {
    Some(match language {
        Language::Rust => SkeletonLanguage::Rust,
        Language::Python => SkeletonLanguage::Python,
        Language::JavaScript => SkeletonLanguage::JavaScript,
        Language::TypeScript => SkeletonLanguage::TypeScript,
        Language::C => SkeletonLanguage::C,
        Language::Cpp => SkeletonLanguage::Cpp,
        Language::Zig => SkeletonLanguage::Zig,
        Language::Go => SkeletonLanguage::Go,
        Language::Nim => SkeletonLanguage::Nim,
        Language::AssemblyScript => return None,
    })
}

/// Returns the files of the folder.
pub(crate) fn files_from_wit(from: &FromWit<'_>) -> Vec<NewFile> {
    let FromWit { name, language, wit: (root, packages), skeleton, loaded } = from;
    let Template { component: path, sources, ignored, .. } = template(*language);
    let mut files: Vec<NewFile> =
        skeleton.sources.iter().map(|source| NewFile::new(&*source.path, &*source.content)).collect();
    let source = skeleton.sources.first().map_or("", |source| &*source.path);
    // The first file of a template is its task.
    files.extend(sources.iter().skip(1).map(|(path, text)| NewFile::new(*path, *text)));
    files.extend(packages.iter().flatten().map(|file| NewFile::new(place(root, &file.path), &*file.content)));
    if skeleton.world != WORLD {
        files.push(NewFile::new("wit/task-world.wit", world(skeleton)));
    }
    let existing = Existing {
        name,
        component: &Name::for_file(COMPONENT),
        source: &[("path", (*path).to_owned())],
        build: Some(*language),
        loaded,
    };
    files.push(NewFile::new("manifest.toml", manifest_for(&existing)));
    files.push(NewFile::new("README.md", readme(*language, (name, source))));
    files.push(NewFile::new(".gitignore", ignored));
    files
}

/// Returns the place of a file of WIT in the new folder. A file of another ending gets that of WIT, which tools look for.
fn place(root: &Path, file: &str) -> String {
    let file = Path::new(file);
    let inside = file.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
    let path = inside.or_else(|| file.file_name().map(Path::new)).unwrap_or(file);
    format!("wit/{}", path.with_extension("wit").display())
}

/// Returns a world of the name that builds look for, with all that the world of the interface has.
fn world(skeleton: &Skeleton) -> String {
    format!(
        "package {};\n\n/// The world of the task, by the name that builds look for.\nworld {WORLD} {{\n    include {};\n}}\n",
        skeleton.package, skeleton.world
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_places_below_the_folder() {
        assert_eq!(place(Path::new("a/wit"), "a/wit/deps/io/io.wit"), "wit/deps/io/io.wit");
        assert_eq!(place(Path::new("a/one.wit"), "a/one.wit"), "wit/one.wit");
        assert_eq!(place(Path::new("a/one.txt"), "a/one.txt"), "wit/one.wit");
    }
}
