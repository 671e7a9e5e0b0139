//! Responsible for the component `echo`, whose functions return what they are given.
//! Leaves what is measured to the benchmarks that call it.

wit_bindgen::generate!({ path: "wit" });

struct Echo;

impl Guest for Echo {
    fn noop() {}

    fn next(n: u32) -> u32 {
        n.wrapping_add(1)
    }

    fn bytes(b: Vec<u8>) -> Vec<u8> {
        b
    }

    fn records(r: Vec<Point>) -> Vec<Point> {
        r
    }

    fn floats(f: Vec<f64>) -> Vec<f64> {
        f
    }
}

export!(Echo);
