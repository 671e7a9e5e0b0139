//! Tests of digests: what the digest of a run depends on, and how differences are named.
//! Digests of cached calls are tested in `engine`.

use crate::graph::sample::sample;
use crate::manifest::{OnError, Parsed, Repeat};
use crate::model::{Datum, Digest, Path, RunId, Size, Spanned};
use crate::plan::sample::compiled_with;
use crate::plan::{BindRequest, Bound, PlanRecord, Supplied, bind};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const FUNCTIONS: &[&str] = &[
    "make(x: u32; y: option<u32>) -> u32",
    "other(x: u32; y: option<u32>) -> u32",
    "name() -> string",
    "flag(t: string) -> bool",
    "try(x: u32) -> result<u32, string>",
    "many(xs: list<u32>) -> u32",
    "turn(left: bool; right: bool) -> bool",
];

const TEXT: &str = "param p = u32 | 1\nsecret key = string | 'k'\nresource gpu = 2\n\
    s: call=c.name\nf: call=c.flag t=$key\na: call=c.make x=$p\nb: call=c.make x=a y=2 when=f >s\n\
    l: call=c.make each.i=[1, 2] x=#i\nc: call=c.many xs=l\nd: call=c.make x=(s ? one=b, two=c | 5)\n\
    e: call=c.try x=7";

fn parsed(change: impl FnOnce(&mut Parsed)) -> Parsed {
    let mut parsed = sample(TEXT);
    change(&mut parsed);
    parsed
}

struct Inputs {
    values: Vec<Option<Datum>>,
    run: &'static str,
    grants: &'static str,
}

const NONE: Inputs = Inputs { values: Vec::new(), run: "r", grants: "none" };

fn bound(parsed: Parsed, inputs: Inputs) -> Bound {
    let source = parsed.manifest.sources.clone();
    let plan = compiled_with(FUNCTIONS, parsed).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let grants = plan.functions().iter().map(|_| Digest::of_bytes(inputs.grants.as_bytes())).collect();
    let run = RunId::new(inputs.run).unwrap();
    let values = inputs.values.into_iter().map(|value| value.map(Supplied::Datum)).collect();
    bind(
        &Arc::new(plan),
        BindRequest { inputs: values, ..BindRequest::without_inputs(grants, &run) },
        &source,
    )
    .unwrap()
}

fn of_text(text: &str) -> Bound {
    bound(sample(text), NONE)
}

/// Returns the differences to the unchanged plan; checks that the digests differ if and only if there are some.
fn differences(now: &Bound) -> Vec<String> {
    let before = bound(parsed(|_| ()), NONE);
    let stored = PlanRecord::decode(before.record()).unwrap();
    let shown: Vec<String> = now.differences(&stored).iter().map(ToString::to_string).collect();
    assert_eq!(before.digest() != now.digest(), !shown.is_empty(), "{shown:?}");
    shown
}

#[test]
fn the_same_plan_has_the_same_digest() {
    assert_eq!(differences(&bound(parsed(|_| ()), NONE)), [""; 0]);
}

#[test]
fn changes_that_affect_results_are_digested_and_named() {
    let cases = [
        ("x=$p", "x=3", "task `a`: `args.x` has changed"),
        ("y=2", "y=3", "task `b`: `args.y` has changed"),
        (" y=2", "", "task `b`: `args.y` has changed"),
        ("a: call=c.make", "a: call=c.other", "task `a`: `call` has changed"),
        (" >s", "", "task `b`: `after` has changed"),
        (" when=f", "", "task `b`: `when` has changed"),
        ("[1, 2]", "[1, 3]", "task `l`: `for-each.i` has changed"),
        ("two=c", "two=b", "task `d`: `args.x` has changed"),
        ("| 5)", "| 6)", "task `d`: `args.x` has changed"),
        ("x=7", "x=7 on-error=value", "task `e`: `on-error` has changed"),
    ];
    for (old, new, difference) in cases {
        assert!(TEXT.contains(old), "{old}");
        assert_eq!(differences(&of_text(&TEXT.replacen(old, new, 1))), [difference]);
    }
    assert_eq!(differences(&of_text(&format!("{TEXT}\ng: call=c.name"))), ["task `g` is new"]);
    assert_eq!(differences(&of_text(&format!("{TEXT}\nfinally g: call=c.name"))), ["task `g` is new"]);
    let moved = TEXT.replace("\ne: call", "\nfinally e: call");
    assert_eq!(differences(&of_text(&moved)), ["task `e`: `finally` has changed"]);
    assert_eq!(differences(&of_text(&TEXT.replace("\ne: call=c.try x=7", ""))), ["task `e` is gone"]);
}

