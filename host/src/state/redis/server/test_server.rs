//! Real Redis servers for tests: each on a free port in a temporary folder, killed on drop.
//! The tests themselves are elsewhere.

use cascade_host_tests::free_port;
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Timeout of starting a server.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running test server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl Server {
    /// Starts a server without persistence.
    pub(crate) fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server with an append-only file, so that it can be killed and restarted.
    pub(crate) fn durable() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server with custom options; `{folder}` is replaced by the server's folder.
    pub(crate) fn with(options: &[&str]) -> Self {
        let folder = must(tempfile::Builder::new().prefix("cascade-redis-").tempdir());
        Self::within(folder, options)
    }

    /// Starts a server in a prepared folder.
    pub(crate) fn within(folder: TempDir, options: &[&str]) -> Self {
        let path = folder.path().display().to_string();
        let options = options.iter().map(|option| option.replace("{folder}", &path)).collect();
        let mut server = Self { child: None, port: free_port(), folder, options };
        server.restart();
        server
    }

    /// Returns the port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the socket's path.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Returns the URI of the plain port.
    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the URI of the socket.
    pub(crate) fn socket_uri(&self) -> String {
        format!("redis+unix://{}?db=0", self.socket().display())
    }

    /// Kills the server, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A server that has ended by itself cannot be killed, and is as gone.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts the server again with the content of its files.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            let mut child = self.spawn();
            while start.elapsed() < START_TIMEOUT {
                if self.is_up() {
                    self.child = Some(child);
                    return;
                }
                if must(child.try_wait()).is_some() {
                    break; // another process took the port first
                }
                thread::sleep(Duration::from_millis(5));
            }
            drop(child.kill());
            drop(child.wait());
        }
        let log = fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        panic!("redis-server does not start; its log:\n{log}");
    }

    /// Runs a command with `redis-cli` and returns its output.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let socket = self.socket().display().to_string();
        let output = must(Command::new("redis-cli").args(["-s", &socket]).args(args).output());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn spawn(&self) -> Child {
        let folder = self.folder().display().to_string();
        let socket = self.socket().display().to_string();
        let log = self.folder().join("log").display().to_string();
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", &folder, "--unixsocket", &socket, "--logfile", &log])
            .args(["--enable-debug-command", "yes"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => child,
            Err(error) => {
                panic!("cannot start redis-server ({error}); install it: apt-get install redis-server")
            }
        }
    }

    /// Returns whether the server answers, even if it is still loading. The socket is in a private folder, and a server
    /// that did not get its port opens none, so no other server can answer.
    fn is_up(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else {
            return false;
        };
        let mut first = [0];
        std::io::Write::write_all(&mut stream, b"PING\r\n").is_ok()
            && stream.read_exact(&mut first).is_ok()
            && matches!(first, [b'+' | b'-'])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[track_caller]
fn must<T>(result: std::io::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
