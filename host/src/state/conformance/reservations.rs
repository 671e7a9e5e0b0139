//! Conformance of reservations: one line for all runs, in order, by leases, and rates that do not drift.
//! The engine's tests say what attempts make of it.

use crate::model::{Capacity, RunId};
use crate::state::conformance::Harness;
use crate::state::conformance::fixture::{BRIEF, LEASE, TIMEOUT, must, only};
use crate::state::{
    Backend, GiveBack, HostId, Need, Reservation, ReservationSession, Reservations, ReserveReply, Reserved,
    ResourceView, SessionRequest, Wait,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The resources of a backend.
struct Shop {
    backend: Arc<dyn Backend>,
    again: Option<Arc<dyn Backend>>,
}

impl Shop {
    async fn new(harness: &dyn Harness) -> Self {
        Self { backend: harness.backend().await, again: harness.again().await }
    }

    fn reservations(backend: &Arc<dyn Backend>) -> Arc<dyn Reservations> {
        must(backend.reservations().ok_or("the backend has no reservations"))
    }

    /// Opens a session of a run, on the other object over the store if there is one.
    async fn open(&self, run: &str) -> Session {
        self.open_for(run, LEASE).await
    }

    async fn open_for(&self, run: &str, lease: Duration) -> Session {
        let other = self.again.as_ref().filter(|_| run.len().is_multiple_of(2));
        let reservations = Self::reservations(other.unwrap_or(&self.backend));
        let request = SessionRequest {
            run: must(RunId::new(run)),
            host: HostId(format!("host-of-{run}").into()),
            lease,
            is_gone: |host| host.0.ends_with("dead"),
        };
        let session = must(reservations.open(request).await);
        // The cases number their reservations from 1 to 9.
        while session.draw_id() < 9 {}
        Session(session)
    }

    async fn list(&self) -> Vec<ResourceView> {
        must(Self::reservations(&self.backend).list().await)
    }

    /// Waits until the resources are as they should be: what is given back is so soon.
    async fn until(&self, is_so: impl Fn(&[ResourceView]) -> bool) {
        let changed = async {
            while !is_so(&self.list().await) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        must(timeout(TIMEOUT, changed).await);
    }
}

/// A session whose reservations are named by short texts.
struct Session(Arc<dyn ReservationSession>);

fn need(text: &str) -> Need {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (amount, name, capacity) = (word(), word(), word());
    Need {
        name: name.into(),
        amount: must(amount.parse()),
        capacity: must(Capacity::decode(capacity).ok_or(text)),
    }
}

fn reservation(id: u64, needs: &[&str]) -> Reservation {
    Reservation {
        id,
        task: format!("t{id}"),
        priority: 0,
        needs: needs.iter().map(|text| need(text)).collect(),
    }
}

impl Session {
    async fn ask(&self, reservation: &Reservation) -> ReserveReply {
        must(self.0.reserve(reservation).await)
    }

    /// Reserves `amount name capacity`, which must be free.
    async fn hold(&self, id: u64, needs: &[&str]) {
        assert_eq!(self.ask(&reservation(id, needs)).await.outcome, Reserved::Held);
    }

    /// Reserves what is not free.
    async fn wait(&self, id: u64, needs: &[&str]) -> Wait {
        self.wait_as(&reservation(id, needs)).await
    }

    #[expect(clippy::panic, reason = "a case that fails ends its test")]
    async fn wait_as(&self, reservation: &Reservation) -> Wait {
        match self.ask(reservation).await.outcome {
            Reserved::Waits(wait) => wait,
            other => panic!("this was to wait: {other:?}"),
        }
    }

    /// Waits until a reservation is called, and holds then.
    async fn called(&self, id: u64, needs: &[&str]) {
        let called = async {
            while self.ask(&reservation(id, needs)).await.outcome != Reserved::Held {
                self.0.called(id).await;
            }
        };
        must(timeout(TIMEOUT, called).await);
    }

    fn end(&self, id: u64) {
        self.0.give_back(id, GiveBack::Used);
    }
}

fn waiting(resource: &ResourceView) -> Vec<String> {
    resource.waiting.iter().map(|view| format!("{} {}", view.holder.run, view.holder.task)).collect()
}

/// Runs share an amount by its name. What one gives back, another that waits is called for.
pub async fn resource_is_shared_by_runs(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["2 gpu 3"]).await;
    b.hold(1, &["1 gpu 3"]).await;
    b.hold(2, &["1 other 1"]).await;
    let wait = b.wait(3, &["2 gpu 3"]).await;
    assert_eq!((&*wait.name, wait.capacity, wait.held, wait.ahead), ("gpu", Capacity::Amount(3), 3, 0));
    let holder = must(wait.holder.ok_or("nobody holds it"));
    assert_eq!((holder.run.as_str(), &*holder.task, &*holder.host.0), ("run-a", "t1", "host-of-run-a"));
    assert_eq!(b.wait(3, &["2 gpu 3"]).await.holder, None);
    a.end(1);
    b.called(3, &["2 gpu 3"]).await;
}

/// Asking again for what is held changes nothing.
pub async fn repeated_reservation_is_held_once(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let a = shop.open("run-a").await;
    a.hold(1, &["1 gpu 2", "1 api 1/h+2"]).await;
    a.hold(1, &["1 gpu 2", "1 api 1/h+2"]).await;
    a.hold(2, &["1 gpu 2", "1 api 1/h+2"]).await;
    let gpu = must(shop.list().await.into_iter().find(|resource| resource.name == "gpu").ok_or("none"));
    let held: Vec<&str> = gpu.holders.iter().map(|view| view.holder.task.as_str()).collect();
    assert_eq!((held, gpu.declared_by.as_str()), (vec!["t1", "t2"], "run-a"));
}

/// The line is ordered by priority, then by arrival, over all sessions.
pub async fn line_is_ordered_by_priority_and_arrival(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(9, &["1 gpu 1"]).await;
    for (session, id, priority) in [(&b, 1, 0), (&a, 2, -5), (&b, 3, 5), (&a, 4, 0), (&b, 5, 5)] {
        session.wait_as(&Reservation { priority, ..reservation(id, &["1 gpu 1"]) }).await;
    }
    let gpu = only(shop.list().await);
    assert_eq!(waiting(&gpu), ["run-bb t3", "run-bb t5", "run-bb t1", "run-a t4", "run-a t2"]);
    a.end(9);
    // Who asks out of turn does not overtake.
    shop.until(|list| list.first().is_some_and(|gpu| gpu.holders.is_empty())).await;
    assert_eq!(a.wait(4, &["1 gpu 1"]).await.ahead, 3);
    b.called(3, &["1 gpu 1"]).await;
}

/// The needs of an earlier one are set aside: a large need is met once enough was given back. The rest is free to others.
pub async fn large_need_is_not_overtaken(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["3 gpu 8"]).await;
    a.hold(2, &["3 gpu 8"]).await;
    b.wait(1, &["4 gpu 8"]).await;
    a.wait(3, &["1 gpu 8"]).await;
    a.end(1);
    // Five are free, of which four are set aside.
    a.called(3, &["1 gpu 8"]).await;
    a.wait(4, &["1 gpu 8"]).await;
    b.called(1, &["4 gpu 8"]).await;
}

