//! The languages whose components are built by one word, `build = "python"`: the script, and the tools that it needs.
//! `app/scaffold` has the files of a new folder.

use std::fs;
use std::fs::Metadata;
use std::path::Path;
use std::process::{Command, Stdio};

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
}

/// A tool that a build needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Its name, with the version that is needed.
    pub(crate) name: &'static str,
    /// A command of the shell that succeeds if it is there.
    probe: &'static str,
    /// The command that installs it, or an address.
    pub(crate) install: &'static str,
}

const CARGO: Tool =
    Tool { name: "Rust", probe: "command -v cargo", install: "install Rust: https://rustup.rs" };

const WASM_TARGET: Tool = Tool {
    name: "Rust's target wasm32-wasip2",
    probe: "test -d \"$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2\"",
    install: "rustup target add wasm32-wasip2",
};

const PYTHON: Tool = Tool {
    name: "Python 3.10 or later",
    probe: "python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'",
    install: "apt-get install python3 python3-venv",
};

const VENV: Tool = Tool {
    name: "Python's venv",
    probe: "python3 -c 'import venv, ensurepip'",
    install: "apt-get install python3-venv",
};

const NODE: Tool = Tool {
    name: "Node 20 or later",
    probe: "node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'",
    install: "install Node: https://nodejs.org",
};

const NPM: Tool = Tool { name: "npm", probe: "command -v npm", install: "apt-get install npm" };

/// Folders and files that are no sources, beside hidden ones: what builds and packages write, and what builds do not read.
const NO_SOURCES: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Extensions of files that no build reads.
const NO_SOURCE_EXTENSIONS: [&str; 3] = ["wasm", "toml", "md"];

impl Language {
    /// All languages, in the order of the manual.
    pub(crate) const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::JavaScript, Self::TypeScript];

    /// Returns the word of a manifest and of `new --lang`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
        }
    }

    /// Returns the name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
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

    const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Rust => &[CARGO, WASM_TARGET],
            Self::Python => &[PYTHON, VENV],
            Self::JavaScript | Self::TypeScript => &[NODE, NPM],
        }
    }

    /// Returns the tools that this machine lacks.
    pub(crate) fn missing_tools(self) -> Vec<Tool> {
        self.tools().iter().copied().filter(|tool| !tool.is_here()).collect()
    }

    /// Returns the commands that build a component in the folder of its sources.
    pub(crate) fn script(self, component: &str) -> String {
        let component = quoted(component);
        let checks = self.tools().iter().map(Tool::check);
        let build = match self {
            Self::Rust => "cargo build --release --target wasm32-wasip2".to_owned(),
            Self::Python => dated(
                &installed(".venv", "requirements.txt", PIP_INSTALL),
                ".venv",
                &format!(".venv/bin/componentize-py --quiet -d wit -w task componentize task -o {component}"),
                &component,
            ),
            Self::JavaScript => by_componentize_js("", "task.js", &component),
            Self::TypeScript => by_componentize_js(
                "npx --no-install esbuild task.ts --bundle --format=esm --log-level=warning \
                 --outfile=node_modules/.task.js\n",
                "node_modules/.task.js",
                &component,
            ),
        };
        checks.chain([build]).fold("set -e".to_owned(), |script, line| format!("{script}\n{line}"))
    }

    /// Returns whether a component is at least as new as every source in a folder. Cargo knows better than dates.
    pub(crate) fn is_current(self, folder: &Path, component: &Path) -> bool {
        match (self, fs::metadata(component)) {
            (Self::Rust, _) | (_, Err(_)) => false,
            (Self::Python | Self::JavaScript | Self::TypeScript, Ok(built)) => !has_newer(folder, &built),
        }
    }
}

impl Tool {
    fn is_here(&self) -> bool {
        let mut probe = Command::new("sh");
        probe.args(["-c", self.probe]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    /// Returns the line of a script that ends it if the tool is missing.
    fn check(&self) -> String {
        let Self { name, probe, install } = self;
        let message = quoted(&format!("{name} is missing: {install}"));
        format!("{probe} >/dev/null 2>&1 || {{ printf '%s\\n' {message} >&2; exit 1; }}")
    }
}

const PIP_INSTALL: &str =
    "python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt";

const NPM_INSTALL: &str = "npm install --loglevel=error --no-fund --no-audit";

fn by_componentize_js(bundle: &str, source: &str, component: &str) -> String {
    let build = format!(
        "{bundle}npx --no-install componentize-js {source} --wit wit --world-name task --disable fetch-event \
         --out {component} >/dev/null"
    );
    dated(&installed("node_modules", "package.json", NPM_INSTALL), "node_modules", &build, component)
}

/// Returns the line that installs packages into a folder, if that is older than the list of them.
fn installed(folder: &str, list: &str, install: &str) -> String {
    format!("[ {folder}/.installed -nt {list} ] || {{ {install} && touch {folder}/.installed; }}")
}

/// Returns lines that give a component the date at which its build began: a source that is saved meanwhile is newer.
fn dated(install: &str, folder: &str, build: &str, component: &str) -> String {
    format!("{install}\ntouch {folder}/.begun\n{build}\ntouch -r {folder}/.begun {component}")
}

/// Quotes a word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Returns whether a folder has a source that was changed after a component. What cannot be read counts as changed.
fn has_newer(folder: &Path, built: &Metadata) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    entries.flatten().any(|entry| {
        let (name, path) = (entry.file_name(), entry.path());
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let is_no_source = path
            .extension()
            .is_some_and(|extension| NO_SOURCE_EXTENSIONS.iter().any(|no_source| extension == *no_source));
        if is_hidden || is_no_source || NO_SOURCES.iter().any(|no_source| name == *no_source) {
            return false;
        }
        match entry.metadata() {
            Ok(found) if found.is_dir() => has_newer(&path, built),
            Ok(found) => found.modified().ok() > built.modified().ok(),
            Err(_) => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(is_current(Language::Python) && is_current(Language::TypeScript));
        assert!(!is_current(Language::Rust), "Cargo decides");
        file("wit/task.wit", 51);
        assert!(!is_current(Language::Python));
        fs::remove_file(&component).unwrap();
        assert!(!is_current(Language::Python), "there is none");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        let word = "it's $HOME `x` \\ \"y\"";
        let printed =
            Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
        assert_eq!(printed.stdout, word.as_bytes());
    }

    #[test]
    fn a_missing_tool_is_named_with_its_remedy() {
        let tool = Tool { name: "Nothing 9", probe: "command -v no-such-program", install: "install it" };
        assert!(!tool.is_here());
        let ended = Command::new("sh").args(["-c", &tool.check()]).output().unwrap();
        assert_eq!(
            (ended.status.code(), &*ended.stderr),
            (Some(1), &b"Nothing 9 is missing: install it\n"[..])
        );
    }
}
