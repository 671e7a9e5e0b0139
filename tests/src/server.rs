//! Real `redis-server` processes, each on a free port with a folder of its own, gone when the test has ended.
//! What the host does with one is said by the tests.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

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

    /// Starts the process, again if it was killed, and waits until it answers.
    pub fn run(&mut self) {
        let config = self.folder.path().join("redis.conf");
        std::fs::write(&config, &self.config).expect("the configuration can be written");
        let started =
            Command::new("redis-server").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            started.expect("redis-server cannot be started; install it: apt-get install redis-server");
        self.child = Some(child);
        let since = Instant::now();
        while !self.try_command(&["PING"]).contains("PONG") {
            assert!(since.elapsed() < PATIENCE, "the server does not answer on port {}", self.port);
            std::thread::sleep(Duration::from_millis(5));
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

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
    let port = listener.local_addr().expect("a listener has an address").port();
    drop(listener);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    port
}
