//! Published components do what they were published for, with the lines of a manifest and nothing else.
//! What `inspect` says of them is in `inspection`.

use crate::compile_in_turn;
use crate::packages::{ANALYZE, JAVASCRIPT, PYTHON, REDACT, ZLIB, table};
use cascade_host_tests::{Project, Registry};
use serde_json::json;

/// A component of the tests that exports what Arcjet's and Hyperlight's import.
const SUPPLIES: &str = "[components.supplies]\npath = \"{guest:supplies}\"\n";

/// Imports of Arcjet's analysis that no test calls.
const UNUSED: &str = r#"
    "arcjet:js-req/sensitive-information-identifier" = "trap"
    "arcjet:js-req/verify-bot" = "trap"
    "arcjet:js-req/bot-identifier" = "trap"
"#;

/// Everything that Arcjet's analysis imports, from `supplies` where a test calls it.
fn supplied() -> String {
    let overrides = ["email-validator-overrides", "filter-overrides"]
        .map(|name| format!("\"arcjet:js-req/{name}\" = {{ component = \"supplies\" }}\n"));
    format!(
        "{SUPPLIES}{}",
        table("analyze", ANALYZE, &["[components.analyze.imports]", UNUSED, &overrides.concat()].join("\n"))
    )
}

#[test]
fn cards_and_addresses_are_redacted() {
    if Registry::Npm.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let project = Project::new(&format!(
        "{}{}",
        table("redact", REDACT, "imports = { \"arcjet:redact/custom-redact\" = \"trap\" }"),
        r#"
        [tasks.redacted]
        call = "redact.redact"
        args.content = "Charge 4242 4242 4242 4242, write to ann@example.com."
        args.options = { skip-custom-detect = true, skip-custom-redact = true }
        [tasks.cards]
        call = "redact.redact"
        args.content = { task = "redacted", path = "[0].original" }
        args.options = { entities = ["email"], skip-custom-detect = true, skip-custom-redact = true }
        "#
    ));
    let shown = project.host().args(["--verify"]).run().expect(0).json();
    assert_eq!(shown, json!({ "cards": [] }));
    let all = project.command("run").args(["--target", "redacted"]).run().expect(0).json();
    let found = all["redacted"].as_array().expect("a list");
    assert_eq!(found.len(), 2, "{all}");
    assert_eq!(found[0]["original"], "4242 4242 4242 4242");
    assert_eq!(found[0]["identified-type"], "credit-card-number");
    assert_eq!((&found[0]["start"], &found[0]["end"]), (&json!(7), &json!(26)));
    assert_eq!(found[1]["original"], "ann@example.com");
    assert_eq!(found[1]["identified-type"], "email");
    // It replaces what it finds by a name that it draws.
    assert_ne!(found[0]["redacted"], found[0]["original"]);
}

#[test]
fn mail_is_judged_with_the_help_of_a_component_of_ours() {
    if Registry::Npm.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let project = Project::new(&format!(
        "{}{}",
        supplied(),
        r#"
        [tasks.judged]
        call = "analyze.is-valid-email"
        for-each.mail = ["ann@example.com", "ann@free.example.com", "ann@thrown-away.example.com", "ann@nowhere.example.com", "ann@@example"]
        args.candidate = { item = "mail" }
        args.options.deny-email-validation-config = { require-top-level-domain = true, allow-domain-literal = false, deny = ["FREE", "DISPOSABLE", "NO_MX_RECORDS", "INVALID"] }
        "#
    ));
    let shown = project.run().expect(0).json();
    let invalid = |reason: &str| json!({ "validity": "invalid", "blocked": [reason] });
    let judged = [
        json!({ "validity": "valid", "blocked": [] }),
        invalid("FREE"),
        invalid("DISPOSABLE"),
        invalid("NO_MX_RECORDS"),
        invalid("INVALID"),
    ];
    assert_eq!(shown, json!({ "judged": judged }));
}

#[test]
fn requests_are_judged() {
    if Registry::Npm.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let project = Project::new(&format!(
        "{}{}",
        supplied(),
        r#"
        [tasks.bot]
        call = "analyze.detect-bot"
        args.request = '{"headers":{"user-agent":"curl/8.0"}}'
        args.options.denied-bot-config = { entities = ["CURL"], skip-custom-detect = true }
        [tasks.card]
        call = "analyze.detect-sensitive-info"
        args.content = "4111 1111 1111 1111"
        args.options = { entities = { deny = ["credit-card-number"] }, skip-custom-detect = true }
        [tasks.filter]
        call = "analyze.match-filters"
        args.request = '{}'
        args.local-fields = '{}'
        args.expressions = ["nonsense("]
        args.allow-if-match = false
        on-error = "value"
        "#
    ));
    let shown = project.run().expect(0).json();
    assert_eq!(
        shown["bot"],
        json!({ "allowed": [], "denied": ["CURL"], "verified": false, "spoofed": false })
    );
    let card = json!({ "start": 0, "end": 19, "identified-type": "credit-card-number" });
    assert_eq!(shown["card"], json!({ "allowed": [], "denied": [card] }));
    let complaint = shown["filter"]["err"].as_str().expect("the expression is none");
    assert!(complaint.contains("unknown identifier"), "{complaint}");
}

