//! SIGINT, SIGTERM and SIGHUP: the first finishes a run's tasks, the second stops them; other commands exit at once.
//! Resuming is tested in `stored`, inherited dispositions in `inherited_signals`.

use crate::compiling::{compiler_of, is_alive, slow};
use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Host, Project, Redis, Running, wait_for, wait_until};
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn first_signal_finishes_running_tasks_and_starts_no_new_one() {
    for signal in ["INT", "TERM", "HUP"] {
        let project = gates::project(&format!(
            "[tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"x\"\n{GRANTS}\
             [tasks.next]\ncall = \"g.echo-string\"\nargs.value = {{ task = \"slow\" }}\n"
        ));
        let mut running = project.host().args(["--log-level", "debug"]).start();
        running.until("started");
        running.signal(signal);
        running.until("again");
        open(&project, "x");
        let finished = running.wait().expect(130).says(["--state redis://"]);
        assert!(finished.stdout.is_empty());
        let events = project.events();
        assert_eq!(events.tasks("task.finished"), ["slow"]);
        assert_eq!(events.tasks("task.started"), ["slow"]);
        assert_eq!(events.of("run.finished").next().expect("the run ends")["status"], "cancelled");
    }
}

#[test]
fn second_signal_stops_guests() {
    let project = Project::basic("[tasks.endless]\ncall = \"g.spin\"\n");
    let mut running = project.host().args(["--log-level", "debug"]).start();
    running.until("started");
    running.signal("INT");
    running.until("again");
    running.signal("INT");
    let finished = running.wait().expect(130);
    assert!(finished.took < Duration::from_secs(20), "{:?}", finished.took);
    assert!(project.events().tasks("task.finished").is_empty());
}

#[test]
fn interrupt_before_the_run_opens_prints_no_resume_command() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let uri = format!("redis://{}?connect-timeout=60s", silent.local_addr().expect("it has an address"));
    let project = Project::basic("[tasks.t]\ncall = \"g.spin\"\n");
    let running = project.host().args(["--state", &uri]).start();
    let _connection = silent.accept().expect("the host connects");
    running.signal("INT");
    let finished = running.wait().expect(130).says(["before any task of `manifest.toml` ran"]);
    assert!(!finished.stderr.contains("--run-id"), "{}", finished.stderr);
    assert!(finished.took < Duration::from_secs(30), "{:?}", finished.took);
}

/// Starts a command on a manifest whose component compiles longer than the test, and returns it with its compiler.
fn compiling(project: &Project, command: &str) -> (Running, u32) {
    project.file("slow.wasm", &slow());
    let host = if command == "doctor" { Host::new(["doctor"]) } else { project.command(command) };
    let host = host.env("CASCADE_CODE_CACHE", &project.folder().join("code").display().to_string()).start();
    let compiler = compiler_of(host.id());
    (host, compiler)
}

#[test]
fn first_signal_stops_compiling_with_a_message() {
    let manifest = "[components.g]\npath = \"slow.wasm\"\n[tasks.t]\ncall = \"g.run\"\n";
    for (command, signal, says) in [
        ("run", "INT", "interrupted before any task of `manifest.toml` ran"),
        ("check", "TERM", "interrupted while checking `manifest.toml`"),
        ("plan", "INT", "interrupted while planning `manifest.toml`"),
        ("doctor", "TERM", "interrupted: the checks did not finish"),
    ] {
        let project = Project::new(manifest);
        let (host, compiler) = compiling(&project, command);
        host.signal(signal);
        let finished = host.wait().expect(130).says([says]);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        wait_until("the compiler stays", || !is_alive(compiler));
    }
}

/// Creates a project with this build command, which writes its process id to a file by `$BEGUN`.
fn built_by(command: &str) -> Project {
    let command = command.replace("$BEGUN", "echo $$ > number");
    Project::new(&format!(
        "[components.g]\npath = \"g.wasm\"\nbuild = \"\"\"\n{command}\n\"\"\"\n\
         [tasks.t]\ncall = \"g.run\"\n"
    ))
}

/// Waits for the process id of the build command.
fn builder(project: &Project) -> u32 {
    wait_for("the build command does not begin", || {
        fs::read_to_string(project.folder().join("number")).ok()?.trim().parse().ok()
    })
}