#[test]
fn changed_order_of_tasks_is_named() {
    let (head, tail) = TEXT.split_once("s: call=c.name\n").unwrap();
    assert_eq!(
        differences(&of_text(&format!("{head}{tail}\ns: call=c.name"))),
        ["the order of the tasks has changed"]
    );
}

#[test]
fn execution_settings_are_not_digested() {
    let unchanged = [
        parsed(|parsed| parsed.manifest.description = Some("another description".into())),
        parsed(|parsed| parsed.manifest.deadline = Some(Duration::from_secs(7))),
        parsed(|parsed| parsed.manifest.state.ttl = Some(Duration::from_secs(1))),
        parsed(|parsed| parsed.manifest.cache.ttl = Some(Duration::from_secs(1))),
        parsed(|parsed| {
            let task = &mut parsed.manifest.tasks["l"];
            task.max_parallel = NonZeroU32::new(3);
            task.priority = 7;
            task.deadline = Some(Duration::from_secs(7));
            let policy = Arc::make_mut(&mut task.policy);
            policy.retry.attempts = NonZeroU32::new(4).unwrap();
            policy.max_lost_hosts = 0;
            policy.timeout = Duration::from_secs(9);
            policy.limits.memory = Size::parse("1GiB").unwrap();
            policy.cache = crate::manifest::CachePolicy::Never;
        }),
        sample(&TEXT.replace("x=#i", "x=#i use.gpu=1")),
        sample(&TEXT.replace("gpu = 2", "gpu = 3")),
        sample(&format!("{TEXT}\nout o = a")),
        // Pruning conditions follow from outputs too: other tasks may become lazy.
        sample(&format!("{TEXT}\nout o = b\nout q = (s ? z=c)")),
        sample(&TEXT.replace("| 1", "| 1\nparam unused = string | 'x'")),
    ];
    for parsed in unchanged {
        assert_eq!(differences(&bound(parsed, NONE)), [""; 0]);
    }
}

#[test]
fn param_values_are_digested_regardless_of_their_source() {
    let inputs_with = |value| Inputs { values: vec![Some(Datum::Int(value))], ..NONE };
    assert_eq!(differences(&bound(parsed(|_| ()), inputs_with(1))), [""; 0]);
    assert_eq!(
        differences(&bound(parsed(|_| ()), inputs_with(2))),
        ["task `a`: `args.x` has changed: param `p` has another value"]
    );
}

#[test]
fn resolved_grants_are_digested() {
    let shown = differences(&bound(parsed(|_| ()), Inputs { grants: "HOME=/root", ..NONE }));
    assert!(shown.contains(&"task `a`: `grants` has changed".to_owned()), "{shown:?}");
}

#[test]
fn component_name_is_digested_with_the_grant_of_arguments() {
    let with_args = |parsed: &mut Parsed| parsed.manifest.components["c"].grants.args = vec!["-v".into()];
    let shown = differences(&bound(parsed(with_args), NONE));
    assert!(shown.contains(&"task `a`: `argv[0]` has changed".to_owned()), "{shown:?}");
}

#[test]
fn digests_of_secrets_are_keyed_by_the_run() {
    let inputs_with = |run, secret: &str| {
        let values = vec![None, Some(Datum::Text(secret.into()))];
        bound(parsed(|_| ()), Inputs { values, run, ..NONE })
    };
    let digest = |run, secret: &str| *inputs_with(run, secret).digest();
    assert_eq!(digest("one", "x"), digest("one", "x"));
    assert_ne!(digest("one", "x"), digest("two", "x"));
    assert_ne!(digest("one", "x"), digest("one", "y"));
    let text = |run| bound(parsed(|_| ()), Inputs { values: vec![Some(Datum::Int(5))], run, ..NONE });
    let keys = |bound: &Bound| bound.fingerprints()[2];
    assert_eq!(keys(&text("one")), keys(&text("two")));
}

