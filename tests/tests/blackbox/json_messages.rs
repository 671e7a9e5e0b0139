//! `--log-format json` and `--events -`: every message on stderr is a JSON line, however a command ends.
//! The log of a successful run is tested in `printing`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Finished, Host, Project};
use serde_json::{Value, json};

/// The ways to enable JSON lines.
const WAYS: [[&str; 2]; 2] = [["--log-format", "json"], ["--events", "-"]];

/// Parses all lines, and asserts that each has the common keys.
#[track_caller]
fn lines(finished: &Finished) -> Vec<Value> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert_eq!(value["v"], 1, "{line}");
        assert!(value["ts"].is_string() && value["event"].is_string(), "{line}");
        value
    };
    finished.stderr.lines().map(line).collect()
}

/// Returns the only line of an event.
#[track_caller]
fn only_event(finished: &Finished, event: &str) -> Value {
    let lines = lines(finished);
    let mut found = lines.iter().filter(|line| line["event"] == event);
    let line = found.next().unwrap_or_else(|| panic!("no {event}: {lines:#?}")).clone();
    assert!(found.next().is_none(), "more than one {event}: {lines:#?}");
    line
}

fn run(project: &Project, way: [&str; 2]) -> Host {
    Host::new(["run", "manifest.toml"]).within(project.folder()).args(way)
}

#[test]
fn failed_partial_and_refused_runs_write_json() {
    let fails = Project::basic("[tasks.t]\ncall = \"g.trap\"\n");
    let skips = Project::basic(
        "[tasks.t]\ncall = \"g.double\"\nargs.x = 1\nwhen = { value = false }\n[outputs]\nout = { task = \"t\" }\n",
    );
    let two = Project::basic(
        "[tasks.a]\ncall = \"g.double\"\nargs.x = 1\n[tasks.b]\ncall = \"g.double\"\nargs.x = 1\n",
    );
    for way in WAYS {
        let failed = run(&fails, way).args(["--run-id", "r1"]).run().expect(1);
        let note = only_event(&failed, "note");
        assert_eq!((&note["code"], &note["run"]), (&json!("unfinished"), &json!("r1")));
        assert!(note["host"].is_string(), "{note}");
        let skipped = only_event(&run(&skips, way).run().expect(0), "note");
        assert_eq!(skipped["code"], "output-left-out");
        assert!(skipped["message"].as_str().is_some_and(|text| text.contains("`out`")), "{skipped}");
        let refused = only_event(&run(&two, way).args(["-o", "raw"]).run().expect(2), "error");
        assert!(refused["help"][0].as_str().is_some_and(|text| text.contains("--output")), "{refused}");
        let away =
            run(&two, way).args(["--state", "redis://127.0.0.1:1?connect-timeout=100ms"]).run().expect(3);
        assert!(
            only_event(&away, "error")["message"].as_str().is_some_and(|text| text.contains("127.0.0.1:1"))
        );
    }
}

#[test]
fn every_manifest_fault_is_a_json_line_with_position() {
    let project = Project::basic("[tasks.t]\ncall = \"g.dubble\"\nparm = 1\n");
    for host in
        [project.command("check"), project.command("plan"), project.command("run"), project.command("build")]
    {
        let errors = lines(&host.args(["--log-format", "json"]).run().expect(2));
        let first =
            errors.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains("parm")));
        let first = first.unwrap_or_else(|| panic!("{errors:#?}"));
        assert_eq!((&first["event"], &first["file"]), (&json!("error"), &json!("manifest.toml")));
        assert_eq!((&first["line"], &first["column"]), (&json!(7), &json!(1)));
    }
}

#[test]
fn interrupted_run_writes_json() {
    for way in WAYS {
        let project = gates::project(&format!(
            "[tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"x\"\n{GRANTS}\
             [tasks.next]\ncall = \"g.echo-string\"\nargs.value = {{ task = \"slow\" }}\n"
        ));
        let mut running = run(&project, way).args(["--log-level", "debug"]).start();
        running.until("task.started");
        running.signal("INT");
        let before = running.until("stopping");
        assert!(before.lines().all(|line| line.starts_with('{')), "{before}");
        open(&project, "x");
        assert_eq!(only_event(&running.wait().expect(130), "note")["code"], "unfinished");
    }
}

#[test]
fn build_output_is_json_line_by_line() {
    let project = Project::new(
        "[components.g]\npath = \"g.wasm\"\nbuild = \"echo one; echo '{' >&2; printf three; exit 7\"\n\
         [tasks.t]\ncall = \"g.run\"\n",
    );
    for host in [project.command("build").args(WAYS[0]), run(&project, WAYS[1]).args(["--build"])] {
        let finished = host.run().expect(2);
        let lines = lines(&finished);
        let printed: Vec<&Value> =
            lines.iter().filter(|line| line["event"] == "build.output").map(|line| &line["text"]).collect();
        assert_eq!(printed, ["one", "{", "three"]);
        assert!(
            only_event(&finished, "error")["message"]
                .as_str()
                .is_some_and(|text| text.contains("exit status: 7"))
        );
        assert_eq!(
            lines.last().map(|line| &line["event"]),
            Some(&json!("error")),
            "what was printed comes before"
        );
    }
}

#[test]
fn usage_and_settings_errors_are_json_whichever_way_it_is_enabled() {
    let usage = |host: Host| {
        let error = only_event(&host.run().expect(2), "error");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("--flesh")), "{error}");
        assert!(error["help"].to_string().contains("--fresh"), "{error}");
    };
    let project = Project::new("");
    let wrong = || Host::new(["run", "m.toml", "--flesh"]).within(project.folder());
    usage(wrong().args(["--log-format=json"]));
    usage(wrong().args(["--events", "-"]));
    usage(wrong().env("CASCADE_LOG_FORMAT", "json"));
    let file = project.file("settings.toml", b"log-format = \"json\"\n").display().to_string();
    usage(wrong().env("CASCADE_CONFIG", &file));
    let settings = || project.command("run").args(["-j", "many"]);
    assert!(
        only_event(&settings().args(WAYS[0]).run().expect(2), "error")["message"]
            .to_string()
            .contains("many")
    );
    assert!(
        only_event(&settings().env("CASCADE_CONFIG", &file).run().expect(2), "error")["message"].is_string()
    );
    let file = project.file("bad.toml", b"colour = \"blue\"\n").display().to_string();
    only_event(&project.command("check").env("CASCADE_CONFIG", &file).args(WAYS[0]).run().expect(2), "error");
}

#[test]
fn notes_of_commands_are_json() {
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    assert_eq!(only_event(&project.command("check").args(WAYS[0]).run().expect(0), "note")["code"], "sound");
    assert_eq!(
        only_event(&project.command("build").args(WAYS[0]).run().expect(0), "note")["code"],
        "nothing-to-build"
    );
    for command in [["cancel", "r1"], ["show", "r1"], ["watch", "r1"], ["rm", "r1"]] {
        only_event(&Host::new(command).args(WAYS[0]).run().expect(4), "error");
    }
    // A code cache folder that is a link causes a warning.
    let link = project.folder().join("link");
    std::os::unix::fs::symlink(project.folder(), &link).expect("a link can be made");
    let link = link.display().to_string();
    let warned = project.command("check").args(WAYS[0]).env("CASCADE_CODE_CACHE", &link).run().expect(0);
    assert_eq!(only_event(&warned, "warning")["code"], "code-cache");
}
