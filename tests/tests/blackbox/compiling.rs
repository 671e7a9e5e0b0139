//! Components that attack the compiler end in an error that names a limit, and do not harm the host.
//! Limits of running guests are in `hostile`.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Finished, Host, Project, Running, bombs, wait_for, wait_until};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Maximum memory of the host in KiB: hardly more than the component's bytes.
const MAX_MEMORY: u64 = 400 << 10;

/// A component that no machine compiles within the time of a test.
pub(crate) fn slow() -> Vec<u8> {
    bombs::long_function(900_000)
}

/// Returns an `inspect` command for a component in its own folder, with an empty code cache.
fn inspecting(project: &Project, component: &[u8]) -> Host {
    project.file("bomb.wasm", component);
    Host::new(["inspect", "bomb.wasm"])
        .within(project.folder())
        .env("CASCADE_CODE_CACHE", &project.folder().join("code").display().to_string())
}

/// Runs a host to its end, and returns its peak memory in KiB.
fn measured(host: Host) -> (Finished, u64) {
    let finished = host.run();
    let peak = finished.peak >> 10;
    (finished, peak)
}

/// Waits for the compiler process of a host.
pub(crate) fn compiler_of(parent: u32) -> u32 {
    wait_for("no compiler was started", || {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        let child = children.split_whitespace().next()?;
        // Between fork and exec, the child is a copy of the host.
        let words = fs::read(format!("/proc/{child}/cmdline")).ok()?;
        String::from_utf8_lossy(&words).contains("--compile").then(|| child.parse().expect("a number"))
    })
}

pub(crate) fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.expect("kill can be started").success());
}

fn refused(component: &[u8], variables: &[(&str, &str)], says: &str) -> Duration {
    let project = Project::new("");
    let host = inspecting(&project, component);
    let host = variables.iter().fold(host, |host, (name, value)| host.env(name, value));
    let (finished, memory) = measured(host);
    let took = finished.took;
    let finished = finished.expect(2).says([says]);
    eprintln!("{says}: {took:?}, {} MiB", memory >> 10);
    assert!(finished.stderr.contains("help: "), "{}", finished.stderr);
    assert!(memory < MAX_MEMORY, "{memory} KiB");
    let left = fs::read_dir(project.folder().join("code")).map_or(0, Iterator::count);
    assert!(left <= 1, "only the secret is in the cache");
    took
}

#[test]
fn oversized_component_is_not_read() {
    let project = Project::new("");
    let host = inspecting(&project, b"");
    let file = fs::OpenOptions::new().write(true).open(project.folder().join("bomb.wasm"));
    file.and_then(|file| file.set_len(300 << 20)).expect("a file without content can be made");
    let (finished, memory) = measured(host);
    assert!(memory < 150 << 10, "{memory} KiB");
    finished.expect(2).says(["`component-size` = 256MiB"]);
    let small = inspecting(&project, &[0; 2000]).env("CASCADE_COMPONENT_SIZE", "1KiB");
    small.run().expect(2).says(["`component-size` = 1KiB"]);
}

#[test]
fn excessive_counts_are_refused_without_compiling() {
    refused(&bombs::many_functions(1_100_000), &[], "more than 1000000 functions");
    refused(&bombs::deep_components(1000), &[], "more than 64 levels of nested components");
}

#[test]
fn compiling_stops_at_its_time_limit() {
    let took = refused(&slow(), &[("CASCADE_COMPILE_TIMEOUT", "1s")], "`compile-timeout` = 1s");
    assert!(took >= Duration::from_secs(1));
}

#[test]
fn compiling_stops_at_its_memory_limit() {
    let bound = [("CASCADE_COMPILE_MEMORY", "128MiB")];
    refused(&bombs::large_data(100 << 20), &bound, "`compile-memory` = 128MiB");
    refused(&bombs::many_functions(400_000), &bound, "`compile-memory` = 128MiB");
}

/// One thread needs 211 MiB for this component, two need 367 MiB, and more threads more.
#[test]
fn number_of_threads_does_not_decide_whether_a_component_compiles() {
    let project = Project::new("");
    let host = inspecting(&project, &bombs::long_functions(4, 150_000));
    host.env("CASCADE_COMPILE_MEMORY", "280MiB").run().expect(0);
}

