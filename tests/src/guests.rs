//! Builds components from source, each toolchain once per test process. cargo, pip and npm cache their work.
//! The tests choose the guests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A toolchain that a machine may lack. Users skip its tests with a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// Python 3.10 or later, with `venv` and PyPI.
    Python,
    /// Node 20 or later, with npm.
    JavaScript,
}

/// Targets of Rust: components for WASI 0.2, and modules of WASI preview 1.
const WASI: &str = "wasm32-wasip2";
const PREVIEW1: &str = "wasm32-wasip1";

impl Toolchain {
    /// Returns whether the user declared in `CASCADE_TEST_WITHOUT` that this machine cannot have it.
    pub fn is_declined(self) -> bool {
        let name = match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        };
        is_declined(name)
    }
}

/// Returns whether the user declared by `CASCADE_TEST_WITHOUT` that this machine lacks something; `tests/run` lists the
/// words.
pub fn is_declined(name: &str) -> bool {
    variable("CASCADE_TEST_WITHOUT").split(',').any(|word| word.trim() == name)
}

/// Returns a variable of the test process; empty if it is unset.
#[expect(
    clippy::disallowed_methods,
    reason = "the ban is for the host; variables tell the tests what to skip"
)]
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Returns the root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a folder of the repository")
}

fn guests() -> PathBuf {
    repository().join("tests/guests")
}

/// Builds the Rust guests, and returns the folder of their components.
pub fn build_rust_guests() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // By themselves, because features of wit-bindgen are shared by what is built together: with those of async
        // functions, all guests would need an engine for them.
        cargo_wasm(&guests(), WASI, &["--workspace", "--exclude", "flows"]);
        cargo_wasm(&guests(), WASI, &["--package", "flows"]);
        guests().join("target").join(WASI).join("release")
    })
}

/// Builds the guests that are modules of WASI preview 1, and returns their folder.
pub fn build_preview1_guests() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        cargo_wasm(&guests(), PREVIEW1, &["--package", "preview1"]);
        guests().join("target").join(PREVIEW1).join("release")
    })
}

/// Assembles the text of a guest, `tests/guests/hostile/NAME.wat`.
pub fn assemble(name: &str) -> Vec<u8> {
    let path = guests().join("hostile").join(format!("{name}.wat"));
    wat::parse_file(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// Builds the plugins, and returns the folder of their components.
pub fn build_plugins() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let plugins = repository().join("plugins");
        // SQLite needs a compiler of C for wasm: `build_sql`.
        cargo_wasm(&plugins, WASI, &["--workspace", "--exclude", "sql-tasks"]);
        plugins.join("target").join(WASI).join("release")
    })
}

/// Builds the plugin `sql` by its script, whose compiler comes from PyPI.
pub fn build_sql() {
    static BUILT: OnceLock<()> = OnceLock::new();
    let script = repository().join("plugins/sql/build.sh");
    let mut build = Command::new(script);
    build.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    BUILT.get_or_init(|| run(&mut build, "apt-get install python3-venv"));
}

/// Builds the Python guest, and returns its component.
pub fn build_python() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| python("app", "python/wit"))
}

/// Builds the guest `shapes` in Python, and returns its component.
pub fn build_python_shapes() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| python("shapes", "shapes/wit"))
}

/// Builds the guest `later` in Python, which has async functions, and returns its component.
pub fn build_python_later() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| python("later", "python/wit-later"))
}

/// Builds `python/NAME.py` for the world NAME of the WIT in a folder.
fn python(name: &str, wit: &str) -> PathBuf {
    let folder = guests();
    let source = format!("python/{name}.py");
    let built = folder.join("target").join(if name == "app" {
        "python.wasm".to_owned()
    } else {
        format!("python-{name}.wasm")
    });
    let sources = [source.as_str(), wit, "python/requirements.txt"].map(|source| folder.join(source));
    let tool = componentize_py();
    if is_older(&built, &sources) {
        let mut command = Command::new(tool);
        command.current_dir(&folder).args([
            "-d",
            wit,
            "-w",
            name,
            "componentize",
            "-p",
            "python",
            name,
            "-o",
        ]);
        run(command.arg(&built), "see tests/guests/README.md");
    }
    built
}

/// Installs componentize-py, once per test process.
fn componentize_py() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let venv = guests().join("target/venv");
        let tool = venv.join("bin/componentize-py");
        if !tool.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "apt-get install python3-venv");
            let pip = venv.join("bin/pip");
            let requirements = guests().join("python/requirements.txt");
            run(
                Command::new(pip).args(["install", "-q", "-r"]).arg(requirements),
                "give this machine access to PyPI",
            );
        }
        tool
    })
}