#[test]
fn stubbed_import_traps_by_name_if_it_is_called_after_all() {
    if Registry::Npm.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let stubs = ["email-validator-overrides", "filter-overrides"]
        .map(|name| format!("\"arcjet:js-req/{name}\" = \"trap\"\n"));
    let imports = ["[components.analyze.imports]", UNUSED, &stubs.concat()].join("\n");
    let project = Project::new(&format!(
        "{}{}",
        table("analyze", ANALYZE, &imports),
        r#"
        [tasks.judged]
        call = "analyze.is-valid-email"
        args.candidate = "ann@example.com"
        args.options.allow-email-validation-config = { require-top-level-domain = true, allow-domain-literal = false, allow = [] }
        "#
    ));
    project
        .run()
        .expect(1)
        .says(["`arcjet:js-req/email-validator-overrides.is-free-email`", "set to `\"trap\"`"]);
}

#[test]
fn javascript_runs_as_a_string_and_calls_a_tool() {
    if Registry::Pypi.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let imports = "imports = { \"hyperlight:sandbox/tools\" = { component = \"supplies\" } }";
    let project = Project::new(&format!(
        "{SUPPLIES}{}{}",
        table("js", JAVASCRIPT, imports),
        r#"
        [params.words]
        type = "string"
        default = "the quick brown fox jumps over the lazy dog"
        [tasks.sorted]
        call = "js.run"
        args.code = """
        const words = ["pear", "fig", "apple"];
        console.log(words.sort((a, b) => a.length - b.length).join(), new Date().toISOString(), Math.random());
        """
        [tasks.tool]
        call = "js.run"
        args.code = """
        console.log(call_tool("measure", { a: 1 }).bytes);
        try { call_tool("unknown") } catch (error) { console.error(error.message) }
        """
        [tasks.thrown]
        call = "js.run"
        args.code = "throw new RangeError('it is so')"
        "#
    ));
    let host = project.host().args(["--verify"]);
    let shown = host.run().expect(0).json();
    let sorted = shown["sorted"]["stdout"].as_str().expect("a text");
    assert!(sorted.starts_with("fig,pear,apple "), "{sorted}");
    // `{"a":1}` has seven bytes: the tool is asked, not invented.
    assert_eq!(shown["tool"]["stdout"], "7\n");
    assert!(
        shown["tool"]["stderr"].as_str().is_some_and(|text| text.contains("there is no tool unknown")),
        "{shown}"
    );
    assert_ne!(shown["thrown"]["exit-code"], 0);
    assert!(shown["thrown"]["stderr"].as_str().is_some_and(|text| text.contains("it is so")), "{shown}");
    // Time and chance of a script are of the call: another process sees the same.
    assert_eq!(project.run().expect(0).json(), shown);
}

#[test]
fn python_runs_as_a_string() {
    if Registry::Pypi.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let project = Project::new(&format!(
        "{}{}",
        table("py", PYTHON, "imports = { \"hyperlight:sandbox/tools\" = \"trap\" }"),
        r#"
        [tasks.programs]
        call = "py.run"
        for-each.code = ["import math; print(math.factorial(20))", "import re; print(re.findall(r'\\d+', '10 of 12'))", "1 / 0"]
        args.code = { item = "code" }
        [tasks.writer]
        call = "py.run"
        args.code = "print('print(6 * 7)')"
        [tasks.written]
        call = "py.run"
        args.code = { task = "writer", path = "stdout" }
        "#
    ));
    let shown = project.host().args(["--verify"]).run().expect(0).json();
    let programs = shown["programs"].as_array().expect("a list");
    assert_eq!(programs[0], json!({ "stdout": "2432902008176640000\n", "stderr": "", "exit-code": 0 }));
    assert_eq!(programs[1]["stdout"], "['10', '12']\n");
    assert_eq!(programs[2]["exit-code"], 1);
    assert_eq!(programs[2]["stderr"], "ZeroDivisionError: division by zero\n");
    assert_eq!(shown["written"]["stdout"], "42\n");
}

#[test]
fn plain_functions_run_beside_a_resource() {
    if Registry::Pypi.is_declined() {
        return;
    }
    let _turn = compile_in_turn();
    let tasks = "[tasks.id]\ncall = \"zlib.codec-id\"\n[tasks.schema]\ncall = \"zlib.codec-config-schema\"\n";
    let project = Project::new(&format!("{}{tasks}", table("zlib", ZLIB, "")));
    let shown = project.run().expect(0).json();
    assert_eq!(shown["id"], "zlib.rs");
    let schema: serde_json::Value =
        serde_json::from_str(shown["schema"].as_str().expect("a text")).expect("it is JSON");
    assert_eq!(schema["type"], "object");
}
