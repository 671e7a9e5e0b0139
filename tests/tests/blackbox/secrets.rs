//! Secret params, passwords in URIs and granted variables appear in nothing that the host prints or stores.
//! A result computed from a secret is an ordinary result, and is not hidden.

use crate::guests::Guest;
use crate::{component, named};
use cascade_host_tests::{Finished, Host, Project, Redis};
use std::fmt::Write as _;

const PARAM: &str = "p4ram-Secret~value/1";
const PASSWORD: &str = "Pa55word-of-the-server";
const PASSED: &str = "passed-on-T0ken+value";
const WRITTEN: &str = "written-T0ken-value";
const REFERENCED: &str = "referenced-V4lue";
const HIDDEN: &str = "hidden-V4riable";

/// Returns every form in which a secret may appear in a text.
fn forms(secret: &str) -> Vec<String> {
    let hex = |upper: bool| {
        secret.bytes().fold(String::new(), |mut text, byte| {
            let _ = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
            text
        })
    };
    let percent = secret.bytes().fold(String::new(), |mut text, byte| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let _ = if is_plain { write!(text, "{}", char::from(byte)) } else { write!(text, "%{byte:02X}") };
        text
    });
    let mut forms = vec![secret.to_owned(), hex(false), hex(true), percent];
    // Base64 of a text depends on its offset, and the letters at its edges on the surrounding bytes.
    for before in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.bytes()).collect();
        let text = base64(&padded);
        let inner = &text[(before * 4).div_ceil(3)..text.len() - 4];
        forms.extend([inner.to_owned(), inner.replace('+', "-").replace('/', "_")]);
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = usize::try_from(word >> (18 - 6 * at) & 63).expect("six bits");
            text.push(if at <= chunk.len() { char::from(LETTERS[letter]) } else { '=' });
        }
    }
    text
}

#[track_caller]
fn has_no_secret(from: &str, text: &str) {
    for secret in [PARAM, PASSWORD, PASSED, WRITTEN, REFERENCED, HIDDEN] {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{from} has {secret} as {form}:\n{text}");
        }
    }
}

fn all_output(finished: &Finished) -> String {
    format!("{}{}", finished.stderr, String::from_utf8_lossy(&finished.stdout))
}

/// Returns all data of a server, of every type.
pub(crate) fn content(server: &Redis) -> String {
    let mut all = String::new();
    for key in server.command(&["KEYS", "*"]).lines() {
        let value = match &*server.command(&["TYPE", key]) {
            "string" => server.command(&["GET", key]),
            "hash" => server.command(&["HGETALL", key]),
            "list" => server.command(&["LRANGE", key, "0", "-1"]),
            "set" => server.command(&["SMEMBERS", key]),
            "zset" => server.command(&["ZRANGE", key, "0", "-1"]),
            "stream" => server.command(&["XRANGE", key, "-", "+"]),
            other => panic!("{key} has the type {other}"),
        };
        all.push_str(&format!("{key}\n{value}\n"));
    }
    all
}

/// Tasks that have a secret and end in every possible way; none returns it.
fn project(uri: &str) -> Project {
    let (basic, purity) = (component(Guest::Basic), named("p", Guest::Purity));
    Project::new(&format!(
        r#"
        [state]
        uri = "{uri}"
        [cache]
        uri = {{ env = "CACHE" }}
        [params.token]
        type = "string"
        secret = true
        [params.number]
        type = "u64"
        secret = true
        default = 271828182845
        {basic}
        {purity}
        [components.p.grants]
        env = ["TOKEN", "WRITTEN={WRITTEN}"]
        [tasks.traps]
        call = "g.panic-with"
        args.message = {{ param = "token" }}
        [tasks.traps-with-variable]
        call = "g.panic-with"
        args.message = {{ env = "HIDDEN", secret = true }}
        [tasks.fails-with-variable]
        call = "g.panic-with"
        args.message = {{ env = "UNSET", default = "{HIDDEN}", secret = true }}
        on-error = "failure"
        [tasks.errs]
        call = "g.read-file"
        args.path = {{ param = "token" }}
        [tasks.shouts]
        call = "p.shout"
        args.name = "TOKEN"
        retry = {{ attempts = 2, delay = "1ms" }}
        [tasks.shouts-written]
        call = "p.shout"
        args.name = "WRITTEN"
        [tasks.chooses]
        call = "g.double"
        args.x = {{ select = {{ param = "token" }}, cases = {{ a = 1, b = 2 }} }}
        [tasks.unlike]
        call = "g.double"
        args.x = 1
        when = {{ env = "REFERENCED", equals = "something else" }}
        [tasks.fine]
        call = "g.double"
        args.x = 4
        [tasks.after]
        call = "g.echo-string"
        args.value = {{ task = "traps" }}
        "#
    ))
}

fn with_secrets(host: Host, uri: &str) -> Host {
    host.env("CACHE", uri).env("TOKEN", PASSED).env("REFERENCED", REFERENCED).env("HIDDEN", HIDDEN)
}

