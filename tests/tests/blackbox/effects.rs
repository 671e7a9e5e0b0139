//! Tasks with effects: a call may be made more than once, and its idempotency key is how a service knows it again.
//! The values of the key are in `repeat` and `keyvalue`.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Project, Redis, wait_until};
use serde_json::json;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What a service does with the reply to a payment that it has made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reply {
    Sent,
    /// The first reply to each key is lost.
    LostOnce,
    /// The first reply to each key does not come.
    LateOnce,
}

/// A service that makes each payment once, by its key.
struct Service {
    port: u16,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Default)]
struct Ledger {
    requests: usize,
    /// Receipts by key.
    receipts: HashMap<String, String>,
}

impl Service {
    fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let shared = Arc::clone(&ledger);
        std::thread::spawn(move || {
            // Replies that are late never come; their connections stay open.
            let mut waiting = Vec::new();
            for client in listener.incoming().flatten() {
                waiting.extend(answer(client, reply, &shared));
            }
        });
        Self { port, ledger }
    }

    fn requests(&self) -> usize {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).requests
    }

    fn payments(&self) -> usize {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).receipts.len()
    }

    /// A project with one payment per amount.
    fn project(&self) -> Project {
        let url = format!("http://127.0.0.1:{}/charge", self.port);
        Project::new(&format!(
            "{}grants = {{ http = [\"{url}\"], context = true }}\n\
             [tasks.pay]\ncall = \"p.charge\"\nfor-each.cents = [100, 250]\n\
             args = {{ url = \"{url}\", cents = {{ item = \"cents\" }} }}\n\
             retry = {{ attempts = 3, delay = \"10ms\" }}\n",
            named("p", Guest::Payment)
        ))
    }
}

/// Makes a payment, unless its key is known, and answers with the receipt. Returns the connection if the reply is to wait.
fn answer(mut client: TcpStream, reply: Reply, ledger: &Mutex<Ledger>) -> Option<TcpStream> {
    let mut lines = BufReader::new(client.try_clone().ok()?).lines().map_while(Result::ok);
    let request = lines.next()?;
    let fields = lines.take_while(|line| !line.is_empty());
    let key = fields.filter_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).last()?;
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    ledger.requests += 1;
    let (number, is_new) = (ledger.receipts.len() + 1, !ledger.receipts.contains_key(&key));
    let cents = request.split(['=', ' ']).find(|word| word.parse::<u32>().is_ok())?.to_owned();
    let receipt =
        ledger.receipts.entry(key).or_insert_with(|| format!("receipt {number} for {cents}")).clone();
    drop(ledger);
    match reply {
        Reply::LostOnce if is_new => None,
        Reply::LateOnce if is_new => Some(client),
        Reply::Sent | Reply::LostOnce | Reply::LateOnce => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", receipt.len());
            client.write_all(format!("{head}{receipt}").as_bytes()).ok()?;
            None
        }
    }
}

#[test]
fn payment_whose_reply_is_lost_is_made_once() {
    for (reply, requests) in [(Reply::Sent, 2), (Reply::LostOnce, 4)] {
        let service = Service::start(reply);
        let shown = service.project().host().args(["-j", "1"]).run().expect(0).json();
        assert_eq!(shown, json!({ "pay": ["receipt 1 for 100", "receipt 2 for 250"] }), "{reply:?}");
        assert_eq!((service.requests(), service.payments()), (requests, 2), "{reply:?}");
    }
}

#[test]
fn payment_of_a_killed_host_is_made_once() {
    let service = Service::start(Reply::LateOnce);
    let (server, project) = (Redis::start(""), service.project());
    let uri = server.uri();
    let host = || project.host().args(["--state", &uri, "--run-id", "r1", "-j", "1"]);
    // Each host makes a payment, and is killed before the reply has come.
    for payments in 1..=2 {
        let running = host().start();
        wait_until("no payment is made", || service.payments() == payments);
        drop(running); // killed
    }
    let shown = host().run().expect(0).json();
    assert_eq!(shown, json!({ "pay": ["receipt 1 for 100", "receipt 2 for 250"] }));
    assert_eq!((service.requests(), service.payments()), (4, 2));
}
