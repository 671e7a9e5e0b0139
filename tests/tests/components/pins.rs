//! What is fetched is what was pinned: by the tests, and by the host for its users.
//! A registry that cannot be reached is a failure with the way to do without it.

use crate::packages::{REDACT, fetched};
use cascade_host_tests::{Package, Project, Published, Registry, fetch};

/// A digest that no file has.
const WRONG: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn file_with_another_digest_is_refused() {
    if Registry::Npm.is_declined() {
        return;
    }
    let cache = fetched(Registry::Npm);
    let path = REDACT.checked(&cache).expect("it is the published file");
    let other = Published { sha256: WRONG, ..REDACT };
    let failure = other.checked(&cache).expect_err("the digest differs");
    assert!(failure.contains(REDACT.sha256) && failure.contains(WRONG), "{failure}");

    // The host says the same to its users, and runs nothing.
    let task = "[tasks.t]\ncall = \"redact.redact\"\nargs = { content = \"\", options = { skip-custom-detect = true, skip-custom-redact = true } }\n";
    let manifest = |sha256: &str| {
        let imports = "imports = { \"arcjet:redact/custom-redact\" = \"trap\" }";
        format!(
            "[components.redact]\npath = \"{}\"\nsha256 = \"{sha256}\"\n{imports}\n{task}",
            path.display()
        )
    };
    Project::new(&manifest(WRONG))
        .run()
        .expect(2)
        .says(["the component `redact` does not match its pinned digest", REDACT.sha256]);
    Project::new(&manifest(REDACT.sha256)).command("check").run().expect(0);
}

#[test]
fn file_that_changed_in_the_cache_is_noticed() {
    if Registry::Npm.is_declined() {
        return;
    }
    let mut bytes = std::fs::read(REDACT.checked(&fetched(Registry::Npm)).expect("it is the published file"))
        .expect("it was read before");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    let cache = tempfile::TempDir::new().expect("a scratch folder can be made");
    let copy = REDACT.package.folder(cache.path()).join(REDACT.path);
    std::fs::create_dir_all(copy.parent().expect("it is in a folder")).expect("it is new");
    std::fs::write(copy, bytes).expect("the scratch folder can be written");
    assert!(REDACT.checked(cache.path()).is_err());
}

#[test]
fn unreachable_registry_is_a_failure_that_says_how_to_do_without() {
    // Nothing listens on port 1.
    let nowhere = "http://127.0.0.1:1/";
    let npm = [("npm_config_registry", nowhere), ("npm_config_fetch_retries", "0")];
    let pip = [("PIP_INDEX_URL", nowhere), ("PIP_RETRIES", "0")];
    for (registry, variables) in [(Registry::Npm, npm), (Registry::Pypi, pip)] {
        if registry.is_declined() {
            continue;
        }
        let package = Package { registry, name: "nothing-of-this-name", version: "0.0.1" };
        let cache = tempfile::TempDir::new().expect("a scratch folder can be made");
        let failure = fetch(&[package], cache.path(), &variables).expect_err("it is unreachable");
        let word = format!("CASCADE_TEST_WITHOUT={}", registry.word());
        assert!(failure.contains(&word) && failure.contains("nothing-of-this-name"), "{failure}");
        assert!(!package.folder(cache.path()).exists(), "nothing is left that looks fetched");
    }
}
