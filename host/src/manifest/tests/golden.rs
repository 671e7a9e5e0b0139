//! Checks the fixtures shared with the black-box suite: the translated component and module, and that no fault shows a password.
//! The binary's output for each manifest is compared in the black-box suite.

use super::parsed;
use std::path::Path;

fn tests() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

#[test]
fn fixtures_match_their_texts() {
    for name in ["words", "add"] {
        let text = std::fs::read(tests().join(format!("fixtures/{name}.wat"))).unwrap();
        let translated = wat::parse_bytes(&text).unwrap();
        let path = tests().join(format!("fixtures/{name}.wasm"));
        if option_env!("BLESS").is_some() {
            std::fs::write(&path, &translated).unwrap();
        }
        assert_eq!(std::fs::read(path).unwrap(), *translated, "{name}");
    }
}

#[test]
fn faults_never_show_a_password() {
    for folder in std::fs::read_dir(tests().join("cases/manifest")).unwrap() {
        let text = std::fs::read_to_string(folder.unwrap().path().join("manifest.toml")).unwrap();
        for fault in parsed(&text).faults.list {
            let location = fault
                .location
                .clone()
                .map_or("", |location| text.get(location.span.start..).unwrap().lines().next().unwrap_or(""));
            assert!(fault.is_secret || !location.contains("hunter2"), "{}", fault.message);
            assert!(!format!("{fault:?}").contains("hunter2"), "{}", fault.message);
        }
    }
}
