//! Responsible for functions whose types cannot cross an edge, beside one whose types can.
//! Leaves all else to the guest `basic`.

wit_bindgen::generate!({ path: "wit" });

use exports::test::unsupported::things;
use exports::test::unsupported::things::{GuestThing, ThingBorrow};

struct Unsupported;

struct Thing(String);

impl GuestThing for Thing {
    fn new(name: String) -> Self {
        Self(name)
    }

    fn name(&self) -> String {
        self.0.clone()
    }
}

impl things::Guest for Unsupported {
    type Thing = Thing;

    fn consume(thing: things::Thing) -> String {
        thing.get::<Thing>().name()
    }

    fn look(thing: ThingBorrow<'_>) -> String {
        thing.get::<Thing>().name()
    }

    fn make(n: u32) -> Vec<things::Thing> {
        (0..n).map(|at| things::Thing::new(Thing(format!("thing {at}")))).collect()
    }
}

impl Guest for Unsupported {
    fn plain(x: u32) -> u32 {
        x
    }
}

export!(Unsupported);
