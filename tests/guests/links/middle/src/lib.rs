//! The guest in between: it imports `base`, and `top` imports it.
//! Its other import is in no component of the tests.

wit_bindgen::generate!({ path: "../wit", world: "middle", with: { "test:links/counting@1.2.0": generate } });

use exports::test::links::greeting::Guest as Greeting;
use test::links::counting::{self, Counter};
use test::links::rare;

struct Middle;

impl Guest for Middle {
    fn hello(name: String) -> String {
        Self::greet(name, &Counter::new(7))
    }
}

impl Greeting for Middle {
    fn greet(name: String, counter: &Counter) -> String {
        format!("Hello, {name}, number {}!", counter.next())
    }

    fn rarely(x: u32) -> u32 {
        rare::never(x)
    }

    fn calls() -> u32 {
        counting::calls()
    }
}

export!(Middle);
