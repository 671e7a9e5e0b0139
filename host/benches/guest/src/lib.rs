//! The component `echo`, whose functions return their arguments.
//! The benchmarks measure the calls.

wit_bindgen::generate!({ path: "wit" });

struct Echo;

impl Guest for Echo {
    fn noop() {}

    fn next(n: u32) -> u32 {
        n.wrapping_add(1)
    }

    fn burn(n: u64) -> u64 {
        // Each round waits for the one before it, so that no compiler finds a shorter way.
        (0..n).fold(1, |seed: u64, round| {
            let seed = seed ^ (seed << 13) ^ round;
            seed ^ (seed >> 7) ^ (seed << 17)
        })
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