#[test]
fn build_command_ends_with_its_host() {
    for (command, signal) in [("build", "INT"), ("run", "TERM")] {
        let project = built_by("$BEGUN; sleep 300; echo > reached");
        let host = project.command(command);
        let host = if command == "run" { host.args(["--build"]) } else { host }.start();
        let builder = builder(&project);
        host.signal(signal);
        host.wait().expect(130).says(["stopping the build command", "interrupted"]);
        assert!(!project.folder().join("reached").exists());
        assert!(!is_alive(builder));
    }
}

#[test]
fn second_signal_kills_an_unresponsive_build_command() {
    let project = built_by("trap '' TERM; $BEGUN; sleep 300");
    let mut host = project.command("build").start();
    let builder = builder(&project);
    host.signal("INT");
    host.until("again to kill it");
    assert!(is_alive(builder));
    host.signal("INT");
    host.wait().expect(130).says(["interrupted while building"]);
    wait_until("the build command stays", || !is_alive(builder));
}

#[test]
fn hang_up_kills_an_unresponsive_build_command() {
    let project = built_by("trap '' TERM HUP; $BEGUN; sleep 300");
    let host = project.command("run").args(["--build"]).start();
    let builder = builder(&project);
    host.signal("HUP");
    host.wait().expect(130).says(["stopping the build command", "interrupted before any task of"]);
    assert!(!is_alive(builder));
}

#[test]
fn all_build_processes_end_with_the_host_however_it_ends() {
    // In the background, ignoring signals, in its own process group, in its own session.
    let families = [
        "$BEGUN; sleep 300; true",
        "(trap '' TERM HUP INT; $BEGUN; while :; do sleep 300; done) & wait",
        "(exec timeout 300 sh -c '$BEGUN; sleep 300; true') & wait",
        "setsid sh -c '$BEGUN; sleep 300; true' & wait",
        "setsid sh -c '$BEGUN; exec sleep 300' & sleep 300; true",
    ];
    for (signal, family) in ["KILL", "QUIT", "ABRT", "KILL", "TERM"].into_iter().zip(families) {
        let project = built_by(family);
        let host = project.command("build").start();
        let builder = builder(&project);
        host.signal(signal);
        let finished = host.wait();
        assert_eq!(finished.code, (signal == "TERM").then_some(130), "{}", finished.stderr);
        wait_until(&format!("{family} stays after {signal}"), || !is_alive(builder));
    }
}

#[test]
fn background_processes_of_a_build_end_with_the_host() {
    let project = gates::project(&format!(
        "build = \"sleep 300 & echo $! > number\"\n[tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"x\"\n{GRANTS}"
    ));
    let mut host = project.host().args(["--build", "--log-level", "debug"]).start();
    host.until("started");
    let left = builder(&project);
    assert!(is_alive(left), "tasks may need it");
    open(&project, "x");
    host.wait().expect(0);
    wait_until("it stays", || !is_alive(left));
}

#[test]
fn build_output_and_failure_are_reported() {
    let project = built_by("echo to stdout; echo to stderr >&2; exit 3");
    let failed = project.command("build").run().expect(2);
    failed.says(["to stdout\n", "to stderr\n", "failed: exit status: 3", "see its output above"]);
    let killed = built_by("kill -s SEGV $$").command("build").run().expect(2);
    killed.says(["failed: signal: 11"]);
    let nowhere = Project::new(
        "[components.g]\npath = \"g.wasm\"\nbuild = \"true\"\nbuild-dir = \"none\"\n[tasks.t]\ncall = \"g.run\"\n",
    );
    nowhere
        .command("build")
        .run()
        .expect(2)
        .says(["cannot start the build command of g", "`build-dir` is relative"]);
}

#[test]
fn interrupted_watch_does_not_stop_the_run() {
    let server = Redis::start("");
    let uri = format!("{}?lease=1s", server.uri());
    let project = Project::basic("[tasks.endless]\ncall = \"g.spin\"\n");
    let mut running =
        project.host().args(["--log-level", "debug", "--run-id", "r1", "--state", &uri]).start();
    running.until("started");
    running.signal("KILL");
    running.wait();
    let mut watching = Host::new(["watch", "r1", "--state", &uri]).start();
    watching.until("no host is working on run r1");
    watching.signal("INT");
    watching.wait().expect(130).says(["run r1 is no longer watched", "cascade-host cancel r1"]);
}
