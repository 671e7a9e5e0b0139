//! Tests of commands as functions: types of what a program is given, its result, digests and shared functions.
//! `manifest` tests the keys.

use crate::manifest::parse;
use crate::model::{Datum, Digest, Fault, RunId, Source};
use crate::plan::identity::identity;
use crate::plan::sample::compiled_with;
use crate::plan::{BindRequest, Binding, Bound, Plan, PlanRecord, Supplied, bind};
use crate::value::{Feed, Type};
use std::path::Path;
use std::sync::Arc;

const FUNCTIONS: &[&str] = &[
    "wasi:cli/run@0.2.6#run() -> result",
    "text() -> string",
    "texts() -> list<string>",
    "raw() -> list<u8>",
    "color() -> enum { red, green }",
    "person() -> record { name: string, age: option<u32> }",
    "maybe() -> option<string>",
    "small() -> u8",
    "takes(t: string) -> string",
    "takes-files(f: list<record { name: string, content: list<u8> }>) -> u32",
    "takes-result(r: result<string, record { status: option<u8>, stderr: string }>) -> u32",
];

/// Tasks that the tests read, before the task of the test.
const HEAD: &str = "cascade = 1\nname = \"test\"\n[components.c]\npath = \"c.wasm\"\n[components.d]\npath = \"d.wasm\"\n\
    [params.n]\ntype = \"f32\"\ndefault = 1.5\n[params.flag]\ntype = \"bool\"\ndefault = true\n\
    [params.names]\ntype = \"list<string>\"\ndefault = [\"a\"]\n[params.people]\ntype = \"list<record { age: list<u8>, name: string }>\"\ndefault = []\n[params.key]\ntype = \"string\"\nsecret = true\ndefault = \"k\"\n\
    [tasks.text]\ncall = \"c.text\"\n[tasks.texts]\ncall = \"c.texts\"\n[tasks.raw]\ncall = \"c.raw\"\n\
    [tasks.color]\ncall = \"c.color\"\n[tasks.person]\ncall = \"c.person\"\n[tasks.maybe]\ncall = \"c.maybe\"\n\
    [tasks.small]\ncall = \"c.small\"\n";

fn compiled(functions: &[&str], text: &str) -> Result<Plan, Vec<Fault>> {
    let source = Source { name: "m.toml".into(), text: format!("{HEAD}{text}").into() };
    let parsed = parse(source, Path::new("/m"));
    assert!(parsed.faults.is_empty(), "{}", parsed.faults);
    compiled_with(functions, parsed)
}

