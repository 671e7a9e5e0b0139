//! The network between one host and the current master: cuts at byte positions, delays, partitions, and repeated
//! requests.
//! A repeated request comes on its own connection, like one that a network had delayed, since a connection keeps its
//! byte order. `nemesis` decides when.

use crate::client::command;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A wire between host and server; its connections end with their processes.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
}

struct State {
    master: Arc<AtomicU16>,
    password: String,
    /// Bytes until the next cut, per direction; negative if none is scheduled.
    bytes_left: [AtomicI64; 2],
    /// Time until which all bytes are held.
    held_until: Mutex<Option<Instant>>,
    /// Number of pieces to send twice, and the delay.
    duplicates: AtomicI64,
    delay: Mutex<Duration>,
    open: Mutex<Vec<TcpStream>>,
    is_closed: AtomicBool,
}

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToHost,
}

impl Wire {
    /// Creates a wire to the port that `master` holds at any time.
    pub(crate) fn new(master: &Arc<AtomicU16>, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(State {
            master: Arc::clone(master),
            password: password.to_owned(),
            bytes_left: [AtomicI64::new(-1), AtomicI64::new(-1)],
            held_until: Mutex::new(None),
            duplicates: AtomicI64::new(0),
            delay: Mutex::new(Duration::ZERO),
            open: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                shared.carry(client);
            }
        });
        Self { port, state }
    }

    /// Returns the port to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection after this many more bytes in one direction.
    pub(crate) fn cut_after(&self, way: Way, bytes: u32) {
        self.state.bytes_left[way as usize].store(i64::from(bytes), Ordering::SeqCst);
    }

    /// Cuts every connection now.
    pub(crate) fn cut(&self) {
        self.state.cut();
    }

    /// Holds all bytes for a while; nothing is lost.
    pub(crate) fn hold(&self, time: Duration) {
        *self.state.held_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }

    /// Holds all bytes for a while, then cuts every connection.
    pub(crate) fn partition(&self, time: Duration) {
        self.hold(time);
        let state = Arc::clone(&self.state);
        std::thread::spawn(move || {
            std::thread::sleep(time);
            state.cut();
        });
    }

    /// Sends the host's next pieces a second time after a delay.
    pub(crate) fn duplicate(&self, pieces: u32, delay: Duration) {
        *self.state.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
        self.state.duplicates.store(i64::from(pieces), Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the listener, so that it sees the end.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn cut(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn carry(self: &Arc<Self>, client: TcpStream) {
        let master = self.master.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", master)) else { return };
        for stream in [&client, &server] {
            drop(stream.set_nodelay(true));
        }
        let clones = (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone());
        let (Ok(to_client), Ok(to_server), Ok(one), Ok(other)) = clones else { return };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([one, other]);
        for (from, to, way) in [(client, to_server, Way::ToServer), (server, to_client, Way::ToHost)] {
            let state = Arc::clone(self);
            std::thread::spawn(move || state.pump(from, to, way));
        }
    }

    fn pump(self: Arc<Self>, mut from: TcpStream, mut to: TcpStream, way: Way) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            self.wait();
            if way == Way::ToServer && self.duplicates.fetch_sub(1, Ordering::SeqCst) > 0 {
                self.send_again(buffer[..read].to_vec());
            }
            let allowed = self.allowed_bytes(way, read);
            if to.write_all(&buffer[..allowed]).is_err() || allowed < read {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
        drop(from.shutdown(Shutdown::Both));
    }

    fn wait(&self) {
        loop {
            let until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None | Some(Duration::ZERO) => return,
                Some(left) => std::thread::sleep(left.min(Duration::from_millis(5))),
            }
        }
    }

    /// Returns how many of `read` bytes may pass.
    fn allowed_bytes(&self, way: Way, read: usize) -> usize {
        let left = &self.bytes_left[way as usize];
        let bytes = i64::try_from(read).expect("a buffer is small");
        let before = left.load(Ordering::SeqCst);
        if before < 0 {
            return read;
        }
        if before >= bytes {
            left.store(before - bytes, Ordering::SeqCst);
            return read;
        }
        left.store(-1, Ordering::SeqCst);
        usize::try_from(before).expect("a buffer is small")
    }

    fn send_again(&self, piece: Vec<u8>) {
        let master = self.master.load(Ordering::SeqCst);
        let delay = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        let login = command(&["AUTH", &self.password]);
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", master)) else { return };
            drop(server.set_read_timeout(Some(Duration::from_millis(500))));
            if server.write_all(&login).and_then(|()| server.write_all(&piece)).is_ok() {
                // Read the unused reply, so that the request is executed before the connection closes.
                let mut reply = [0; 1 << 12];
                while let Ok(1..) = server.read(&mut reply) {}
            }
        });
    }
}
