//! Chaos: random graphs on several hosts, with the real binary, while hosts, network and servers fail by a seed.
//! Single faults, and their messages, are in `blackbox`.
//!
//! A seed determines the graph, the number of hosts, the faults and the progress at which they strike.
//! `tests/chaos 17` runs seed 17, and `tests/chaos 100..200` a hundred seeds. Without arguments a short set runs, as
//! in CI.

mod random;
mod graph;
mod fan_outs;
mod repeats;
mod finally;
mod overdue;
mod schedule;
mod seats;
mod client;
mod wire;
mod fleet;
mod nemesis;
mod records;
mod names;
mod checker;
mod reruns;

use crate::checker::Account;
use crate::client::Client;
use crate::fleet::{Fleet, JOBS, RUN};
use crate::graph::Graph;
use crate::nemesis::{Nemesis, Servers};
use crate::records::{Ledger, Log, Stored};
use crate::schedule::Schedule;
use cascade_host_tests::{Host, Project, Redis};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The seeds of the short set: two of each emphasis.
const SHORT: std::ops::Range<u64> = 0..8;

/// Number of tasks of a graph in the short set, and in the long one.
const TASKS: (usize, usize) = (500, 2500);

/// The password in every URI, which must appear nowhere else.
const PASSWORD: &str = "hunter2-of-chaos";

#[test]
fn every_task_ends_exactly_once_under_any_faults() {
    let (asked, tasks) = (variable("CASCADE_CHAOS_SEEDS"), variable("CASCADE_CHAOS_TASKS"));
    let default = if asked.is_empty() { TASKS.0 } else { TASKS.1 };
    let tasks =
        if tasks.is_empty() { default } else { tasks.parse().expect("CASCADE_CHAOS_TASKS is a number") };
    let seeds = if asked.is_empty() { SHORT.collect() } else { seeds(&asked) };
    let failed: Vec<u64> = seeds.into_iter().filter(|seed| !passes(*seed, tasks)).collect();
    let repeat = failed.iter().map(|seed| format!("\n    tests/chaos {seed} {tasks}"));
    assert!(failed.is_empty(), "seeds failed; repeat them with{}", repeat.collect::<String>());
}

/// Runs one seed, and prints what is wrong.
fn passes(seed: u64, tasks: usize) -> bool {
    let started = Instant::now();
    let (graph, schedule) = (Graph::new(seed, tasks), Schedule::new(seed));
    let project = Project::raw(&graph.manifest);
    graph.included.iter().for_each(|(name, manifest)| project.write_to(name, manifest));
    let mut history = Vec::new();
    match run_under_faults(&graph, &schedule, &project, &mut history) {
        Ok(results) => {
            eprintln!(
                "seed {seed}: {results} results, {} faults, {:.1?}",
                schedule.faults.len(),
                started.elapsed()
            );
            if !variable("CASCADE_CHAOS_STORY").is_empty() {
                eprintln!("{}", history.join("\n"));
            }
            true
        }
        Err(complaint) => {
            let kept = project.keep();
            eprintln!(
                "seed {seed} failed; the output of the hosts is in {}\n{}\n{complaint}",
                kept.display(),
                history.join("\n")
            );
            false
        }
    }
}

