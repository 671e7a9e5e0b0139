//! Ctrl-C and SIGTERM: the first lets running tasks finish, the second stops them.
//! What resuming does belongs to backends that keep something.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::Project;
use std::time::Duration;

#[test]
fn the_first_signal_finishes_what_runs_and_starts_nothing_new() {
    for signal in ["INT", "TERM"] {
        let project = Project::new(&format!(
            "{}{}",
            component(Guest::Basic),
            r#"
            [tasks.slow]
            call = "g.slow-echo"
            args = { text = "x", ms = 700 }
            [tasks.next]
            call = "g.echo-string"
            args.value = { task = "slow" }
            "#
        ));
        let mut running = project.host().args(["--log-level", "debug"]).start();
        running.until("started");
        running.signal(signal);
        let finished = running.wait().expect(130).says(["--state redis://"]);
        assert!(finished.stdout.is_empty());
        let events = project.events();
        assert_eq!(events.tasks("task.finished"), ["slow"]);
        assert_eq!(events.tasks("task.started"), ["slow"]);
        assert_eq!(events.of("run.finished").next().expect("the run ends")["status"], "cancelled");
    }
}

#[test]
fn the_second_signal_stops_guests_now() {
    let project = Project::new(&format!("{}[tasks.endless]\ncall = \"g.spin\"\n", component(Guest::Basic)));
    let mut running = project.host().args(["--log-level", "debug"]).start();
    running.until("started");
    running.signal("INT");
    running.until("again");
    running.signal("INT");
    let finished = running.wait().expect(130);
    assert!(finished.took < Duration::from_secs(20), "{:?}", finished.took);
    assert!(project.events().tasks("task.finished").is_empty());
}
