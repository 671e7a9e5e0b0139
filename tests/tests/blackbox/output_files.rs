//! `--output-dir`: the files of outputs, what is kept of what lies there, and what is refused.
//! What is printed is in `outputs`.

use cascade_host_tests::{Project, Redis};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

/// A project whose outputs have every form. The names of `pages` are those of the param.
fn project() -> Project {
    Project::new(
        r#"
        [params.names]
        type = "list<record { name: string, content: string }>"
        default = [{ name = "a.html", content = "A" }, { name = "deep/b.html", content = "B" }]
        [params.text]
        type = "string"
        default = "hello"
        [tasks.count]
        call = "std.length"
        args.items = { param = "names" }
        [outputs]
        text = { param = "text" }
        count = { task = "count" }
        report = { param = "text", file = "sub/report.txt" }
        pages = { param = "names" }
        "#,
    )
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the paths of all files in a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for path in fs::read_dir(next).expect("the folder is there").map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn outputs_become_files_that_are_replaced_only_where_they_differ() {
    let project = project();
    let run = |options: &[&str]| {
        let host = project.host().args(["--output-dir", "out/new"]);
        options.iter().fold(host, |host, option| host.args([option])).run()
    };
    let finished = run(&[]).expect(0).says(["wrote 5 files to out/new: ", "sub/report.txt"]);
    assert_eq!(finished.json()["count"], 2);
    let out = project.folder().join("out/new");
    let expected = ["count.json", "pages/a.html", "pages/deep/b.html", "sub/report.txt", "text"];
    assert_eq!(files(&out), expected);
    assert_eq!(
        [read(&out, "text"), read(&out, "count.json"), read(&out, "pages/deep/b.html")],
        ["hello", "2\n", "B"]
    );
    let inode = |name: &str| fs::metadata(out.join(name)).unwrap().ino();
    let before = (inode("text"), inode("count.json"));
    fs::write(out.join("other"), "mine").unwrap();
    run(&["-p", "text=changed"])
        .expect(0)
        .says(["wrote 2 files to out/new: text, sub/report.txt; 3 unchanged"]);
    assert_eq!((read(&out, "text"), read(&out, "other")), ("changed".into(), "mine".into()));
    assert!(inode("text") != before.0 && inode("count.json") == before.1);
    run(&["-p", "text=changed"]).expect(0).says(["5 files in out/new unchanged"]);
}

#[test]
fn a_chosen_output_is_the_only_file() {
    let project = project();
    project.host().args(["--output-dir", "out", "--output", "text", "-o", "raw"]).run().expect(0);
    assert_eq!(files(&project.folder().join("out")), ["text"]);
}

#[test]
fn a_resumed_run_writes_and_a_failed_one_does_not() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.text]\ncall = \"g.echo-string\"\nargs.value = \"x\"\n\
         [tasks.odd]\ncall = \"g.fail-silently\"\n[outputs]\ntext = { task = \"text\" }\n",
    );
    project.host().args(["--keep-going", "--output-dir", "out"]).run().expect(1);
    assert!(!project.folder().join("out").exists());
    let project = self::project();
    let host = || project.host().args(["--state", &server.uri(), "--run-id", "r"]);
    host().run().expect(0);
    host().args(["--output-dir", "out"]).run().expect(0).says(["1 stored", "wrote 5 files"]);
}

