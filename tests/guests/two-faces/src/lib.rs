//! Responsible for exporting the name `run` twice, so that a manifest must say which one it means.
//! Leaves all else to the guest `basic`.

wit_bindgen::generate!({ path: "wit" });

use exports::test::faces::{a, b};

struct TwoFaces;

impl a::Guest for TwoFaces {
    fn run() -> String {
        "a".to_owned()
    }

    fn only_a() -> String {
        "only a".to_owned()
    }
}

impl b::Guest for TwoFaces {
    fn run() -> String {
        "b".to_owned()
    }
}

impl Guest for TwoFaces {
    fn only() -> String {
        "only".to_owned()
    }
}

export!(TwoFaces);
