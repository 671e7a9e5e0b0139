//! Properties of every run, whatever the plan and the order in which calls end.
//! The other files test single sentences of the contract.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Interrupt};
use crate::invoke::Call;
use crate::model::{FailureClass, FailurePolicy, Random, RunStatus, to_usize};
use crate::plan::{Bound, Condition};
use proptest::prelude::*;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

fn pick(random: &mut Random, below: usize) -> usize {
    usize::try_from(random.below(u64::try_from(below).unwrap())).unwrap()
}

/// A random plan whose tasks read earlier tasks in every possible way.
fn plan(seed: u64) -> Arc<Bound> {
    let mut random = Random::seeded(seed);
    let mut draft = Draft::new();
    let (mut strings_so_far, mut lists_so_far): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for index in 0..=pick(&mut random, 9) {
        let read = |random: &mut Random| match (strings_so_far.len(), pick(random, 4)) {
            (0, _) | (_, 0) => literal("l"),
            (len, 1) => from_or(strings_so_far[pick(random, len)], "d"),
            (len, _) => from(strings_so_far[pick(random, len)]),
        };
        let (first, second) = (read(&mut random), read(&mut random));
        let when = read(&mut random);
        let selected =
            select(literal(["l", "r"][pick(&mut random, 2)]), &[("l", first.clone()), ("r", second.clone())]);
        if let (len @ 1.., 0) = (lists_so_far.len(), pick(&mut random, 3)) {
            // Elements of elements of elements: chains of any length, and several that begin at one task.
            let task = draft.flow(&format!("t{index}"), lists_so_far[pick(&mut random, len)]);
            task.args.extend([first, second]);
            task.max_parallel = NonZeroU32::new(u32::try_from(pick(&mut random, 3)).unwrap());
            lists_so_far.push(index);
            continue;
        }
        let task = draft.task(&format!("t{index}"), vec![first, second]);
        task.priority = i8::try_from(pick(&mut random, 3)).unwrap();
        match pick(&mut random, 6) {
            0 | 3 => {
                task.for_each = vec![list_over(&["x", "y", "z"][..pick(&mut random, 4)])];
                task.args.push(item());
                task.max_parallel = NonZeroU32::new(u32::try_from(pick(&mut random, 3)).unwrap());
                task.output = Some(strings());
            }
            1 => {
                let condition = Condition { level: 0, subject: when, equals: string("l"), is_negated: true };
                task.when = vec![Arc::new(condition)];
            }
            2 => task.args = vec![selected],
            _ => {}
        }
        if task.for_each.is_empty() { &mut strings_so_far } else { &mut lists_so_far }.push(index);
    }
    draft.bound()
}