#[test]
fn slow_compiling_is_shown_to_people_only() {
    let project = Project::new("[components.bomb]\npath = \"bomb.wasm\"\n[tasks.t]\ncall = \"bomb.run\"\n");
    project.file("bomb.wasm", &slow());
    let shown = |host: Host| {
        let code = project.folder().join("code").display().to_string();
        let host = host.env("CASCADE_CODE_CACHE", &code).env("CASCADE_COMPILE_TIMEOUT", "2s");
        let finished = host.run().expect(2);
        assert!(!finished.stderr.contains("compiled bomb"), "{}", finished.stderr);
        finished.stderr.matches("compiling bomb").count()
    };
    assert_eq!(shown(project.host()), 1);
    assert_eq!(shown(project.command("check")), 1);
    assert_eq!(shown(project.host().args(["--progress", "none"])), 0);
    assert_eq!(shown(project.host().args(["--log-level", "warn"])), 0);
    assert_eq!(shown(project.host().args(["--log-format", "json"])), 0);
    assert_eq!(shown(project.host().args(["--events", "-"])), 0);
}

#[test]
fn only_the_code_that_tasks_need_is_compiled() {
    let compiled = |tasks: &str| {
        let project = Project::new(&format!("{}{tasks}", named("g", Guest::Basic)));
        let code = project.folder().join("code");
        project.host().env("CASCADE_CODE_CACHE", &code.display().to_string()).run().expect(0);
        let names = fs::read_dir(code).expect("it is there").flatten().map(|entry| entry.file_name());
        let mut kinds: Vec<String> = names
            .filter_map(|name| Some(name.to_str()?.strip_suffix(".code")?.rsplit_once('-')?.1.to_owned()))
            .collect();
        kinds.sort();
        kinds
    };
    let fuel = "[tasks.f]\ncall = \"g.double\"\nargs.x = 1\nlimits.fuel = 1_000_000_000\n";
    let time = "[tasks.t]\ncall = \"g.double\"\nargs.x = 1\nlimits.stack = \"2MiB\"\n";
    let large = "[tasks.l]\ncall = \"g.double\"\nargs.x = 1\nlimits.stack = \"8MiB\"\n";
    assert_eq!(compiled(fuel), ["fuel"]);
    assert_eq!(compiled(&format!("{time}{large}")), ["time"]);
    assert_eq!(compiled(&format!("{fuel}{time}")), ["fuel", "time"]);
}

#[test]
fn nested_blocks_hit_a_limit_or_compile() {
    let project = Project::new("");
    let host = inspecting(&project, &bombs::deep_blocks(2_000_000)).env("CASCADE_COMPILE_TIMEOUT", "3s");
    let (finished, memory) = measured(host);
    assert!([Some(0), Some(2)].contains(&finished.code), "{}", finished.stderr);
    assert!(memory < MAX_MEMORY, "{memory} KiB");
}

#[test]
fn refused_component_does_not_stop_the_others_compiling() {
    let project = Project::new(&format!(
        "[components.bomb]\npath = \"bomb.wasm\"\n{}[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n",
        named("g", Guest::Basic)
    ));
    project.file("bomb.wasm", &bombs::large_data(200 << 20));
    let code = project.folder().join("code");
    let host = project.host().env("CASCADE_CODE_CACHE", &code.display().to_string());
    let finished = host.env("CASCADE_COMPILE_MEMORY", "512MiB").run().expect(2);
    let finished = finished.says(["cannot load the component `bomb`", "`compile-memory` = 512MiB"]);
    assert!(!finished.stderr.contains("`g`"), "{}", finished.stderr);
    let kept = fs::read_dir(code).expect("it is there").flatten();
    let kept = kept.filter(|entry| entry.path().extension().is_some_and(|found| found == "code"));
    assert_eq!(kept.count(), 1, "the code of the other component is kept");
}

/// Starts a host that compiles, and returns it with its compiler.
fn compiling(project: &Project) -> (Running, u32) {
    let host = inspecting(project, &slow()).start();
    let compiler = compiler_of(host.id());
    (host, compiler)
}

#[test]
fn compiler_ends_when_its_host_is_interrupted_or_killed() {
    for (name, code) in [("INT", Some(130)), ("TERM", Some(130)), ("KILL", None)] {
        let project = Project::new("");
        let (host, compiler) = compiling(&project);
        host.signal(name);
        let finished = host.wait();
        assert_eq!(finished.code, code, "{}", finished.stderr);
        assert_eq!(code.is_some(), finished.stderr.starts_with("interrupted while inspecting `bomb.wasm`"));
        wait_until("the compiler stays", || !is_alive(compiler));
    }
}

#[test]
fn killed_compiler_is_an_error_without_hanging() {
    let project = Project::new("");
    let (host, compiler) = compiling(&project);
    signal(compiler, "KILL");
    host.wait().expect(2).says(["the compiler failed on this host", "signal: 9"]);
}

/// Starts a host that compiles a component, with its compiler stopped, and another host that waits for it.
fn waiting(project: &Project) -> (Running, u32, Running) {
    let component = bombs::long_functions(2, 40_000);
    let host = inspecting(project, &component).start();
    let compiler = compiler_of(host.id());
    signal(compiler, "STOP");
    let mut other = inspecting(project, &component).start();
    other.until("waiting for another host to compile bomb");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", other.id()));
    assert_eq!(children.expect("it is alive"), "", "it does not compile");
    (host, compiler, other)
}