/// Several needs are held together or not at all. A reservation overtakes others only at resources that they do not need.
pub async fn needs_are_held_together(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["1 gpu 1"]).await;
    let wait = b.wait(1, &["1 api 9/h+1", "1 gpu 1", "1 licence 1"]).await;
    assert_eq!((&*wait.name, wait.recheck), ("gpu", None));
    a.wait(2, &["1 licence 1"]).await;
    a.hold(3, &["1 disk 1"]).await;
    a.end(1);
    b.called(1, &["1 api 9/h+1", "1 gpu 1", "1 licence 1"]).await;
    b.end(1);
    a.called(2, &["1 licence 1"]).await;
}

/// One that leaves the line calls those after it.
pub async fn leaving_the_line_calls_the_next(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["1 gpu 2"]).await;
    b.wait(1, &["2 gpu 2"]).await;
    a.wait(2, &["1 gpu 2"]).await;
    b.0.give_back(1, GiveBack::Unused);
    a.called(2, &["1 gpu 2"]).await;
}

/// A place that is kept is that of the next reservation of the same run and task. Others pass meanwhile.
pub async fn kept_place_is_taken_again(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["1 gpu 1"]).await;
    b.wait(1, &["1 gpu 1"]).await;
    a.wait(2, &["1 gpu 1"]).await;
    b.0.give_back(1, GiveBack::KeepingPlace);
    a.end(1);
    a.called(2, &["1 gpu 1"]).await;
    a.wait(3, &["1 gpu 1"]).await;
    let again = Reservation { id: 7, ..reservation(1, &["1 gpu 1"]) };
    assert_eq!(b.wait_as(&again).await.ahead, 0);
    assert_eq!(waiting(&only(shop.list().await)), ["run-bb t1", "run-a t3"]);
}

