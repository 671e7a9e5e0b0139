//! The numbers of stored and sent data that hosts share with the scripts, under the names of `scripts/formats.lua`.
//! The bytes are composed in `layout.rs` and `wire.rs`.

/// Width of a task record.
pub(crate) const RECORD_BYTES: usize = 32;

/// Where the kind is in a task record.
pub(crate) const KIND_AT: usize = 12;

/// Bits of an attempt, above which its step is.
pub(crate) const ATTEMPT_BITS: u32 = 24;

/// Phases of a node: untouched, claimed, with a result, skipped, failed.
pub(crate) const WAITING: u8 = 0;
pub(crate) const CLAIMED: u8 = 2;
pub(crate) const DONE: u8 = 3;
pub(crate) const DROPPED: u8 = 4;
pub(crate) const BROKEN: u8 = 5;

/// Flag of a node that waits for one which was skipped or has failed.
pub(crate) const FLAG_TAINTED: u8 = 1;

/// Flag of a node whose lease has expired.
pub(crate) const FLAG_LAPSED: u8 = 4;

/// Flag of a task that has deadlines.
pub(crate) const FLAG_TIMED: u8 = 32;

/// Kinds of a task: included in the run, with edges that begin at its elements, with stored elements, with a shared
/// resource, the node that closes the run, with edges that lead to its elements, with iterations, and with offers.
pub(crate) const KIND_WANTED: u8 = 1;
pub(crate) const KIND_LEADS: u8 = 2;
pub(crate) const KIND_KEPT: u8 = 4;
pub(crate) const KIND_SHARES: u8 = 8;
pub(crate) const KIND_CLOSING: u8 = 16;
pub(crate) const KIND_FOLLOWS: u8 = 32;
pub(crate) const KIND_REPEATS: u8 = 64;
pub(crate) const KIND_OFFERS: u8 = 128;

/// Width of the digest of a call, with which the format OFFER begins.
pub(crate) const CALL_BYTES: usize = 16;

/// What a node waits for.
pub(crate) const ON_ENDED: u8 = 0;
pub(crate) const ON_EXPANDED: u8 = 1;

/// Stages of a claim.
pub(crate) const IS_READY: u8 = 0;
pub(crate) const IS_TAINTED: u8 = 1;
pub(crate) const IS_EXPANDED: u8 = 2;
pub(crate) const IS_CLOSING: u8 = 3;
pub(crate) const IS_OVERDUE: u8 = 4;

/// Scopes of resources.
pub(crate) const OWN: u8 = 0;
pub(crate) const SHARED: u8 = 1;
pub(crate) const ELASTIC: u8 = 2;

/// Pending propagation that follows edges.
pub(crate) const EDGES_LEFT: u8 = 0;

