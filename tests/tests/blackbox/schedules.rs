//! The page on schedules: the commands of its crontab and its systemd service do what it says.
//! Which runs are skipped is tested in `if_running`, and the rest of the manual in `manual`.

use crate::gates::{self, open};
use cascade_host_tests::{Host, Project, Redis, repository, wait_until};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A `date` for which it is always the same day: no test runs over midnight.
const DATE: &str = "#!/bin/sh\n[ \"$*\" = \"-u +%F\" ] && echo 2026-01-31\n";

/// The run of that day.
const RUN: &str = "report-2026-01-31";

/// Returns the blocks of this kind of the page.
fn blocks(kind: &str) -> Vec<String> {
    let page =
        std::fs::read_to_string(repository().join("host/docs/schedule.md")).expect("the page is there");
    let head = format!("```{kind}\n");
    let parts = page.split(&head).skip(1);
    parts.map(|part| part.split("```").next().expect("the block ends").to_owned()).collect()
}

/// A command, with the variables that the scheduler sets.
struct Job {
    command: String,
    variables: Vec<(String, String)>,
}

impl Job {
    /// Starts the command in the folder that the page calls `/srv/report`, with a `PATH` that has the binary.
    fn start(&self, project: &Project, server: &Redis) -> Child {
        let host = Host::new([]).command();
        let binary = Path::new(host.get_program()).parent().expect("the binary is in a folder");
        let folder = project.folder().display().to_string();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &self.command.replace("/srv/report", &folder)]).current_dir(&folder).env_clear();
        for (name, value) in &self.variables {
            shell.env(name, value.replace("redis://db:6379", &server.uri()));
        }
        let date = project.file("programs/date", DATE.as_bytes());
        std::fs::set_permissions(&date, Permissions::from_mode(0o755)).expect("it can be made a program");
        shell.env("PATH", format!("{folder}/programs:{}:/usr/local/bin:/usr/bin:/bin", binary.display()));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.spawn().expect("a shell starts")
    }

    fn run(&self, project: &Project, server: &Redis) -> Output {
        self.start(project, server).wait_with_output().expect("it ends")
    }
}

/// Reads the crontab as cron does: variables, and one line of five fields and a command.
fn crontab() -> Job {
    let [text] = blocks("crontab").try_into().expect("one crontab");
    let (mut variables, mut commands) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => {
                variables.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                let mut words = line.splitn(6, ' ');
                for field in words.by_ref().take(5) {
                    assert!(field == "*" || field.parse::<u8>().is_ok(), "{line}");
                }
                commands.push(words.next().expect("a command").trim().to_owned());
            }
        }
    }
    let [command] = commands.try_into().expect("one line");
    let (plain, escaped) = (command.matches('%').count(), command.matches("\\%").count());
    assert_eq!(plain, escaped, "cron ends the command at a `%`");
    Job { command: command.replace("\\%", "%"), variables }
}

/// Reads the service as systemd does: the words of `ExecStart`, with `%%` and `$$` as one character.
fn service() -> Job {
    let service = blocks("ini").into_iter().find(|text| text.contains("[Service]")).expect("a service");
    let values = |key: &str| -> Vec<String> {
        let prefix = format!("{key}=");
        service.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    };
    let [start] = values("ExecStart").try_into().expect("one command");
    let command = start.strip_prefix("/bin/sh -c '").and_then(|rest| rest.strip_suffix('\''));
    let command = command.expect("a command for a shell");
    let doubled = command.replace("%%", "").replace("$$", "");
    assert!(!doubled.contains(['%', '$', '\'']), "systemd expands these: {command}");
    let variables = values("Environment").into_iter().map(|pair| {
        let (name, value) = pair.split_once('=').expect("a name and a value");
        (name.to_owned(), value.to_owned())
    });
    Job { command: command.replace("%%", "%").replace("$$", "$"), variables: variables.collect() }
}

/// A manifest `report.toml` whose task waits at the gate `a`.
fn report() -> Project {
    let project = gates::elements("a");
    let manifest = project.folder().join("manifest.toml");
    std::fs::rename(manifest, project.folder().join("report.toml")).expect("it can be renamed");
    project
}

#[test]
fn commands_of_the_page_make_one_run_a_day() {
    for job in [crontab(), service()] {
        let server = Redis::start("");
        let project = report();
        let first = job.start(&project, &server);
        let key = format!("cascade:run:{RUN}:meta");
        wait_until("the run has begun", || server.command(&["HGET", &key, "state"]) == "running");
        // A start while it runs leaves it alone, and is no failure.
        let skipped = job.run(&project, &server);
        assert!(skipped.status.success() && skipped.stdout.is_empty(), "{skipped:?}");
        open(&project, "a");
        let ended = first.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{ended:?}");
        let written = std::fs::read_to_string(project.folder().join("out/all")).expect("an output");
        assert_eq!(written, "a");
        // A start after it finds its results.
        std::fs::remove_file(project.folder().join("out/all")).expect("it was written");
        assert!(job.run(&project, &server).status.success());
        assert!(project.folder().join("out/all").exists());
        assert_eq!(server.command(&["ZRANGE", "cascade:runs", "0", "-1"]), RUN, "one run a day");
    }
}

#[test]
fn failed_run_of_the_day_is_resumed_by_the_next_start() {
    for job in [crontab(), service()] {
        let server = Redis::start("");
        let project = Project::basic(
            "[tasks.first]\ncall = \"g.double\"\nargs.x = 1\n\
             [tasks.read]\ncall = \"g.read-file\"\nargs.path = \"in/a\"\ngrants = { read = [\"in\"] }\nafter = [\"first\"]\n",
        );
        let manifest = project.folder().join("manifest.toml");
        std::fs::rename(manifest, project.folder().join("report.toml")).expect("it can be renamed");
        project.file("in/other", b"");
        assert_eq!(job.run(&project, &server).status.code(), Some(1));
        project.file("in/a", b"text");
        assert_eq!(job.run(&project, &server).status.code(), Some(0));
        let written = std::fs::read_to_string(project.folder().join("out/read")).expect("an output");
        assert_eq!(written, "text");
    }
}
