//! `{ files = … }`: what matches, its types and order, and what cannot be a list of files.
//! Single files are in `references`, and files that commands leave in `commands`.

use cascade_host_tests::{Project, Redis};
use serde_json::{Value, json};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;

/// Returns a project with files in `data`, and a param of that type in an included manifest that is filled with a list.
fn typed(ty: &str, pattern: &str) -> Project {
    let project = Project::new(&format!(
        "[tasks.typed]\nmanifest = \"sub/typed.toml\"\nargs.files = {{ files = \"{pattern}\" }}\n\
         [outputs]\nfiles = {{ task = \"typed\", path = \"files\" }}\n"
    ));
    project.file(
        "sub/typed.toml",
        format!(
            "cascade = 1\nname = \"typed\"\n[params.files]\ntype = \"{ty}\"\n\
             [tasks.n]\ncall = \"std.to-json\"\nargs.value = {{ param = \"files\" }}\n\
             [outputs]\nfiles = {{ param = \"files\" }}\n"
        )
        .as_bytes(),
    );
    for (name, content) in
        [("data/b.csv", "2"), ("data/a.csv", "1"), ("data/B.csv", "3"), ("data/deep/c.csv", "4")]
    {
        project.file(name, content.as_bytes());
    }
    project
}

fn files(ty: &str, pattern: &str) -> Value {
    typed(ty, pattern).run().expect(0).json()["files"].clone()
}

#[test]
fn files_have_the_type_of_the_parameter_and_the_order_of_their_names() {
    assert_eq!(files("list<string>", "data/*.csv"), json!(["3", "1", "2"]));
    assert_eq!(files("option<list<list<u8>>>", "data/?.csv"), json!(["Mw==", "MQ==", "Mg=="]));
    assert_eq!(files("list<record { name: string }>", "data/**"), {
        let name = |name: &str| json!({ "name": name });
        json!([name("data/B.csv"), name("data/a.csv"), name("data/b.csv"), name("data/deep/c.csv")])
    });
}

#[test]
fn names_are_relative_to_the_manifest() {
    assert_eq!(files("list<tuple<string, string>>", "./data/**/c.csv"), json!([["data/deep/c.csv", "4"]]));
    let project = typed("list<record { name: string, content: list<u8> }>", "../data/a.?sv");
    // An own folder below: the pattern leads out of it.
    let inner = project.folder().join("sub/main.toml");
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).unwrap();
    std::fs::write(inner, manifest.replace("sub/typed.toml", "typed.toml")).unwrap();
    let finished = cascade_host_tests::Host::new(["run", "sub/main.toml"]).within(project.folder()).run();
    assert_eq!(finished.expect(0).json()["files"], json!([{ "name": "../data/a.csv", "content": "MQ==" }]));
    let absolute = project.folder().join("data/a.csv").display().to_string();
    let project = typed("list<tuple<string, string>>", &absolute);
    assert_eq!(project.run().expect(0).json()["files"], json!([[absolute, "1"]]));
}

