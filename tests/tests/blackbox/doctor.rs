//! `doctor`: its output and exit codes.
//! The limits themselves are checked by the command.

use cascade_host_tests::{Host, Redis};
use serde_json::Value;

/// Returns subject and verdict of each finding.
fn findings(shown: &Value) -> Vec<(&str, &str)> {
    let list = shown["findings"].as_array().expect("findings are a list");
    let text = |finding: &Value, of: &str| finding[of].as_str().is_some_and(|text| !text.is_empty());
    assert!(list.iter().all(|finding| text(finding, "said") && text(finding, "name")), "{shown}");
    list.iter()
        .filter_map(|finding| Some((finding["about"].as_str()?, finding["verdict"].as_str()?)))
        .collect()
}

#[test]
fn doctor_proves_every_limit() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let code = folder.path().join("code").display().to_string();
    let finished = Host::new(["doctor", "--json"]).env("CASCADE_CODE_CACHE", &code).run();
    let shown = finished.json();
    for finding in shown["findings"].as_array().expect("a list") {
        eprintln!("{finding}");
    }
    let finished = finished.expect(0);
    assert_eq!(finished.stderr, "");
    assert_eq!(shown["proven"], true);
    let found = findings(&shown);
    for about in ["guest", "compiler", "machine", "code-cache", "state"] {
        assert!(found.iter().any(|(found, _)| *found == about), "nothing about {about}");
    }
    let guests: Vec<_> = found.iter().filter(|(about, _)| *about == "guest").collect();
    assert!(guests.len() >= 15 && guests.iter().all(|(_, verdict)| *verdict == "proven"));
    for finding in shown["findings"].as_array().into_iter().flatten() {
        let late = |of: &str| finding[of].as_f64().unwrap_or(0.0);
        let own = late("late_ms") - late("machine_late_ms");
        let max = if finding["about"] == "compiler" { 500.0 } else { 50.0 };
        assert!(own <= max, "{finding}");
    }
}

#[test]
fn doctor_describes_a_server_and_fails_if_it_is_unreachable() {
    let server = Redis::start("");
    let shown = Host::new(["doctor", "--state", &server.uri()]).run().expect(0);
    let text = shown.text();
    for expected in ["rights", "version", "persistence", "eviction", "round trip", "proven"] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    assert_eq!(server.command(&["DBSIZE"]), "0", "nothing was left behind");
    let away =
        Host::new(["doctor", "--json", "--state", "redis://127.0.0.1:1?connect-timeout=1s"]).run().expect(3);
    assert!(away.text().contains("endless loop"), "the limits are shown all the same");
    assert!(away.text().contains("\"proven\": false"), "a backend that is away is no proof: {}", away.text());
    Host::new(["doctor", "--state", "ftp://x"]).run().expect(2);
}

#[test]
fn doctor_detects_a_writable_code_cache() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).expect("the folder is owned by this user");
    let code = folder.path().display().to_string();
    let shown = Host::new(["doctor"]).env("CASCADE_CODE_CACHE", &code).run().expect(1);
    assert!(shown.text().contains("FAILED code-cache"), "{}", shown.text());
}
