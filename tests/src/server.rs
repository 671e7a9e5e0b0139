//! Starts real `redis-server` processes, each on a free port with its own temporary folder.
//! The host's behaviour towards them is in the tests.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Maximum time for a server to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The first of the test ports. They lie below the range from which the system assigns ports itself.
const FIRST_PORT: u16 = 10_000;

/// Number of test ports.
const PORTS: u16 = 20_000;

/// A server for one test.
pub struct Redis {
    folder: TempDir,
    port: u16,
    config: String,
    login: Option<String>,
    child: Option<Child>,
}

impl Redis {
    /// Starts a server without persistence, with extra lines of `redis.conf`.
    pub fn start(lines: &str) -> Self {
        let folder = TempDir::new().expect("a scratch folder can be made");
        let port = free_port();
        let mut config = format!("bind 127.0.0.1\nport {port}\nsave \"\"\ndir {}\n", folder.path().display());
        let _ = writeln!(config, "unixsocket {}/redis.sock\n{lines}", folder.path().display());
        let mut server = Self { folder, port, config, login: None, child: None };
        server.run();
        server
    }

    /// Starts a server that requires a password. `user` and `password` are the login of the test itself.
    pub fn start_with_login(lines: &str, user: &str, password: &str) -> Self {
        let folder = TempDir::new().expect("a scratch folder can be made");
        let port = free_port();
        let config =
            format!("bind 127.0.0.1\nport {port}\nsave \"\"\ndir {}\n{lines}\n", folder.path().display());
        let login = Some(format!("{user} {password}"));
        let mut server = Self { folder, port, config, login, child: None };
        server.run();
        server
    }

    /// Starts the process, also after a kill, and waits until it answers. Retries if another process has taken its
    /// port meanwhile.
    pub fn run(&mut self) {
        let config = self.folder.path().join("redis.conf");
        std::fs::write(&config, &self.config).expect("the configuration can be written");
        let since = Instant::now();
        loop {
            let child = self.child.insert(spawn(&config));
            let process = format!("process_id:{}\r", child.id());
            while self.child.as_mut().is_some_and(is_running) {
                // The answer may come from another server on the same port.
                let answers = self.try_command(&["PING"]).contains("PONG");
                if answers && self.try_command(&["INFO", "server"]).contains(&process) {
                    return;
                }
                assert!(since.elapsed() < TIMEOUT, "the server does not answer on port {}", self.port);
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(since.elapsed() < TIMEOUT, "the server ends by itself; is port {} taken?", self.port);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Sends the process a signal by name.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
        assert!(sent.expect("kill can be started").success());
    }

    /// Returns the URI.
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Returns the output of `redis-cli` for a command.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> String {
        let shown = self.try_command(words);
        assert!(!shown.starts_with("ERR") && !shown.starts_with("NOAUTH"), "{words:?}: {shown}");
        shown
    }

    fn try_command(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--no-auth-warning"]);
        if let Some((user, password)) = self.login.as_deref().and_then(|login| login.split_once(' ')) {
            command.args(["--user", user, "--pass", password]);
        }
        let output = command.args(words).output();
        let output = output.expect("redis-cli cannot be started; install it: apt-get install redis-tools");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The server may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn spawn(config: &Path) -> Child {
    let started =
        Command::new("redis-server").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.expect("redis-server cannot be started; install it: apt-get install redis-server")
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().expect("a child can be asked for its end").is_none()
}

/// Returns an unused port. A process repeats a port only after all others, and processes start at different ports. So
/// the port stays free until it is used, and while its server restarts.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Concurrent processes mostly have adjacent ids; spread their starting points.
    let first = u64::from(std::process::id()) * 619;
    (0..PORTS)
        .map(|_| {
            let nth = first + u64::from(GIVEN.fetch_add(1, Ordering::Relaxed));
            FIRST_PORT + u16::try_from(nth % u64::from(PORTS)).expect("it is below a number of ports")
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port can be bound")
}
