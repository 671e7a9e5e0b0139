//! The unique id of this process among all hosts, and the proof that another host of this machine has ended.
//! Without a proof, a host counts as alive until its lease expires.

use crate::config::host_name;
use crate::model::Digester;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io;
use std::path::Path;

/// The process file system.
const PROC: &str = "/proc";

/// The machine part of an id if the machine cannot be identified. Hosts with it are never declared dead.
const UNKNOWN_MACHINE: &str = "0";

/// Returns a unique id for this process: host name, machine id, process id, start time, and random bits.
#[must_use]
pub(crate) fn host_id(random: u64) -> String {
    let proc = Path::new(PROC);
    let machine = machine_id(proc).unwrap_or_else(|| UNKNOWN_MACHINE.to_owned());
    let process = std::process::id();
    let started = process_stat(proc, process).map_or(0, |stat| stat.started);
    format!("{}-{machine}-{process}.{started}-{:08x}", host_name(), random & 0xffff_ffff)
}

/// Returns whether `id` provably belongs to an ended process of this machine.
#[must_use]
pub(crate) fn is_gone(id: &str) -> bool {
    has_ended(id, Path::new(PROC))
}

/// A host of this boot and this PID namespace.
#[derive(Debug, PartialEq, Eq)]
struct HostProcess {
    pid: u32,
    /// The start time in the kernel's ticks; `None` if the id lacks it.
    started: Option<u64>,
}

/// The kernel's status of a process.
#[derive(Debug, PartialEq, Eq)]
struct ProcessStat {
    started: u64,
    /// Whether all threads have ended, so that the process is a zombie at most.
    has_ended: bool,
}

/// Returns whether a host has ended, by a process file system. Proof is an unused PID, or a PID reused by another
/// process.
fn has_ended(id: &str, proc: &Path) -> bool {
    let Some(process) = machine_id(proc).and_then(|machine| parse_id(id, &machine)) else {
        return false;
    };
    if is_unused(process.pid) {
        return true;
    }
    // The system may hide processes of other users.
    let Some(stat) = process_stat(proc, process.pid) else {
        return false;
    };
    stat.has_ended || process.started.is_some_and(|started| started != stat.started)
}

/// Parses a host id; returns `None` if it belongs to another machine.
fn parse_id(id: &str, machine: &str) -> Option<HostProcess> {
    let mut parts = id.rsplit('-');
    let (_random, process, owner) = (parts.next()?, parts.next()?, parts.next()?);
    if owner != machine {
        return None;
    }
    // Ids of earlier versions have no start time.
    let (pid, started) =
        process.split_once('.').map_or((process, None), |(pid, started)| (pid, Some(started)));
    let started = started.and_then(|started| started.parse().ok()).filter(|started| *started != 0);
    Some(HostProcess { pid: pid.parse().ok()?, started })
}

/// Returns whether no process has this PID. A process that this user may not see or signal counts as existing.
fn is_unused(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    pid.and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// Returns a digest that identifies this boot of this machine and this PID namespace. `None` if a part is unknown,
/// since two machines could then have the same digest.
fn machine_id(proc: &Path) -> Option<String> {
    let boot = fs::read(proc.join("sys/kernel/random/boot_id")).ok()?;
    let pid_namespace = fs::read_link(proc.join("self/ns/pid")).ok()?;
    // Start times depend on the time namespace; kernels before 5.6 have only one.
    let time_namespace = match fs::read_link(proc.join("self/ns/time")) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Path::new("").to_owned(),
        Err(_) => return None, // the namespace exists, but cannot be read
    };
    if boot.is_empty() {
        return None;
    }
    let mut digester = Digester::new("cascade machine 2");
    digester.field(&boot);
    digester.field(pid_namespace.as_os_str().as_encoded_bytes());
    digester.field(time_namespace.as_os_str().as_encoded_bytes());
    Some(digester.finish().short())
}

/// Reads the status of a process. `None` if it is hidden, or if the file system belongs to another PID namespace.
fn process_stat(proc: &Path, pid: u32) -> Option<ProcessStat> {
    let own = fs::read_to_string(proc.join("self/status")).ok()?;
    let stat = fs::read(proc.join(pid.to_string()).join("stat")).ok()?;
    if has_pid(&own, std::process::id()) { parse_stat(&stat) } else { None }
}

/// Returns whether a process file system belongs to this PID namespace: then this process has exactly one PID there.
fn has_pid(own_status: &str, pid: u32) -> bool {
    let pids = own_status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let mut pids = pids.unwrap_or_default().split_ascii_whitespace();
    pids.next() == Some(pid.to_string().as_str()) && pids.next().is_none()
}

