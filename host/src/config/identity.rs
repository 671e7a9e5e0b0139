//! What this process is called among all hosts, and which hosts of its machine have ended.
//! An end is told only where it is proven: of what cannot be seen nothing is known, and its lease is waited for.

use crate::config::host_name;
use crate::model::Digester;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io;
use std::path::Path;

/// Where the kernel tells of processes.
const PROC: &str = "/proc";

/// The place of a machine that cannot be told from others, so that no host of it is judged.
const UNKNOWN: &str = "0";

/// An id for this process that no other has: the machine's name, what tells it from others of that name, the number of
/// the process and when it was started, and chance.
#[must_use]
pub fn host_id(chance: u64) -> String {
    let proc = Path::new(PROC);
    let machine = machine(proc).unwrap_or_else(|| UNKNOWN.to_owned());
    let process = std::process::id();
    let started = seen(proc, process).map_or(0, |seen| seen.started);
    format!("{}-{machine}-{process}.{started}-{:08x}", host_name(), chance & 0xffff_ffff)
}

/// Whether `id` is proven to be that of a process of this machine that has ended. Of others nothing is known here.
#[must_use]
pub fn is_gone(id: &str) -> bool {
    has_ended(id, Path::new(PROC))
}

/// A host of this boot and this space of process numbers.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    number: u32,
    /// When it was started, in the kernel's ticks; none if its id does not tell.
    started: Option<u64>,
}

/// What the kernel tells of a process.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    started: u64,
    /// Whether nothing of it runs any more, and only its parent has not asked for its end.
    has_ended: bool,
}

/// Judges a host by a process file system: a number that no process has is proof, and so is another process under it.
fn has_ended(id: &str, proc: &Path) -> bool {
    let Some(process) = machine(proc).and_then(|machine| of_machine(id, &machine)) else {
        return false;
    };
    if is_free(process.number) {
        return true;
    }
    // Where processes of other users are hidden, what has this number is not seen.
    let Some(seen) = seen(proc, process.number) else {
        return false;
    };
    seen.has_ended || process.started.is_some_and(|started| started != seen.started)
}

fn of_machine(id: &str, machine: &str) -> Option<Process> {
    let mut parts = id.rsplit('-');
    let (_chance, process, of) = (parts.next()?, parts.next()?, parts.next()?);
    if of != machine {
        return None;
    }
    // Earlier versions did not tell the start.
    let (number, started) =
        process.split_once('.').map_or((process, None), |(number, started)| (number, Some(started)));
    let started = started.and_then(|started| started.parse().ok()).filter(|started| *started != 0);
    Some(Process { number: number.parse().ok()?, started })
}

/// Whether no process has a number. A process that may not be signalled, or not be seen, is there all the same.
fn is_free(number: u32) -> bool {
    let number = i32::try_from(number).ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw).is_some_and(|number| test_kill_process(number) == Err(Errno::SRCH))
}

/// What tells this boot of this machine, and this space of process numbers, from all others; none where one of them is
/// not told: what is not told may be the same on two machines.
fn machine(proc: &Path) -> Option<String> {
    let boot = fs::read(proc.join("sys/kernel/random/boot_id")).ok()?;
    let numbers = fs::read_link(proc.join("self/ns/pid")).ok()?;
    // Starts are told by the clock of a space of times; kernels before 5.6 have only one.
    let times = match fs::read_link(proc.join("self/ns/time")) {
        Ok(times) => times,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Path::new("").to_owned(),
        Err(_) => return None, // it has one, and does not tell
    };
    if boot.is_empty() {
        return None;
    }
    let mut digester = Digester::new("cascade machine 2");
    digester.field(&boot);
    digester.field(numbers.as_os_str().as_encoded_bytes()).field(times.as_os_str().as_encoded_bytes());
    Some(digester.finish().short())
}

/// What the kernel tells of a process; none where it hides it, or numbers processes otherwise than this one does.
fn seen(proc: &Path, number: u32) -> Option<Seen> {
    let own = fs::read_to_string(proc.join("self/status")).ok()?;
    let stat = fs::read(proc.join(number.to_string()).join("stat")).ok()?;
    if counts_as(&own, std::process::id()) { read_stat(&stat) } else { None }
}

/// Whether a process file system numbers processes as this process does: then it has one number for it, its own.
fn counts_as(own: &str, number: u32) -> bool {
    let numbers = own.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let mut numbers = numbers.unwrap_or_default().split_ascii_whitespace();
    numbers.next() == Some(number.to_string().as_str()) && numbers.next().is_none()
}

