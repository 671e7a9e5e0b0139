//! Admission: the memory of concurrent tasks never exceeds the host's budget.
//! The memory limit of a single task is in `memory`.

use super::HOST;
use cascade_host_tests::Project;

#[test]
fn concurrent_tasks_stay_within_the_memory_budget() {
    let mut body = "[defaults.limits]\nmemory = \"64MiB\"\n".to_owned();
    for task in 0..24 {
        body.push_str(&format!("[tasks.t{task}]\ncall = \"g.grow\"\nargs.mib = 56\n"));
    }
    let project = Project::basic(&body);
    let finished = project.host().args(["-j", "16", "--memory", "160MiB"]).run().expect(0);
    // Two at a time fit, each with at most 64 MiB.
    println!("24 tasks of 64 MiB within 160 MiB: {} MiB", finished.peak >> 20);
    assert!(finished.peak >> 20 <= 160 + HOST, "{} MiB", finished.peak >> 20);
    assert_eq!(running_at_once(&project), 2);
    assert_eq!(
        project.events().of("task.blocked").next().expect("somebody waits")["resource"],
        "host-memory"
    );
}

#[test]
fn elements_are_admitted_individually() {
    let project = Project::basic(&format!(
        "[tasks.each]\ncall = \"g.grow\"\nfor-each.n = [{}]\nargs.mib = {{ item = \"n\" }}\n\
         limits.memory = \"64MiB\"\n[outputs]\nall = {{ task = \"each\" }}\n",
        ["56"; 12].join(", ")
    ));
    let finished = project.host().args(["-j", "8", "--memory", "200MiB"]).run().expect(0);
    assert!(finished.peak >> 20 <= 200 + HOST, "{} MiB", finished.peak >> 20);
    assert_eq!(running_at_once(&project), 3);
}

#[test]
fn oversized_task_runs_alone_within_the_budget() {
    let task = |mib| {
        let others = "[tasks.a]\ncall = \"g.double\"\nargs.x = 1\nlimits.memory = \"16MiB\"\n\
                      [tasks.b]\ncall = \"g.double\"\nargs.x = 1\nlimits.memory = \"16MiB\"\n";
        Project::basic(&format!(
            "{others}[tasks.large]\ncall = \"g.grow\"\nargs.mib = {mib}\nlimits.memory = \"1GiB\"\npriority = 1\n"
        ))
    };
    let fits = task(40);
    fits.host().args(["-j", "4", "--memory", "64MiB"]).run().expect(0);
    let events = fits.events();
    let started = events.position("task.started", "large");
    let ended = events.position("task.finished", "large");
    let between =
        events.0[started + 1..ended].iter().filter(|event| event["event"] == "task.started").count();
    assert_eq!(between, 0, "it runs alone");

    let larger = task(200);
    let finished = larger.host().args(["-j", "4", "--memory", "64MiB", "--keep-going"]).run().expect(1);
    assert!(finished.peak >> 20 <= 64 + HOST, "{} MiB", finished.peak >> 20);
    let events = larger.events();
    let failed = events.of("task.failed").next().expect("it fails");
    let message = failed["error"].as_str().expect("an error is text").lines().next().expect("it has a line");
    assert_eq!(
        (failed["class"].as_str(), message),
        (
            Some("limit"),
            "the memory of this host for its tasks, 64MiB, reached: the guest's linear memories need more, \
             within `limits.memory` = 1GiB; raise it with `--memory 128MiB`, or add a host with that much memory to the run"
        )
    );
}

/// Returns the maximum number of tasks or elements that ran at the same time.
fn running_at_once(project: &Project) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for event in &project.events().0 {
        match event["event"].as_str() {
            Some("task.started") => now += 1,
            Some("task.finished") if now > 0 && (event["item"].is_number() || event["task"] != "each") => {
                now -= 1;
            }
            _ => {}
        }
        most = most.max(now);
    }
    most
}