/// Returns a Python with MessagePack and a Redis client but nothing of this project.
pub fn python_client() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let venv = guests().join("target/client");
        let python = venv.join("bin/python");
        if !venv.join("made").exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "apt-get install python3-venv");
            let pip = venv.join("bin/pip");
            let packages = ["install", "-q", "msgpack==1.2.4", "redis==8.1.0"];
            run(Command::new(pip).args(packages), "give this machine access to PyPI");
            std::fs::write(venv.join("made"), "").expect("the folder can be written");
        }
        python
    })
}

/// Builds the JavaScript guest, and returns its component.
pub fn build_javascript() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| javascript("app", "wit", "javascript.wasm"))
}

/// Builds the guest `shapes` in JavaScript, and returns its component.
pub fn build_javascript_shapes() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| javascript("shapes", "../shapes/wit", "javascript-shapes.wasm"))
}

/// Builds the guest `later` in JavaScript with componentize-qjs, which uses the async ABI by default, and returns its
/// component.
pub fn build_javascript_later() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = install_componentize_js();
        let built = guests().join("target/javascript-later.wasm");
        let sources = ["later.js", "wit-later", "package.json"].map(|source| folder.join(source));
        if is_older(&built, &sources) {
            std::fs::create_dir_all(guests().join("target")).expect("the target folder can be made");
            let mut command = Command::new(folder.join("node_modules/.bin/componentize-qjs"));
            command.current_dir(folder).args(["-w", "wit-later", "-j", "later.js", "-o"]).arg(&built);
            run(&mut command, "see tests/guests/README.md");
        }
        built
    })
}

/// Builds `javascript/NAME.js` for the world NAME of the WIT in a folder.
fn javascript(name: &str, wit: &str, output: &str) -> PathBuf {
    let folder = install_componentize_js();
    let source = format!("{name}.js");
    let built = guests().join("target").join(output);
    let sources = [source.as_str(), "build.mjs", wit, "package.json"].map(|source| folder.join(source));
    if is_older(&built, &sources) {
        std::fs::create_dir_all(guests().join("target")).expect("the target folder can be made");
        let mut command = Command::new("node");
        command.arg(folder.join("build.mjs")).arg(&built).args([source.as_str(), wit, name]);
        run(&mut command, "see tests/guests/README.md");
    }
    built
}

/// Installs componentize-js and componentize-qjs, once per test process, and returns the folder of the guests.
fn install_componentize_js() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = guests().join("javascript");
        if !folder.join("node_modules/componentize-qjs").exists() {
            let mut command = Command::new("npm");
            command.current_dir(&folder).args([
                "install",
                "--silent",
                "--no-package-lock",
                "--no-fund",
                "--no-audit",
            ]);
            run(
                &mut command,
                "apt-get install nodejs npm (Node 20 or later), with access to the npm registry",
            );
        }
        folder
    })
}

fn cargo_wasm(folder: &Path, target: &str, arguments: &[&str]) {
    let mut command = Command::new("cargo");
    command.current_dir(folder).args(["build", "--release", "--quiet", "--locked", "--target", target]);
    command.args(arguments);
    // The outer cargo's variables concern the host's build, not this one.
    command.args(["--target-dir", "target"]).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    run(&mut command, &format!("rustup target add {target}"));
}

/// Runs a tool that has to succeed; `remedy` says what to do if it cannot.
pub(crate) fn run(command: &mut Command, remedy: &str) {
    try_run(command, remedy).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Runs a tool, and returns what its failure was; `remedy` says what to do about it.
pub(crate) fn try_run(command: &mut Command, remedy: &str) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Err(format!("{shown} failed; if something is not installed: {remedy}\n{stderr}"))
        }
        Err(error) => Err(format!("{shown} cannot be started: {error}; install it: {remedy}")),
    }
}

/// Returns whether a file is missing, or older than one of its sources.
fn is_older(built: &Path, sources: &[PathBuf]) -> bool {
    let time = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let Some(built) = time(built) else { return true };
    sources.iter().filter_map(|source| newest(source)).any(|source| source > built)
}

#[expect(clippy::disallowed_types, reason = "the ban is for the host; here files are compared by age")]
fn newest(path: &Path) -> Option<std::time::SystemTime> {
    let own = std::fs::metadata(path).and_then(|data| data.modified()).ok()?;
    let Ok(entries) = std::fs::read_dir(path) else { return Some(own) };
    entries.flatten().filter_map(|entry| newest(&entry.path())).chain([own]).max()
}
