//! User-supplied texts and variables: encodings, byte order marks and paths are accepted, or refused by name.
//! The types of values are tested in `values`.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Finished, Host, Project};
use serde_json::json;

/// Two params and their sum, and an unchanged text.
const SUM: &str = r#"
[params.a]
type = "u32"
default = 1
[params.b]
type = "u32"
default = 1
[params.text]
type = "string"
default = ""
[tasks.sum]
call = "g.add"
args = { a = { param = "a" }, b = { param = "b" } }
[tasks.text]
call = "g.echo-string"
args.value = { param = "text" }
"#;

fn project(body: &str) -> Project {
    Project::basic(body)
}

fn words(project: &Project, arguments: &[&str]) -> Host {
    arguments.iter().fold(project.command("run"), |host, word| host.args([*word]))
}

#[test]
fn byte_order_mark_is_removed_from_text() {
    let project = project(SUM);
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it is there");
    project.write(&format!("\u{feff}{manifest}"));
    for (name, content) in [
        ("p.json", "\u{feff}{\"a\": 5}"),
        ("p.toml", "\u{feff}a = 5\r\n"),
        ("n.json", "\u{feff}5\r\n"),
        ("settings.toml", "\u{feff}log-level = \"warn\"\n"),
    ] {
        project.file(name, content.as_bytes());
    }
    for given in [
        &["--params-file", "p.json"][..],
        &["--params-file", "p.toml"],
        &["-p", "a=@n.json"],
        &["-p", "a=\u{feff}5"],
    ] {
        let finished = words(&project, given).args(["--config", "settings.toml"]).run().expect(0);
        assert_eq!(finished.json()["sum"], 6, "{given:?}");
        assert!(!finished.stderr.contains("task"), "the level of the settings: {}", finished.stderr);
    }
}

#[test]
fn byte_order_mark_is_kept_in_data() {
    let project = project(&format!(
        "{SUM}[tasks.file]\ncall = \"g.echo-string\"\nargs.value = {{ file = \"t.txt\" }}\n\
         [tasks.bytes]\ncall = \"g.echo-bytes\"\nargs.value = {{ file = \"t.txt\" }}\n"
    ));
    project.file("t.txt", "\u{feff}t\r\n".as_bytes());
    let outputs = words(&project, &["-p", "text=@t.txt"]).run().expect(0).json();
    assert_eq!(outputs["text"], "\u{feff}t\r\n");
    assert_eq!(outputs["file"], "\u{feff}t\r\n");
    assert_eq!(outputs["bytes"], json!("77u/dA0K"));
}

