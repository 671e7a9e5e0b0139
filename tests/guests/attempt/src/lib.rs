//! Responsible for a component whose only function cannot do without `cascade:task/context`.
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
}

export!(Attempt);