#[test]
fn fingerprint_covers_exactly_the_tasks_read() {
    let before = of_text(TEXT);
    let now = of_text(&TEXT.replace("y=2", "y=3"));
    let changed: Vec<&str> = before
        .plan()
        .tasks()
        .iter()
        .zip(before.fingerprints().iter().zip(now.fingerprints()))
        .filter(|(_, (before, now))| before != now)
        .map(|(task, _)| task.name.as_str())
        .collect();
    assert_eq!(changed, ["b", "d"]);
}

#[test]
fn misfitting_values_are_reported_without_secrets() {
    let parsed = parsed(|parsed| parsed.manifest.params["p"].default = None);
    let source = parsed.manifest.sources.clone();
    let plan = Arc::new(compiled_with(FUNCTIONS, parsed).unwrap());
    let run = RunId::new("r").unwrap();
    let inputs = vec![None, Some(Supplied::Datum(Datum::Array(vec![Datum::Text("hunter2".into())])))];
    let faults =
        bind(&plan, BindRequest { inputs, ..BindRequest::without_inputs(Vec::new(), &run) }, &source)
            .unwrap_err();
    let [missing, secret] = &*faults.list else { panic!("two faults: {faults}") };
    assert_eq!(missing.message, "param `p` has no value");
    assert!(
        secret.is_secret
            && secret.message.contains("param `key`")
            && !format!("{secret:?}").contains("hunter2")
    );
}

#[test]
fn unset_variables_and_unreadable_files_are_reported() {
    let parsed = sample("a: call=c.flag t=%LANG\nb: call=c.flag t=%TERM|'dumb'\nc: call=c.flag t=@f");
    let source = parsed.manifest.sources.clone();
    let plan = Arc::new(compiled_with(FUNCTIONS, parsed).unwrap());
    let run = RunId::new("r").unwrap();
    let inputs = vec![None, None, Some(Supplied::Content(vec![0xff]))];
    let faults =
        bind(&plan, BindRequest { inputs, ..BindRequest::without_inputs(Vec::new(), &run) }, &source)
            .unwrap_err();
    let messages: Vec<&str> = faults.list.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages, ["the environment variable `LANG` is not set", "the file `f` is not UTF-8 text"]);
}

#[test]
fn feed_and_end_of_a_repetition_are_digested_and_its_bound_is_not() {
    let turn = "f: call=c.flag t='x'\nt: call=c.turn left=f right=f";
    let repeating = |feed: &str, max: u32| {
        let mut parsed = sample(turn);
        let (feed, until) = (Spanned::new(feed.to_owned(), 0..0), Spanned::new(Path::root(), 0..0));
        parsed.manifest.tasks["t"].repeat = Some(Box::new(Repeat { span: 0..0, feed, until, max }));
        bound(parsed, NONE)
    };
    let (before, once) = (repeating("left", 9), of_text(turn));
    let stored = PlanRecord::decode(before.record()).unwrap();
    let shown = |now: &Bound| now.differences(&stored).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&repeating("left", 10)), [""; 0]);
    assert_eq!(before.digest(), repeating("left", 10).digest());
    for other in [repeating("right", 9), once] {
        assert_eq!(shown(&other), ["task `t`: `repeat` has changed"]);
        assert_ne!(before.fingerprints(), other.fingerprints());
    }
    assert_eq!((stored.max_iterations("t"), stored.max_iterations("u")), (Some(9), None));
}

#[test]
fn on_error_is_part_of_the_fingerprint() {
    let changed = parsed(|parsed| parsed.manifest.tasks["e"].on_error = OnError::Value);
    assert_ne!(bound(changed, NONE).fingerprints().last(), bound(parsed(|_| ()), NONE).fingerprints().last());
}
