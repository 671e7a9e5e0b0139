//! The private `/tmp` and `/dev` of a guest without grants: usable, the same everywhere, limited, and gone
//! afterwards.

use cascade_host_tests::Project;
use serde_json::json;

const CHURN: &str = "[tasks.churn]\ncall = \"g.churn\"\nargs.folder = \"/tmp\"\n";

#[test]
fn private_folder_works_without_a_grant_and_shows_nothing_of_the_machine() {
    let project = Project::basic(CHURN);
    let first = project.run().expect(0).json();
    let told = first["churn"].as_array().expect("a list");
    let names: Vec<&str> = told.iter().filter_map(|told| told.as_str()?.split(' ').next()).collect();
    assert_eq!(names, ["b", "inner", "m", "z"], "{first}");
    assert_eq!(project.run().expect(0).json(), first, "the same at another time");
    project.host().args(["--verify"]).run().expect(0);
    let plan = project.command("plan").run().expect(0).text();
    assert!(plan.contains("pure") && !plan.contains("impure"), "{plan}");
    assert!(!std::path::Path::new("/tmp/inner/z").exists(), "the host's folder is another");
}

#[test]
fn calls_do_not_share_their_folders() {
    let body = "[tasks.write]\ncall = \"g.write-file\"\nargs = { path = \"/tmp/a\", text = \"x\" }\n\
                [tasks.list]\ncall = \"g.list-folder\"\nargs.path = \"/tmp\"\nafter = [\"write\"]\n\
                [tasks.host]\ncall = \"g.read-file\"\nargs.path = \"/tmp/../etc/passwd\"\non-error = \"value\"\n\
                [tasks.null]\ncall = \"g.read-file\"\nargs.path = \"/dev/null\"\n\
                [tasks.swallow]\ncall = \"g.write-file\"\nargs = { path = \"/dev/null\", text = \"x\" }\n\
                [tasks.say]\ncall = \"g.write-file\"\nargs = { path = \"/dev/stdout\", text = \"said by path\" }\n\
                [tasks.input]\ncall = \"g.read-file\"\nargs.path = \"/dev/stdin\"\n\
                [tasks.fixed]\ncall = \"g.write-file\"\nargs = { path = \"/dev/x\", text = \"x\" }\non-error = \"value\"\n";
    let shown = Project::basic(body).run().expect(0).says(["say | said by path"]).json();
    assert_eq!((&shown["list"], &shown["null"], &shown["input"]), (&json!([]), &json!(""), &json!("")));
    assert!(shown["host"]["err"].is_string() && shown["fixed"]["err"].is_string(), "{shown}");
}

#[test]
fn files_are_limited_and_the_limit_is_named() {
    let write = |limits: &str| {
        let text = "x".repeat(100_000);
        Project::basic(&format!(
            "[tasks.t]\ncall = \"g.write-file\"\nargs = {{ path = \"/tmp/a\", text = \"{text}\" }}\nlimits = {{ {limits} }}\n"
        ))
    };
    write("disk = \"64KiB\"")
        .run()
        .expect(1)
        .says(["limit: `limits.disk` = 64KiB reached: the guest's files in `/tmp` need more; \
         raise it with `limits.disk = \"128KiB\"`"]);
    write("disk = \"128KiB\"").run().expect(0);
}

#[test]
fn granted_folder_takes_the_place_of_the_private_one() {
    let project = Project::basic(
        "grants.write = [\"out:/tmp\"]\n[tasks.t]\ncall = \"g.write-file\"\nargs = { path = \"/tmp/a\", text = \"x\" }\n",
    );
    std::fs::create_dir(project.folder().join("out")).expect("a folder can be made");
    project.run().expect(0);
    assert_eq!(std::fs::read(project.folder().join("out/a")).expect("the guest wrote it"), b"x");
}