#[test]
fn no_output_or_stored_data_contains_a_secret() {
    let server = Redis::start_with_login(&format!("requirepass {PASSWORD}"), "default", PASSWORD);
    let uri = format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port());
    let project = project(&uri);
    let token = format!("token={PARAM}");
    let run = |arguments: &[&str]| {
        let host = project.command("run").args(["--run-id", "r1", "--keep-going", "-p", &token]);
        let host = arguments.iter().fold(host, |host, argument| host.args([*argument]));
        with_secrets(host, &uri).run().expect(1)
    };
    for arguments in [
        &["--log-level", "debug", "--events", "events.jsonl"][..],
        &["--log-level", "trace", "--log-format", "json"],
        &["--verify", "--progress", "plain", "--events", "-", "--fresh"],
    ] {
        let finished = run(arguments);
        has_no_secret("run", &all_output(&finished));
        assert!(finished.stderr.contains("***"), "what a guest says of it is marked:\n{}", finished.stderr);
    }
    let events = std::fs::read_to_string(project.folder().join("events.jsonl")).expect("events were written");
    assert!(events.contains("task.failed") && events.contains("it is ***"), "{events}");
    has_no_secret("the events", &events);

    for arguments in [&["plan"][..], &["plan", "--json"]] {
        let host = arguments[1..].iter().fold(project.command(arguments[0]), |host, word| host.args([*word]));
        let host = host.args(["--run-id", "r1", "-p", &token]);
        has_no_secret("plan", &all_output(&with_secrets(host, &uri).run().expect(0)));
    }
    for command in ["check", "graph"] {
        has_no_secret(command, &all_output(&with_secrets(project.command(command), &uri).run()));
    }
    for words in [
        &["runs"][..],
        &["runs", "--json"],
        &["show", "r1"],
        &["show", "r1", "--json"],
        &["watch", "r1", "--json"],
        &["logs", "r1", "traps"],
        &["logs", "r1", "shouts"],
        &["output", "r1"],
        &["output", "r1", "fine", "-o", "msgpack"],
        &["output", "r1", "traps"],
        &["show", "no-such-run"],
    ] {
        let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
        has_no_secret(
            &words.join(" "),
            &all_output(&host.args(["--state", &uri, "--log-level", "trace"]).run()),
        );
    }
    has_no_secret("the server", &content(&server));
}

#[test]
fn error_near_a_secret_does_not_quote_it() {
    let param = |line: &str| {
        format!("[params.token]\ntype = \"u32\"\nsecret = true\n{line}\n{}", component(Guest::Basic))
    };
    let grants = |grants: &str| format!("{}{grants}\n", component(Guest::Basic));
    let task = "[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n";
    for (at, manifest) in [
        ("a default of another type", param(&format!("default = \"{PARAM}\""))),
        ("a key that nobody knows", param(&format!("defualt = \"{PARAM}\""))),
        ("a value that is not closed", param(&format!("default = \"{PARAM}"))),
        ("a key that is there twice", param(&format!("default = \"{PARAM}\"\ndefault = \"{PARAM}\""))),
        ("an unknown grant", grants(&format!("grants = {{ env = [\"A={WRITTEN}\"], clokc = true }}"))),
        ("a variable twice", grants(&format!("grants.env = [\"A={WRITTEN}\", \"A={PASSED}\"]"))),
        (
            "lines of variables",
            grants(&format!("[components.g.grants]\nenv = [\n\"A=1\",\n\"B={WRITTEN}\",\n\"A=2\",\n]")),
        ),
        ("no list", grants(&format!("grants.env = \"A={WRITTEN}\""))),
        ("a number among variables", grants(&format!("grants.env = [\"A={WRITTEN}\", 7]"))),
        ("a wrong scheme", format!("state.uri = \"postgres://u:{PASSWORD}@h\"\n{}", component(Guest::Basic))),
        (
            "an unknown key",
            format!(
                "state = {{ uri = \"redis://:{PASSWORD}@h\", tll = \"1h\" }}\n{}",
                component(Guest::Basic)
            ),
        ),
    ] {
        let project = Project::new(&format!("{manifest}{task}"));
        for command in ["check", "plan", "run"] {
            let finished = project.command(command).run();
            assert_eq!(finished.code, Some(2), "{command} with {at}: {}", finished.stderr);
            has_no_secret(&format!("{command} with {at}"), &all_output(&finished));
        }
    }
}

#[test]
fn secret_of_the_wrong_type_is_not_quoted() {
    let project = Project::new(&format!(
        "[params.token]\ntype = \"list<u32>\"\nsecret = true\n{}[tasks.t]\ncall = \"g.double\"\nargs.x = {{ param = \"token\", path = \"[0]\" }}\n",
        component(Guest::Basic)
    ));
    project.file("wrong.toml", format!("token = [\"{PARAM}\"]").as_bytes());
    project.file("broken.json", format!("{{\"token\": [\"{PARAM}\"").as_bytes());
    project.file("value", PARAM.as_bytes());
    let quoted = format!("token=[\"{PARAM}\"]");
    let (bare, huge) = (format!("token={PARAM}"), format!("token=[{}]", "9".repeat(40)));
    for arguments in [
        &["-p", &*quoted][..],
        &["-p", &bare],
        &["-p", "token=@value"],
        &["-p", "token=[1]", "-p", &bare],
        &["--params-file", "wrong.toml"],
        &["--params-file", "broken.json"],
        &["-p", PARAM],
        &["-p", &huge],
    ] {
        let host = arguments.iter().fold(project.command("run"), |host, argument| host.args([*argument]));
        let finished = host.run().expect(2);
        has_no_secret("run", &all_output(&finished));
        assert!(!finished.stderr.contains(&"9".repeat(40)), "{}", finished.stderr);
    }
}
