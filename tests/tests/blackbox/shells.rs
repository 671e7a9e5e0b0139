//! `completions` and `man`: the words that a shell gets, and scripts that real shells accept.
//! The splitting of lists is tested beside the code.

use cascade_host_tests::{Host, Project, Redis};
use std::process::Command;

const BODY: &str = r#"
[params.text]
type = "string"
default = "x"
[tasks.split]
call = "g.double"
args.x = 1
[tasks.spare]
call = "g.double"
args.x = 2
[outputs]
best = { task = "split" }
[[tests]]
name = "smoke"
expect = {}
"#;

/// Asks for the completions of the last word of a line, as fish does.
fn answer(project: &Project, line: &[&str]) -> Vec<String> {
    let host = Host::new(["--", "cascade-host"]).within(project.folder()).env("CASCADE_COMPLETE", "fish");
    let finished = line.iter().fold(host, |host, word| host.args([*word])).run().expect(0);
    let words = finished.text();
    words.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn commands_flags_and_names_of_the_manifest_are_completed() {
    let project = Project::basic(BODY);
    let asked = |line: &[&str]| answer(&project, line);
    assert!(asked(&["gra"]).contains(&"graph".to_owned()));
    assert!(asked(&["run", "--keep"]).contains(&"--keep-going".to_owned()));
    assert_eq!(asked(&["run", "manifest.toml", "--target", "sp"]), ["split", "spare"]);
    assert_eq!(asked(&["run", "manifest.toml", "--target", "split,spa"]), ["split,spare"]);
    assert_eq!(asked(&["run", "manifest.toml", "-p", "t"]), ["text="]);
    assert_eq!(asked(&["run", "manifest.toml", "--output", ""]), ["best"]);
    assert_eq!(asked(&["test", "manifest.toml", "sm"]), ["smoke"]);
    assert_eq!(asked(&["graph", "manifest.toml", "--format", "sv"]), ["svg"]);
    assert!(asked(&["run", "missing.toml", "--target", "x"]).is_empty());
}

#[test]
fn runs_of_the_state_backend_are_completed() {
    let server = Redis::start("");
    let (project, state) = (Project::basic(BODY), server.uri());
    project.host().args(["--run-id", "nightly", "--state", &state]).run().expect(0);
    let asked = |line: &[&str]| answer(&project, line);
    assert_eq!(asked(&["show", "--state", &state, "ni"]), ["nightly"]);
    assert_eq!(asked(&["output", "nightly", "--state", &state, "sp"]), ["split", "spare"]);
    // A backend that is not there costs a moment, and gives no words.
    assert!(asked(&["show", "--state", "redis://127.0.0.1:1", "ni"]).is_empty());
}

#[test]
fn scripts_are_valid_and_ask_the_program() {
    let project = Project::basic(BODY);
    for shell in ["bash", "zsh", "fish"] {
        let script = Host::new(["completions", shell]).run().expect(0).text();
        assert!(script.contains("CASCADE_COMPLETE") && script.contains("cascade-host"), "{script}");
    }
    Host::new(["completions", "tcsh"]).run().expect(2).says(["bash", "zsh", "fish"]);
    // Bash itself, with this program on its path.
    let script = Host::new(["completions", "bash"]).run().expect(0).text();
    project.file("completions.bash", script.as_bytes());
    let program = Host::new(["--version"]).command();
    let folder = std::path::Path::new(program.get_program()).parent().expect("it has a folder");
    let line = "source completions.bash; COMP_WORDS=(cascade-host run manifest.toml --target sp); COMP_CWORD=4; \
                _clap_complete_cascade_host cascade-host sp --target; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut bash = Command::new("bash");
    let bash = bash.args(["-c", line]).current_dir(project.folder()).env("PATH", path);
    let output = bash.output().expect("bash is there");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "split\nspare\n", "{output:?}");
}

#[test]
fn man_pages_are_those_of_the_commands() {
    let page = Host::new(["man", "run"]).run().expect(0).text();
    assert!(page.contains(".TH cascade-host-run 1") && page.contains("keep\\-going"), "{page}");
    let project = Project::basic(BODY);
    Host::new(["man", "-o", "man1"]).within(project.folder()).run().expect(0).says(["pages to man1"]);
    let files = std::fs::read_dir(project.folder().join("man1")).expect("it is a folder").count();
    let commands = Host::new(["--help"]).run().expect(0).text();
    let commands = commands.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands =
        commands.take_while(|line| !line.is_empty()).filter(|line| line.chars().nth(2) != Some(' '));
    assert_eq!(files, commands.count() + 1);
    Host::new(["man", "rnu"]).run().expect(2).says(["did you mean `cascade-host man run`?"]);
}
