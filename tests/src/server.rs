//! Real `redis-server` processes, each on a free port with a folder of its own, gone when the test has ended.
//! What the host does with one is said by the tests.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The first of the ports that are given out: below those from which the system draws its own, for connections and for
/// whoever asks for any port.
const FIRST_PORT: u16 = 10_000;

/// As many ports are given out.
const PORTS: u16 = 20_000;

/// A server of its own for one test.
pub struct Redis {
    folder: TempDir,
    port: u16,
    config: String,
    login: Option<String>,
    child: Option<Child>,
}

impl Redis {
    /// A server without persistence, with lines of `redis.conf` besides.
    pub fn start(lines: &str) -> Self {
        let folder = TempDir::new().expect("a scratch folder can be made");
        let port = free_port();
        let mut config = format!("bind 127.0.0.1\nport {port}\nsave \"\"\ndir {}\n", folder.path().display());
        let _ = writeln!(config, "unixsocket {}/redis.sock\n{lines}", folder.path().display());
        let mut server = Self { folder, port, config, login: None, child: None };
        server.run();
        server
    }

    /// The same, for servers that want a password: `user password` of the one that the test itself uses.
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

    /// Starts the process, again if it was killed, and waits until it answers. One that ends because somebody has taken
    /// its port meanwhile is started again.
    pub fn run(&mut self) {
        let config = self.folder.path().join("redis.conf");
        std::fs::write(&config, &self.config).expect("the configuration can be written");
        let since = Instant::now();
        loop {
            let child = self.child.insert(spawn(&config));
            let process = format!("process_id:{}\r", child.id());
            while self.child.as_mut().is_some_and(is_running) {
                // What answers there may be somebody else's.
                let answers = self.try_command(&["PING"]).contains("PONG");
                if answers && self.try_command(&["INFO", "server"]).contains(&process) {
                    return;
                }
                assert!(since.elapsed() < PATIENCE, "the server does not answer on port {}", self.port);
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(since.elapsed() < PATIENCE, "the server ends by itself; is port {} taken?", self.port);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Sends the process a signal by its name.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
        assert!(sent.expect("kill can be started").success());
    }

    /// Its URI.
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// What `redis-cli` prints for a command.
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
            // A server that is gone already is what is wanted.
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

/// A port that nobody listens on. No port is given twice in a process until all were, and processes begin at different
/// ones: so it is free still when it is used, and when what used it is started again.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time mostly have numbers that are close.
    let first = u64::from(std::process::id()) * 619;
    (0..PORTS)
        .map(|_| {
            let nth = first + u64::from(GIVEN.fetch_add(1, Ordering::Relaxed));
            FIRST_PORT + u16::try_from(nth % u64::from(PORTS)).expect("it is below a number of ports")
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port can be bound")
}