/// Most claims that one commit hands out by the fast path.
pub(crate) const MAX_CLAIMS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Name, RunStatus, SkipReason, TaskIdx, TaskName};
    use crate::state::redis::link::{Answer, Command, Link, Request};
    use crate::state::redis::link_to;
    use crate::state::redis::run::claims::Settled;
    use crate::state::redis::run::layout::{Kept, Layout};
    use crate::state::redis::run::wire::{amounts_text, outcome, read_reply, token_text};
    use crate::state::redis::server::Server;
    use crate::state::{
        Blocked, Deadline, Dependent, Hole, HostId, MAX_SLOTLESS_CLAIMS, Milestone, NodeId, Outcome,
        ResourceScope, ResourceShape, RunShape, Stage, StateUri, TaskShape, Token,
    };
    use std::sync::Arc;
    use std::time::Duration;

    const FORMATS: &str = include_str!("../scripts/formats.lua");

    /// A server that evaluates Lua after the text of the formats.
    struct Lua {
        link: Arc<Link>,
        _server: Server,
    }

    impl Lua {
        fn start() -> Self {
            let server = Server::start();
            let StateUri::Redis(uri) = StateUri::parse(&server.uri()).unwrap() else { panic!("not Redis") };
            Self { link: link_to(&uri, "test").unwrap(), _server: server }
        }

        async fn bytes(&self, text: &str) -> Vec<u8> {
            self.eval(text, &[]).await.bytes().unwrap().to_vec()
        }

        async fn texts(&self, text: &str) -> Vec<String> {
            let parts = self.eval(text, &[]).await.list().into_iter();
            parts.map(|part| String::from_utf8(part.bytes().unwrap().to_vec()).unwrap()).collect()
        }

        async fn numbers(&self, text: &str, args: &[&[u8]]) -> Vec<i64> {
            let parts = self.eval(text, args).await.list().into_iter();
            parts.map(|part| part.number().unwrap()).collect()
        }

        async fn eval(&self, text: &str, args: &[&[u8]]) -> Answer {
            let command = Command::new("EVAL").arg(format!("{FORMATS}\n{text}")).arg("0").args(args);
            let answers = self.link.ask("evaluating", Request::read([command])).await.unwrap();
            answers.into_iter().next().unwrap()
        }
    }

    macro_rules! named {
        ($($name:ident)*) => { [$((stringify!($name), $name.to_string())),*] };
    }

    #[tokio::test]
    async fn hosts_and_scripts_have_the_same_numbers() {
        let known = named! {
            RECORD_BYTES WAITING CLAIMED DONE DROPPED BROKEN FLAG_TAINTED FLAG_LAPSED FLAG_TIMED KIND_WANTED KIND_LEADS KIND_KEPT KIND_SHARES KIND_CLOSING
            KIND_FOLLOWS KIND_REPEATS KIND_OFFERS ON_ENDED ON_EXPANDED
            IS_READY IS_TAINTED IS_EXPANDED IS_CLOSING IS_OVERDUE OWN SHARED ELASTIC EDGES_LEFT MAX_CLAIMS MAX_SLOTLESS_CLAIMS
        };
        let shown = known.each_ref().map(|(name, _)| format!("tostring({name})")).join(", ");
        let found = Lua::start().texts(&format!("return {{{shown}}}")).await;
        for ((name, number), found) in known.iter().zip(found) {
            assert_eq!((name, number), (name, &found));
        }
    }

    #[tokio::test]
    async fn formats_are_as_wide_as_the_scripts_say() {
        let lua = Lua::start();
        let sizes = "return {struct.size(RECORD), struct.size(FRONT), RECORD_BYTES * PAGE, struct.size(CLAIM), \
                     struct.size(SPLIT), struct.size(EDGE), struct.size(NODE), struct.size(INDEX), struct.size(LEAD), \
                     struct.size(ENTRY), struct.size(OFFER), struct.size(CLOCK)}";
        let said = "return {RECORD_BYTES, FRONT_BYTES, PAGE_BYTES, CLAIM_BYTES, SPLIT_BYTES, EDGE_BYTES, NODE_BYTES, \
                    INDEX_BYTES, LEAD_BYTES, ENTRY_BYTES, OFFER_BYTES, CLOCK_BYTES}";
        assert_eq!(lua.numbers(sizes, &[]).await, lua.numbers(said, &[]).await);
    }

    fn task(name: &str, dependents: &[u32]) -> TaskShape {
        TaskShape {
            name: TaskName::new(name).unwrap(),
            fingerprint: Digest::of_bytes(b"call"),
            waits_for: Vec::new(),
            dependents: dependents.iter().copied().map(TaskIdx::new).map(Dependent::of_task).collect(),
            rank: 0,
            class: 0,
            indexed: Vec::new(),
            is_repeated: false,
            is_included: true,
            deadlines: Vec::new(),
        }
    }

    #[tokio::test]
    async fn scripts_read_the_records_that_hosts_lay_out() {
        let mut first = TaskShape { rank: 7, class: 1, indexed: vec![1], ..task("a", &[1, 2]) };
        let lead = Dependent { task: TaskIdx::new(1), level: 1, on: Milestone::Ended };
        first.dependents.push(lead);
        let shared = ResourceShape { name: Name::new("r").unwrap(), amount: 5, scope: ResourceScope::Shared };
        let shape = RunShape {
            tasks: vec![first, task("b", &[]), TaskShape { is_included: false, ..task("c", &[]) }],
            classes: vec![vec![], vec![(0, 4)]],
            resources: vec![shared],
            larger: Vec::new(),
            has_closing: true,
            max_elements: u32::MAX,
            deadlines: Vec::new(),
            deadline: None,
            first_finally: None,
        };
        let kept = Kept {
            tasks: [TaskIdx::new(1)].into(),
            elements: [TaskIdx::new(0)].into(),
            takeovers: [(TaskIdx::new(0), 300)].into(),
            ..Kept::default()
        };
        let layout = Layout::new(&shape, &kept);
        let lua = Lua::start();
        let record = async |at: usize| {
            let record = &layout.tasks[at * RECORD_BYTES..][..RECORD_BYTES];
            let mut fields = lua.numbers("return {struct.unpack(RECORD, ARGV[1])}", &[record]).await;
            fields.pop(); // where to read on
            fields
        };
        let (high, zero) = ((1 << 51) - 7, 1 << 51);
        let kind = i64::from(KIND_WANTED | KIND_LEADS | KIND_KEPT | KIND_SHARES);
        assert_eq!(record(0).await, [0, 0, 300, 1, 1, kind, 1, 1, high, 0, 2]);
        let kind = i64::from(KIND_WANTED | KIND_FOLLOWS);
        assert_eq!(record(1).await, [DONE.into(), 0, 0, 1, 1, kind, 0, 0, zero, 2, 0]);
        assert_eq!(record(2).await, [0, 0, 0, 1, 1, 0, 0, 0, zero, 2, 0]);
        assert_eq!(record(3).await, [0, 0, 0, 0, 1, KIND_CLOSING.into(), 0, 0, zero, 2, 0]);
        let edge = "return {(struct.unpack(EDGE, ARGV[1], 1 + 1 * EDGE_BYTES))}";
        assert_eq!(lua.numbers(edge, &[&layout.edges]).await, [2]);
        let unpack = "return cmsgpack.unpack(ARGV[1])[1]";
        assert_eq!(lua.numbers(unpack, &[&layout.props]).await, [EDGES_LEFT.into(), 2, 1, 1]);
        assert_eq!(lua.numbers(unpack, &[&layout.classes[1]]).await, [0, 4, SHARED.into(), 5]);
    }

    #[tokio::test]
    async fn scripts_read_what_hosts_send() {
        let lua = Lua::start();
        let outcomes = [
            Outcome::Done("x".into()),
            Outcome::Skipped(SkipReason::Pruned),
            Outcome::LeftOut(Box::new(Hole { level: 1, cause: "t[0]".into(), failure: None })),
            Outcome::Failed("x".into()),
            Outcome::Retry { delay: Duration::ZERO, step: 0 },
            Outcome::Passed,
            Outcome::Release,
            Outcome::Await(vec![]),
            Outcome::Iterated("x".into()),
            Outcome::Expand { items: 1, max_parallel: None },
            Outcome::Accepted,
        ];
        let letters = "return {AS_DONE, AS_SKIPPED, AS_LEFT_OUT, AS_FAILED, AS_RETRY, AS_PASSED, AS_RELEASE, AS_AWAIT, \
             AS_ITERATED, AS_EXPAND, AS_ACCEPTED}";
        assert_eq!(lua.texts(letters).await, outcomes.map(|what| outcome(what, 9).0));
        let amounts = amounts_text(&[3, 0, u32::MAX]);
        let read = lua.numbers("return amounts(ARGV[1])", &[amounts.as_bytes()]).await;
        assert_eq!(read, [3, 0, u32::MAX.into()]);
        let token = lua.bytes("return token_of('0000002a', 4294967295)").await;
        assert_eq!(token, token_text(Token(0x2a_ffff_ffff)).as_bytes());
    }

    #[tokio::test]
    async fn hosts_read_what_scripts_answer() {
        let lua = Lua::start();
        let stages = [
            ("IS_READY", Stage::Ready),
            ("IS_TAINTED", Stage::Tainted),
            ("IS_EXPANDED", Stage::Expanded { items: 9 }),
            ("IS_CLOSING", Stage::Closing),
            ("IS_OVERDUE", Stage::Overdue),
        ];
        for (name, stage) in stages {
            let text = format!(
                "return cmsgpack.pack({{COMMITTED .. NOT_HELD, \
                 {{{{token_of('0000002a', 7), 5, '2 8', 5 * STEP + 2, 1, 'h', {name}, 9, 3, '', 0, 1, 70}}}}, {{{{5, '', 1}}}}, \
                 'running', 'failure', 4, 8, 6, 7, 1500, 'timeout'}})"
            );
            let reply = read_reply(&lua.bytes(&text).await).unwrap();
            assert_eq!(reply.settled, [Settled::Committed, Settled::NotHeld]);
            let [claim] = &reply.claims[..] else { panic!("{reply:?}") };
            assert_eq!(reply.progress.left, Some(Duration::from_millis(1500)));
            assert_eq!(reply.progress.ending, Some(RunStatus::TimedOut));
            let deadline = Deadline { position: 1, left: Duration::from_millis(70) };
            assert_eq!(claim.deadline, Some(deadline));
            assert_eq!((claim.token, claim.stage), (Token(0x2a_0000_0007), stage));
            assert_eq!(claim.node, NodeId::element(TaskIdx::new(5), 2).child(8));
            assert_eq!((claim.attempt, claim.step, claim.iteration, claim.takeovers), (2, 5, 3, 1));
            assert_eq!(claim.from, Some(HostId("h".into())));
            let node = NodeId::of_task(TaskIdx::new(5));
            assert_eq!(reply.blocked, [Blocked { node, resource: 1 }]);
        }
    }
}