/// Returns the number of locks in the folder of code.
fn locks(project: &Project) -> usize {
    let files = fs::read_dir(project.folder().join("code")).expect("it is there").flatten();
    files.filter(|file| file.path().extension().is_some_and(|found| found == "lock")).count()
}

#[test]
fn one_of_two_hosts_compiles_and_the_other_waits_for_the_code() {
    let project = Project::new("");
    let (host, compiler, other) = waiting(&project);
    signal(compiler, "CONT");
    let (host, other) =
        (host.wait().expect(0), other.wait().expect(0).says(["another host compiled bomb.wasm ("]));
    assert_eq!(host.stdout, other.stdout);
    assert!(host.stderr.contains("compiled bomb.wasm ("), "{}", host.stderr);
    assert!(!other.stderr.contains("compiling bomb.wasm"), "{}", other.stderr);
    assert_eq!(locks(&project), 0);
}

#[test]
fn host_that_waits_compiles_itself_once_the_other_is_killed() {
    let project = Project::new("");
    let (host, compiler, other) = waiting(&project);
    host.signal("KILL");
    signal(compiler, "CONT");
    let other = other.wait().expect(0);
    assert!(!other.stderr.contains("another host compiled"), "{}", other.stderr);
    assert_eq!(locks(&project), 0);
    wait_until("the compiler stays", || !is_alive(compiler));
}

#[test]
fn stopped_host_delays_another_by_the_time_of_a_compilation_at_most() {
    let project = Project::new("");
    let component = slow();
    let host = inspecting(&project, &component).start();
    signal(compiler_of(host.id()), "STOP");
    let other = inspecting(&project, &component).env("CASCADE_COMPILE_TIMEOUT", "1s");
    // It has a second for the wait, and a second of its own, in which it cannot be done.
    let other = other.run().expect(2).says(["`compile-timeout` = 1s"]);
    assert!(other.took >= Duration::from_secs(2), "{:?}", other.took);
}

#[test]
fn compiler_inherits_nothing_and_runs_under_its_limits() {
    let project = Project::new("");
    let host = inspecting(&project, &slow()).env("CASCADE_COMPILE_MEMORY", "1500MiB");
    let mut host = host.command().spawn().expect("the binary can be started");
    let compiler = compiler_of(host.id());
    let read = |name: &str| fs::read_to_string(format!("/proc/{compiler}/{name}")).unwrap_or_default();
    assert_eq!(read("environ"), "");
    wait_until("it sets no bounds", || read("limits").contains("1572864000"));
    let group = read("stat").rsplit(") ").next().and_then(|rest| Some(rest.split(' ').nth(2)?.to_owned()));
    assert_eq!(group, Some(compiler.to_string()), "it has a group of its own");
    let names = fs::read_dir(format!("/proc/{compiler}/fd")).expect("it is alive");
    let targets = names.flatten().filter_map(|name| fs::read_link(name.path()).ok());
    let files: Vec<_> = targets.filter(|target| target.is_absolute() && target.exists()).collect();
    let code = project.folder().join("code");
    let is_expected = |path: &Path| path.starts_with(&code) || path.starts_with("/dev");
    assert!(files.iter().all(|path| is_expected(path)), "{files:?}");
    host.kill().expect("it is alive");
    host.wait().expect("it ends");
}

#[test]
fn insufficient_compile_memory_is_the_only_error() {
    for memory in ["1MiB", "2MiB", "3MiB", "4MiB", "6MiB", "8MiB", "12MiB", "16MiB"] {
        let project = Project::new("");
        let host = inspecting(&project, &bombs::many_functions(10)).env("CASCADE_COMPILE_MEMORY", memory);
        let finished = host.run();
        if finished.code != Some(0) {
            finished.expect(2).says([&format!("`compile-memory` = {memory}")]);
        }
    }
}

#[test]
fn cached_code_is_loaded_without_a_compiler() {
    let project =
        Project::new(&format!("{}[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n", named("g", Guest::Basic)));
    let code = project.folder().join("code").display().to_string();
    project.host().env("CASCADE_CODE_CACHE", &code).run().expect(0);
    // No compiler works within these limits, so a command fails if it compiles anything.
    let bounds = [("CASCADE_COMPILE_MEMORY", "1MiB"), ("CASCADE_COMPILE_TIMEOUT", "1ms")];
    let bounded = |host: Host| bounds.iter().fold(host, |host, (name, value)| host.env(name, value));
    bounded(project.host()).env("CASCADE_CODE_CACHE", &code).run().expect(0);
    bounded(project.host()).env("CASCADE_CODE_CACHE", "").run().expect(2);
}
