//! Checks the invariants of a finished run, from the data in Redis and the events of its hosts.
//! Pure: `records` reads the data, and the tests here use made-up runs.

use crate::graph::Task;
use crate::names;
use crate::records::{Event, Ledger, Log, Stored};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Maximum difference between the TTLs of two keys of a run, in milliseconds.
const MAX_TTL_DIFFERENCE: i64 = 60_000;

/// Maximum number of complaints of one kind.
const MOST: usize = 5;

/// MessagePack of a map of one entry, `ok` or `err`: what a result as a value begins with.
const OK: &[u8] = b"\x81\xa2ok";
const ERR: &[u8] = b"\x81\xa3err";

/// All records of a run.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) tasks: Vec<Task>,
    /// The results of an undisturbed run on one host.
    pub(crate) expected: Stored,
    pub(crate) found: Stored,
    pub(crate) ledger: Ledger,
    pub(crate) logs: Vec<Log>,
    /// Whether the server has lost data.
    pub(crate) is_lossy: bool,
    /// Number of hosts ended early, each with at most `jobs` running tasks.
    pub(crate) ended_early: usize,
    pub(crate) jobs: usize,
}

impl Account {
    /// Returns the violated invariants; empty if none is.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let checks: [(&str, Vec<String>); 7] = [
            ("other than of an undisturbed run", self.differences()),
            ("committed more than once", self.double_commits()),
            ("started before what it needs", self.early_starts()),
            ("iterations", self.wrong_iterations()),
            ("left over", self.pending_or_miscounted()),
            ("executed too often", self.unexplained_executions()),
            ("kept too long or too short", self.wrong_expiry()),
        ];
        let mut complaints = Vec::new();
        for (what, list) in checks {
            complaints.extend(list.iter().take(MOST).map(|complaint| format!("{what}: {complaint}")));
            if list.len() > MOST {
                complaints.push(format!("{what}: and {} more", list.len() - MOST));
            }
        }
        complaints
    }

    /// Returns the violated invariants of what is stored, whatever has happened before.
    pub(crate) fn stored_complaints(&self) -> Vec<String> {
        [self.differences(), self.wrong_iterations(), self.pending_or_miscounted(), self.wrong_expiry()]
            .concat()
    }

    fn differences(&self) -> Vec<String> {
        let (expected, found) = (&self.expected, &self.found);
        let mut differences = Vec::new();
        for (kind, expected, found) in [
            ("result", &expected.results, &found.results),
            ("skip", &expected.skipped, &found.skipped),
            ("failure", &expected.failed, &found.failed),
        ] {
            let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            // Elements of what was skipped as a whole count for nothing: how many had begun depends on the time.
            let is_moot = |name: &String| {
                names::around(name).iter().skip(1).any(|whole| self.expected.skipped.contains_key(whole))
            };
            for name in names.into_iter().filter(|name| !is_moot(name)) {
                let shown = |value: Option<&Vec<u8>>| {
                    value.map_or("nothing".to_owned(), |value| value.escape_ascii().to_string())
                };
                let (expected, found) = (expected.get(name), found.get(name));
                if expected != found {
                    differences.push(format!("{kind} of {name}: {} is {}", shown(expected), shown(found)));
                }
            }
        }
        differences
    }

    /// Each node with a result is committed once in an epoch. A commit that the server lost does not count if its host had
    /// ended before the node was committed again: no host was left to know of it.
    fn double_commits(&self) -> Vec<String> {
        let mut last: HashMap<&str, &str> = HashMap::new();
        for event in self.logs.iter().flat_map(|log| &log.events).filter(|event| is_commit(event)) {
            let at = last.entry(&event.node).or_insert(&event.at);
            *at = (*at).max(&event.at);
        }
        let epochs = if self.is_lossy { self.ledger.count("epoch").unwrap_or(1) } else { 1 };
        let mut complaints = Vec::new();
        let mut total: BTreeMap<&str, usize> = BTreeMap::new();
        for log in &self.logs {
            let end = log.events.last().map_or("", |event| &event.at);
            for part in parts(log) {
                let mut once = BTreeSet::new();
                for event in part.iter().filter(|event| is_commit(event)) {
                    let is_known = last.get(event.node.as_str()).is_none_or(|last| end >= *last);
                    if is_known || !self.is_lossy {
                        *total.entry(&event.node).or_default() += 1;
                    }
                    if !once.insert(&event.node) {
                        complaints.push(format!("{} twice by {} in one epoch", event.node, log.host));
                    }
                }
            }
        }
        // What lies in elements, and has elements itself, has no result: a run that is resumed ends it again.
        let nested: BTreeSet<&str> =
            self.tasks.iter().filter(|task| task.is_nested).map(|task| task.name.as_str()).collect();
        let has_none =
            |node: &str| nested.contains(&*names::task_of(node)) && !self.found.results.contains_key(node);
        // A run that has failed is resumed by each host that comes later, and then has another ending.
        let again = if self.found.failed.is_empty() { 0 } else { self.logs.len() };
        let finally: BTreeSet<&str> =
            self.tasks.iter().filter(|task| task.is_finally).map(|task| task.name.as_str()).collect();
        let bound = |node: &str| epochs + if finally.contains(&*names::task_of(node)) { again } else { 0 };
        let often = total.into_iter().filter(|(node, count)| *count > bound(node) && !has_none(node));
        complaints.extend(often.map(|(node, count)| format!("{node} {count} times in {epochs} epochs")));
        complaints
    }

    /// No node starts before those end that it needs: by event order on one host, by the clock across hosts.
    fn early_starts(&self) -> Vec<String> {
        let needs: HashMap<&str, &[String]> =
            self.tasks.iter().map(|task| (task.name.as_str(), task.needs.as_slice())).collect();
        // By node: the first start of it, or of an element of it.
        let mut first: HashMap<String, &str> = HashMap::new();
        for event in self.logs.iter().flat_map(|log| &log.events).filter(|event| event.kind == "task.started")
        {
            for node in names::around(&event.node) {
                let at = first.entry(node).or_insert(&event.at);
                *at = (*at).min(&event.at);
            }
        }
        let mut complaints = Vec::new();
        for log in &self.logs {
            for part in parts(log) {
                let ends = part.iter().enumerate().filter(|(_, event)| is_commit(event));
                let ends: HashMap<&str, usize> =
                    ends.map(|(idx, event)| (event.node.as_str(), idx)).collect();
                for (idx, event) in part.iter().enumerate().filter(|(_, event)| event.kind == "task.started")
                {
                    let task = names::task_of(&event.node);
                    let needs = needs.get(&*task).copied().unwrap_or_default();
                    let needs = needs.iter().map(|need| names::filled(need, &event.node));
                    for need in needs.chain(before(&event.node)) {
                        let is_before = ends.get(need.as_str()).is_some_and(|end| *end > idx);
                        let is_early = first.get(&need).is_some_and(|first| event.at.as_str() < *first);
                        if is_before || is_early {
                            complaints.push(format!("{} before {need} on {}", event.node, log.host));
                        }
                    }
                }
            }
        }
        complaints
    }

    /// The iterations of a node have no gaps, and the output of one that is done is the result of its last one.
    fn wrong_iterations(&self) -> Vec<String> {
        let results = &self.found.results;
        let mut count: BTreeMap<&str, u32> = BTreeMap::new();
        for (node, _) in results.keys().filter_map(|name| names::iteration(name)) {
            *count.entry(node).or_default() += 1;
        }
        let repeat: BTreeSet<&str> =
            self.tasks.iter().filter(|task| task.repeats).map(|task| task.name.as_str()).collect();
        let mut complaints = Vec::new();
        for (node, count) in &count {
            let gap = (0..*count).find(|number| !results.contains_key(&format!("{node}@{number}")));
            complaints.extend(gap.map(|gap| format!("{node} has {count} iterations, without {gap}")));
        }
        for (node, output) in results.iter().filter(|(node, _)| repeat.contains(&*names::task_of(node))) {
            if names::iteration(node).is_some() || output.starts_with(ERR) {
                continue;
            }
            let count = count.get(node.as_str()).copied().unwrap_or_default();
            let last = count.checked_sub(1).and_then(|last| results.get(&format!("{node}@{last}")));
            let output = output.strip_prefix(OK).unwrap_or(output);
            if last.map(Vec::as_slice) != Some(output) {
                complaints
                    .push(format!("the output of {node} is not that of its last of {count} iterations"));
            }
        }
        complaints
    }

    /// The counts match the stored data, and nothing is pending.
    fn pending_or_miscounted(&self) -> Vec<String> {
        let (found, ledger) = (&self.found, &self.ledger);
        let mut complaints = Vec::new();
        let is_task = |name: &&String| !name.contains(['[', '@']);
        let ended = |hash: &BTreeMap<String, Vec<u8>>| hash.keys().filter(is_task).count();
        let counts = [ended(&found.results), ended(&found.skipped), ended(&found.failed)];
        let state = if counts[2] > 0 { "failed" } else { "succeeded" };
        if ledger.meta.get("state").map(String::as_str) != Some(state) {
            complaints.push(format!("the run is {:?} and should have {state}", ledger.meta.get("state")));
        }
        for (name, count) in [
            ("open", 0),
            ("live", 0),
            ("fast", 0),
            ("total", self.tasks.len()),
            ("ok", found.results.len()),
            ("skips", counts[1]),
            ("failures", counts[2]),
        ] {
            if ledger.count(name) != Some(count) {
                complaints.push(format!("`{name}` is {:?} and should be {count}", ledger.meta.get(name)));
            }
        }
        for task in &self.tasks {
            let name = &task.name;
            let ends = [&found.results, &found.skipped, &found.failed];
            let ends = ends.iter().filter(|hash| hash.contains_key(name)).count();
            // What lies in elements has results there, and none as a whole.
            let is_done_in_elements = task.is_nested && ends == 0;
            if ends != 1 && !is_done_in_elements {
                complaints.push(format!("{name} has {ends} ends"));
            }
        }
        complaints.extend(ledger.under_way.iter().cloned());
        if ledger.waiting != 0 {
            complaints.push(format!("{} entries of queues", ledger.waiting));
        }
        complaints
    }

    /// Nothing is executed again without a reported reason, or a host that ended before it could report one.
    fn unexplained_executions(&self) -> Vec<String> {
        if self.is_lossy {
            return Vec::new(); // lost data is computed again
        }
        let events_of = |kind: &'static str| {
            self.logs.iter().flat_map(|log| &log.events).filter(move |event| event.kind == kind)
        };
        let attempts: HashMap<&str, u32> =
            self.tasks.iter().map(|task| (task.name.as_str(), task.attempts)).collect();
        let mut over: HashMap<&str, i64> = HashMap::new();
        for event in events_of("task.started") {
            let attempts =
                attempts.get(&*names::task_of(&event.node)).map_or(1, |attempts| i64::from(*attempts));
            *over.entry(&event.node).or_insert(-attempts) += 1;
        }
        let again: i64 = over.values().filter(|over| **over > 0).sum();
        let reported = events_of("task.taken_over").count() + events_of("task.lease_lost").count();
        // A host that joins when no other is left retries failed tasks, and counts attempts from one.
        let failed = self.found.failed.len() * 2 * (self.logs.len() + 1);
        let retries: u32 = self.tasks.iter().map(|task| task.attempts - 1).sum();
        let retries = if self.ended_early > 0 { retries as usize } else { 0 };
        let max = reported + (self.ended_early * self.jobs) + failed + retries;
        if again > i64::try_from(max).expect("a count is small") {
            return vec![format!("{again} repeated executions; the events explain only {max}")];
        }
        Vec::new()
    }

    fn wrong_expiry(&self) -> Vec<String> {
        let kept = &self.ledger.kept;
        let longest = kept.values().max().copied().unwrap_or(-1);
        let is_wrong = |(_, left): &(&String, &i64)| **left <= 0 || longest - **left > MAX_TTL_DIFFERENCE;
        kept.iter().filter(is_wrong).map(|(key, left)| format!("{key}: {left} of {longest} ms")).collect()
    }
}

