//! What `host/packaging/make` makes of the binary under test, and what is in the crate that can be published.
//! The Debian package is installed, used and removed in a Debian of its own, which is kept for the next run of the tests.

use crate::guests::Guest;
use cascade_host_tests::{binary, build_rust_guests, is_declined, package_cache, repository};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The user in that Debian.
const USER: &str = "2001";

/// Runs a program, and returns its stdout.
#[track_caller]
fn stdout(command: &mut Command) -> String {
    let output = finished(command);
    String::from_utf8(output.stdout).expect("it prints text")
}

#[track_caller]
fn finished(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Returns the folder of what was made, and what the script said.
fn made() -> &'static (TempDir, String) {
    static MADE: OnceLock<(TempDir, String)> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = scratch();
        // The lines of the debug profile are most of its size.
        let stripped = folder.path().join("cascade-host");
        finished(Command::new("strip").args(["--strip-debug", "-o"]).arg(&stripped).arg(binary()));
        let mut make = Command::new(repository().join("host/packaging/make"));
        make.args(["--without-sbom", "--compression", "none", "--binary"]).arg(&stripped);
        let output = finished(make.arg("--out").arg(folder.path().join("out")));
        (folder, String::from_utf8_lossy(&output.stderr).into_owned())
    })
}

/// Creates a folder on the disk of the repository.
fn scratch() -> TempDir {
    let parent = repository().join("target/packaging");
    fs::create_dir_all(&parent).expect("the target folder can be made");
    tempfile::Builder::new().prefix("test.").tempdir_in(parent).expect("it is writable")
}

/// Returns the only file that was made with this ending.
fn made_file(ending: &str) -> PathBuf {
    let files = fs::read_dir(made().0.path().join("out")).expect("it was made").flatten();
    let mut found = files.map(|file| file.path()).filter(|path| path.display().to_string().ends_with(ending));
    let file = found.next().unwrap_or_else(|| panic!("no file ends with {ending}"));
    assert_eq!(found.next(), None);
    file
}

/// Returns the folder of a Debian with the packages that every Debian has, of the release and from the mirror of this
/// machine.
fn debian() -> PathBuf {
    let release =
        stdout(Command::new("sh").args(["-c", ". /etc/os-release; printf %s \"$VERSION_CODENAME\""]));
    let folder = package_cache().join(format!("debian-{release}"));
    if !folder.exists() {
        let sites = stdout(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(RELEASE) $(SITE)",
            "Created-By: Packages",
        ]));
        let site = sites.lines().find_map(|line| line.strip_prefix(&format!("{release} ")));
        let site = site.expect("the release of this machine is in its sources of packages");
        let parent = scratch();
        let new = parent.path().join("root");
        let mut make = Command::new("debootstrap");
        finished(make.args(["--variant=minbase", &release]).arg(&new).arg(site));
        fs::create_dir_all(package_cache()).expect("the cache folder can be made");
        fs::rename(new, &folder).expect("both are below the target folder");
    }
    folder
}

/// A copy of that Debian, for one test.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = scratch();
        finished(
            Command::new("cp").args(["-a", "--reflink=auto"]).arg(debian()).arg(folder.path().join("root")),
        );
        let machine = Self { folder };
        fs::create_dir_all(machine.root().join("srv/user")).expect("it is ours");
        machine
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn file(&self, name: &str, content: &[u8]) {
        fs::write(self.root().join("srv/user").join(name), content).expect("it is ours");
    }

    /// Runs a script as root, with the processes and the file system of the machine alone.
    #[track_caller]
    fn run(&self, script: &str) -> String {
        let mut command = Command::new("unshare");
        let root = format!("--root={}", self.root().display());
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            &root,
            "--mount-proc",
            "/bin/sh",
            "-ec",
            script,
        ]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/srv/user");
        stdout(&mut command)
    }

    /// Runs a script in the home folder of a user without rights.
    #[track_caller]
    fn run_as_user(&self, script: &str) -> String {
        let quoted = script.replace('\'', r"'\''");
        self.run(&format!(
            "chown -R {USER} /srv/user; cd /srv/user; \
             exec setpriv --reuid {USER} --regid {USER} --clear-groups sh -ec '{quoted}'"
        ))
    }

    /// Returns all files with kind, rights and owner, but for the user's own and those that dpkg writes about its work.
    fn files(&self) -> BTreeSet<String> {
        let mut find = Command::new("find");
        find.current_dir(self.root()).args([
            ".",
            "-path",
            "./srv",
            "-prune",
            "-o",
            "-printf",
            "%p %y %m %u\\n",
        ]);
        let of_dpkg = |line: &str| {
            ["./var/lib/dpkg/", "./var/log/", "./var/cache/"].iter().any(|start| line.starts_with(start))
                && !line.starts_with("./var/lib/dpkg/info/")
        };
        stdout(&mut find).lines().filter(|line| !of_dpkg(line)).map(str::to_owned).collect()
    }
}