/// Runs a graph undisturbed, then under a schedule. Returns the number of results, or the violations.
fn run_under_faults(
    graph: &Graph,
    schedule: &Schedule,
    project: &Project,
    history: &mut Vec<String>,
) -> Result<usize, String> {
    let code = i32::from(graph.fails);
    let started = Instant::now();
    let (expected, printed) = undisturbed(project)?;
    history.push(format!("{:?} undisturbed", started.elapsed()));
    let code = if expected.failed.is_empty() { 0 } else { code };
    let mut servers = Servers::start(PASSWORD);
    if schedule.is_lossy {
        servers.add_replica();
    }
    let port = std::sync::Arc::clone(servers.port());
    let mut fleet = Fleet::new(project, schedule.hosts, &port, PASSWORD, code);
    let total = u32::try_from(expected.results.len()).expect("there are some thousands");
    let mut nemesis = Nemesis::new(&mut servers, &mut fleet);
    let outcome = nemesis.run(schedule, total);
    history.append(&mut nemesis.history);
    outcome.map_err(|complaint| format!("{complaint}\n{}", nemesis.state()))?;
    let account = account(graph, schedule, expected, &mut nemesis)?;
    let mut complaints = account.complaints();
    if !schedule.is_lossy {
        let logs: Vec<Log> = nemesis.fleet.files("jsonl").iter().map(|file| Log::read(file)).collect();
        let exceeded = seats::exceeded(&graph.seated, &logs).into_iter().take(5);
        complaints.extend(exceeded.map(|complaint| format!("more than {} seats: {complaint}", graph::SEATS)));
    }
    complaints.extend(held_in_the_end(&port));
    if nemesis.fleet.printed().iter().any(|one| *one != printed) {
        complaints.push("a host printed wrong outputs".to_owned());
    }
    for ending in ["out", "err", "jsonl"] {
        let has_password = |file: &&std::path::PathBuf| contains(file, PASSWORD);
        complaints.extend(
            nemesis
                .fleet
                .files(ending)
                .iter()
                .filter(has_password)
                .map(|file| format!("the password is in {}", file.display())),
        );
    }
    if complaints.is_empty() && !schedule.is_lossy && reruns::happens(schedule.seed) {
        let uri = format!("redis://:{PASSWORD}@127.0.0.1:{}?lease=1s", port.load(Ordering::SeqCst));
        let read = || {
            let client = nemesis.servers.client().expect("the server answers");
            (Stored::read(client, RUN), Ledger::read(client, RUN))
        };
        complaints.extend(reruns::complaints((graph, schedule.seed), (project, &uri), &account, read));
    }
    if complaints.is_empty() {
        return Ok(total as usize);
    }
    Err(format!("{}\n{}", complaints.join("\n"), nemesis.state()))
}

/// Returns what is still held of resources of all runs. That of killed hosts is held until their lease has passed.
fn held_in_the_end(port: &AtomicU16) -> Option<String> {
    let uri = format!("redis://:{PASSWORD}@127.0.0.1:{}", port.load(Ordering::SeqCst));
    let listed = || Host::new(["resources", "--state", &uri]).run().text();
    let is_free = |_: &u32| {
        let is_free = listed().lines().all(|line| !line.starts_with("  "));
        std::thread::sleep(Duration::from_millis(if is_free { 0 } else { 200 }));
        is_free
    };
    (0..50).find(is_free).map_or_else(|| Some(format!("still held or awaited:\n{}", listed())), |_| None)
}

/// Returns the stored data and the output of an undisturbed run on one host.
fn undisturbed(project: &Project) -> Result<(Stored, Vec<u8>), String> {
    let server = Redis::start_with_login(&format!("requirepass {PASSWORD}"), "default", PASSWORD);
    let uri = format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port());
    let host = project.other_host("undisturbed.events").args(["--state", &uri, "--run-id", RUN, "-j", "2"]);
    let finished = host.args(["--keep-going"]).run();
    let mut client = Client::connect(server.port(), PASSWORD).ok_or("the server does not answer")?;
    let stored = Stored::read(&mut client, RUN);
    let code = i32::from(!stored.failed.is_empty());
    if finished.code != Some(code) {
        return Err(format!("undisturbed, the run ended with {:?}:\n{}", finished.code, finished.stderr));
    }
    Ok((stored, finished.stdout))
}

fn account(
    graph: &Graph,
    schedule: &Schedule,
    expected: Stored,
    nemesis: &mut Nemesis<'_, '_>,
) -> Result<Account, String> {
    let logs = nemesis.fleet.files("jsonl").iter().map(|file| Log::read(file)).collect();
    let ended_early = nemesis.fleet.ended_early;
    let client = nemesis.servers.client().ok_or("the server does not answer")?;
    Ok(Account {
        tasks: graph.tasks.clone(),
        expected,
        found: Stored::read(client, RUN),
        ledger: Ledger::read(client, RUN),
        logs,
        is_lossy: schedule.is_lossy,
        ended_early,
        jobs: JOBS.parse().expect("it is a number"),
    })
}

fn contains(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Parses seeds such as `17`, `1,2,3` or `100..200`.
fn seeds(asked: &str) -> Vec<u64> {
    let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is not a seed"));
    match asked.split_once("..") {
        None => asked.split(',').map(number).collect(),
        Some((first, end)) => (number(first)..number(end)).collect(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the ban is for the host; here the command says what to run")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
