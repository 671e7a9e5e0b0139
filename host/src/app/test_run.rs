//! Runs one of the `[[tests]]` of a manifest in memory, and compares what comes of it.
//! `cli/commands/test` prints the differences.

use crate::app::{
    Backends, Checked, Error, Others, Params, Report, RunRequest, Session, SessionRequest, run,
};
use crate::config::{Environment, Settings, host_id};
use crate::engine::{Ended, Interrupt, OutputValue, Outputs, Verification, WhenInterrupted};
use crate::events::{Event, Fact, FailureFact, Recorder, Sink, Subject};
use crate::manifest::{Expectation, Test};
use crate::model::{
    Clock as _, Datum, FailureClass, FailurePolicy, Random, RunId, RunStatus, Spanned, SystemClock, excerpt,
};
use crate::plan::Supplied;
use crate::sandbox::Sandbox;
use crate::state::{HostId, Mode};
use crate::value::{Type, Typed, encode};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Maximum number of differences and failures that are kept of one test.
const MAX_FINDINGS: usize = 10;

/// Maximum length of a value in a finding, in characters.
const MAX_SHOWN: usize = 200;

/// The characters that are shown before the place where two texts differ.
const BEFORE: usize = 20;

/// What came of a test.
#[derive(Debug)]
pub(crate) struct TestResult {
    /// How long its run took.
    pub(crate) took: Duration,
    /// How the run differs from what is expected, at most ten; empty if the test passed.
    pub(crate) findings: Vec<String>,
}

/// The surroundings of all tests: host, sandbox and settings.
pub(crate) struct TestHost<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) environment: &'a Environment,
    pub(crate) sandbox: Arc<Sandbox>,
}

/// Runs a test. Each has a state of its own in memory, and no cache.
pub(crate) async fn run_test(
    host: &TestHost<'_>,
    checked: Checked,
    test: &Test,
) -> Result<TestResult, Error> {
    let mut random = Random::from_system();
    let value = |(name, datum): &(Spanned<String>, Spanned<Datum>)| {
        (name.value.clone(), Supplied::Datum(datum.value.clone()))
    };
    let params = Params { values: test.params.iter().map(value).collect(), ..Params::default() };
    let request = SessionRequest {
        params: &params,
        targets: &[],
        run: RunId::generate(SystemClock.now(), &mut random),
        environment: host.environment,
        memory: host.settings.memory,
    };
    let session = Session::new(checked, &request)?;
    session.prepare(&host.sandbox)?;
    let state = Backends::default().state_at("memory:", host.environment)?;
    let failures = Arc::new(Failures::default());
    let sink: Arc<dyn Sink> = Arc::<Failures>::clone(&failures);
    // Kept until the run has ended: without a sender, the run would be interrupted.
    let (_stop, interrupt) = watch::channel(Interrupt::None);
    let request = RunRequest {
        backend: state.backend,
        cache: None,
        rerun: Vec::new(),
        mode: Mode::default(),
        // Which failures a test sees may not depend on the number of slots.
        policy: FailurePolicy::KeepGoing,
        slots: host.settings.jobs,
        host: HostId(host_id(random.next_u64()).into()),
        recorder: Recorder::new(Arc::new(SystemClock), vec![sink]).hiding(session.secrets()),
        interrupt,
        lease: state.uri.lease(),
        seed: random.next_u64(),
        verification: Verification::None,
        others: Others::Join,
        when_interrupted: WhenInterrupted::Kept,
    };
    let start = Instant::now();
    let report = run(&session, Arc::clone(&host.sandbox), request).await?;
    let took = start.elapsed();
    let findings = findings(&report, &failures.take(), &test.expectation);
    let secrets = session.secrets();
    let findings = findings.iter().map(|finding| secrets.hide(finding).into_owned()).collect();
    Ok(TestResult { took, findings })
}

/// The tasks and outputs that have failed.
#[derive(Default)]
struct Failures(Mutex<Vec<(String, FailureFact)>>);

impl Sink for Failures {
    fn record(&self, event: &Event) {
        let failure = match &event.fact {
            Fact::TaskFailed(failure) => (
                format!("task `{}`", event.subject.as_ref().map_or_else(String::new, Subject::node_name)),
                failure,
            ),
            Fact::OutputFailed { output, failure } => (format!("output `{output}`"), failure),
            _ => return, // no failure of a run
        };
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < MAX_FINDINGS {
            failures.push((failure.0, failure.1.clone()));
        }
    }
}

