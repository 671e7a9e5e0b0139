//! A proxy that cuts the connection at a chosen byte of the reply to a commit or another request.
//! All other traffic passes unchanged.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A proxy between a host and a server.
pub(crate) struct Proxy {
    port: u16,
    cut: Arc<Mutex<Option<Cut>>>,
    held: Arc<watch::Sender<bool>>,
    // Dropped with the proxy, which closes all connections.
    _tasks: JoinSet<()>,
}

/// A cut: after so many commits, once so many bytes of the reply have passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) commits: u32,
    pub(crate) bytes: usize,
}

impl Proxy {
    /// Starts a proxy for the server at `port`, which cuts replies to commits.
    pub(crate) async fn before(port: u16) -> Self {
        Self::before_word(port, "commit").await
    }

    /// Starts a proxy that cuts replies to requests with an argument that begins with `word`.
    pub(crate) async fn before_word(port: u16, word: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let cut = Arc::new(Mutex::new(None));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&cut);
        let held = Arc::new(watch::Sender::new(false));
        let of_task = Arc::clone(&held);
        tasks.spawn(async move {
            let mut pairs = JoinSet::new();
            loop {
                let (host, _) = listener.accept().await.unwrap();
                if shared.lock().unwrap().is_none() {
                    // The connection after a cut waits until the test releases it.
                    of_task.subscribe().wait_for(|is_held| !is_held).await.unwrap();
                }
                pairs.spawn(pass(host, (port, word), Arc::clone(&shared)));
            }
        });
        Self { port: own, cut, held, _tasks: tasks }
    }

    /// Returns the URI that leads through the proxy.
    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Arms a cut.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }

    /// Holds new connections after a cut.
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Releases held connections.
    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    /// Returns whether a cut is still to come.
    pub(crate) fn is_armed(&self) -> bool {
        self.cut.lock().unwrap().is_some()
    }
}

async fn pass(mut host: TcpStream, (port, word): (u16, &'static str), cut: Arc<Mutex<Option<Cut>>>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    let mut left = None;
    loop {
        tokio::select! {
            read = host.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                if has(&up[..count], word) {
                    left = due(&cut);
                }
                if server.write_all(&up[..count]).await.is_err() { return }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                let passes = left.map_or(count, |left: usize| left.min(count));
                if host.write_all(&down[..passes]).await.is_err() || left.is_some() { return }
            }
        }
    }
}

/// Returns whether an argument begins with a word.
fn has(bytes: &[u8], word: &str) -> bool {
    let argument = format!("\r\n{word}");
    bytes.windows(argument.len()).any(|window| window == argument.as_bytes())
}

fn due(cut: &Mutex<Option<Cut>>) -> Option<usize> {
    let mut cut = cut.lock().unwrap();
    match cut.as_mut() {
        Some(Cut { commits: 0, bytes }) => {
            let bytes = *bytes;
            *cut = None;
            Some(bytes)
        }
        Some(Cut { commits, .. }) => {
            *commits -= 1;
            None
        }
        None => None,
    }
}