/// Parses `/proc/PID/stat`: the PID, the name in parentheses, which may contain anything, then fields.
fn parse_stat(stat: &[u8]) -> Option<ProcessStat> {
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(stat.get(after..)?).ok()?.split_ascii_whitespace().collect();
    let (state, threads, started) = (fields.first()?, fields.get(17)?, fields.get(19)?);
    // A process whose main thread has ended is a zombie too, while other threads still run.
    let has_ended = matches!(*state, "Z" | "X") && matches!(*threads, "0" | "1");
    Some(ProcessStat { started: started.parse().ok()?, has_ended })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// Starts a process that waits until the test ends it.
    fn start_child() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Returns the id that a host in this process would have.
    fn id_of(child: &Child) -> String {
        let proc = Path::new(PROC);
        let started = process_stat(proc, child.id()).unwrap().started;
        format!("box-{}-{}.{started}-00c0ffee", machine_id(proc).unwrap(), child.id())
    }

    /// Creates a process file system of this machine that hides all other processes. A non-empty `pid` replaces the PID
    /// namespace.
    fn hidden_proc(pid: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for part in ["sys/kernel/random", "self/ns"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        for file in ["sys/kernel/random/boot_id", "self/status"] {
            fs::write(folder.path().join(file), fs::read(Path::new(PROC).join(file)).unwrap()).unwrap();
        }
        for link in ["pid", "time"] {
            let target = fs::read_link(Path::new(PROC).join("self/ns").join(link)).unwrap();
            let target = if link == "pid" && !pid.is_empty() { pid.into() } else { target };
            std::os::unix::fs::symlink(target, folder.path().join("self/ns").join(link)).unwrap();
        }
        folder
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn ended_process_of_this_machine_is_gone() {
        assert!(!is_gone(&host_id(7)), "this process");
        let child = start_child();
        let id = id_of(&child);
        assert!(!is_gone(&id), "{id}");
        end(child);
        assert!(is_gone(&id), "{id}");
        let machine = machine_id(Path::new(PROC)).unwrap();
        assert!(!is_gone(&id.replace(&machine, "0123456789ab")), "another machine");
        assert!(!is_gone("host-123") && !is_gone(""));
    }

    #[test]
    fn hidden_process_is_not_gone() {
        let child = start_child();
        let (id, hidden) = (id_of(&child), hidden_proc(""));
        assert!(!has_ended(&id, hidden.path()), "still running");
        end(child);
        assert!(has_ended(&id, hidden.path()), "unused PID");
    }

    #[test]
    fn reused_pid_proves_the_end() {
        let child = start_child();
        let id = id_of(&child);
        let started = process_stat(Path::new(PROC), child.id()).unwrap().started;
        let earlier = id.replace(&format!(".{started}-"), &format!(".{}-", started - 1));
        assert!(is_gone(&earlier) && !is_gone(&id));
        assert!(!has_ended(&earlier, hidden_proc("").path()), "a hidden process may be either");
        assert!(
            !is_gone(&id.replace(&format!(".{started}-"), "-")),
            "ids of earlier versions have no start time"
        );
        end(child);
    }

    #[test]
    fn zombie_is_gone() {
        let mut child = start_child();
        let id = id_of(&child);
        child.kill().unwrap();
        while !process_stat(Path::new(PROC), child.id()).unwrap().has_ended {
            std::thread::yield_now();
        }
        assert!(is_gone(&id));
        child.wait().unwrap();
    }

    #[test]
    fn unidentified_machine_declares_no_process_dead() {
        let child = start_child();
        let id = id_of(&child);
        end(child);
        assert!(!has_ended(&id, hidden_proc("pid:[1]").path()), "another PID namespace");
        let blind = tempfile::tempdir().unwrap();
        assert!(!has_ended(&id, blind.path()));
        assert_eq!(machine_id(blind.path()), None);
        assert!(!has_ended(
            &id.replace(&machine_id(Path::new(PROC)).unwrap(), UNKNOWN_MACHINE),
            blind.path()
        ));
    }

    #[test]
    fn proc_of_another_pid_namespace_is_not_used() {
        assert!(has_pid("Name:\tx\nNSpid:\t17\n", 17));
        assert!(!has_pid("NSpid:\t4711\t17\n", 17) && !has_pid("Name:\tx\n", 17));
    }

    #[test]
    fn stat_is_parsed_whatever_the_process_name() {
        let stat = |state: &str, threads: u32| {
            format!("7 (a) Z (b) {state} 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 0 0\n")
        };
        let read = |state, threads| parse_stat(stat(state, threads).as_bytes()).unwrap();
        assert_eq!(read("S", 4), ProcessStat { started: 99, has_ended: false });
        assert_eq!(read("Z", 1), ProcessStat { started: 99, has_ended: true });
        assert!(!read("Z", 2).has_ended, "other threads still run");
        assert_eq!(parse_stat(b"7 (a"), None);
    }
}