#[test]
fn links_are_what_they_lead_to() {
    let project = typed("list<tuple<string, string>>", "data/*.csv");
    symlink("a.csv", project.folder().join("data/link.csv")).unwrap();
    let names = |project: &Project| -> Vec<String> {
        let found = project.run().expect(0).json();
        let files = found["files"].as_array().unwrap().iter();
        files.map(|file| file[0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&project), ["data/B.csv", "data/a.csv", "data/b.csv", "data/link.csv"]);
    // A name follows a link to a folder; `**` does not, since the link may lead to a folder around itself.
    for (pattern, expected) in
        [("*/around/data/a.csv", &["data/around/data/a.csv"][..]), ("data/**/a.csv", &["data/a.csv"])]
    {
        let project = typed("list<tuple<string, string>>", pattern);
        symlink("..", project.folder().join("data/around")).unwrap();
        assert_eq!(names(&project), expected);
    }
}

#[test]
fn a_list_of_files_feeds_elements_by_the_use_of_the_item() {
    let project = Project::basic(
        r#"
        [params.which]
        type = "string"
        default = "b"
        [components.c]
        path = "{guest:command}"
        [tasks.text]
        call = "g.echo-string"
        for-each.doc = { files = "data/*.csv" }
        args.value = { item = "doc" }
        [tasks.bytes]
        call = "g.echo-bytes"
        for-each.doc = { files = "data/*.csv" }
        args.value = { item = "doc" }
        [tasks.parts]
        command = "c"
        for-each.doc = { files = "data/*.csv" }
        stdin = { item = "doc", path = "content" }
        args = ["copy"]
        env.NAME = { item = "doc", path = "name" }
        [tasks.whole]
        command = "c"
        for-each.doc = { files = "data/*.csv" }
        stdin = { item = "doc" }
        args = ["copy"]
        output = "bytes"
        [tasks.chosen]
        call = "g.echo-bytes"
        for-each.doc = { select = { param = "which" }, cases = { a = { files = "data/a*" }, b = { files = "data/b*" } } }
        args.value = { item = "doc" }
        [outputs]
        text = { task = "text" }
        bytes = { task = "bytes" }
        parts = { task = "parts" }
        whole = { task = "whole" }
        chosen = { task = "chosen" }
        "#,
    );
    project.file("data/a.csv", b"1");
    project.file("data/b.csv", b"2");
    let finished = project.run();
    assert_eq!(
        finished.expect(0).json(),
        json!({ "text": ["1", "2"], "bytes": ["MQ==", "Mg=="], "parts": ["1", "2"], "whole": ["MQ==", "Mg=="], "chosen": ["Mg=="] })
    );
}

#[test]
fn what_is_no_list_of_files_is_reported() {
    let project = typed("list<string>", "data/*");
    project.command("check").run().expect(2).says([
        "not all that matches `data/*` is a file to read",
        "`data/deep` is a folder",
        "`data/**` takes the files in folders too",
    ]);
    typed("list<string>", "data/*.cvs").run().expect(2).says(["no file matches `data/*.cvs`"]);
    typed("list<string>", "dat/*").run().expect(2).says(["no file matches `dat/*`"]);
    let project = typed("list<string>", "data/*");
    std::fs::remove_dir_all(project.folder().join("data/deep")).unwrap();
    symlink("nowhere", project.folder().join("data/link")).unwrap();
    let name = std::ffi::OsString::from_vec(b"data/caf\xe9".to_vec());
    std::fs::write(project.folder().join(name), "").unwrap();
    let made = std::process::Command::new("mkfifo").arg(project.folder().join("data/pipe")).status();
    assert!(made.unwrap().success());
    project.run().expect(2).says([
        "`data/link` is a link that leads nowhere",
        "`data/pipe` is no regular file",
        "` has a name that is not UTF-8",
    ]);
    let project = typed("list<string>", "data/*.csv");
    project.file("data/a.csv", b"caf\xe9");
    project.run().expect(2).says(["the file `data/a.csv` is not UTF-8 text", "`list<u8>`"]);
    typed("list<list<u8>>", "data/*.csv").run().expect(0);
}

#[test]
fn a_changed_or_new_file_is_another_plan() {
    let server = Redis::start("");
    let project = typed("list<string>", "data/*.csv");
    let run = |options: &[&str]| {
        let host = project.host().args(["--run-id", "r", "--state", &server.uri()]);
        options.iter().fold(host, |host, option| host.args([option])).run()
    };
    run(&[]).expect(0);
    run(&[]).expect(0).says(["1 stored"]);
    project.file("data/x.csv", b"9");
    run(&[]).expect(2).says(["has changed: the list of files `data/*.csv` has another value"]);
    assert_eq!(run(&["--update"]).expect(0).json()["files"], json!(["3", "1", "2", "9"]));
}

#[test]
fn events_replace_no_file_of_a_list() {
    let project = typed("list<string>", "data/*.csv");
    let finished = project.command("run").args(["--events", "data/b.csv"]).run().expect(2);
    finished.says(["data/b.csv"]);
    assert_eq!(std::fs::read(project.folder().join("data/b.csv")).unwrap(), b"2");
}
