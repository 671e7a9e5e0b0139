//! `test`: what passes, how what fails is shown, and that nothing of a test is kept.
//! Mistakes in `[[tests]]` are golden cases.

use cascade_host_tests::{Finished, Host, Project, build_plugins, repository};

const MANIFEST: &str = r#"
    [state]
    uri = "redis://127.0.0.1:1"
    [params.text]
    type = "string"
    [tasks.rows]
    call = "std.from-csv"
    args.text = { param = "text" }
    type = "list<record { name: string, size: u32 }>"
    [tasks.names]
    call = "std.map-path"
    args.items = { task = "rows" }
    args.path = "name"
    [outputs]
    names = { task = "names" }
    rows = { task = "rows" }
"#;

fn tested(tests: &str) -> Finished {
    Project::new(&format!("{MANIFEST}{tests}")).command("test").run()
}

#[test]
fn tests_run_in_memory_and_say_what_passed() {
    let finished = tested(
        "[[tests]]\nname = \"in order\"\nparams.text = \"name,size\\nb,1\\na,2\\n\"\nexpect.names = [\"b\", \"a\"]\n\
         [[tests]]\nname = \"a size is a number\"\nparams.text = \"name,size\\nb,one\\n\"\nfails = \"input\"\n\
         [[tests]]\nname = \"it runs\"\nparams.text = \"name,size\\n\"\nexpect = {}\n",
    );
    let text = finished.expect(0).text();
    for line in ["passed  in order", "passed  a size is a number", "passed  it runs", "3 passed, 0 failed"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_failed_test_says_where_it_differs() {
    let finished = tested(
        "[[tests]]\nname = \"value\"\nparams.text = \"name,size\\nb,1\\na,2\\n\"\n\
         expect = { names = [\"b\", \"c\"], rows = [{ name = \"b\", size = 3 }] }\n\
         [[tests]]\nname = \"class\"\nparams.text = \"name,size\\nb,one\\n\"\nfails = \"trap\"\n\
         [[tests]]\nname = \"success\"\nparams.text = \"name,size\\n\"\nfails = \"input\"\n\
         [[tests]]\nname = \"failure\"\nparams.text = \"name,size\\nb,one\\n\"\nexpect = {}\n",
    );
    let text = finished.expect(1).text();
    for line in [
        "failed  value",
        "names[1]: expected \"c\", found \"a\"",
        "rows: expected 1 elements, found 2",
        "rows[0].size: expected 3, found 1",
        "failed  class",
        "expected a failure of class `trap`",
        "task `rows` failed with class `input`",
        "expected a failure of class `input`, and the run succeeded",
        "failed  failure",
        "0 passed, 4 failed",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn tests_are_chosen_by_name() {
    let project = Project::new(&format!(
        "{MANIFEST}[[tests]]\nname = \"one\"\nparams.text = \"name,size\\n\"\nexpect = {{}}\n\
         [[tests]]\nname = \"two\"\nparams.text = \"\"\nfails = \"trap\"\n"
    ));
    let finished = project.command("test").args(["one"]).run().expect(0);
    assert!(finished.text().ends_with("1 passed, 0 failed\n"));
    project
        .command("test")
        .args(["won"])
        .run()
        .expect(4)
        .says(["there is no test `won`", "the tests are one, two"]);
    Project::new(MANIFEST).command("test").run().expect(2).says(["has no tests"]);
}

#[test]
fn examples_pass_their_tests() {
    build_plugins();
    for manifest in ["text/pipeline.toml", "picture/picture.toml", "pages/pages.toml", "leaflet/leaflet.toml"]
    {
        Host::new(["test", &format!("plugins/{manifest}")]).within(repository()).run().expect(0);
    }
}

#[test]
fn faults_of_tests_are_told_together() {
    let project = Project::new(&format!(
        "{MANIFEST}[[tests]]\nname = \"one\"\nparams.text = \"\"\nparams.txt = \"\"\nexpect.nams = []\n\
         [[tests]]\nname = \"two\"\nparams.text = 5\nexpect = {{}}\nfails = \"trap\"\n\
         [[tests]]\nname = \"three\"\nparams.text = 5\nexpect = {{}}\n"
    ));
    project.command("check").run().expect(2).says([
        "there is no param `txt`",
        "there is no output `nams`",
        "a test has `expect` or `fails`, not both",
        "param `text` of the test: expected",
        "4 faults",
    ]);
}
