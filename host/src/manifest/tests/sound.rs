//! Tests valid manifests: the example of the contract, defaults, and merging with `[defaults]`.

use super::HEAD;
use super::parsed;
use crate::manifest::{
    Backoff, CachePolicy, Expr, Grants, Manifest, OnError, Policy, Reference, Repeat, Retry, RetryClass,
    Scope, Task, UriSource,
};
use crate::model::{Capacity, Datum, Effort, Limits, Name, Path, Random, Size};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn valid(text: &str) -> Manifest {
    let text = if text.contains("cascade =") { text.to_owned() } else { format!("{HEAD}{text}") };
    let parsed = parsed(&text);
    assert!(parsed.faults.is_empty(), "{}", parsed.faults);
    parsed.manifest
}

fn task(text: &str) -> Task {
    valid(&format!("[tasks.a]\ncall = \"a.b\"\n{text}")).tasks["a"].clone()
}

/// Returns the value of one output.
fn value(text: &str) -> Expr {
    valid(&format!("[outputs]\nx = {text}")).outputs.unwrap()["x"].value.clone()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The example of the contract.
const EXAMPLE: &str = include_str!("example.toml");

#[test]
fn example_of_the_contract_parses_completely() {
    let manifest = valid(EXAMPLE);
    assert_eq!(manifest.name.as_str(), "wordcount");
    assert_eq!(manifest.description.as_deref(), Some("Counts words, one sandbox per chunk."));
    assert_eq!(manifest.state.uri.unwrap().value, UriSource::Text("memory:".into()));
    assert_eq!(manifest.cache.ttl, Some(seconds(604_800)));
    let text = &manifest.params["text"];
    assert_eq!((text.ty.value.as_str(), text.secret), ("string", false));
    assert_eq!(text.default.as_ref().unwrap().value, Datum::Text("the quick brown fox".into()));
    let resources: Vec<_> =
        manifest.resources.iter().map(|(name, it)| (name.as_str(), it.capacity, it.scope)).collect();
    let amount = Capacity::Amount;
    assert_eq!(resources, [("gpu", amount(1), Scope::Host), ("licence", amount(3), Scope::Run)]);
    let words = &manifest.components["words"];
    assert_eq!(
        (words.path().unwrap().0, &words.build_dir),
        (&PathBuf::from("/m/words.wasm"), &PathBuf::from("/m"))
    );
    assert!(words.sha256.is_some() && words.build.is_some() && words.grants.is_pure());
    let names: Vec<_> = manifest.tasks.keys().map(Name::as_str).collect();
    assert_eq!(names, ["split", "count", "merge"]);
    let count = &manifest.tasks["count"];
    assert_eq!(count.policy.retry.attempts.get(), 3);
    let Expr::Reference(list) = &count.for_each["chunk"].value else { panic!("a reference") };
    assert!(matches!(&**list, Reference::Task { task, .. } if task.value == "split"));
    assert_eq!(manifest.tasks["merge"].args["limit"].1.value, Expr::Literal(Datum::Int(10)));
    assert_eq!(manifest.outputs.unwrap().len(), 1);
}

#[test]
fn spans_match_the_text() {
    let manifest = valid(EXAMPLE);
    let at = |span: &crate::model::Span| &EXAMPLE[span.clone()];
    assert_eq!(at(&manifest.tasks["split"].span), "split");
    assert_eq!(at(&manifest.tasks["split"].action.as_ref().unwrap().span), "\"words.split\"");
    let (key, value) = &manifest.tasks["split"].args["text"];
    assert_eq!((at(key), at(&value.span)), ("text", "{ param = \"text\" }"));
    assert_eq!(at(&manifest.components["words"].grants.span), "[components.words.grants]");
    assert_eq!(at(&manifest.params["text"].ty.span), "\"string\"");
}

#[test]
fn absent_keys_have_their_defaults() {
    let manifest = valid("[tasks.a]\ncall = \"a.b\"\n[components.a]\npath = \"x/a.wasm\"\n");
    assert!(manifest.state.uri.is_none() && manifest.cache.uri.is_none() && manifest.outputs.is_none());
    let task = &manifest.tasks["a"];
    assert_eq!((task.priority, task.on_error, task.max_parallel), (0, OnError::Fail, None));
    assert_eq!((task.policy.timeout, task.policy.limits), (seconds(300), Limits::default()));
    assert_eq!((task.policy.retry.clone(), task.policy.cache), (Retry::default(), CachePolicy::IfPure));
    assert_eq!(task.policy.max_lost_hosts, 3);
    assert!(
        task.when.is_none()
            && task.grants.is_none()
            && task.after.is_empty()
            && task.policy.resources.is_empty()
    );
    assert_eq!(manifest.components["a"].grants, Grants::default());
}

#[test]
fn every_task_key_parses() {
    let task = task(
        "after = [\"b\", \"c\"]\nfor-each.x = [1]\nmax-parallel = 4\npriority = -100\nmax-lost-hosts = 0\ncache = \"1h\"\non-error = \"value\"\n\
         timeout = \"2s\"\nlimits = { memory = \"1GiB\", fuel = 10_000_000, output = \"1KB\", logs = \"0B\" }\n\
         resources = { gpu = 2 }\ngrants = { clock = true }\n\
         retry = { attempts = 5, delay = \"2s\", backoff = \"fixed\", max-delay = \"9s\", jitter = false, \
         on = [\"error\"], permanent = [\"not-found\"] }"
            .replace("logs = \"0B\"", "logs = \"2B\"")
            .as_str(),
    );
    assert_eq!(task.after.iter().map(|name| name.value.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!((task.max_parallel.unwrap().get(), task.priority, task.on_error), (4, -100, OnError::Value));
    let Policy { retry, max_lost_hosts, timeout, longer_timeouts, limits, larger_memory, resources, cache } =
        (*task.policy).clone();
    assert!(longer_timeouts.is_empty() && larger_memory.is_empty());
    assert_eq!(max_lost_hosts, 0);
    assert_eq!((timeout, cache, resources["gpu"].value), (seconds(2), CachePolicy::For(seconds(3600)), 2));
    assert_eq!(
        (limits.memory, limits.fuel, limits.output),
        (Size::bytes(1 << 30), Some(10_000_000), Size::bytes(1000))
    );
    assert_eq!((retry.attempts.get(), retry.delay, retry.max_delay), (5, seconds(2), seconds(9)));
    assert_eq!((retry.backoff, retry.jitter, retry.on), (Backoff::Fixed, false, vec![RetryClass::Error]));
    assert_eq!(retry.permanent[0].value, "not-found");
    assert!(task.grants.unwrap().clock);
}

#[test]
fn limits_may_have_an_entry_an_attempt() {
    let text = "[defaults]\ntimeout = [\"1s\", \"9s\"]\nlimits = { memory = [\"1MiB\", \"2MiB\", \"1GiB\"], fuel = 7 }\n\
                [tasks.a]\ncall = \"a.b\"\nlimits = { output = \"1MiB\" }\n\
                [tasks.b]\ncall = \"a.b\"\ntimeout = \"2s\"\nlimits = { memory = \"3MiB\" }\n\
                [tasks.c]\ncall = \"a.b\"\ntimeout = [\"2s\"]\nlimits.memory = [\"3MiB\", \"4MiB\"]\n\
                retry = { delay = \"7s\" }\n";
    let manifest = valid(text);
    let of = |task: &str| {
        let policy = &manifest.tasks[task].policy;
        let memory: Vec<String> =
            [policy.limits.memory].iter().chain(&policy.larger_memory).map(ToString::to_string).collect();
        let timeouts: Vec<_> = [policy.timeout].iter().chain(&policy.longer_timeouts).copied().collect();
        (memory.join(" "), timeouts, policy.limits.fuel)
    };
    assert_eq!(of("a"), ("1MiB 2MiB 1GiB".to_owned(), vec![seconds(1), seconds(9)], Some(7)));
    assert_eq!(of("b"), ("3MiB".to_owned(), vec![seconds(2)], Some(7)));
    assert_eq!(of("c"), ("3MiB 4MiB".to_owned(), vec![seconds(2)], Some(7)));
}

#[test]
fn task_keys_override_the_defaults() {
    let text = "[defaults]\nretry = { attempts = 2, delay = \"3s\" }\nmax-lost-hosts = 7\ntimeout = \"9s\"\ncache = false\n\
                limits = { memory = \"1MiB\" }\nresources = { gpu = 1 }\n\
                [tasks.a]\ncall = \"a.b\"\nretry = 4\nmax-lost-hosts = 1000\nlimits = { fuel = 1 }\nresources = {}\n\
                [tasks.b]\ncall = \"a.b\"\nretry = { jitter = false }\ncache = true\n";
    let manifest = valid(text);
    let (a, b) = (&manifest.tasks["a"].policy, &manifest.tasks["b"].policy);
    assert_eq!((a.retry.attempts.get(), a.retry.delay, a.timeout), (4, seconds(3), seconds(9)));
    assert_eq!((a.limits.memory, a.limits.fuel, a.resources.len()), (Size::bytes(1 << 20), Some(1), 0));
    assert_eq!((b.retry.attempts.get(), b.retry.jitter, b.cache), (2, false, CachePolicy::Always));
    assert_eq!((b.resources["gpu"].value, a.cache), (1, CachePolicy::Never));
    assert_eq!((a.max_lost_hosts, b.max_lost_hosts), (1000, 7));
}

#[test]
fn tasks_without_settings_share_those_of_the_defaults() {
    let tasks =
        "[tasks.a]\ncall = \"a.b\"\n[tasks.b]\ncall = \"a.b\"\n[tasks.c]\ncall = \"a.b\"\ncache = true\n";
    let manifest = valid(&format!("[defaults]\ntimeout = \"9s\"\n{tasks}"));
    let [a, b, c] = ["a", "b", "c"].map(|name| &manifest.tasks[name].policy);
    assert!(Arc::ptr_eq(a, b) && !Arc::ptr_eq(a, c));
    assert_eq!([a, c].map(|policy| policy.timeout), [seconds(9); 2]);
}

#[test]
fn repeat_has_a_bound_of_its_own() {
    let repeat =
        |keys: &str| task(&format!("repeat = {{ feed = \"x\", until = \"a[0].b\"{keys} }}")).repeat.unwrap();
    let Repeat { feed, until, max, .. } = *repeat("");
    assert_eq!((feed.value.as_str(), until.value.to_string().as_str(), max), ("x", ".a[0].b", 100));
    assert_eq!(repeat(", max = 1000000").max, 1_000_000);
    assert!(task("").repeat.is_none());
}

#[test]
fn delay_above_the_maximum_raises_the_maximum() {
    let retry = task("retry = { attempts = 2, delay = \"2m\" }").policy.retry.clone();
    assert_eq!((retry.delay, retry.max_delay), (seconds(120), seconds(120)));
}

#[test]
fn every_reference_parses() {
    let path = |text| Path::parse(text).unwrap();
    let reference = |text| match value(text) {
        Expr::Reference(reference) => *reference,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        reference("{ task = \"t\", path = \"items[0].name\", default = [1] }"),
        Reference::Task { path: at, default: Some(_), .. } if at == path("items[0].name")
    ));
    assert!(
        matches!(reference("{ param = \"p\" }"), Reference::Param { path: at, .. } if at == Path::root())
    );
    assert!(
        matches!(reference("{ item = \"i\", path = \"[1]\" }"), Reference::Item { path: at, .. } if at == path("[1]"))
    );
    assert!(matches!(reference("{ env = \"E\", default = \"\" }"), Reference::Env { default: Some(_), .. }));
    assert!(
        matches!(reference("{ file = \"d/e.csv\" }"), Reference::File { path } if path.value == *"/m/d/e.csv")
    );
    assert!(matches!(
        reference("{ files = \"../d//*.csv\" }"),
        Reference::Files { folder, pattern } if folder == *"/m" && pattern.to_string() == "../d/*.csv"
    ));
    let select = "{ select = { task = \"t\" }, cases = { b = { task = \"u\" }, a = 1 }, default = 2 }";
    let Reference::Select { cases, default, .. } = reference(select) else { panic!("a select") };
    assert_eq!(cases.iter().map(|(name, _)| name.value.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(default.unwrap().value, Datum::Int(2));
}

#[test]
fn references_inside_arrays_and_tables_parse() {
    let Expr::Table(entries) = value("{ xs = [{ task = \"a\" }, 2], y = 1 }") else { panic!("a table") };
    assert!(matches!(&entries[0].1.value, Expr::Array(parts) if parts.len() == 2));
    assert_eq!(entries[1].1.value, Expr::Literal(Datum::Int(1)));
    assert!(matches!(value("[[1], { a = 2 }]"), Expr::Literal(Datum::Array(_))));
    assert!(matches!(value("{ path = \"x\", cases = 1 }"), Expr::Literal(Datum::Table(_))));
}

#[test]
fn value_keeps_its_literal_even_if_it_looks_like_a_reference() {
    let inner = Datum::Table(vec![("task".into(), Datum::Text("a".into())), ("x".into(), Datum::Int(1))]);
    assert_eq!(value("{ value = { task = \"a\", x = 1 } }"), Expr::Literal(inner.clone()));
    assert!(matches!(
        value("{ env = \"E\", default = { value = { task = \"a\", x = 1 } } }"),
        Expr::Reference(reference) if matches!(&*reference, Reference::Env { default: Some(it), .. } if it.value == inner)
    ));
}

#[test]
fn numbers_match_the_text() {
    for (text, datum) in [
        ("0xff", Datum::Int(255)),
        ("-9_223_372_036_854_775_808", Datum::Int(i64::MIN.into())),
        ("18446744073709551615", Datum::Int(u64::MAX.into())),
        ("+1", Datum::Int(1)),
        ("-inf", Datum::Float(f64::NEG_INFINITY)),
        ("6.5e-1", Datum::Float(0.65)),
        ("false", Datum::Bool(false)),
    ] {
        assert_eq!(value(text), Expr::Literal(datum), "{text}");
    }
    assert!(matches!(value("nan"), Expr::Literal(Datum::Float(nan)) if nan.is_nan()));
}

#[test]
fn every_form_of_when_parses() {
    let when = |text: &str| task(&format!("when = {text}")).when.unwrap();
    assert!(!when("{ task = \"t\" }").is_negated);
    assert!(when("{ param = \"p\", not = true }").is_negated);
    let equals = when("{ task = \"t\", path = \"kind\", equals = \"a\", not = false }");
    assert_eq!(equals.equals.unwrap().value, Datum::Text("a".into()));
    assert!(matches!(
        when("{ select = { task = \"t\" }, cases = { a = true } }").subject.value,
        Expr::Reference(_)
    ));
    assert_eq!(when("false").subject.value, Expr::Literal(Datum::Bool(false)));
}

#[test]
fn every_grant_parses() {
    let grants = task(
        "grants = { env = [\"LANG\", \"MODE=fast\"], args = [\"-v\"], read = [\"data\", \"/srv/m:/m\"], write = [\"data\"], \
         http = [\"https://api.example.com\"], tcp = [\"[::1]:80\"], dns = true, clock = true, random = true, \
         context = true, keyvalue = [\"shared-name\"] }",
    )
    .grants
    .unwrap();
    assert_eq!(grants.env[1].value, "MODE=fast");
    let folders: Vec<_> =
        grants.read.iter().map(|it| (it.value.host.to_str().unwrap(), it.value.guest.as_str())).collect();
    assert_eq!(folders, [("/srv/m", "/m")], "what may be written may be read as well");
    assert_eq!(grants.write[0].value.host, PathBuf::from("/m/data"));
    assert_eq!(grants.http[0].value.to_string(), "https://api.example.com/");
    assert!(grants.dns && grants.clock && grants.random && grants.context && !grants.is_pure());
}

#[test]
fn uri_may_come_from_the_environment_and_is_never_shown() {
    let manifest =
        valid("[state]\nuri = { env = \"REDIS_URL\" }\n[cache]\nuri = \"redis://u:hunter2@h/0\"\n");
    assert_eq!(manifest.state.uri.unwrap().value, UriSource::Env("REDIS_URL".into()));
    assert!(!format!("{:?}", manifest.cache).contains("hunter2"));
}

#[test]
fn debug_output_hides_secrets() {
    let text = "[state]\nuri = \"redis://u:hunter2@h/0\"\n\
                [params.token]\ntype = \"string\"\ndefault = \"hunter2\"\nsecret = true\n";
    assert!(!format!("{:?}", parsed(&format!("{HEAD}{text}"))).contains("hunter2"));
}

#[test]
fn valid_parts_are_kept_and_faulty_ones_are_named() {
    let text = "[components.c]\nbuild = \"make\"\n[params.p]\ntyp = \"u8\"\n[resources]\nr = -1\n\
                [tasks.bad]\ncall = \"x\"\n[tasks.odd]\ncall = \"a.b\"\ntimeout = \"1\"\n[tasks.good]\ncall = \"a.b\"\n";
    let parsed = parsed(&format!("{HEAD}{text}"));
    let names: Vec<_> = parsed.manifest.tasks.keys().map(Name::as_str).collect();
    assert_eq!(names, ["bad", "odd", "good"]);
    assert_eq!(parsed.manifest.tasks["bad"].action, None);
    assert_eq!(parsed.manifest.components["c"].source, None);
    assert_eq!(parsed.manifest.tasks["odd"].policy.timeout, seconds(300));
    let left_out = parsed.left_out;
    assert!(left_out.params.contains("p") && left_out.resources.contains("r"));
    assert!(left_out.tasks.is_empty() && left_out.components.is_empty() && !left_out.is_partial);
}

#[test]
fn text_with_lost_lines_is_partial() {
    let parsed = parsed("cascade = 1\nname = \"n\"\n[tasks.a]\ncall = a.b\n[tasks.b]\ncall = \"a.b\"\n");
    assert!(parsed.left_out.is_partial && parsed.left_out.tasks.contains("a"));
    assert!(parsed.manifest.tasks.contains_key("b"));
}

/// Every fault of a damaged text lies within the text.
#[test]
fn damaged_text_never_panics() {
    const PIECES: [&str; 14] = [
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        "\"",
        "'",
        "\n",
        "#",
        ",",
        " = { task = \"ä\" }\n",
        "\n[tasks.split]\n",
        "args",
    ];
    let mut random = Random::seeded(4);
    let mut below = |bound: usize| usize::try_from(random.below(bound.try_into().unwrap())).unwrap();
    for _ in 0..2_000 {
        let mut text = EXAMPLE.to_owned();
        for _ in 0..=below(3) {
            let at = below(text.len());
            let end = (at + below(12)).min(text.len());
            text.replace_range(at..end, PIECES[below(PIECES.len())]);
            text = text.replace('ä', "a");
        }
        let text = text.replacen("quick", "quick ä", 1);
        for fault in parsed(&text).faults.list {
            let locations = fault.location.into_iter().chain(fault.related);
            locations
                .for_each(|location| assert!(text.get(location.span).is_some(), "{}\n{text}", fault.message));
        }
    }
}

#[test]
fn unknown_section_leaves_out_only_its_own_names() {
    let left_out = |text: &str| parsed(&format!("cascade = 1\n{text}")).left_out;
    for text in ["[tasks.a]\ncall = \"a.b\"\n", "author = \"me\"\n"] {
        let left_out = left_out(text);
        assert!(!left_out.is_partial && left_out.tasks.is_empty(), "{text}");
    }
    let misnamed = left_out("[task.a]\ncall = \"a.b\"\n");
    assert!(!misnamed.is_partial && misnamed.tasks.contains("a") && misnamed.tasks.len() == 1);
    assert!(left_out("[[task]]\nname = \"a\"\n").is_partial);
}

#[test]
fn deeply_nested_text_does_not_overflow_the_stack() {
    let long = "a.".repeat(31) + "a";
    let deep = (0..200).fold("1".to_owned(), |inner, _| format!("{{ {long} = {inner} }}"));
    let faults = parsed(&format!("{HEAD}{long} = {deep}\n")).faults;
    assert!(!faults.is_empty());
}

#[test]
fn large_manifest_parses_about_as_fast_as_toml() {
    let mut text = HEAD.to_owned();
    for nth in 0..20_000 {
        let source = nth / 2;
        writeln!(text, "[tasks.t{nth}]\ncall = \"a.b\"\nargs.x = {{ task = \"t{source}\" }}").unwrap();
    }
    let effort = Effort::begin();
    drop(toml::de::DeTable::parse_recoverable(&text));
    let toml = effort.spent();
    let parsed = parsed(&text);
    assert_eq!(parsed.manifest.tasks.len(), 20_000);
    let whole = effort.spent();
    assert!(whole < toml * 20, "{whole:?} against {toml:?}");
}
