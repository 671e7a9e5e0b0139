//! A TCP proxy between host and server that cuts connections in the middle of a reply.
//! Cuts depend on bytes and not on time, so that failures repeat. The tests choose the positions.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A proxy that lives as long as the test.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Number of server bytes between cuts, counted over all connections.
    cut_every: u64,
    seen: AtomicU64,
    cuts: AtomicU64,
    /// Maximum number of cuts.
    max_cuts: u64,
    is_partitioned: AtomicBool,
}

impl Proxy {
    /// Starts a proxy to a local port. It cuts a connection after every `cut_every` bytes from the server, at most
    /// `max_cuts` times.
    pub fn start(to: u16, cut_every: u64, max_cuts: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let shared = Arc::new(Shared {
            cut_every,
            seen: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            max_cuts,
            is_partitioned: AtomicBool::new(false),
        });
        let thread_shared = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                thread_shared.carry(client, server);
            }
        });
        Self { port, shared }
    }

    /// Returns the port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Simulates a partition: withholds the server's bytes without closing connections.
    pub fn partition(&self) {
        self.shared.is_partitioned.store(true, Ordering::SeqCst);
    }

    /// Ends the partition.
    pub fn heal(&self) {
        self.shared.is_partitioned.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn carry(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let clones = (client.try_clone(), server.try_clone());
        let (Ok(mut to_client), Ok(mut from_server)) = clones else { return };
        let (mut from_client, mut to_server) = (client, server);
        std::thread::spawn(move || {
            // When either side closes, close the other.
            drop(std::io::copy(&mut from_client, &mut to_server));
            drop(to_server.shutdown(Shutdown::Both));
        });
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from_server.read(&mut buffer) {
                while shared.is_partitioned.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let keep = shared.keep(read);
                let written = to_client.write_all(&buffer[..keep]);
                if keep < read || written.is_err() {
                    break;
                }
            }
            drop(to_client.shutdown(Shutdown::Both));
            drop(from_server.shutdown(Shutdown::Both));
        });
    }

    /// Returns how many of the next `read` bytes may pass before the connection is cut.
    fn keep(&self, read: usize) -> usize {
        let read_bytes = u64::try_from(read).expect("a buffer is small");
        let before = self.seen.fetch_add(read_bytes, Ordering::SeqCst);
        let to_cut = self.cut_every - before % self.cut_every;
        if read_bytes < to_cut || self.cuts.load(Ordering::SeqCst) >= self.max_cuts {
            return read;
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
        usize::try_from(to_cut - 1).expect("a buffer is small")
    }
}
