//! Responsible for the component `basic`: one module for each interface of `wit/basic.wit`.
//! Leaves the host's own interfaces to the guest `host-calls`.

wit_bindgen::generate!({ path: "wit" });

mod arithmetic;
mod echo;
mod failures;
mod hostile;
mod surroundings;
mod telling;
mod wider;

struct Basic;

export!(Basic);
