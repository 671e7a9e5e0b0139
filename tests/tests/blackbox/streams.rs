//! Streams that other programs left non-blocking, closed, or without a reader.
//! The content is tested in other modules.

use cascade_host_tests::{Host, Project, Redis};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

/// Creates a pipe whose write end is non-blocking.
fn non_blocking_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    ioctl_fionbio(&writer, true).expect("it is ours");
    (reader, writer)
}

/// Lets a process write to such a pipe, and reads only once the pipe is full: a process that does not wait has lost
/// output by then.
fn read_late(start: impl FnOnce(Stdio) -> Child) -> (Option<i32>, String) {
    let (mut reader, writer) = non_blocking_pipe();
    let mut child = start(writer.try_clone().expect("it is ours").into());
    let has_room = |writer: &PipeWriter| {
        poll(&mut [PollFd::new(writer, PollFlags::OUT)], Some(&Timespec::default())).expect("it is ours") > 0
    };
    while has_room(&writer) && child.try_wait().expect("it is ours").is_none() {
        std::thread::yield_now();
    }
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it is text");
    (child.wait().expect("it is ours").code(), text)
}

/// Creates a task with a large result, and tasks with many events.
fn project() -> Project {
    let project = Project::basic(
        "[tasks.large]\ncall = \"g.echo-string\"\nargs.value = { file = \"large\" }\n\
         [tasks.numbers]\ncall = \"g.numbers\"\nargs.n = 1_000\n\
         [tasks.many]\ncall = \"g.double\"\nfor-each.x = { task = \"numbers\" }\nargs.x = { item = \"x\" }\n\
         [outputs]\nlarge = { task = \"large\" }\n",
    );
    project.file("large", "x".repeat(1 << 20).as_bytes());
    project
}

#[test]
fn results_are_complete_on_a_non_blocking_stdout() {
    let project = project();
    let (code, text) = read_late(|stdout| {
        let mut command = project_command(&project, &["-o", "raw"]);
        command.stdout(stdout).stderr(Stdio::null()).spawn().expect("the binary can be started")
    });
    assert_eq!((code, text.len()), (Some(0), 1 << 20));
}

#[test]
fn events_and_logs_are_complete_on_a_non_blocking_stderr() {
    for (flags, last) in [(["--events", "-"], "run.finished"), (["--log-level", "debug"], "succeeded")] {
        let project = project();
        let (code, text) = read_late(|stderr| {
            let mut command = project_command(&project, &flags);
            command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the binary can be started")
        });
        assert_eq!(code, Some(0));
        assert!(
            text.ends_with('\n') && text.lines().last().is_some_and(|line| line.contains(last)),
            "{text}"
        );
        // Ready, started, finished of elements and tasks; no start of the task around elements; both ends of the run.
        assert_eq!(text.lines().count(), 3 * 1_003 - 1 + 2, "{flags:?}");
    }
}

#[test]
fn build_command_gets_a_blocking_stream() {
    let project = Project::new(
        "[components.g]\npath = \"g.wasm\"\nbuild = \"seq 200000; touch g.wasm\"\n[tasks.t]\ncall = \"g.run\"\n",
    );
    let (code, text) = read_late(|stderr| {
        let mut command = project.command("build").command();
        command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the binary can be started")
    });
    assert_eq!((code, text.lines().count()), (Some(0), 200_001));
}

fn project_command(project: &Project, flags: &[&str]) -> std::process::Command {
    let mut command = Host::new(["run", "manifest.toml"]).within(project.folder()).command();
    command.args(flags);
    command
}

/// Writes a manifest in two parts, the second after the host has read the first, so that the host must wait.
fn write_in_two_parts(project: &Project, stdin: OwnedFd, mut ours: impl Write) {
    let text = std::fs::read(project.folder().join("manifest.toml")).expect("it was written");
    let (first, second) = text.split_at(text.len() / 2);
    ours.write_all(first).expect("it has room");
    let watched = stdin.try_clone().expect("it is ours");
    let mut command = Host::new(["run", "/dev/stdin", "-o", "raw"]).within(project.folder()).command();
    let mut child = command.stdin(stdin).spawn().expect("the binary can be started");
    drop(command);
    while ioctl_fionread(&watched).expect("it is ours") > 0 {
        assert!(child.try_wait().expect("it is ours").is_none(), "it ended before it had read");
    }
    ours.write_all(second).expect("it is read");
    drop((ours, watched));
    let mut result = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut result).expect("it is text");
    assert_eq!((child.wait().expect("it is ours").code(), result.as_str()), (Some(0), "y"));
}

#[test]
fn manifest_is_read_from_a_non_blocking_stdin() {
    let project = Project::basic("[tasks.t]\ncall = \"g.echo-string\"\nargs.value = \"y\"\n");
    let (ours, theirs) = UnixStream::pair().expect("a pair can be made");
    theirs.set_nonblocking(true).expect("it is ours");
    write_in_two_parts(&project, theirs.into(), ours);
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    ioctl_fionbio(&reader, true).expect("it is ours");
    write_in_two_parts(&project, reader.into(), writer);
}

#[test]
fn closed_streams_are_reported() {
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    let shell = |words: &str| {
        let script = format!("exec \"$0\" {words}");
        Host::new([]).within(project.folder()).behind("sh", &["-c", &script]).run()
    };
    let closed = "cannot write to stdout: it is closed";
    shell("run manifest.toml >&-").expect(3).says([closed, "has ended, but its outputs are not all printed"]);
    for command in ["plan manifest.toml", "--help", "--version"] {
        shell(&format!("{command} >&-")).expect(3).says([closed]);
    }
    // Without results, there is nothing to lose.
    shell("check manifest.toml >&- <&-").expect(0);
    assert_eq!(shell("run manifest.toml 2>&- <&-").expect(0).json()["t"], 2);
    // `/dev/null` opened for reading and writing, as other programs do.
    assert!(shell("run manifest.toml 1<>/dev/null").expect(0).stdout.is_empty());
    for events in ["-", "/dev/stderr"] {
        assert!(shell(&format!("run manifest.toml --events {events} 2>&-")).expect(2).stdout.is_empty());
    }
    shell("run /dev/stdin <&-").expect(2).says(["stdin is closed"]);
    let kept = std::fs::read(project.folder().join("manifest.toml")).expect("it is there");
    assert!(kept.starts_with(b"cascade = 1"), "no file was opened in the place of a stream");
}

#[test]
fn watch_ends_when_its_reader_does() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.endless]\ncall = \"g.spin\"\n");
    let host = project.host().args(["--log-level", "debug", "--run-id", "r1", "--state", &server.uri()]);
    let mut running = host.start();
    running.until("started");
    for (flag, reader) in [("", "head -1"), ("--json", "head -1"), ("", "true")] {
        let script = format!("set -o pipefail; \"$0\" watch r1 --state {} {flag} | {reader}", server.uri());
        let watched = Host::new([]).behind("bash", &["-c", &script]).run().expect(0);
        assert_eq!(watched.text().lines().count(), usize::from(reader != "true"));
        assert_eq!(watched.stderr, "");
    }
}

#[test]
fn doctor_with_a_closed_stdout_proves_nothing() {
    let script = "set -o pipefail; \"$0\" doctor | head -1";
    let examined = Host::new([]).behind("bash", &["-c", script]).run().expect(130);
    examined.says(["the checks did not finish, and prove nothing"]);
}
