//! The examples of the library, built by the same cargo in the same profile as the tests.
//! What they print is compared in the tests.

use crate::repository;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Builds all examples once per test process, and returns the path of one.
pub fn build_example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let own = std::env::current_exe().expect("a test knows its own path");
        let profile = own.parent().and_then(|deps| deps.parent()).expect("tests are in target/PROFILE/deps");
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        let arguments = ["build", "--quiet", "--package", "cascade-host", "--examples"];
        let built = Command::new(cargo).current_dir(repository()).args(arguments).status();
        assert!(built.expect("cargo can be started").success(), "the examples do not build");
        profile.join("examples")
    });
    folder.join(name)
}