#[test]
fn debian_package_is_installed_runs_a_graph_and_leaves_nothing() {
    if is_declined("debian") {
        return; // declined by `CASCADE_TEST_WITHOUT`
    }
    let machine = Machine::new();
    let before = machine.files();
    machine.file("cascade-host.deb", &fs::read(made_file(".deb")).expect("it was made"));
    let guest = build_rust_guests().join(format!("{}.wasm", Guest::Basic.folder()));
    machine.file("g.wasm", &fs::read(guest).expect("the guest was built"));
    machine.file(
        "manifest.toml",
        b"cascade = 1\nname = \"installed\"\n[components.g]\npath = \"g.wasm\"\n\
          [tasks.t]\ncall = \"g.double\"\nargs.x = 21\n[outputs]\nx = { task = \"t\" }\n",
    );
    machine.run("dpkg --install /srv/user/cascade-host.deb");

    assert_eq!(machine.run_as_user("cascade-host run manifest.toml"), "{\"x\":42}\n");
    // The code is kept where the manual says, by the compiler that the binary is itself.
    machine.run_as_user("ls .cache/cascade-host/code/*.code");
    assert!(machine.run_as_user("cascade-host help").contains("getting-started"));
    let manual = machine.run("cd /usr/share/doc/cascade-host; ls manual; zcat NOTICES.gz; cat copyright");
    for text in ["getting-started.md", "wasmtime ", "Apache License"] {
        assert!(manual.contains(text), "{text}");
    }
    assert_eq!(machine.run("dpkg --verify cascade-host"), "", "every file is what the package says");
    let installed = machine.files();
    assert!(installed.iter().any(|file| file == "./usr/bin/cascade-host f 755 root"));
    assert!(installed.is_superset(&before), "no file of another package changes");

    machine.run("dpkg --remove cascade-host");
    let after = machine.files();
    assert_eq!(after.symmetric_difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn archive_has_binary_manual_and_licences_and_all_files_have_checksums() {
    if is_declined("debian") {
        return; // the script makes all packages at once
    }
    let (folder, said) = made();
    let listed = stdout(Command::new("tar").arg("-tf").arg(made_file("-linux.tar.gz")));
    for file in ["cascade-host", "LICENSE", "NOTICES", "README.md", "manual/index.md", "manual/decisions/"] {
        assert!(listed.lines().any(|line| line.ends_with(&format!("-linux/{file}"))), "{file}:\n{listed}");
    }
    // An image without any library can only have a static binary.
    assert!(said.contains("no container image of"), "{said}");
    let out = folder.path().join("out");
    let sums = stdout(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&out));
    assert_eq!(sums.lines().count(), fs::read_dir(out).expect("it was made").count() - 1, "{sums}");
}

#[test]
fn folder_with_other_files_is_not_packed_into() {
    let folder = scratch();
    fs::write(folder.path().join("mine"), "").expect("it is ours");
    let mut make = Command::new(repository().join("host/packaging/make"));
    let output = make.arg("--out").arg(folder.path()).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not empty: name another folder by --out"), "{said}");
}

/// Adds all files below a folder, relative to `root`.
fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("it is in the repository").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            let path = path.strip_prefix(root).expect("it is below");
            found.insert(path.display().to_string());
        }
    }
}

#[test]
fn published_crate_has_all_that_is_compiled_into_it() {
    let host = repository().join("host");
    let mut expected = BTreeSet::new();
    for folder in ["src", "docs", "examples", "templates", "wit"] {
        walk(&host, &host.join(folder), &mut expected);
    }
    expected.extend(["Cargo.toml", "Cargo.lock", "LICENSE", "README.md"].map(str::to_owned));
    let mut list = Command::new("cargo");
    list.current_dir(repository()).args(["package", "--package", "cascade-host", "--locked"]);
    let listed = stdout(list.args(["--allow-dirty", "--list"]));
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    // What cargo adds by itself.
    let added = ["Cargo.toml.orig", ".cargo_vcs_info.json"];
    let differing = listed.symmetric_difference(&expected).filter(|name| !added.contains(&name.as_str()));
    assert_eq!(differing.collect::<Vec<_>>(), Vec::<&String>::new());
}
