//! A finished run of which some tasks run again: the host is killed at some moment, and others go on.
//! Every task gives the same result again, so that the same data must be stored in the end.

use crate::checker::Account;
use crate::fleet::RUN;
use crate::graph::Graph;
use crate::random::Random;
use crate::records::{Ledger, Stored};
use cascade_host_tests::{Host, Project};
use std::time::Duration;

/// Hosts that go on after the kill.
const HOSTS: usize = 2;

/// Whether some tasks of a seed run again: of every other seed whose server loses nothing.
pub(crate) fn happens(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

/// Runs some tasks again, and kills the host meanwhile. Returns the violated invariants. `read` reads what is stored.
pub(crate) fn complaints(
    (graph, seed): (&Graph, u64),
    (project, uri): (&Project, &str),
    before: &Account,
    read: impl FnOnce() -> (Stored, Ledger),
) -> Vec<String> {
    let mut random = Random::new(seed, "rerun");
    let whole: Vec<&str> =
        graph.tasks.iter().filter(|task| !task.is_nested).map(|task| task.name.as_str()).collect();
    let names: Vec<String> = (0..random.within(1, 4)).map(|_| (*random.pick(&whole)).to_owned()).collect();
    let host = |number: usize| {
        let host = project.other_host(&format!("again-{number}.events"));
        host.args(["--state", uri, "--run-id", RUN, "-j", "4", "--keep-going"])
    };
    let first = names.iter().fold(host(0).args(["--rerun"]), |host, name| host.args([name])).start();
    std::thread::sleep(Duration::from_millis(u64::from(random.within(0, 400))));
    first.signal("KILL");
    first.wait();
    let others: Vec<_> = (1..=HOSTS).map(|number| host(number).start()).collect();
    let code = i32::from(!before.expected.failed.is_empty());
    let mut complaints = Vec::new();
    for finished in others.into_iter().map(cascade_host_tests::Running::wait) {
        if finished.code != Some(code) {
            complaints.push(format!("a host ended with {:?}:\n{}", finished.code, finished.stderr));
        }
    }
    let (found, ledger) = read();
    complaints.extend(Account { found, ledger, ..before.clone() }.stored_complaints());
    let rerun = format!("after --rerun {}: ", names.join(" "));
    let listed = Host::new(["show", RUN, "--state", uri]).run();
    if listed.code != Some(0) {
        complaints.push(format!("show ended with {:?}", listed.code));
    }
    complaints.into_iter().map(|complaint| rerun.clone() + &complaint).collect()
}
