//! Proxy with latency between hosts and their server: bytes arrive later, in order, without a bandwidth limit.
//! The tests cut connections and lose bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Number of reads from the hosts' side, per connection.
type Requests = Arc<Mutex<Vec<Arc<AtomicU32>>>>;

/// Delayed link to a server.
pub(crate) struct DelayedLink {
    port: u16,
    requests: Requests,
}

impl DelayedLink {
    /// Starts a link to a port of this machine, with this delay in each direction.
    pub(crate) fn new(server: u16, one_way: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let requests = Requests::default();
        let connections = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let count_of_connection = Arc::new(AtomicU32::new(0));
                connections
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Arc::clone(&count_of_connection));
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server can be reached");
                carry(&client, &server, one_way, move || count(&count_of_connection));
                carry(&server, &client, one_way, || {});
            }
        });
        Self { port, requests }
    }

    /// Returns the URI of the server for hosts.
    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the number of requests on the busiest connection since the last call. A client that waits for each reply
    /// sends one per round trip.
    pub(crate) fn requests(&self) -> u32 {
        let mut connections = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *connections)
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .max()
            .unwrap_or_default()
    }

    /// Returns the median round trip to an idle server.
    pub(crate) fn round_trip(&self) -> Duration {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the link can be reached");
        stream.set_nodelay(true).expect("nodelay can be set");
        let trips = (0..200).map(|_| {
            let since = Instant::now();
            stream.write_all(b"PING\r\n").expect("the server listens");
            let mut pong = [0; 7];
            stream.read_exact(&mut pong).expect("the server answers");
            since.elapsed()
        });
        crate::median(trips.collect())
    }
}

/// Forwards one direction of a connection: one thread receives, another sends when the delay is over.
fn carry(from: &TcpStream, to: &TcpStream, one_way: Duration, observe: impl FnMut() + Send + 'static) {
    to.set_nodelay(true).expect("nodelay can be set");
    let (from, to) = (clone(from), clone(to));
    let (sender, queued) = channel();
    thread::spawn(move || receive(from, &sender, one_way, observe));
    thread::spawn(move || send(to, &queued));
}

fn count(count_of_connection: &AtomicU32) {
    count_of_connection.fetch_add(1, Ordering::Relaxed);
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a connection can be shared")
}

fn receive(
    mut from: TcpStream,
    sender: &Sender<(Instant, Vec<u8>)>,
    one_way: Duration,
    mut observe: impl FnMut(),
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        observe();
        let bytes = buffer.get(..read).unwrap_or_default().to_vec();
        if sender.send((Instant::now() + one_way, bytes)).is_err() {
            break;
        }
    }
}

fn send(mut to: TcpStream, queued: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, bytes)) = queued.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // Either side may close first.
    drop(to.shutdown(Shutdown::Both));
}
