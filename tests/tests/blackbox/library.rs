//! The library from outside: each example of `host/examples` prints what its documentation shows.
//! Units and documentation tests are beside the library's code.

use cascade_host_tests::{Redis, build_example, build_plugins, repository};
use std::fs;
use std::process::Command;

/// The output that an example's documentation shows below its command.
fn shown(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim_start());
    let session = lines.skip_while(|line| !line.starts_with("$ ")).skip(1).take_while(|line| *line != "```");
    session.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn every_example_prints_what_its_documentation_shows() {
    build_plugins();
    let redis = Redis::start("");
    let examples =
        fs::read_dir(repository().join("host/examples")).expect("the examples are there").flatten();
    let mut tried = 0;
    for file in
        examples.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
    {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("an example has a name").to_owned();
        let expected = shown(&fs::read_to_string(&file).expect("an example is text"));
        assert!(!expected.is_empty(), "{name} shows no output");
        let output =
            Command::new(build_example(&name)).arg(redis.uri()).env_clear().output().expect("it starts");
        let [printed, said] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!((printed.as_str(), said.as_str()), (expected.as_str(), ""), "{name}");
        tried += 1;
    }
    assert!(tried >= 5, "{tried} examples");
}