/// Reads `/proc/PID/stat`: the number, the name in parentheses, which may hold anything, then words.
fn read_stat(stat: &[u8]) -> Option<Seen> {
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let words: Vec<&str> = std::str::from_utf8(stat.get(after..)?).ok()?.split_ascii_whitespace().collect();
    let (state, threads, started) = (words.first()?, words.get(17)?, words.get(19)?);
    // Threads of one whose first thread has ended may go on.
    let has_ended = matches!(*state, "Z" | "X") && matches!(*threads, "0" | "1");
    Some(Seen { started: started.parse().ok()?, has_ended })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that waits until the test ends it.
    fn waiting() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// The id that a host would have that is this process.
    fn id_of(child: &Child) -> String {
        let proc = Path::new(PROC);
        let started = seen(proc, child.id()).unwrap().started;
        format!("box-{}-{}.{started}-00c0ffee", machine(proc).unwrap(), child.id())
    }

    /// A process file system that tells of this machine and hides all other processes; `pid` stands in for the space of
    /// their numbers.
    fn hiding(pid: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for part in ["sys/kernel/random", "self/ns"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        for file in ["sys/kernel/random/boot_id", "self/status"] {
            fs::write(folder.path().join(file), fs::read(Path::new(PROC).join(file)).unwrap()).unwrap();
        }
        for link in ["pid", "time"] {
            let to = fs::read_link(Path::new(PROC).join("self/ns").join(link)).unwrap();
            let to = if link == "pid" && !pid.is_empty() { pid.into() } else { to };
            std::os::unix::fs::symlink(to, folder.path().join("self/ns").join(link)).unwrap();
        }
        folder
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_this_machine_is_gone_once_it_has_ended() {
        assert!(!is_gone(&host_id(7)), "this one");
        let child = waiting();
        let id = id_of(&child);
        assert!(!is_gone(&id), "{id}");
        end(child);
        assert!(is_gone(&id), "{id}");
        let machine = machine(Path::new(PROC)).unwrap();
        assert!(!is_gone(&id.replace(&machine, "0123456789ab")), "another machine's");
        assert!(!is_gone("host-123") && !is_gone(""));
    }

    #[test]
    fn a_process_that_is_hidden_is_not_gone() {
        let child = waiting();
        let (id, hidden) = (id_of(&child), hiding(""));
        assert!(!has_ended(&id, hidden.path()), "it lives");
        end(child);
        assert!(has_ended(&id, hidden.path()), "no process has its number");
    }

    #[test]
    fn a_number_that_another_process_has_by_now_is_a_proof() {
        let child = waiting();
        let id = id_of(&child);
        let started = seen(Path::new(PROC), child.id()).unwrap().started;
        let earlier = id.replace(&format!(".{started}-"), &format!(".{}-", started - 1));
        assert!(is_gone(&earlier) && !is_gone(&id));
        assert!(!has_ended(&earlier, hiding("").path()), "what is hidden may be either");
        assert!(!is_gone(&id.replace(&format!(".{started}-"), "-")), "ids of earlier versions tell no start");
        end(child);
    }

    #[test]
    fn a_process_that_nobody_has_waited_for_is_gone() {
        let mut child = waiting();
        let id = id_of(&child);
        child.kill().unwrap();
        while !seen(Path::new(PROC), child.id()).unwrap().has_ended {
            std::thread::yield_now();
        }
        assert!(is_gone(&id));
        child.wait().unwrap();
    }

    #[test]
    fn containers_and_machines_that_do_not_tell_what_they_are_judge_nobody() {
        let child = waiting();
        let id = id_of(&child);
        end(child);
        assert!(!has_ended(&id, hiding("pid:[1]").path()), "another space of numbers");
        let blind = tempfile::tempdir().unwrap();
        assert!(!has_ended(&id, blind.path()));
        assert_eq!(machine(blind.path()), None);
        assert!(!has_ended(&id.replace(&machine(Path::new(PROC)).unwrap(), UNKNOWN), blind.path()));
    }

    #[test]
    fn a_process_file_system_of_another_space_of_numbers_tells_nothing() {
        assert!(counts_as("Name:\tx\nNSpid:\t17\n", 17));
        assert!(!counts_as("NSpid:\t4711\t17\n", 17) && !counts_as("Name:\tx\n", 17));
    }

    #[test]
    fn names_of_processes_may_hold_anything() {
        let stat = |state: &str, threads: u32| {
            format!("7 (a) Z (b) {state} 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 0 0\n")
        };
        let read = |state, threads| read_stat(stat(state, threads).as_bytes()).unwrap();
        assert_eq!(read("S", 4), Seen { started: 99, has_ended: false });
        assert_eq!(read("Z", 1), Seen { started: 99, has_ended: true });
        assert!(!read("Z", 2).has_ended, "other threads go on");
        assert_eq!(read_stat(b"7 (a"), None);
    }
}
