//! Shortages of system resources: the message names what is missing, and nothing panics.
//! Limits of guests are in `hostile`.

use cascade_host_tests::{Host, Project, build_rust_guests};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Creates a project with one task, `t`, whose result is 2.
fn doubling() -> Project {
    Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n")
}

/// Returns a `run` command without compiled code.
fn cold(project: &Project) -> Host {
    project.host().env("CASCADE_CODE_CACHE", "")
}

#[test]
fn small_address_space_is_reported_for_guests_and_pool() {
    let project = doubling();
    for kibibytes in [100_000, 1_000_000, 4_000_000] {
        let host = cold(&project).args(["-j", "1"]).under(&format!("-v {kibibytes}"));
        host.run().expect(2).says([
            "of address space, but the system allows",
            "(`ulimit -v`)",
            "help: Raise `ulimit -v`",
        ]);
    }
    let limit = "-v 16000000";
    let many = cold(&project).args(["-j", "16"]).under(limit).run().expect(2);
    many.says(["16 guests at the same time", "enough for 3", "use a smaller `-j`"]);
    cold(&project).args(["-j", "3"]).under(limit).run().expect(0);
    project.command("check").under("-v 1000000").run().expect(0);
}

#[test]
fn file_size_limit_is_reported_as_the_systems_limit() {
    let project = doubling();
    let finished = cold(&project).under("-f 100").run().expect(2).says(["`ulimit -f`"]);
    assert!(!finished.stderr.contains("1GiB"), "{}", finished.stderr);
    // With compiled code it runs, and a log at its file size limit does not end the process.
    project.run().expect(0);
    let grown = vec![b' '; 60 << 10];
    project.file("out", &grown);
    let script = "ulimit -f 120; \"$0\" \"$@\" --events - 2>> out";
    let finished = project.command("run").behind("sh", &["-c", script]).run().expect(0);
    assert_eq!(finished.json()["t"], 2);
}

#[test]
fn full_code_cache_keeps_code_in_memory_and_names_both_folders() {
    let project = doubling();
    let nowhere = project.folder().join("nowhere").display().to_string();
    for command in ["check", "plan", "run"] {
        // No user can create a folder there.
        let host =
            project.command(command).env("CASCADE_CODE_CACHE", "/proc/nowhere").env("TMPDIR", &nowhere);
        host.run().expect(0).says([
            "warning",
            "compiled code is not cached in `/proc/nowhere`: No such file or directory",
            "set `CASCADE_CODE_CACHE`, or `code-cache` in the settings file",
            &format!("compiled code cannot be written to `{nowhere}` and stays in memory"),
            "set `TMPDIR`",
        ]);
    }
    let events = project.host().env("CASCADE_CODE_CACHE", "/proc/nowhere").run().expect(0);
    assert_eq!(events.stderr.matches("code is not cached").count(), 1, "{}", events.stderr);
    let codes: Vec<String> = project.events().of("warning").map(|event| event["code"].to_string()).collect();
    assert_eq!(codes, ["\"code-cache\""]);
}

