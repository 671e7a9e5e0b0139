//! Tasks in random graphs that are always stopped by their deadline, whichever host has them then.
//! Deadlines that do not pass are in `graph`.

use crate::graph::{Draft, Next};
use crate::random::Random;

/// Adds up to three tasks that sleep beyond their deadline. Their failures become values, or leave their elements out, so
/// that what is stored of them does not depend on the time.
pub(crate) fn add(draft: &mut Draft, seed: u64) {
    // A sequence of its own: the rest of the graph stays as it is.
    let mut random = Random::new(seed, "overdue");
    for _ in 0..random.within(0, 3) {
        let mut next = Next::call("g.sleep-ms");
        next.line("grants = { clock = true }");
        next.line(&format!("deadline = \"{}ms\"", random.within(100, 400)));
        if random.percent(50) {
            next.line("args.ms = 600000");
            next.line("on-error = \"failure\"");
        } else {
            let count = random.within(1, 12);
            next.line(&format!("for-each.n = {{ range = [600000, {}] }}", 600_000 + count));
            next.line("args.ms = { item = \"n\" }");
            let outcome = random.pick(&["skip", "failure"]);
            next.line(&format!("on-error = \"{outcome}\""));
        }
        draft.put(next);
    }
}