#[test]
fn other_encodings_are_named() {
    let utf16 = |text: &str, mark: &[u8]| -> Vec<u8> {
        mark.iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    let project = project(SUM);
    project.file("w.json", &utf16("{\"a\": 5}", b"\xff\xfe"));
    project.file("w.toml", &utf16("a = 5", b"\xff\xfe"));
    project.file("w.txt", &utf16("5", b"\xff\xfe"));
    for (given, named) in [
        (["--params-file", "w.json"], "w.json"),
        (["--params-file", "w.toml"], "w.toml"),
        (["-p", "a=@w.txt"], "w.txt"),
        (["-p", "text=@w.txt"], "param `text`"),
        (["--config", "w.toml"], "w.toml"),
    ] {
        words(&project, &given).run().expect(2).says(["UTF-16", "save it as UTF-8", named]);
    }
    project.file("manifest.toml", &utf16("cascade = 1", b"\xff\xfe"));
    project.command("check").run().expect(2).says(["UTF-16", "manifest.toml"]);
    let file = project_with_file();
    file.file("w.txt", &utf16("5", b"\xff\xfe"));
    file.run().expect(2).says(["UTF-16", "w.txt"]);
}

fn project_with_file() -> Project {
    project("[tasks.file]\ncall = \"g.echo-string\"\nargs.value = { file = \"w.txt\" }\n")
}

#[test]
fn duplicate_key_is_refused_by_name() {
    let project = project(&format!(
        "{SUM}[params.point]\ntype = \"record {{ x: f64, y: f64 }}\"\ndefault = {{ x = 1, y = 2 }}\n\
         [params.shape]\ntype = \"variant {{ empty, circle(f64) }}\"\ndefault = \"empty\"\n\
         [params.ended]\ntype = \"result<u32, string>\"\ndefault = {{ ok = 1 }}\n"
    ));
    for (name, content) in [
        ("p.json", r#"{"a": 5, "b": 1, "a": 6}"#),
        ("deep.json", r#"{"point": {"x": 1, "y": 2, "x": 3}}"#),
        ("escaped.json", r#"{"a": 5, "\u0061": 6}"#),
        ("p.toml", "a = 5\na = 6\n"),
        ("deep.toml", "[point]\nx = 1\ny = 2\nx = 3\n"),
        ("settings.toml", "jobs = 1\njobs = 2\n"),
    ] {
        project.file(name, content.as_bytes());
    }
    for (given, named) in [
        (&["--params-file", "p.json"][..], "`p.json` sets param `a` twice"),
        (&["--params-file", "escaped.json"], "`escaped.json` sets param `a` twice"),
        (&["--params-file", "deep.json"], "duplicate field `x`"),
        (&["--params-file", "p.toml"], "line 2: duplicate key `a`"),
        (&["--params-file", "deep.toml"], "line 4: duplicate key `x`"),
        (&["--config", "settings.toml"], "line 2: duplicate key `jobs`"),
        (&["-p", "a=1", "-p", "a=2"], "`-p` sets param `a` twice"),
        (&["-p", r#"point={"x": 1, "y": 2, "y": 3}"#], "duplicate field `y`"),
        (&["-p", r#"shape={"circle": 1, "circle": 2}"#], "duplicate case `circle`"),
        (&["-p", r#"ended={"ok": 1, "ok": 2}"#], "duplicate case `ok`"),
        (&["--state", "redis://h?timeout=1s&timeout=2s"], "`timeout` is given twice"),
    ] {
        let finished = words(&project, given).run().expect(2).says([named]);
        assert!(finished.stdout.is_empty());
    }
}

/// Runs the host with non-UTF-8 variables, which `script` sets from `$bad`.
fn with_bytes(host: Host, script: &str) -> Finished {
    host.behind("sh", &["-c", &format!("bad=$(printf 'caf\\351'); {script}")]).run()
}

#[test]
fn non_utf8_variable_is_not_treated_as_unset() {
    let project = project(
        "[tasks.plain]\ncall = \"g.echo-string\"\nargs.value = { env = \"PLAIN\", default = \"d\" }\n\
         [tasks.granted]\ncall = \"g.env\"\nargs.name = \"GRANTED\"\ngrants.env = [\"GRANTED\", \"A=other-value\"]\n",
    );
    let run = |script: &str| with_bytes(project.command("run").env("PLAIN", "p").env("GRANTED", "g"), script);
    run("exec \"$0\" \"$@\"").expect(0);
    for name in [
        "PLAIN",
        "GRANTED",
        "CASCADE_STATE",
        "CASCADE_CACHE",
        "CASCADE_JOBS",
        "CASCADE_MEMORY",
        "CASCADE_LOG_LEVEL",
        "CASCADE_LOG_FORMAT",
        "CASCADE_COMPONENT_SIZE",
        "CASCADE_COMPILE_MEMORY",
        "CASCADE_COMPILE_TIMEOUT",
    ] {
        let finished = run(&format!("export {name}=$bad; exec \"$0\" \"$@\"")).expect(2);
        let finished =
            finished.says([&*format!("`{name}`"), "not UTF-8", "set it to UTF-8 text, or unset it"]);
        assert!(
            !finished.stderr.contains("caf") && !finished.stderr.contains("other-value"),
            "{}",
            finished.stderr
        );
        assert_eq!(finished.stderr.matches("not UTF-8").count(), 1, "reported once: {}", finished.stderr);
    }
    let unset = project.command("check").env("GRANTED", "g");
    with_bytes(unset, "export PLAIN=$bad; exec \"$0\" \"$@\"").expect(2).says(["`PLAIN`", "not UTF-8"]);
    let server = "exec \"$0\" \"$@\" --state redis://127.0.0.1:1";
    run(&format!("export CASCADE_REDIS_PASSWORD=$bad; {server}"))
        .expect(2)
        .says(["`CASCADE_REDIS_PASSWORD`"]);
    project.write(&format!(
        "cascade = 1\nname = \"t\"\nstate.uri = {{ env = \"WHERE\" }}\n{}[tasks.t]\ncall = \"g.args\"\n",
        component(Guest::Basic)
    ));
    run("export WHERE=$bad; exec \"$0\" \"$@\"").expect(2).says(["`WHERE`", "not UTF-8"]);
}

#[test]
fn paths_may_be_non_utf8() {
    let project = project(SUM);
    let run = |script: &str| with_bytes(project.command("run"), script);
    run("echo 5 > \"$bad.json\"; exec \"$0\" \"$@\" -p a=@\"$bad.json\" --events \"$bad.jsonl\"").expect(0);
    run("echo 'a = 5' > \"$bad.toml\"; exec \"$0\" \"$@\" --params-file \"$bad.toml\"").expect(0);
    run("mkdir $bad; cp manifest.toml $bad; exec \"$0\" run \"$bad/manifest.toml\"").expect(0);
    run("test -s \"$bad.jsonl\" && exec \"$0\" \"$@\"").expect(0);
    // The host uses its own folders and files even at non-UTF-8 paths.
    for (script, made) in [
        ("export CASCADE_CODE_CACHE=$PWD/$bad/code", "code/secret"),
        ("unset CASCADE_CODE_CACHE; export XDG_CACHE_HOME=$PWD/$bad", "cascade-host/code/secret"),
        ("unset CASCADE_CODE_CACHE XDG_CACHE_HOME; export HOME=$PWD/$bad", ".cache/cascade-host/code/secret"),
    ] {
        run(&format!("{script}; \"$0\" \"$@\" && test -e \"$bad/{made}\"")).expect(0);
    }
    let faulty = "echo 'jobs = 0' > \"$bad.toml\"; export CASCADE_CONFIG=\"$bad.toml\"; exec \"$0\" \"$@\"";
    run(faulty).expect(2).says(["`jobs` in the settings file"]);
    let faulty = "unset CASCADE_CONFIG; export XDG_CONFIG_HOME=$bad; mkdir $bad/cascade-host; \
                  echo 'jobs = 0' > $bad/cascade-host/config.toml; exec \"$0\" \"$@\"";
    run(faulty).expect(2).says(["`jobs` in the settings file"]);
}

#[test]
fn non_utf8_arguments_are_refused() {
    let project = project(SUM);
    let run = |script: &str| with_bytes(project.command("run"), script).expect(2);
    run("exec \"$0\" \"$@\" -p text=$bad").says(["param `text`: the value is not UTF-8 text", "@FILE"]);
    run("exec \"$0\" \"$@\" -p $bad=1").says(["the name of a `-p` param", "not UTF-8"]);
    for flag in ["--state", "--cache", "--target", "--run-id", "-j", "--output"] {
        run(&format!("exec \"$0\" \"$@\" {flag} $bad")).says(["UTF-8"]);
    }
}

#[test]
fn manifest_from_a_descriptor_resolves_paths_from_the_working_directory() {
    let project = Project::new(
        "[components.g]\npath = \"own.wasm\"\nbuild = \"cp kept.wasm own.wasm\"\ngrants.read = [\"data\"]\n\
         [tasks.t]\ncall = \"g.echo-string\"\nargs.value = { file = \"t.txt\" }\n\
         [tasks.f]\ncall = \"g.list-folder\"\nargs.path = \"data\"\n",
    );
    project.file("t.txt", b"here");
    std::fs::create_dir_all(project.folder().join("data")).expect("a folder can be made");
    std::fs::create_dir_all(project.folder().join("sub")).expect("a folder can be made");
    let basic = cascade_host_tests::build_rust_guests().join("basic.wasm");
    std::fs::copy(basic, project.folder().join("kept.wasm")).expect("the component can be copied");
    let manifest = project.folder().join("manifest.toml");
    std::fs::rename(manifest, project.folder().join("sub/m.toml")).expect("it can be moved");
    for script in [
        "exec \"$0\" run --build /dev/stdin < sub/m.toml",
        "cat sub/m.toml | \"$0\" run /dev/stdin",
        "exec \"$0\" run /dev/fd/0 < sub/m.toml",
        "exec \"$0\" run /proc/self/fd/5 5< sub/m.toml",
        "cat sub/m.toml | \"$0\" run /dev/fd/5 5<&0",
    ] {
        let finished = Host::new([]).within(project.folder()).behind("sh", &["-c", script]).run().expect(0);
        assert_eq!(finished.json()["t"], "here", "{script}");
    }
}
