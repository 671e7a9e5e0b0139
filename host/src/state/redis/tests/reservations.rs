//! Differential test of reservations: script and in-memory line answer the same requests alike, by seeds.
//! Leases and the turns of rates are left to `state/conformance`: here no time passes that counts.

use super::*;
use crate::model::{Capacity, Random};
use crate::state::{
    GiveBack, HostId, MemoryBackend, Need, Reservation, ReservationSession, ReserveReply, Reserved,
    ResourceView, SessionRequest,
};
use std::time::Duration;

/// Number of seeds, and of steps of each.
const SEEDS: u64 = 60;
const STEPS: usize = 120;

/// Capacities that a need may declare. What is taken of a rate does not come back while the test runs.
const CAPACITIES: [&str; 4] = ["3", "5", "1/h+4", "1/h+7"];

/// One store, with a session for each of three runs.
struct Side {
    backend: Arc<dyn Backend>,
    sessions: Vec<Arc<dyn ReservationSession>>,
}

impl Side {
    async fn new(backend: Arc<dyn Backend>) -> Self {
        let mut side = Self { backend, sessions: Vec::new() };
        for run in ["a", "b", "c"] {
            side.sessions.push(side.open(run).await);
        }
        side
    }

    async fn open(&self, run: &str) -> Arc<dyn ReservationSession> {
        let request = SessionRequest {
            run: RunId::new(run).unwrap(),
            host: HostId(run.into()),
            lease: Duration::from_hours(1),
            is_gone: |_| false,
        };
        let session = self.backend.reservations().unwrap().open(request).await.unwrap();
        while session.draw_id() < 63 {}
        session
    }

    /// All that is taken, without times.
    async fn list(&self) -> Vec<ResourceView> {
        let mut list = self.backend.reservations().unwrap().list().await.unwrap();
        for resource in &mut list {
            let all = resource.holders.iter_mut().chain(&mut resource.waiting);
            all.for_each(|view| view.since = Duration::ZERO);
        }
        list
    }
}

fn reservation(random: &mut Random) -> Reservation {
    let mut needs: Vec<Need> = Vec::new();
    for name in ["gpu", "api", "seat"] {
        if random.below(2) == 0 || (name == "seat" && needs.is_empty()) {
            let capacity = CAPACITIES[usize::try_from(random.below(4)).unwrap()];
            let amount = 1 + u32::try_from(random.below(4)).unwrap();
            needs.push(Need { name: name.into(), amount, capacity: Capacity::decode(capacity).unwrap() });
        }
    }
    let id = random.below(12);
    let priority = [0, 0, 3][usize::try_from(random.below(3)).unwrap()];
    Reservation { id, task: format!("t{}", id % 5), priority, needs: needs.into() }
}

/// Takes the time out of a reply.
fn timeless(mut reply: ReserveReply) -> ReserveReply {
    if let Reserved::Waits(wait) = &mut reply.outcome {
        wait.recheck = wait.recheck.map(|_| Duration::ZERO);
    }
    reply
}

async fn compare(seed: u64, memory: Side, redis: Side) {
    let (mut random, mut sides) = (Random::seeded(seed), [memory, redis]);
    let mut asked: Vec<(usize, Reservation)> = Vec::new();
    for step in 0..STEPS {
        let who = usize::try_from(random.below(3)).unwrap();
        match random.below(10) {
            0..6 => {
                let fresh = reservation(&mut random);
                let known = asked.iter().find(|(of, known)| *of == who && known.id == fresh.id);
                let reservation = known.map_or_else(|| fresh.clone(), |(_, known)| known.clone());
                let mut replies = Vec::new();
                for side in &sides {
                    replies.push(timeless(side.sessions[who].reserve(&reservation).await.unwrap()));
                }
                assert_eq!(replies[0], replies[1], "seed {seed}, step {step}: {reservation:?}");
                if known.is_none() && !matches!(replies[0].outcome, Reserved::Exceeds { .. }) {
                    asked.push((who, reservation));
                }
            }
            6..9 => {
                let id = random.below(12);
                let how = [GiveBack::Used, GiveBack::Unused, GiveBack::KeepingPlace];
                let how = how[usize::try_from(random.below(3)).unwrap()];
                asked.retain(|(of, reservation)| (*of, reservation.id) != (who, id));
                sides.iter().for_each(|side| side.sessions[who].give_back(id, how));
            }
            _ if random.below(6) == 0 => {
                asked.retain(|(of, _)| *of != who);
                for side in &mut sides {
                    side.sessions[who].leave().await;
                    side.sessions[who] = side.open(["a", "b", "c"][who]).await;
                }
            }
            _ => {}
        }
        let [memory, redis] = &sides;
        let expected = memory.list().await;
        // The server gives back soon.
        let same = async {
            while redis.list().await != expected {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), same).await.is_err() {
            assert_eq!(redis.list().await, expected, "seed {seed}, step {step}");
        }
    }
}

#[tokio::test]
async fn script_and_line_answer_alike() {
    let server = Server::start();
    for seed in 0..SEEDS {
        server.cli(&["FLUSHALL"]);
        let memory = Side::new(Arc::new(MemoryBackend::new())).await;
        let redis = Side::new(Arc::new(at(&server.socket_uri()))).await;
        compare(seed, memory, redis).await;
    }
}

#[tokio::test]
async fn late_packet_begins_nothing_that_lasts() {
    let server = Server::start();
    let side = Side::new(Arc::new(at(&server.uri()))).await;
    let mut random = Random::seeded(1);
    let reservation = Reservation { id: 3, ..reservation(&mut random) };
    side.sessions[0].reserve(&reservation).await.unwrap();
    side.sessions[0].give_back(3, GiveBack::Used);
    while !side.list().await.iter().all(|resource| resource.holders.is_empty()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The same request once more, as from a connection that was thought to be dead.
    side.sessions[0].reserve(&reservation).await.unwrap();
    assert!(side.sessions[0].renew().await.unwrap());
    assert!(
        side.list().await.iter().all(|resource| resource.holders.is_empty() && resource.waiting.is_empty())
    );
}
