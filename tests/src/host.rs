//! Starts the binary as a user would, and records its output.
//! The binary is built first if it is missing or outdated. `project` supplies the manifests.

use crate::guests::repository;
use crate::guests::variable;
use crate::waiting::CONDITION_TIMEOUT;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A command that starts the binary.
pub struct Host {
    command: Command,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` if a signal killed it.
    pub code: Option<i32>,
    /// The whole stdout.
    pub stdout: Vec<u8>,
    /// The whole stderr.
    pub stderr: String,
    /// The duration.
    pub took: Duration,
    /// The peak of its resident memory in bytes, sampled every few milliseconds.
    pub peak: u64,
}

/// A running process; killed at the end of the test.
pub struct Running {
    child: Child,
    since: Instant,
    /// Lines of stderr, read by a thread, so that the process never blocks on it.
    lines: Receiver<String>,
}

/// Returns the binary under test, built by the same cargo in the same profile as the tests.
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().expect("a test knows its own path");
        let profile =
            own.parent().and_then(|deps| deps.parent()).expect("tests stand in target/PROFILE/deps");
        let cargo = variable("CARGO");
        let mut command = Command::new(if cargo.is_empty() { "cargo" } else { &cargo });
        command.current_dir(repository()).args([
            "build",
            "--quiet",
            "--package",
            "cascade-host",
            "--bin",
            "cascade-host",
        ]);
        let built = command.status().expect("cargo can be started");
        assert!(built.success(), "the binary does not build");
        profile.join("cascade-host")
    })
}

/// Variables of other programs that the host reads.
const OTHERS: [&str; 9] = [
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "XDG_CONFIG_HOME",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "DOCKER_CONFIG",
];

impl Host {
    /// Creates a command with arguments. None of the host's own variables is inherited.
    #[expect(
        clippy::disallowed_methods,
        reason = "the ban is for the host; here its variables are taken away"
    )]
    pub fn new<const N: usize>(arguments: [&str; N]) -> Self {
        let mut command = Command::new(binary());
        for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            if name.starts_with("CASCADE_") || OTHERS.contains(&name.as_str()) {
                command.env_remove(name);
            }
        }
        // All tests share compiled code, since compiling is not their subject.
        let code = repository().join("target/test-code");
        command.env("CASCADE_CODE_CACHE", code).env("CASCADE_CONFIG", "/dev/null");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn within(mut self, folder: &std::path::Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Restricts system resources, by options of `ulimit`.
    #[must_use]
    pub fn under(self, limits: &str) -> Self {
        self.behind("sh", &["-c", &format!("ulimit {limits}; exec \"$0\" \"$@\"")])
    }

    /// Starts the binary through another program, which gets these arguments before the binary's.
    #[must_use]
    pub fn behind(self, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command.get_current_dir().map(|folder| command.current_dir(folder));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }

    /// Starts the process.
    pub fn start(mut self) -> Running {
        let since = Instant::now();
        let mut child = self.command.spawn().expect("the binary can be started");
        let stderr = child.stderr.take().expect("stderr is piped");
        Running { child, since, lines: lines(stderr) }
    }

    /// Returns the command, for tests that handle process and output themselves.
    pub fn command(self) -> Command {
        self.command
    }

    /// Runs the process to its end.
    pub fn run(self) -> Finished {
        self.start().wait()
    }
}

impl Running {
    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name: `INT`, `TERM`, `KILL`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill can be started").success(), "the process is gone already");
    }

    /// Reads stderr until a line contains `text`, and returns all lines so far.
    pub fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(CONDITION_TIMEOUT) {
                Ok(line) => seen.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => panic!("ended without {text:?}:\n{seen}"),
                Err(RecvTimeoutError::Timeout) => panic!("{text:?} does not come:\n{seen}"),
            }
            if seen.contains(text) {
                return seen;
            }
        }
    }

    /// Waits for the end of the process.
    pub fn wait(mut self) -> Finished {
        let stdout = self.child.stdout.take().map(read_all);
        let mut peak = 0;
        let status = loop {
            peak = peak.max(resident(self.child.id()).unwrap_or(0));
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(
                self.since.elapsed() < CONDITION_TIMEOUT,
                "the host did not end within {CONDITION_TIMEOUT:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.since.elapsed();
        let stdout = stdout.map(|reader| reader.join().expect("the reader ends with the stream"));
        let stderr = self.lines.iter().collect();
        Finished { code: status.code(), stdout: stdout.unwrap_or_default(), stderr, took, peak }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the peak resident memory of a process, as the kernel counts it; `None` once it has ended.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn read_all(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Bytes before a broken stream count.
        drop(stream.read_to_end(&mut bytes));
        bytes
    })
}

/// Reads a stream to its end, whether or not anybody takes the lines.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break; // the test is over
            }
            line.clear();
        }
    });
    receiver
}

impl Finished {
    /// Asserts that the process ended with `code`.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the check is all that is wanted")]
    pub fn expect(self, code: i32) -> Self {
        let stdout = String::from_utf8_lossy(&self.stdout).into_owned();
        assert_eq!(self.code, Some(code), "stderr:\n{}\nstdout:\n{stdout}", self.stderr);
        self
    }

    /// Returns stdout as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is text")
    }

    /// Returns stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {:?}\nstderr:\n{}", self.text(), self.stderr))
    }

    /// Asserts that stderr contains all of these texts.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the check is all that is wanted")]
    pub fn says<const N: usize>(self, texts: [&str; N]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "stderr does not say {text:?}:\n{}", self.stderr);
        }
        self
    }
}