/// Returns the iteration before one.
fn before(node: &str) -> Option<String> {
    let (node, number) = names::iteration(node)?;
    Some(format!("{node}@{}", number.checked_sub(1)?))
}

/// Splits a host's events by epoch, as far as the host knew.
fn parts(log: &Log) -> impl Iterator<Item = &[Event]> {
    log.events.split(|event| event.code == "state-lost")
}

fn is_commit(event: &Event) -> bool {
    event.kind == "task.finished" || event.kind == "task.cached"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u32, kind: &str, node: &str) -> Event {
        let at = format!("2026-01-01T00:00:{at:02}.000Z");
        Event { at, kind: kind.to_owned(), node: node.to_owned(), code: String::new(), took: 0 }
    }

    fn log(host: &str, events: Vec<Event>) -> Log {
        Log { host: host.to_owned(), events }
    }

    fn task(name: &str, needs: &[&str]) -> Task {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Task {
            name: name.to_owned(),
            needs,
            is_nested: false,
            repeats: false,
            attempts: 1,
            is_finally: false,
        }
    }

    /// A valid run of two tasks on two hosts.
    fn valid_run() -> Account {
        let results = [("a", b"1"), ("b", b"2")].map(|(name, value)| (name.to_owned(), value.to_vec()));
        let stored = Stored { results: results.into(), ..Stored::default() };
        let counts = [
            ("state", "succeeded"),
            ("open", "0"),
            ("live", "0"),
            ("fast", "0"),
            ("total", "2"),
            ("ok", "2"),
        ];
        let more = [("skips", "0"), ("failures", "0"), ("epoch", "1")];
        let meta = counts.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let kept = [("results".to_owned(), 86_000_000), ("meta".to_owned(), 86_000_500)];
        let one = vec![event(1, "task.started", "a"), event(2, "task.finished", "a")];
        let other = vec![event(3, "task.started", "b"), event(4, "task.finished", "b")];
        Account {
            tasks: vec![task("a", &[]), task("b", &["a"])],
            expected: stored.clone(),
            found: stored,
            ledger: Ledger { meta: meta.collect(), kept: kept.into(), ..Ledger::default() },
            logs: vec![log("one", one), log("other", other)],
            is_lossy: false,
            ended_early: 0,
            jobs: 4,
        }
    }

    /// Returns the complaints about a valid run after a change.
    fn complaints_after(change: impl FnOnce(&mut Account)) -> String {
        let mut account = valid_run();
        change(&mut account);
        account.complaints().join("\n")
    }

    #[test]
    fn valid_run_has_no_complaints() {
        assert_eq!(valid_run().complaints(), Vec::<String>::new());
    }

    #[test]
    fn missing_or_wrong_result_is_detected() {
        let missing = complaints_after(|run| drop(run.found.results.remove("b")));
        assert!(missing.contains("result of b: 2 is nothing"), "{missing}");
        assert!(missing.contains("b has 0 ends"), "{missing}");
        let other = complaints_after(|run| drop(run.found.results.insert("b".into(), b"3".to_vec())));
        assert!(other.contains("result of b: 2 is 3"), "{other}");
        let both = complaints_after(|run| drop(run.found.skipped.insert("b".into(), b"Pruned".to_vec())));
        assert!(both.contains("b has 2 ends"), "{both}");
    }

    #[test]
    fn double_commit_is_detected_on_one_and_two_hosts() {
        let one = complaints_after(|run| run.logs[1].events.push(event(5, "task.finished", "b")));
        assert!(one.contains("b twice by other in one epoch"), "{one}");
        let two = complaints_after(|run| run.logs[0].events.push(event(5, "task.cached", "b")));
        assert!(two.contains("b 2 times in 1 epochs"), "{two}");
    }

    #[test]
    fn one_commit_per_epoch_is_allowed() {
        let again = |run: &mut Account| {
            let lost = Event { code: "state-lost".to_owned(), ..event(5, "warning", "") };
            run.logs[1].events.extend([lost, event(6, "task.started", "b"), event(7, "task.finished", "b")]);
            run.is_lossy = true;
            run.ledger.meta.insert("epoch".to_owned(), "2".to_owned());
        };
        assert_eq!(complaints_after(again), "");
        let complaints = complaints_after(|run| {
            again(run);
            run.logs[0].events.push(event(8, "task.finished", "b"));
            run.logs[1].events.push(event(9, "run.finished", ""));
        });
        assert!(complaints.contains("b 3 times in 2 epochs"), "{complaints}");
    }

    #[test]
    fn commit_unknown_to_all_live_hosts_may_be_repeated() {
        // Host `one` reports its last event at second 3, or lives on.
        let again = |run: &mut Account| {
            run.is_lossy = true;
            run.logs[0].events.push(event(3, "task.finished", "c"));
            run.logs[1].events.push(event(6, "task.finished", "c"));
        };
        let of_c = |complaints: &str| complaints.contains("c 2 times in 1 epochs");
        assert!(!of_c(&complaints_after(again)), "{}", complaints_after(again));
        let alive = complaints_after(|run| {
            again(run);
            run.logs[0].events.push(event(7, "run.finished", ""));
        });
        assert!(of_c(&alive), "{alive}");
    }

    #[test]
    fn start_before_a_dependency_is_detected() {
        let by_clock = complaints_after(|run| run.logs[1].events.insert(0, event(0, "task.started", "b")));
        assert!(by_clock.contains("b before a on other"), "{by_clock}");
        let by_order = complaints_after(|run| run.logs[0].events.insert(1, event(1, "task.started", "b")));
        assert!(by_order.contains("b before a on one"), "{by_order}");
    }

    #[test]
    fn element_needs_its_own_source_and_no_other() {
        let flow = |of_b: &'static str| {
            complaints_after(move |run| {
                run.tasks[1].needs = vec!["a[*]".to_owned()];
                run.logs[0].events = vec![
                    event(1, "task.started", "a[0]"),
                    event(2, "task.finished", "a[0]"),
                    event(3, "task.started", of_b),
                    event(4, "task.started", "a[1]"),
                    event(5, "task.finished", "a[1]"),
                ];
            })
        };
        assert!(!flow("b[0]").contains("before"), "{}", flow("b[0]"));
        assert!(flow("b[1]").contains("b[1] before a[1] on one"), "{}", flow("b[1]"));
    }

    /// Returns the complaints about a run whose second task repeats, with these events and results of iterations.
    fn repeated(order: [&'static str; 4], stored: &'static [(&'static str, &'static [u8])]) -> String {
        complaints_after(move |run| {
            run.tasks[1].repeats = true;
            let results = stored.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
            run.found.results.extend(results);
            run.expected = run.found.clone();
            run.ledger.meta.insert("ok".to_owned(), run.found.results.len().to_string());
            let events = (3..).zip(order).map(|(at, event_of)| {
                let (kind, node) = event_of.split_once(' ').expect("a kind and a node");
                event(at, kind, node)
            });
            run.logs[1].events = events.chain([event(9, "task.finished", "b")]).collect();
        })
    }

    #[test]
    fn iterations_that_overtake_are_missing_or_not_the_output_are_detected() {
        let order = ["task.started b@0", "task.finished b@0", "task.started b@1", "task.finished b@1"];
        assert_eq!(repeated(order, &[("b@0", b"1"), ("b@1", b"2")]), "");
        let early = ["task.started b@0", "task.started b@1", "task.finished b@0", "task.finished b@1"];
        let early = repeated(early, &[("b@0", b"1"), ("b@1", b"2")]);
        assert!(early.contains("b@1 before b@0 on other"), "{early}");
        let gap = repeated(order, &[("b@0", b"1"), ("b@2", b"2")]);
        assert!(gap.contains("b has 2 iterations, without 1"), "{gap}");
        let other = repeated(order, &[("b@0", b"2"), ("b@1", b"3")]);
        assert!(other.contains("the output of b is not that of its last of 2 iterations"), "{other}");
        let as_value = repeated(order, &[("b@0", b"1"), ("b@1", b"2"), ("b", b"\x81\xa2ok2")]);
        assert_eq!(as_value, "");
        let twice = ["task.started b@0", "task.finished b@0", "task.finished b@0", "task.finished b@1"];
        let twice = repeated(twice, &[("b@0", b"1"), ("b@1", b"2")]);
        assert!(twice.contains("b@0 twice by other in one epoch"), "{twice}");
    }

    #[test]
    fn pending_and_miscounted_nodes_are_detected() {
        let held = complaints_after(|run| run.ledger.under_way.push("h:1".to_owned()));
        assert!(held.contains("left over: h:1"), "{held}");
        let queued = complaints_after(|run| run.ledger.waiting = 1);
        assert!(queued.contains("left over: 1 entries"), "{queued}");
        let running = complaints_after(|run| drop(run.ledger.meta.insert("state".into(), "running".into())));
        assert!(running.contains("should have succeeded"), "{running}");
        let counted = complaints_after(|run| drop(run.ledger.meta.insert("ok".into(), "3".into())));
        assert!(counted.contains("`ok` is Some(\"3\") and should be 2"), "{counted}");
    }

    #[test]
    fn unexplained_execution_is_detected() {
        let again = |run: &mut Account| run.logs[1].events.push(event(5, "task.started", "b"));
        let complaints = complaints_after(again);
        assert!(complaints.contains("1 repeated executions"), "{complaints}");
        let explained = complaints_after(|run| {
            again(run);
            run.logs[1].events.push(event(5, "task.taken_over", "b"));
        });
        assert_eq!(explained, "");
    }

    #[test]
    fn wrong_key_expiry_is_detected() {
        for left in [-1, 1000] {
            let complaints = complaints_after(|run| run.ledger.kept.extend([("tasks".to_owned(), left)]));
            assert!(complaints.contains(&format!("tasks: {left} of")), "{complaints}");
        }
    }
}
