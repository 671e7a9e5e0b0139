//! The languages whose components are built by one word, `build = "python"`: names, tools, and what counts as a source.
//! `script` has the commands, and `app/scaffold` the files of a new folder.

use crate::app::build::tools;
use crate::app::build::tools::Tool;
use crate::sandbox::Generator;
use std::fs;
use std::fs::Metadata;
use std::path::Path;

/// A language with a toolchain that the host knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Rust, by Cargo.
    Rust,
    /// Python, by componentize-py.
    Python,
    /// JavaScript, by componentize-js.
    JavaScript,
    /// TypeScript, by esbuild and componentize-js.
    TypeScript,
    /// C, by Zig's compiler over the bindings of this host.
    C,
    /// C++, likewise, without exceptions.
    Cpp,
    /// Zig, over the same bindings.
    Zig,
    /// Go, over bindings of its own.
    Go,
    /// `AssemblyScript`, by its compiler; it has no bindings.
    AssemblyScript,
    /// Nim, which becomes C, over the bindings of C.
    Nim,
}

/// Folders and files that are no sources, beside hidden ones: what builds and packages write, and what builds do not read.
const NO_SOURCES: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Folder of the bindings that a build writes.
pub(crate) const BINDINGS: &str = "bindings";

/// Extensions of files that no build reads.
const NO_SOURCE_EXTENSIONS: [&str; 3] = ["wasm", "toml", "md"];

impl Language {
    /// All languages, in the order of the manual.
    pub(crate) const ALL: [Self; 10] = [
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::C,
        Self::Cpp,
        Self::Zig,
        Self::Go,
        Self::AssemblyScript,
        Self::Nim,
    ];

    /// Returns whether a component imports all that its world does. Those of other languages import what they call.
    pub(crate) const fn keeps_imports(self) -> bool {
        matches!(self, Self::Python | Self::JavaScript | Self::TypeScript)
    }

    /// Returns the word of a manifest and of `new --lang`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Zig => "zig",
            Self::Go => "go",
            Self::AssemblyScript => "assemblyscript",
            Self::Nim => "nim",
        }
    }

    /// Returns the name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Zig => "Zig",
            Self::Go => "Go",
            Self::AssemblyScript => "AssemblyScript",
            Self::Nim => "Nim",
        }
    }

    /// Returns the language that a build command names.
    pub(crate) fn named(build: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.key() == build.trim())
    }

    /// Parses the word of a user, which may be a short one.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        let long = match word {
            "js" => "javascript",
            "ts" => "typescript",
            "py" => "python",
            "rs" => "rust",
            "c++" | "cxx" => "cpp",
            "golang" => "go",
            "as" => "assemblyscript",
            _ => word,
        };
        Self::named(long).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::key).collect();
            format!(
                "the languages are {}; for any other, build a component and use `--from`",
                known.join(", ")
            )
        })
    }

    /// Returns the tools that a build needs.
    pub(crate) const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Rust => &[tools::CARGO, tools::WASM_TARGET],
            Self::Python | Self::C | Self::Cpp | Self::Zig => &[tools::PYTHON, tools::VENV],
            Self::JavaScript | Self::TypeScript | Self::AssemblyScript => &[tools::NODE, tools::NPM],
            Self::Go => &[tools::GO],
            Self::Nim => &[tools::NIM, tools::PYTHON, tools::VENV],
        }
    }

    /// Returns the bindings that this host writes for the language, or why it writes none.
    pub(crate) const fn generator(self) -> Result<Generator, &'static str> {
        match self {
            Self::C | Self::Cpp | Self::Zig | Self::Nim => Ok(Generator::C),
            Self::Go => Ok(Generator::Go),
            Self::Rust => Err("the macro `wit_bindgen::generate!` writes them as the crate is built"),
            Self::Python => Err(
                "componentize-py writes them as the component is built; to read them: `componentize-py bindings`",
            ),
            Self::JavaScript | Self::TypeScript => Err("componentize-js needs none"),
            Self::AssemblyScript => {
                Err("nobody writes any: the template of `new --lang assemblyscript` shows how to do without")
            }
        }
    }

    /// Returns the tools that this machine lacks.
    pub(crate) fn missing_tools(self) -> Vec<Tool> {
        self.tools().iter().copied().filter(|tool| !tool.is_here()).collect()
    }

    /// Returns whether a component is at least as new as every source in a folder. Cargo knows better than dates.
    pub(crate) fn is_current(self, folder: &Path, component: &Path) -> bool {
        match (self, fs::metadata(component)) {
            (Self::Rust, _) | (_, Err(_)) => false,
            (_, Ok(built)) => {
                let bindings = self.generator().is_ok().then_some(BINDINGS);
                !has_newer(folder, &built, bindings)
            }
        }
    }
}

/// Returns whether a folder has a source that was changed after a component. `written` is a folder that builds write.
/// What cannot be read counts as changed.
fn has_newer(folder: &Path, built: &Metadata, written: Option<&str>) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    entries.flatten().any(|entry| {
        let (name, path) = (entry.file_name(), entry.path());
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let is_no_source = path
            .extension()
            .is_some_and(|extension| NO_SOURCE_EXTENSIONS.iter().any(|no_source| extension == *no_source));
        let is_written = written.is_some_and(|written| name == written);
        if is_hidden || is_no_source || is_written || NO_SOURCES.iter().any(|no_source| name == *no_source) {
            return false;
        }
        match entry.metadata() {
            Ok(found) if found.is_dir() => has_newer(&path, built, written),
            Ok(found) => found.modified().ok() > built.modified().ok(),
            Err(_) => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_component_is_current_until_a_source_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, seconds: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let touched = Command::new("touch").arg(format!("--date=@{seconds}")).arg(&path).status();
            assert!(touched.unwrap().success());
            path
        };
        let component = file("task.wasm", 50);
        let is_current = |language: Language| language.is_current(folder.path(), &component);
        file("task.py", 40);
        file("wit/task.wit", 50);
        for newer in ["manifest.toml", "README.md", ".venv/x.py", "node_modules/x.js", "__pycache__/task.pyc"]
        {
            file(newer, 60);
        }
        file("bindings/task.c", 60);
        assert!(is_current(Language::C) && is_current(Language::Go) && !is_current(Language::TypeScript));
        fs::remove_dir_all(folder.path().join("bindings")).unwrap();
        assert!(is_current(Language::Python) && is_current(Language::TypeScript));
        assert!(!is_current(Language::Rust), "Cargo decides");
        file("wit/task.wit", 51);
        assert!(!is_current(Language::Python));
        fs::remove_file(&component).unwrap();
        assert!(!is_current(Language::Python), "there is none");
    }
}
