//! Real servers for tests: each on a free port in a folder of its own, gone when it is dropped.
//! What is tested with them stands in the tests, those of other crates too.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of our own.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl Server {
    /// Starts a server that keeps nothing on disk.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server with an append-only file, so that it can be killed and started again.
    #[must_use]
    pub fn durable() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes"])
    }

    /// Starts a server with options of one's own; `{folder}` in one stands for the server's folder.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        let folder = must(tempfile::Builder::new().prefix("cascade-redis-").tempdir());
        Self::within(folder, options)
    }

    /// The same in a folder that was prepared.
    #[must_use]
    pub fn within(folder: TempDir, options: &[&str]) -> Self {
        let place = folder.path().display().to_string();
        let options = options.iter().map(|option| option.replace("{folder}", &place)).collect();
        let mut server = Self { child: None, port: free_port(), folder, options };
        server.restart();
        server
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// The URI of the plain port.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The URI of the socket.
    #[must_use]
    pub fn socket_uri(&self) -> String {
        format!("redis+unix://{}?db=0", self.socket().display())
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended by itself cannot be killed, and is as gone.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts the server again, with what its files hold.
    ///
    /// # Panics
    ///
    /// Where it does not start, or is not installed; the message says what to install.
    #[expect(clippy::panic, reason = "a test without its server fails")]
    pub fn restart(&mut self) {
        self.kill();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let mut child = self.spawn();
            while began.elapsed() < PATIENCE {
                if self.is_up() {
                    self.child = Some(child);
                    return;
                }
                if must(child.try_wait()).is_some() {
                    break; // somebody else was quicker to take the port
                }
                thread::sleep(Duration::from_millis(5));
            }
            drop(child.kill());
            drop(child.wait());
        }
        let log = fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        panic!("redis-server does not start; it says:\n{log}");
    }

    /// Runs a command by the server's own client and gives what it prints.
    #[expect(clippy::must_use_candidate, reason = "many commands are for what they do")]
    pub fn cli(&self, args: &[&str]) -> String {
        let socket = self.socket().display().to_string();
        let output = must(Command::new("redis-cli").args(["-s", &socket]).args(args).output());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    #[expect(clippy::panic, reason = "a test without its server fails")]
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

    /// Whether the server answers, be it that it is still loading.
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

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = must(TcpListener::bind(("127.0.0.1", 0)));
    must(listener.local_addr()).port()
}

#[track_caller]
#[expect(clippy::panic, reason = "a test without its server fails")]
fn must<T>(result: std::io::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