fn plan(text: &str) -> Plan {
    compiled(FUNCTIONS, text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// Returns the plan of a command with these keys, as the last task.
fn command(keys: &str) -> Plan {
    plan(&format!("[tasks.t]\ncommand = \"c\"\n{keys}"))
}

/// Returns each fault with the text that it points at, its label and notes, and its help after an arrow.
fn faults(text: &str) -> Vec<String> {
    let whole = format!("{HEAD}{text}");
    let described = |fault: &Fault| {
        let at = fault.location.as_ref().map_or("", |location| &whole[location.span.clone()]);
        let label =
            fault.location.as_ref().map(|location| location.label.clone()).filter(|label| !label.is_empty());
        let more: Vec<String> = label.iter().chain(&fault.notes).map(|note| format!("; {note}")).collect();
        let helps: Vec<String> = fault.helps.iter().map(|help| format!(" => {help}")).collect();
        format!("{at}: {}{}{}", fault.message, more.concat(), helps.concat())
    };
    compiled(FUNCTIONS, text).map(|_| ()).unwrap_err().iter().map(described).collect()
}

/// Returns the parameters of the function that the last task calls: `args[0]: string, …`.
fn params(plan: &Plan) -> String {
    let function = plan.function_of(plan.tasks().last().unwrap()).unwrap();
    let params = function.signature.params.iter().map(|(name, ty)| format!("{name}: {ty}"));
    params.collect::<Vec<_>>().join(", ")
}

fn output(plan: &Plan) -> String {
    plan.tasks().last().unwrap().output.as_ref().unwrap().to_string()
}

#[test]
fn parameters_have_the_types_of_their_values() {
    let plan = command(
        "args = [\"-v\", 3, 1.5, true, { param = \"n\" }, { param = \"flag\" }, { task = \"small\" }, { env = \"X\" }, \
         { file = \"f\" }, { task = \"texts\", path = \"[0]\" }, 18446744073709551615]\n",
    );
    assert_eq!(
        params(&plan),
        "args[0]: string, args[1]: s64, args[2]: f64, args[3]: bool, args[4]: f32, args[5]: bool, args[6]: u8, \
         args[7]: string, args[8]: string, args[9]: string, args[10]: u64"
    );
}

#[test]
fn content_is_text_or_bytes_and_a_file_is_bytes() {
    let kinds = [
        ("\"x\"", "string"),
        ("{ task = \"text\" }", "string"),
        ("{ task = \"raw\" }", "list<u8>"),
        ("{ file = \"f\" }", "list<u8>"),
        ("{ env = \"X\" }", "string"),
        (
            "{ select = { task = \"text\" }, cases = { a = { file = \"f\" }, b = { task = \"text\" } } }",
            "string",
        ),
        (
            "{ select = { task = \"text\" }, cases = { a = { file = \"f\" }, b = { task = \"raw\" } } }",
            "list<u8>",
        ),
        ("{ select = { task = \"text\" }, cases = { a = { file = \"f\" } } }", "list<u8>"),
        ("{ select = { task = \"text\" }, cases = { a = { file = \"f\" } }, default = \"x\" }", "string"),
    ];
    for (value, ty) in kinds {
        assert_eq!(params(&command(&format!("stdin = {value}\n"))), format!("stdin: {ty}"), "{value}");
        let file = command(&format!("files.\"in/x.css\" = {value}\n"));
        assert_eq!(params(&file), format!("files.\"in/x.css\": {ty}"), "{value}");
    }
}

#[test]
fn variables_and_files_are_sorted_by_name() {
    let plan = command(
        "files.b = \"x\"\nenv.B = \"x\"\nfiles.a = \"x\"\nenv.A = \"x\"\nstdin = \"x\"\nargs = [\"x\"]\n",
    );
    assert_eq!(
        params(&plan),
        "args[0]: string, stdin: string, env.A: string, env.B: string, files.a: string, files.b: string"
    );
    let feeds = &plan.functions().last().unwrap().command().unwrap().feeds;
    assert!(
        matches!(&**feeds, [Feed::Arg, Feed::Stdin, Feed::Env(a), _, Feed::File(f), _] if &**a == "A" && &**f == "a")
    );
}

#[test]
fn result_has_the_type_of_what_is_collected() {
    for (keys, ty) in [
        ("", "string"),
        ("output = \"text\"\n", "string"),
        ("output = \"bytes\"\n", "list<u8>"),
        ("output = \"json\"\ntype = \"record { n: u32 }\"\n", "record { n: u32 }"),
        ("output = { json = \"list<u8>\" }\n", "list<u8>"),
        ("output = { file = \"a\" }\n", "list<u8>"),
        ("output = { file = \"a\", text = true }\n", "string"),
        ("output = { files = \"a/*\" }\n", "list<record { name: string, content: list<u8> }>"),
        ("output = { files = \"**\", text = true }\n", "list<record { name: string, content: string }>"),
        ("outputs = { z = \"text\", a = { json = \"u8\" } }\n", "record { z: string, a: u8 }"),
        ("on-error = \"value\"\n", "result<string, record { status: option<u8>, stderr: string }>"),
        ("for-each.x = [1, 2]\nargs = [{ item = \"x\" }]\noutput = \"bytes\"\n", "list<list<u8>>"),
    ] {
        assert_eq!(output(&command(keys)), ty, "{keys}");
    }
}

#[test]
fn results_flow_into_functions_and_into_commands() {
    let plan = plan(
        "[tasks.made]\ncommand = \"c\"\noutput = { files = \"out/*\" }\n\
         [tasks.many]\ncommand = \"c\"\nfor-each.f = { task = \"made\" }\n\
         args = [{ item = \"f\", path = \"name\" }]\nstdin = { item = \"f\", path = \"content\" }\n\
         [tasks.tried]\ncommand = \"c\"\non-error = \"value\"\nfiles.x = { task = \"many\", path = \"[0]\" }\n\
         [tasks.count]\ncall = \"c.takes-files\"\nargs.f = { task = \"made\" }\n\
         [tasks.look]\ncall = \"c.takes-result\"\nargs.r = { task = \"tried\" }\n",
    );
    let many = plan.tasks().iter().find(|task| task.name.as_str() == "many").unwrap();
    let signature = &plan.function_of(many).unwrap().signature;
    assert_eq!(
        signature.to_string(),
        "func(args[0]: string, stdin: list<u8>) -> result<string, record { status: option<u8>, stderr: string }>"
    );
}

#[test]
fn files_of_a_literal_list_are_bytes_if_they_become_content_alone() {
    let list = "for-each.f = [{ file = \"a\" }, { file = \"b\" }]\n";
    let of = |keys: &str| params(&command(&format!("{list}{keys}")));
    assert_eq!(of("stdin = { item = \"f\" }\n"), "stdin: list<u8>");
    assert_eq!(of("files.x = { item = \"f\" }\n"), "files.x: list<u8>");
    assert_eq!(
        of("files.x = { item = \"f\" }\nargs = [{ item = \"f\" }]\n"),
        "args[0]: string, files.x: string"
    );
    assert_eq!(of(""), "");
}

#[test]
fn values_of_other_types_are_reported_with_what_to_do() {
    let fault = |value: &str, keys: &str| {
        faults(&format!("[tasks.t]\ncommand = \"c\"\n{keys}args = [{value}]\n")).join("\n")
    };
    let scalar = "an argument is a string, a number or a bool";
    let names = "{ param = \"names\" }";
    assert_eq!(
        fault(names, ""),
        format!(
            "{names}: `args[0]` cannot have the type `list<string>`; {scalar} => run the program once per element:\n\
             for-each.item = {{ param = \"names\" }}\nand write `{{ item = \"item\" }}` here"
        )
    );
    for (value, keys, help) in [
        (
            names,
            "for-each.x = [1]\n",
            "give it a value of such a type, for example by a task that converts it",
        ),
        ("{ task = \"color\" }", "", "make it a `string` where it comes from"),
        ("{ task = \"person\" }", "", "reach into it with `path` beside the reference"),
        (
            "{ task = \"maybe\" }",
            "",
            "write `path = \"some\"` beside the reference, and a `default` for none where it may have one",
        ),
        ("{ task = \"raw\" }", "", "run the program once per element"),
        (
            "{ param = \"people\" }",
            "",
            "run the program once per element:\nfor-each.item = { param = \"people\" }\n\
             and write `{ item = \"item\", path = \"name\" }` here",
        ),
    ] {
        let fault = fault(value, keys);
        assert!(fault.contains(scalar) && fault.contains(&format!(" => {help}")), "{fault}");
    }
}

#[test]
fn faults_of_one_command_are_reported_together() {
    let found = faults(
        "[tasks.t]\ncommand = \"d\"\nargs = [{ task = \"person\" }]\nstdin = { task = \"small\" }\n\
         files.x = { task = \"texts\", path = \"[0].y\" }\nenv.X = { task = \"small\" }\n\
         outputs = { a = { json = \"strng\" }, b = { json = \"u7\" } }\n",
    );
    let short: Vec<String> = found.iter().map(|fault| fault.split(';').next().unwrap().to_owned()).collect();
    assert_eq!(
        short,
        [
            "{ task = \"person\" }: `args[0]` cannot have the type `record { name: string, age: option<u32> }`",
            "{ task = \"small\" }: `stdin` cannot have the type `u8`",
            "{ task = \"texts\", path = \"[0].y\" }: no such part: `string` has no part `y`",
            "{ task = \"small\" }: the output of task `small` does not fit `env.X`",
            "\"strng\": the type of the JSON output is not a WIT type",
            "\"u7\": the type of the JSON output is not a WIT type",
        ]
    );
}

#[test]
fn component_without_a_program_is_reported() {
    let text = "[tasks.t]\ncommand = \"d\"\n";
    let found = |functions: &[&str]| {
        let faults = compiled(functions, text).unwrap_err();
        let fault = faults.iter().find(|fault| fault.message.contains("program")).unwrap().clone();
        (fault.message, fault.notes.concat(), fault.helps.concat())
    };
    let (message, note, help) = found(&["wasi:cli/run@0.3.0#run() -> result", "text() -> string"]);
    assert_eq!(message, "component `d` is no program: it does not export `wasi:cli/run` of WASI 0.2");
    assert!(note.starts_with("the component exports run, text"), "{note}");
    assert_eq!(help, "to call a function, write for example `call = \"d.run\"`");
    assert_eq!(found(&[]).1, "the component exports no functions");
}

#[test]
fn folder_that_would_hide_the_working_directory_is_reported() {
    for folder in ["data:/", ".", "data:."] {
        let grants = format!("grants = {{ read = [\"{folder}\"] }}\n");
        let found = faults(&format!("[tasks.t]\ncommand = \"c\"\n{grants}"));
        assert!(found[0].starts_with(&format!("\"{folder}\": a folder is granted at")), "{found:?}");
        assert!(compiled(FUNCTIONS, &format!("[tasks.t]\ncall = \"c.run\"\n{grants}")).is_ok());
    }
    command("grants = { read = [\"data:/data\", \"in\"] }\n");
}

#[test]
fn run_of_a_program_can_be_called_too() {
    let plan = plan("[tasks.t]\ncall = \"c.run\"\n");
    assert_eq!(plan.functions().last().unwrap().signature.to_string(), "func() -> result");
    assert!(plan.functions().iter().all(|function| function.command().is_none()));
}

#[test]
fn commands_of_one_shape_share_a_function() {
    let of = |keys: &str| {
        let plan =
            plan(&format!("[tasks.a]\ncommand = \"c\"\nargs = [\"x\"]\n[tasks.b]\ncommand = \"c\"\n{keys}"));
        let tasks = plan.tasks();
        tasks[tasks.len() - 1].function == tasks[tasks.len() - 2].function
    };
    assert!(of("args = [\"y\"]\n"));
    for other in [
        "args = []\n",
        "args = [1]\n",
        "args = [\"x\"]\noutput = \"bytes\"\n",
        "args = [\"x\"]\nok-status = [0, 1]\n",
        "args = [\"x\"]\nenv.A = \"x\"\n",
        "args = [\"x\"]\ngrants = { clock = true }\n",
        "stdin = \"x\"\n",
    ] {
        assert!(!of(other), "{other}");
    }
}

#[test]
fn permanent_needs_cases_that_no_command_has() {
    let found = faults("[tasks.t]\ncommand = \"c\"\nretry = { attempts = 2, permanent = [\"busy\"] }\n");
    assert!(found[0].contains("has no case `busy`"), "{found:?}");
}

fn bound(text: &str, key: &str, run: &str) -> Bound {
    let plan = Arc::new(plan(text));
    let grants = plan.functions().iter().map(|_| Digest::of_bytes(b"none")).collect();
    let run = RunId::new(run).unwrap();
    let inputs = plan.inputs().iter().map(|input| {
        let text = if input.is_secret { key } else { "text" };
        match &input.kind {
            crate::plan::InputKind::Param { default: Some(_), .. } if !input.is_secret => None,
            _ if input.ty == Type::String => Some(Supplied::Datum(Datum::Text(text.into()))),
            _ => Some(Supplied::Content(b"bytes".into())),
        }
    });
    let inputs = inputs.collect();
    let source = Source { name: "m.toml".into(), text: "".into() };
    bind(&plan, BindRequest { inputs, ..BindRequest::without_inputs(grants, &run) }, &source.into()).unwrap()
}

const COMMAND: &str = "[tasks.t]\ncommand = \"c\"\nargs = [\"-v\", { param = \"key\" }]\nstdin = { task = \"text\" }\n\
    env.LANG = \"C\"\nfiles.\"a/b\" = { file = \"f\" }\noutput = { files = \"out/*\" }\nok-status = [0, 2]\n";

#[test]
fn every_part_of_a_command_is_digested_and_named() {
    let before = bound(COMMAND, "k", "r");
    let stored = PlanRecord::decode(before.record()).unwrap();
    let differences = |text: &str| {
        let now = bound(text, "k", "r");
        let shown: Vec<String> = now.differences(&stored).iter().map(ToString::to_string).collect();
        assert_eq!(before.digest() != now.digest(), !shown.is_empty(), "{shown:?}");
        shown
    };
    let cases: [(&str, &str, &[&str]); 15] = [
        ("\"-v\"", "\"-w\"", &["args[0]"]),
        ("\"-v\"", "1", &["args[0]"]),
        ("{ param = \"key\" }]", "\"k\"]", &["args[1]"]),
        ("\"-v\", {", "{", &["args[0]", "args[1]"]),
        ("{ task = \"text\" }", "\"x\"", &["stdin"]),
        ("stdin = { task = \"text\" }\n", "", &["stdin"]),
        ("\"C\"", "\"de\"", &["env.LANG"]),
        ("env.LANG", "env.LC_ALL", &["env.LC_ALL", "env.LANG"]),
        ("{ file = \"f\" }", "\"x\"", &["files.\"a/b\""]),
        ("files.\"a/b\"", "files.\"a/c\"", &["files.\"a/c\"", "files.\"a/b\""]),
        ("out/*", "out/?", &["output"]),
        ("\"out/*\" }", "\"out/*\", text = true }", &["output"]),
        ("output = { files = \"out/*\" }", "outputs = { a = { files = \"out/*\" } }", &["outputs", "output"]),
        ("[0, 2]", "[0, 3]", &["ok-status"]),
        ("command = \"c\"", "command = \"d\"", &["argv[0]"]),
    ];
    for (old, new, changed) in cases {
        assert!(COMMAND.contains(old), "{old}");
        let expected: Vec<String> =
            changed.iter().map(|key| format!("task `t`: `{key}` has changed")).collect();
        assert_eq!(differences(&COMMAND.replacen(old, new, 1)), expected, "{old} -> {new}");
    }
    for (old, new) in [("[0, 2]", "[2, 0, 2]"), ("\"a/b\"", "\"./a//b\"")] {
        assert_eq!(differences(&COMMAND.replacen(old, new, 1)), [""; 0], "{old} -> {new}");
    }
    let json = |ty: &str| COMMAND.replace("{ files = \"out/*\" }", &format!("{{ json = \"{ty}\" }}"));
    assert_ne!(bound(&json("u8"), "k", "r").digest(), bound(&json("u16"), "k", "r").digest());
}

#[test]
fn identity_covers_every_part_of_the_shape() {
    use crate::value::{Collected, Command, CommandOutput};
    let base = Command {
        program: "dot".into(),
        feeds: vec![Feed::Arg, Feed::Env("A".into())],
        output: CommandOutput::One(Collected::Text),
        ok_status: vec![0],
    };
    let feeds = |feeds: Vec<Feed>| Command { feeds, ..base.clone() };
    let output = |output| Command { output, ..base.clone() };
    let one = |collected| output(CommandOutput::One(collected));
    let file = |path: &str, is_text| Collected::File { path: path.into(), is_text };
    let files = |pattern: &str, is_text| Collected::Files { pattern: pattern.into(), is_text };
    let others = [
        base.clone(),
        Command { program: "dat".into(), ..base.clone() },
        Command { ok_status: vec![0, 1], ..base.clone() },
        feeds(vec![Feed::Arg]),
        feeds(vec![Feed::Arg, Feed::Arg, Feed::Env("A".into())]),
        feeds(vec![Feed::Stdin, Feed::Env("A".into())]),
        feeds(vec![Feed::Arg, Feed::Env("B".into())]),
        feeds(vec![Feed::Arg, Feed::File("A".into())]),
        one(Collected::Bytes),
        one(Collected::Json(Type::String)),
        one(Collected::Json(Type::U8)),
        one(file("a", false)),
        one(file("a", true)),
        one(file("b", false)),
        one(files("a", false)),
        one(files("a", true)),
        one(files("b", false)),
        output(CommandOutput::Several(vec![("a".into(), Collected::Text)])),
        output(CommandOutput::Several(vec![("b".into(), Collected::Text)])),
        output(CommandOutput::Several(vec![("a".into(), Collected::Text), ("b".into(), Collected::Text)])),
    ];
    let digests: std::collections::HashSet<_> =
        others.iter().map(|other| *identity(other).as_bytes()).collect();
    assert_eq!(digests.len(), others.len());
    assert_eq!(identity(&base), identity(&base.clone()));
}

#[test]
fn changed_inputs_of_a_command_are_named() {
    let stored = PlanRecord::decode(bound(COMMAND, "k", "r").record()).unwrap();
    let shown: Vec<String> =
        bound(COMMAND, "other", "r").differences(&stored).iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["task `t`: `args[1]` has changed: param `key` has another value"]);
}

#[test]
fn digests_of_secrets_in_a_command_are_keyed_by_the_run() {
    let digest = |key, run| *bound(COMMAND, key, run).digest();
    assert_eq!(digest("k", "r"), digest("k", "r"));
    assert_ne!(digest("k", "r"), digest("k", "s"));
}

#[test]
fn constants_of_arguments_are_encoded_by_their_own_types() {
    let plan = command("args = [3, \"3\", 3.0]\n");
    let encoded: Vec<&[u8]> = plan
        .tasks()
        .last()
        .unwrap()
        .args
        .iter()
        .map(|arg| match arg {
            Binding::Constant(bytes) => &**bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(encoded, [&[3][..], &[0xa1, b'3'], &[0xcb, 0x40, 8, 0, 0, 0, 0, 0, 0]]);
}