/// The first declaration counts as long as anybody holds or waits, and others are told. A need above it does not wait.
pub async fn first_declaration_counts_while_it_is_used(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["1 gpu 2"]).await;
    let two = Capacity::Amount(2);
    let reply = b.ask(&reservation(1, &["1 gpu 5"])).await;
    assert_eq!((reply.outcome, reply.differing), (Reserved::Held, vec![("gpu".into(), two)]));
    let reply = b.ask(&reservation(2, &["3 gpu 5"])).await;
    assert_eq!(reply.outcome, Reserved::Exceeds { name: "gpu".into(), capacity: two });
    let view = only(shop.list().await);
    assert_eq!((view.capacity, view.declared_by.as_str(), view.waiting.len()), (two, "run-a", 0));
    a.end(1);
    b.end(1);
    shop.until(<[_]>::is_empty).await;
    b.hold(3, &["3 gpu 5"]).await;
}

/// Turns of a rate are a burst and then even steps, by the store's clock, however many ask.
pub async fn rate_gives_turns_in_even_steps(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    let start = Instant::now();
    let needs = ["1 api 20/s+3"];
    let mut taken = Vec::new();
    for id in 1..=9 {
        let session = if id % 2 == 0 { &a } else { &b };
        loop {
            match session.ask(&reservation(id, &needs)).await.outcome {
                Reserved::Waits(wait) => tokio::time::sleep(must(wait.recheck.ok_or("no turn"))).await,
                outcome => break assert_eq!(outcome, Reserved::Held),
            }
        }
        taken.push(start.elapsed());
        session.end(id);
    }
    // The first three come at once, and each of the others a twentieth of a second after the one before at the earliest.
    for (position, taken) in (0..).zip(&taken) {
        let earliest = Duration::from_millis(50) * (position - 2_i32).max(0).unsigned_abs();
        assert!(*taken + Duration::from_millis(1) >= earliest, "{position}: {taken:?}");
    }
    assert!(must(taken.last().ok_or("none")) < &TIMEOUT);
}

