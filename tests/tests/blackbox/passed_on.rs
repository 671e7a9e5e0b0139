//! Outputs of pipelines that are params of theirs: what `output` puts together of them, and what is stored for that.
//! Other outputs of pipelines are in `pipelines`.

use cascade_host_tests::{Host, Project, Redis};
use serde_json::json;

/// A pipeline `a` that passes its params on, and tasks that they come from. `text` is what it passes as `text`.
fn passing_on(text: &str) -> Project {
    let project = Project::basic(&format!(
        "[params.p]\ntype = \"string\"\ndefault = \"from the run\"\n[params.s]\ntype = \"string\"\nsecret = true\ndefault = \"hunter2\"\n\
         [tasks.person]\ncall = \"g.echo-person\"\nargs.value = {{ name = \"Ada\", tags = [\"x\"] }}\n\
         [tasks.number]\ncall = \"g.double\"\nargs.x = 4\n\
         [tasks.a]\nmanifest = \"inner.toml\"\nargs.text = {text}\nargs.who = {{ task = \"person\" }}\n\
         args.deep = [[{{ task = \"number\" }}], [{{ task = \"number\", default = 1 }}]]\nargs.first = {{ task = \"person\", path = \"tags[0]\" }}\n\
         args.none = {{ task = \"person\", path = \"tags[7]\", default = [\"no such\"] }}\n"
    ));
    let params = "[params.text]\ntype = \"string\"\n[params.who]\ntype = \"record { name: string, at: option<u8> }\"\n\
        [params.deep]\ntype = \"list<list<f64>>\"\n[params.first]\ntype = \"option<option<string>>\"\n\
        [params.none]\ntype = \"option<option<string>>\"\n";
    let outputs = "[outputs]\ntext = { param = \"text\" }\nwho = { param = \"who\" }\ndeep = { param = \"deep\" }\n\
        first = { param = \"first\" }\nnone = { param = \"none\" }\nlonger = [{ param = \"text\" }, { task = \"longer\" }]\n";
    let longer = "[tasks.longer]\ncall = \"g.concat\"\nargs.parts = [{ param = \"text\" }, \"!\"]\n";
    project.include("inner.toml", &format!("{params}{longer}{outputs}"));
    project
}

#[test]
fn outputs_of_params_are_put_together_wherever_these_come_from() {
    let server = Redis::start("");
    let uri = server.uri();
    for (run, text, value) in [("r1", "{ param = \"p\" }", "from the run"), ("r2", "\"literal\"", "literal")]
    {
        let project = passing_on(text);
        let printed = project.host().args(["--run-id", run, "--state", &uri]).run().expect(0).json();
        assert_eq!(printed["a"]["longer"], json!([value, format!("{value}!")]));
        assert_eq!(printed["a"]["who"], json!({ "name": "Ada", "at": null }));
        let read = Host::new(["output", run, "a", "--state", &uri]).run().expect(0);
        assert_eq!(read.json(), printed["a"]);
        assert!(!read.stderr.contains("left out"), "{}", read.stderr);
    }
}

#[test]
fn outputs_of_secrets_and_variables_are_not_stored() {
    let server = Redis::start("");
    let uri = server.uri();
    for (run, text) in [("r1", "{ param = \"s\" }"), ("r2", "{ env = \"TEXT_OF_TEST\" }")] {
        let project = passing_on(text);
        let host = project.host().env("TEXT_OF_TEST", "hunter2");
        host.args(["--run-id", run, "--state", &uri]).run().expect(0);
        let read = Host::new(["output", run, "a", "--state", &uri]).run().expect(0);
        let keys: Vec<String> = read.json().as_object().expect("a record").keys().cloned().collect();
        assert_eq!(keys, ["deep", "first", "none", "who"]);
        read.says([
            "left out of `a`: `text` depends on a secret, a variable or a large value",
            "left out of `a`: `longer` depends on",
        ]);
        let stored = server.command(&["HGET", &format!("cascade:run:{run}:meta"), "record"]);
        assert!(!stored.contains("hunter2"), "{stored}");
    }
}
