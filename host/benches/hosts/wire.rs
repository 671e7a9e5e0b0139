//! A wire of some length between hosts and their server: what is said arrives later, in order, however much it is.
//! Cutting and losing what is said is for the tests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often each connection was spoken on from the hosts' side.
type Requests = Arc<Mutex<Vec<Arc<AtomicU32>>>>;

/// A wire to a server.
pub(crate) struct Wire {
    port: u16,
    requests: Requests,
}

impl Wire {
    /// A wire to a port of this machine, on which each way takes that long.
    pub(crate) fn to(server: u16, way: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let requests = Requests::default();
        let all = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counted = Arc::new(AtomicU32::new(0));
                all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counted));
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server can be reached");
                carry(&client, &server, way, move || count(&counted));
                carry(&server, &client, way, || {});
            }
        });
        Self { port, requests }
    }

    /// Where hosts find the server.
    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How often hosts spoke on the busiest connection since this was asked last. Whoever waits for each answer speaks
    /// once a round trip.
    pub(crate) fn requests(&self) -> u32 {
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all).iter().map(|count| count.load(Ordering::Relaxed)).max().unwrap_or_default()
    }

    /// How long a round trip takes to a server that does next to nothing: the median of many.
    pub(crate) fn round_trip(&self) -> Duration {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the wire can be reached");
        stream.set_nodelay(true).expect("a connection can be told not to wait");
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

/// Carries one way of a connection: one thread takes, another gives when it is time.
fn carry(from: &TcpStream, to: &TcpStream, way: Duration, see: impl FnMut() + Send + 'static) {
    to.set_nodelay(true).expect("a connection can be told not to wait");
    let (from, to) = (clone(from), clone(to));
    let (put, under_way) = channel();
    thread::spawn(move || take(from, &put, way, see));
    thread::spawn(move || give(to, &under_way));
}

fn count(counted: &AtomicU32) {
    counted.fetch_add(1, Ordering::Relaxed);
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a connection can be shared")
}

fn take(mut from: TcpStream, put: &Sender<(Instant, Vec<u8>)>, way: Duration, mut see: impl FnMut()) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        see();
        let said = buffer.get(..read).unwrap_or_default().to_vec();
        if put.send((Instant::now() + way, said)).is_err() {
            break;
        }
    }
}

fn give(mut to: TcpStream, under_way: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((at, said)) = under_way.recv() {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&said).is_err() {
            break;
        }
    }
    // Either side may go first.
    drop(to.shutdown(Shutdown::Both));
}