/// A script in which every call takes a time of its own, and a few fail.
fn script(seed: u64, failures: u64) -> impl Fn(&Call) -> ScriptedCall + Send + Sync + 'static {
    move |call| {
        let mut random = Random::seeded(seed);
        let text = format!("{}({})", call.attempt.task, texts(&call.args).join(","));
        for byte in text.bytes().chain([u8::try_from(call.attempt.number).unwrap()]) {
            random = Random::seeded(random.next_u64() ^ u64::from(byte));
        }
        let millis = random.below(100);
        if random.below(100) < failures { fails(millis, FailureClass::Trap) } else { returns(millis, &text) }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

/// Checks every report: no call before its inputs, one end per node, no start after its end.
fn check(bound: &Bound, report: &RunReport) {
    let mut ends: HashMap<String, u32> = HashMap::new();
    let mut started: HashMap<String, u32> = HashMap::new();
    for line in &report.lines {
        let Some(task) = line["task"].as_str() else { continue };
        let node = format!("{task}{:?}", line["item"].as_u64());
        match line["event"].as_str().unwrap() {
            "task.started" => {
                assert!(!ends.contains_key(&node), "{node} started after its end: {report:#?}");
                *started.entry(node).or_default() += 1;
            }
            "task.finished" | "task.failed" | "task.skipped" | "task.cached" | "task.stored" => {
                *ends.entry(node).or_default() += 1;
            }
            _ => {}
        }
    }
    assert!(ends.values().all(|times| *times == 1), "{ends:?}");
    assert_eq!(to_usize(started.values().sum()), report.calls_made.len());
    for (index, task) in bound.plan().tasks().iter().enumerate() {
        let records = report
            .calls_made
            .iter()
            .filter(|record| record.node.split('[').next() == Some(task.name.as_str()));
        for record in records {
            for upstream in &bound.plan().tasks()[index].waits_for {
                let name = bound.plan().tasks()[upstream.index()].name.as_str();
                let late =
                    report.calls_made.iter().filter(|other| other.node.split('[').next() == Some(name));
                assert!(
                    late.clone().all(|other| other.ended.is_some_and(|ended| ended <= record.started)),
                    "{record:?}"
                );
            }
            // An element comes after the elements of the same index that it flows from.
            let item = record.node.split_once('[').map_or("", |(_, item)| item);
            for (upstream, _) in bound.plan().element_sources(idx(index)) {
                let node = format!("{}[{item}", bound.plan().tasks()[upstream.index()].name);
                let mut before = report.calls_made.iter().filter(|other| other.node == node);
                assert!(
                    before.all(|other| other.ended.is_some_and(|ended| ended <= record.started)),
                    "{record:?} before {node}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_order_of_ends_yields_the_same_outputs(plan_seed: u64, first: u64, other: u64, slots in 1..5_u32) {
        let bound = plan(plan_seed);
        let reports = [(first, 8), (other, slots)].map(|(seed, slots)| {
            block_on(Fixture { slots, ..Fixture::new() }.run(&bound, script(seed, 0)))
        });
        for report in &reports {
            check(&bound, report);
            prop_assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
            let ended = report.lines.iter().filter(|line| line.get("item").is_none());
            let ends = ["task.finished", "task.skipped"];
            let ended = ended.filter(|line| ends.contains(&line["event"].as_str().unwrap()));
            prop_assert_eq!(ended.count(), bound.plan().tasks().len());
        }
        prop_assert_eq!(reports[0].outputs(), reports[1].outputs());
    }

    #[test]
    fn failed_run_ends_and_resuming_completes_it(plan_seed: u64, seed: u64, policy in 0..3_usize) {
        let bound = plan(plan_seed);
        let policy = [FailurePolicy::Finish, FailurePolicy::KeepGoing, FailurePolicy::FailFast][policy];
        let uninterrupted = block_on(Fixture::new().run(&bound, script(1, 0)));
        let (first, second) = block_on(async {
            let fixture = Fixture { policy, slots: 3, ..Fixture::new() };
            let first = fixture.run(&bound, script(seed, 30)).await;
            (first, fixture.run(&bound, script(seed, 0)).await)
        });
        check(&bound, &first);
        check(&bound, &second);
        prop_assert_eq!(second.ended, Ended::Run(RunStatus::Succeeded));
        prop_assert_eq!(second.outputs(), uninterrupted.outputs());
        // Committed nodes are not called again.
        for record in &second.calls_made {
            prop_assert!(!first.events(&record.node).contains(&"finished".to_owned()), "{:?}", record);
        }
    }

    #[test]
    fn an_interrupted_run_ends_and_can_be_resumed(plan_seed: u64, seed: u64, index in 0..300_u64, is_abort: bool) {
        let bound = plan(plan_seed);
        let uninterrupted = block_on(Fixture::new().run(&bound, script(1, 0)));
        let (first, second) = block_on(async {
            let fixture = Fixture { slots: 2, ..Fixture::new() };
            let stop = async {
                tokio::time::sleep(Duration::from_millis(index)).await;
                fixture.interrupt.send_replace(if is_abort { Interrupt::Abort } else { Interrupt::Drain });
            };
            let (first, ()) = tokio::join!(fixture.run(&bound, script(seed, 0)), stop);
            fixture.interrupt.send_replace(Interrupt::None);
            (first, fixture.run(&bound, script(seed, 0)).await)
        });
        check(&bound, &first);
        prop_assert_eq!(second.outputs(), uninterrupted.outputs());
    }

    #[test]
    fn several_hosts_yield_the_same_outputs_as_one(plan_seed: u64, seed: u64) {
        let bound = plan(plan_seed);
        let uninterrupted = block_on(Fixture::new().run(&bound, script(1, 0)));
        let (first, other) = block_on(async {
            let fixture = Fixture { slots: 2, ..Fixture::new() };
            tokio::join!(fixture.run(&bound, script(seed, 0)), fixture.run(&bound, script(seed ^ 1, 0)))
        });
        prop_assert_eq!((first.ended, other.ended), (uninterrupted.ended, uninterrupted.ended));
        prop_assert_eq!(first.outputs(), uninterrupted.outputs());
        prop_assert_eq!(first.calls_made.len() + other.calls_made.len(), uninterrupted.calls_made.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_on_many_threads_miss_no_wakeup() {
    let runs = async {
        for seed in 0..150 {
            let bound = plan(seed);
            let fixture = Fixture { slots: 2, policy: FailurePolicy::KeepGoing, ..Fixture::new() };
            let at_once = |call: &Call| returns(0, call.attempt.task.as_str());
            let reports = tokio::join!(
                fixture.run(&bound, at_once),
                fixture.run(&bound, at_once),
                fixture.run(&bound, at_once)
            );
            assert_eq!(reports.0.outputs(), reports.1.outputs());
            assert_eq!(reports.0.outputs(), reports.2.outputs());
        }
    };
    tokio::time::timeout(Duration::from_mins(1), runs)
        .await
        .expect("a host waits for an event that has already happened");
}
