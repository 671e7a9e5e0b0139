//! Responsible for a component whose functions cannot do without `cascade:task/context`.
//! Leaves all else of the host's own interfaces to the guest `host-calls`.

wit_bindgen::generate!({
    path: ["../../../wit/deps/cascade-task", "wit"],
    world: "test:attempt/attempt",
    generate_all,
});

struct Attempt;

impl Guest for Attempt {
    fn number() -> u32 {
        cascade::task::context::current().attempt
    }

    fn left() -> u64 {
        cascade::task::context::current().deadline_ms.unwrap_or(u64::MAX)
    }
}

export!(Attempt);