/// Each that waits for a rate is told its own turn, in line. What was not used is available again, and the turns of those in line
/// come sooner.
pub async fn turns_of_a_rate_are_told_in_line(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (a, b) = (shop.open("run-a").await, shop.open("run-bb").await);
    a.hold(1, &["1 api 1/m+1"]).await;
    let minutes = |wait: &Wait| {
        let left = wait.recheck.unwrap_or_default();
        (left.as_secs_f64() / 60.0 + 0.1).floor()
    };
    let (first, second) = (b.wait(1, &["1 api 1/m+1"]).await, a.wait(2, &["1 api 1/m+1"]).await);
    assert_eq!((minutes(&first) <= 1.0, minutes(&second) <= 2.0, first.holder), (true, true, None));
    assert!(second.recheck > first.recheck.map(|left| left + Duration::from_secs(50)));
    a.0.give_back(1, GiveBack::Unused);
    b.called(1, &["1 api 1/m+1"]).await;
    b.0.give_back(1, GiveBack::Used);
    assert_eq!(a.wait(2, &["1 api 1/m+1"]).await.ahead, 0);
}

/// A lease that passes frees the resources of its session, and ends its place in the line. The next in the line is called.
pub async fn passed_lease_ends_what_a_session_holds(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (lost, alive) = (shop.open_for("run-a", BRIEF).await, shop.open("run-bb").await);
    lost.hold(1, &["1 gpu 2"]).await;
    assert!(must(lost.0.renew().await));
    alive.hold(1, &["1 gpu 2"]).await;
    lost.wait(2, &["2 gpu 2"]).await;
    alive.wait(2, &["1 gpu 2"]).await;
    let called = async {
        while alive.ask(&reservation(2, &["1 gpu 2"])).await.outcome != Reserved::Held {
            // A step of anyone ends what has passed.
            drop(timeout(BRIEF / 4, alive.0.called(2)).await);
            assert!(must(alive.0.renew().await));
        }
    };
    must(timeout(TIMEOUT, called).await);
    assert!(!must(lost.0.renew().await));
    // The next session of the same host begins with nothing.
    assert_eq!(lost.wait(3, &["1 gpu 2"]).await.held, 2);
    let view = only(shop.list().await);
    assert_eq!((view.holders.len(), waiting(&view)), (2, vec!["run-a t3".to_owned()]));
}

/// A session that renews its lease keeps what it holds.
pub async fn kept_lease_keeps_what_a_session_holds(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let kept = shop.open_for("run-a", BRIEF).await;
    let lost = must(kept.0.keep_lease());
    kept.hold(1, &["1 gpu 1"]).await;
    tokio::time::sleep(BRIEF * 2).await;
    let view = only(shop.list().await);
    assert_eq!((view.holders.len(), *lost.borrow()), (1, 0));
}

/// Dropping a session ends it, and so does leaving. Hosts that are known to be gone end when another opens.
pub async fn sessions_end_with_their_hosts(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let (left, dropped) = (shop.open("run-a").await, shop.open("run-bb").await);
    left.hold(1, &["1 gpu 3"]).await;
    dropped.hold(1, &["1 gpu 3"]).await;
    shop.open("is-dead").await.hold(1, &["1 other 1"]).await;
    left.0.leave().await;
    drop((left, dropped));
    shop.until(<[_]>::is_empty).await;
    let dead = shop.open("dead").await;
    dead.hold(1, &["1 gpu 3"]).await;
    let next = shop.open("run-c").await;
    next.hold(1, &["3 gpu 3"]).await;
    drop(dead);
}

/// Many that ask at once never hold more than there is, and all have their turn.
pub async fn amount_is_never_exceeded(harness: &dyn Harness) {
    let shop = Shop::new(harness).await;
    let sessions = [shop.open("run-a").await, shop.open("run-bb").await, shop.open("run-c").await];
    let (held, most) = (std::sync::atomic::AtomicU32::new(0), std::sync::atomic::AtomicU32::new(0));
    let one = async |session: &Session, id: u64| {
        session.called(id, &["1 gpu 2"]).await;
        let now = 1 + held.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        most.fetch_max(now, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        session.end(id);
    };
    let of = async |session: &Session| {
        tokio::join!(one(session, 1), one(session, 2), one(session, 3), one(session, 4));
    };
    let [a, b, c] = &sessions;
    tokio::join!(of(a), of(b), of(c));
    assert_eq!(most.into_inner(), 2);
}