#[test]
fn nothing_is_written_outside() {
    let project = project();
    let folder = project.folder().to_owned();
    fs::create_dir(folder.join("outside")).unwrap();
    fs::write(folder.join("outside/a.html"), "old").unwrap();
    fs::create_dir(folder.join("out")).unwrap();
    let run = || project.host().args(["--output-dir", "out"]).run();
    // The folder of an output is a link.
    symlink("../outside", folder.join("out/pages")).unwrap();
    run().expect(2).says(["cannot write the outputs to `out/pages`", "it is a link"]);
    fs::remove_file(folder.join("out/pages")).unwrap();
    // A folder that only the names of records lead to.
    fs::create_dir(folder.join("out/pages")).unwrap();
    symlink("../../outside", folder.join("out/pages/deep")).unwrap();
    run().expect(3).says(["cannot write the output file `out/pages/deep/b.html`"]);
    fs::remove_file(folder.join("out/text")).unwrap();
    symlink("../outside/a.html", folder.join("out/text")).unwrap();
    run().expect(2).says(["`out/text`", "it is a link"]);
    assert_eq!(files(&folder.join("outside")), ["a.html"]);
    assert_eq!(read(&folder, "outside/a.html"), "old");
    for (names, message) in [
        (r#"[{ "name": "../x", "content": "" }]"#, "leads out"),
        (r#"[{ "name": "/etc/x", "content": "" }]"#, "leads out"),
        (
            r#"[{ "name": "x", "content": "" }, { "name": "./x", "content": "" }]"#,
            "both written to the file `pages/x`",
        ),
    ] {
        let names = format!("names={names}");
        project.host().args(["--output-dir", "bad", "-p", &names]).run().expect(1).says([message]);
    }
    assert!(!folder.join("bad").exists(), "nothing is half written");
}

#[test]
fn a_file_that_the_run_reads_is_not_replaced() {
    let project = project();
    let manifest = read(project.folder(), "manifest.toml");
    project.write(&manifest.replace("sub/report.txt", "manifest.toml"));
    let refused = project.host().args(["--output-dir", "."]).run().expect(2);
    refused.says(["would replace the manifest `manifest.toml`, which this run reads"]);
    project.write(
        &manifest.replace(
            "text = { param = \"text\" }",
            "count-json = { param = \"text\", file = \"count.json\" }",
        ),
    );
    project
        .host()
        .args(["--output-dir", "out"])
        .run()
        .expect(2)
        .says(["both written to the file `count.json`"]);
    project.write(&manifest);
    project.host().args(["--output-dir", "manifest.toml/out"]).run().expect(2).says(["is no folder"]);
}

#[test]
fn the_file_of_events_is_no_output() {
    let project = project();
    let host = || project.command("run").args(["--output-dir", "out"]);
    fs::create_dir(project.folder().join("out")).expect("a folder can be made");
    for events in ["out/text", "./out/../out/text"] {
        host().args(["--events", events]).run().expect(2).says([
            "the output `out/text` would replace the file of `--events`",
            "name another file for the events",
        ]);
    }
    // A name that an output gives is known after the run.
    fs::create_dir(project.folder().join("out/pages")).expect("a folder can be made");
    host()
        .args(["--events", "out/pages/a.html"])
        .run()
        .expect(1)
        .says(["would replace the file of `--events`"]);
    host().args(["--events", "out/events.jsonl"]).run().expect(0);
}

#[test]
fn files_of_skipped_outputs_are_named() {
    let project = Project::basic(
        "[params.both]\ntype = \"bool\"\n[tasks.a]\ncall = \"g.say\"\nargs.text = \"a\"\n\
         [tasks.b]\ncall = \"g.say\"\nargs.text = \"b\"\nwhen = { param = \"both\" }\n\
         [outputs]\na = { task = \"a\" }\nb = { task = \"b\", file = \"sub/b.txt\" }\n",
    );
    let run = |both: &str| project.host().args(["--output-dir", "out", "-p", both]).run().expect(0);
    assert!(!run("both=false").stderr.contains("left as it was"), "there is no such file");
    run("both=true").says(["wrote 1 file to out: sub/b.txt; 1 unchanged"]);
    run("both=false")
        .says(["1 file in out unchanged; left as it was, since its output was skipped: sub/b.txt"]);
    assert_eq!(read(&project.folder().join("out"), "sub/b.txt"), "b");
}

#[test]
fn names_that_guests_give_stay_on_their_line() {
    let project = Project::basic(
        "[params.files]\ntype = \"list<record { name: string, content: string }>\"\n\
         default = [{ name = \"a\\nerror: all is lost\", content = \"1\" }]\n\
         [tasks.t]\ncall = \"g.nothing\"\n[outputs]\npages = { param = \"files\" }\n",
    );
    let finished = project.host().args(["--output-dir", "out"]).run().expect(0);
    finished.says(["wrote 1 file to out: pages/a\\u{a}error: all is lost"]);
}