/// As in a container image: the code cache is shipped, and read-only.
#[test]
fn cached_code_is_read_from_a_read_only_folder() {
    let project =
        Project::new("[components.g]\npath = \"g.wasm\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    let guest = fs::read(build_rust_guests().join("basic.wasm")).expect("the guest is built");
    project.file("g.wasm", &guest);
    fs::set_permissions(project.folder(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    // Root may write anywhere, so the host runs as another user.
    let run = |before: &str, bounds: &str| {
        let script = format!(
            "test -e host || cp \"$0\" host; test $(id -u) != 0 || \
             user='setpriv --reuid=61234 --regid=61234 --clear-groups'; {before}; exec $user ./host \"$@\""
        );
        let host = Host::new(["run", "manifest.toml"]).within(project.folder());
        let host = host.env("CASCADE_CODE_CACHE", "code").env("CASCADE_COMPILE_MEMORY", bounds);
        host.behind("sh", &["-c", &script]).run()
    };
    run("true", "2GiB").expect(0);
    // No compiler works within this limit.
    let taken = run("chmod 500 code", "1MiB").expect(0);
    assert!(!taken.stderr.contains("warning"), "{}", taken.stderr);
    fs::remove_file(project.folder().join("g.wasm")).expect("it is ours");
    project.file("g.wasm", &[&*guest, b"\0\x02\x01x"].concat());
    run("true", "2GiB").expect(0).says(["compiled code is not cached in `code`: Permission denied"]);
    run("chmod 700 code", "2GiB").expect(0);
}

#[test]
fn too_few_open_files_are_named() {
    let project = doubling();
    for files in 4..24 {
        let finished = cold(&project).under(&format!("-n {files}")).run();
        match finished.code {
            Some(0) => {}
            Some(1 | 2) => drop(finished.says(["`ulimit -n`"])),
            _ => panic!("-n {files}: {:?}: {}", finished.code, finished.stderr),
        }
    }
}

#[test]
fn too_few_threads_are_named() {
    let project =
        Project::new("[components.g]\npath = \"g.wasm\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    let guest = fs::read(build_rust_guests().join("basic.wasm")).expect("the guest is built");
    project.file("g.wasm", &guest);
    fs::set_permissions(project.folder(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    // Root has no process limit, and another user can access only this folder.
    let user = "cp \"$0\" host 2>/dev/null; test $(id -u) != 0 || \
                user='setpriv --reuid=61234 --regid=61234 --clear-groups'";
    for threads in 1..16 {
        let script = format!("{user}; exec $user prlimit --nproc={threads} ./host \"$@\"");
        let host = Host::new(["run", "manifest.toml"]).within(project.folder());
        let finished = host.env("CASCADE_CODE_CACHE", "").behind("sh", &["-c", &script]).run();
        match finished.code {
            Some(0) => {}
            Some(2) => drop(finished.says(["`ulimit -u`"])),
            _ => panic!("-u {threads}: {:?}: {}", finished.code, finished.stderr),
        }
    }
}

#[test]
fn pipe_without_writer_is_refused_and_shell_pipe_is_read() {
    let project = doubling();
    let pipe = project.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be started");
    assert!(made.success());
    for command in ["inspect", "run", "check", "plan", "build"] {
        let host = Host::new([command, "pipe"]).within(project.folder());
        host.run().expect(2).says(["it is a named pipe"]);
    }
    project.host().args(["--params-file", "pipe"]).run().expect(2).says(["it is a named pipe"]);
    let shell = |script: &str| Host::new([]).within(project.folder()).behind("sh", &["-c", script]).run();
    shell("cat manifest.toml | \"$0\" run /dev/stdin").expect(0);
}

#[test]
fn unwritable_stdout_is_not_a_failed_task() {
    let project = doubling();
    let shell = |script: &str| Host::new([]).within(project.folder()).behind("sh", &["-c", script]).run();
    shell("\"$0\" run manifest.toml > /dev/full").expect(3).says([
        "cannot write to stdout",
        "No space left",
        "has ended, but its outputs are not all printed",
    ]);
    let closed = shell("\"$0\" run manifest.toml --log-level error | true; exit $?").expect(0);
    assert_eq!(closed.stderr, "");
}

#[test]
fn events_are_never_mixed_with_results() {
    let project = doubling();
    let shell = |script: &str| Host::new([]).within(project.folder()).behind("sh", &["-c", script]).run();
    shell("\"$0\" run manifest.toml > kept").expect(0);
    for same in ["/dev/stdout", "kept"] {
        let finished = shell(&format!("\"$0\" run manifest.toml --events {same} >> kept"));
        finished.expect(2).says(["`--events` would mix events with the results on stdout", "`-`"]);
    }
    let kept = std::fs::read_to_string(project.folder().join("kept")).expect("it was written");
    assert!(
        serde_json::from_str::<serde_json::Value>(&kept).is_ok(),
        "the first result is as it was: {kept}"
    );
    shell("\"$0\" run manifest.toml --events /dev/null > /dev/null").expect(0);
}

#[test]
fn linked_code_cache_folder_is_refused_with_help() {
    let project = doubling();
    let link = project.folder().join("link");
    std::os::unix::fs::symlink(project.folder(), &link).expect("a link can be made");
    for command in ["run", "check"] {
        let host = project.command(command).env("CASCADE_CODE_CACHE", &link.display().to_string());
        host.run().expect(0).says(["link`: the path is a symbolic link", "set `CASCADE_CODE_CACHE`"]);
    }
}
