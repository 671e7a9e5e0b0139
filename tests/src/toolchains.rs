//! Toolchains of the languages that `new --lang` knows, each installed once from its registry and shared by all tests.
//! `guests` builds what needs none of them.

use crate::guests::{is_declined, repository, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A language whose components the host builds by `build = "LANG"`, with the folder that its packages are installed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// The word of the manifest.
    pub key: &'static str,
    /// The template of `host/templates` that lists its packages.
    packages: &'static str,
    /// Words of `CASCADE_TEST_WITHOUT`, each of which stands for something that the language needs.
    needs: &'static [&'static str],
}

const PIP: &[&str] = &["python", "pypi"];
const NPM: &[&str] = &["javascript", "npm"];

/// All of them but Rust, which `build_rust_guests` builds.
pub const LANGUAGES: [Language; 9] = [
    Language { key: "python", packages: "python", needs: PIP },
    Language { key: "javascript", packages: "typescript", needs: NPM },
    Language { key: "typescript", packages: "typescript", needs: NPM },
    Language { key: "c", packages: "c", needs: PIP },
    Language { key: "cpp", packages: "c", needs: PIP },
    Language { key: "zig", packages: "c", needs: PIP },
    Language { key: "go", packages: "go", needs: PIP },
    Language { key: "assemblyscript", packages: "assemblyscript", needs: NPM },
    Language { key: "nim", packages: "c", needs: &["python", "pypi", "nim"] },
];

impl Language {
    /// Returns the language of that word.
    pub fn of(key: &str) -> Self {
        LANGUAGES.into_iter().find(|language| language.key == key).expect("it is a language")
    }

    /// Returns whether the user declared that this machine cannot have the toolchain.
    pub fn is_declined(self) -> bool {
        self.needs.iter().any(|word| is_declined(word))
    }

    const fn is_of_npm(self) -> bool {
        matches!(self.packages.as_bytes(), b"typescript" | b"assemblyscript")
    }

    /// Puts the packages into a folder with sources, as a build would install them there: by links to the shared files.
    pub fn install_into(self, folder: &Path) {
        let (list, packages) =
            if self.is_of_npm() { ("package.json", "node_modules") } else { ("requirements.txt", ".venv") };
        let shared = self.installed(list, packages).join(packages);
        let target = folder.join(packages);
        let wanted = fs::read(shared.with_file_name(list)).expect("it was installed by its list");
        let marker = target.join(".installed");
        if fs::read(&marker).ok().as_ref() != Some(&wanted) {
            let _ = fs::remove_dir_all(&target);
            let mut copy = Command::new("cp");
            copy.arg("-al").arg(&shared).arg(&target);
            run(
                &mut copy,
                "the folder of temporary files has to be on the disk of the repository: set TMPDIR",
            );
        }
        // It is newer than the list now, as after an installation.
        fs::write(marker, wanted).expect("it is a copy of ours");
    }

    /// Installs the packages of the template into a folder of `target`, and returns it.
    fn installed(self, list: &str, packages: &str) -> PathBuf {
        static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one_at_a_time = LOCK.lock();
        let folder = repository().join("tests/guests/target/toolchains").join(self.packages);
        let wanted =
            fs::read(repository().join("host/templates").join(self.packages).join(list)).expect("a template");
        if fs::read(folder.join(list)).ok().as_ref() != Some(&wanted) || !folder.join("complete").exists() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("the target folder can be made");
            fs::write(folder.join(list), &wanted).expect("it is ours");
            let install = if packages == ".venv" {
                "python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt"
            } else {
                "npm install --loglevel=error --no-fund --no-audit"
            };
            let mut shell = Command::new("sh");
            shell.current_dir(&folder).args(["-c", install]);
            let words = self.needs.join(",");
            run(&mut shell, &format!("it needs its registry; CASCADE_TEST_WITHOUT={words} does without"));
            fs::write(folder.join("complete"), "").expect("it is ours");
        }
        folder
    }
}

/// Returns variables for builds, by which Zig keeps what it compiles once for all.
pub fn build_variables() -> [(&'static str, String); 2] {
    let cache =
        |name: &str| repository().join("tests/guests/target/toolchains").join(name).display().to_string();
    [("ZIG_GLOBAL_CACHE_DIR", cache("zig-cache")), ("GOCACHE", cache("go-cache"))]
}

/// Returns the folder in which all languages of `tests/guests/polyglot` are ready to be built, each in a folder of its own.
pub fn polyglot_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = repository().join("tests/guests/target/polyglot");
        for language in LANGUAGES.into_iter().filter(|language| !language.is_declined()) {
            let target = folder.join(language.key);
            let source = repository().join("tests/guests/polyglot");
            copy(&source.join(language.key), &target);
            let wit = if language.key == "assemblyscript" { "wit-root" } else { "wit" };
            copy(&source.join(wit), &target.join("wit"));
            let list = if language.is_of_npm() { "package.json" } else { "requirements.txt" };
            let template = repository().join("host/templates").join(language.packages).join(list);
            copy(&template, &target.join(list));
            language.install_into(&target);
        }
        folder
    })
}

/// Copies a file, or the files of a folder, with their dates. Links are followed.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("below the target folder")).expect("it can be made");
    let mut copy = Command::new("cp");
    copy.args(["-rpLT"]).arg(from).arg(to);
    run(&mut copy, "cp of the GNU project");
}