impl Failures {
    fn take(&self) -> Vec<(String, FailureFact)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn findings(report: &Report, failures: &[(String, FailureFact)], expected: &Expectation) -> Vec<String> {
    let has_succeeded = report.ended == Ended::Run(RunStatus::Succeeded);
    let is_timed_out = report.ended == Ended::Run(RunStatus::TimedOut);
    let timed_out = is_timed_out.then(|| "the run reached its `deadline`".to_owned());
    let shown = || {
        let failures = failures.iter().map(|(who, failure)| {
            format!(
                "{who} failed with class `{}`: {}",
                failure.class,
                excerpt(failure.error.trim(), MAX_SHOWN)
            )
        });
        timed_out.iter().cloned().chain(failures)
    };
    match expected {
        Expectation::Failure(class) if has_succeeded => {
            vec![format!("expected a failure of class `{class}`, and the run succeeded")]
        }
        Expectation::Failure(FailureClass::Timeout) if is_timed_out => Vec::new(),
        Expectation::Failure(class) if failures.iter().any(|(_, failure)| failure.class == *class) => {
            Vec::new()
        }
        Expectation::Failure(class) => {
            let expected = format!("expected a failure of class `{class}`");
            std::iter::once(expected).chain(shown()).collect()
        }
        Expectation::Outputs(_) if !has_succeeded => shown().collect(),
        Expectation::Outputs(values) => {
            let unwell = if report.unwell.is_empty() { Vec::new() } else { shown().collect() };
            differences(&report.outputs, values).into_iter().chain(unwell).collect()
        }
    }
}

fn differences(outputs: &Outputs, expected: &[(Spanned<String>, Spanned<Datum>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, datum) in expected {
        let name = &name.value;
        match outputs.iter().find(|(output, _)| output == name).map(|(_, value)| value) {
            Some(OutputValue::Value(ty, bytes)) => match (expected_json(ty, &datum.value), json(ty, bytes)) {
                (Some(expected), Some(value)) => compare(name, &expected, &value, &mut found),
                // The plan has checked the one, and the engine the other.
                (None, _) | (_, None) => found.push(format!("{name}: the value cannot be read")),
            },
            Some(OutputValue::Skipped(reason)) => found.push(format!("{name}: was skipped: {reason}")),
            Some(OutputValue::Missing(why)) => found.push(format!("{name}: {why}")),
            Some(OutputValue::Faulty(why)) => found.push(format!("{name}: {}", why.error)),
            None => found.push(format!("{name}: has no value")),
        }
    }
    found.truncate(MAX_FINDINGS);
    found
}

fn expected_json(ty: &Type, datum: &Datum) -> Option<Value> {
    json(ty, &encode(ty, datum).ok()?)
}

fn json(ty: &Type, bytes: &[u8]) -> Option<Value> {
    serde_json::to_value(Typed::new(ty, bytes)).ok()
}

/// Adds each part of two values that differs, with its path.
fn compare(path: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    if differences.len() >= MAX_FINDINGS || expected == found {
        return;
    }
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let none = Value::Null;
            for (key, value) in expected {
                compare(&format!("{path}.{key}"), value, found.get(key).unwrap_or(&none), differences);
            }
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                compare(&format!("{path}.{key}"), &none, value, differences);
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            if expected.len() != found.len() {
                let (left, right) = (expected.len(), found.len());
                differences.push(format!("{path}: expected {left} elements, found {right}"));
            }
            for (index, (left, right)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}[{index}]"), left, right, differences);
            }
        }
        (Value::String(expected), Value::String(found)) => differences.push(texts(path, expected, found)),
        _ => differences.push(format!("{path}: expected {}, found {}", shown(expected), shown(found))),
    }
}

/// Describes how two texts differ: long ones from shortly before the first character that does.
fn texts(path: &str, expected: &str, found: &str) -> String {
    let is_short = |text: &str| text.chars().count() <= MAX_SHOWN;
    if is_short(expected) && is_short(found) {
        return format!("{path}: expected {expected:?}, found {found:?}");
    }
    let same = expected.chars().zip(found.chars()).take_while(|(left, right)| left == right).count();
    let part =
        |text: &str| text.chars().skip(same.saturating_sub(BEFORE)).take(MAX_SHOWN / 2).collect::<String>();
    let (left, right) = (part(expected), part(found));
    format!("{path}: from character {}: expected {left:?}, found {right:?}", same.saturating_sub(BEFORE))
}

fn shown(value: &Value) -> String {
    excerpt(&value.to_string(), MAX_SHOWN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compared(expected: &Value, found: &Value) -> Vec<String> {
        let mut differences = Vec::new();
        compare("o", expected, found, &mut differences);
        differences
    }

    #[test]
    fn differences_have_their_paths() {
        let expected = json!({ "a": [1, { "b": "x" }], "c": true, "only": 1 });
        let found = json!({ "a": [1, { "b": "y" }, 3], "c": null, "more": 2 });
        assert_eq!(
            compared(&expected, &found),
            [
                "o.a: expected 2 elements, found 3",
                "o.a[1].b: expected \"x\", found \"y\"",
                "o.c: expected true, found null",
                "o.only: expected 1, found null",
                "o.more: expected null, found 2",
            ]
        );
        assert_eq!(compared(&expected, &expected), [""; 0]);
    }

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        let text = "x".repeat(1_000);
        let found = compared(&json!(format!("{text}old{text}")), &json!(format!("{text}new{text}")));
        assert!(
            found[0].starts_with("o: from character 980: expected \"xxxxxxxxxxxxxxxxxxxxold"),
            "{found:?}"
        );
        assert!(found[0].len() < 400);
    }

    #[test]
    fn differences_are_bounded() {
        let many = |number: u32| json!(vec![number; 1_000]);
        assert_eq!(compared(&many(1), &many(2)).len(), MAX_FINDINGS);
    }
}
