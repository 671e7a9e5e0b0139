//! Responsible for looking at whatever might tell one call from another: time, chance, addresses, memory, surroundings.
//! Leaves it to the tests to compare what was seen; `nan` looks at the payloads of NaNs.

wit_bindgen::generate!({ path: "wit" });

mod nan;
mod relaxed;

use std::alloc::Layout;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::hint::black_box;
use std::io::{IsTerminal, Read};
use std::time::{Duration, Instant, SystemTime};

use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::{insecure, insecure_seed, random};

struct Purity;

impl Guest for Purity {
    fn look(x: u32) -> Vec<Sight> {
        let mut sights = Vec::new();
        chance(&mut sights);
        time(&mut sights);
        addresses(&mut sights, x);
        memory(&mut sights);
        surroundings(&mut sights);
        relaxed::look(&mut sights);
        sights
    }

    fn nans() -> Vec<Sight> {
        nan::look()
    }

    fn shout(name: String) {
        let value = std::env::var(name).unwrap_or_default();
        println!("it is {value}");
        eprintln!("it is {value}");
        panic!("it is {value}");
    }
}

fn see(sights: &mut Vec<Sight>, tried: &str, seen: impl std::fmt::Debug) {
    sights.push(Sight { tried: tried.to_owned(), seen: format!("{seen:?}") });
}

fn chance(sights: &mut Vec<Sight>) {
    see(sights, "random u64", random::get_random_u64());
    see(sights, "random bytes", random::get_random_bytes(40));
    see(sights, "insecure u64", insecure::get_insecure_random_u64());
    see(sights, "insecure bytes", insecure::get_insecure_random_bytes(7));
    see(sights, "insecure seed", insecure_seed::insecure_seed());
    see(sights, "the same seed again", insecure_seed::insecure_seed() == insecure_seed::insecure_seed());
    let map: HashMap<u32, u32> = (0..100).map(|key| (key, key)).collect();
    see(sights, "order of a map", map.keys().collect::<Vec<_>>());
    let set: HashSet<String> = (0..50).map(|key| format!("word {key}")).collect();
    see(sights, "order of a set", set.iter().collect::<Vec<_>>());
    see(sights, "a random hash", std::hash::RandomState::new().hash_one("x"));
}

fn time(sights: &mut Vec<Sight>) {
    let begun = Instant::now();
    see(sights, "monotonic", (monotonic_clock::now(), monotonic_clock::resolution()));
    let wall = wall_clock::now();
    see(sights, "wall", (wall.seconds, wall.nanoseconds));
    see(sights, "system time", SystemTime::now());
    std::thread::sleep(Duration::from_millis(1500));
    see(sights, "after a sleep", begun.elapsed());
    let ready = wasip2::io::poll::poll(&[
        &monotonic_clock::subscribe_duration(2_000_000_000),
        &monotonic_clock::subscribe_duration(1_000_000),
    ]);
    see(sights, "which timer is first", ready);
    see(sights, "after the timers", begun.elapsed());
    let timer = monotonic_clock::subscribe_duration(1_000_000_000);
    see(sights, "a timer that is asked", [timer.ready(), timer.ready(), timer.ready()]);
    let mut turns = 0_u64;
    while begun.elapsed() < Duration::from_secs(4) {
        turns += 1;
    }
    see(sights, "turns of a busy wait", turns);
}

/// Where things lie, as a guest that prints pointers would show it.
fn addresses(sights: &mut Vec<Sight>, x: u32) {
    static STILL: u32 = 7;
    let local = black_box(x);
    let on_heap = Box::new(x);
    see(sights, "address of a local", std::ptr::from_ref(&local));
    see(sights, "address of a box", std::ptr::from_ref(&*on_heap));
    see(sights, "address of a static", std::ptr::from_ref(&STILL));
    see(sights, "address of a function", addresses as fn(&mut Vec<Sight>, u32));
    see(sights, "depth of a recursion", deep(2_000));
    let boxes: Vec<Box<[u8]>> = (1..40).map(|size| vec![0; size * 37].into_boxed_slice()).collect();
    see(sights, "addresses of many", boxes.iter().map(|one| one.as_ptr()).collect::<Vec<_>>());
}

#[inline(never)]
fn deep(left: u32) -> u32 {
    let here = black_box([left; 16]);
    if left == 0 { here[0] } else { deep(left - 1) + black_box(here)[1] % 2 }
}

/// What stands in memory that nobody has written, and how memory grows.
fn memory(sights: &mut Vec<Sight>) {
    use core::arch::wasm32::{memory_grow, memory_size};

    let before = memory_size::<0>();
    let grown = memory_grow::<0>(3);
    see(sights, "pages", (before, grown, memory_size::<0>()));
    see(sights, "growth by too much", memory_grow::<0>(65_535));
    let start = grown * 65_536;
    let sum: u64 = (start..start + 3 * 65_536)
        .step_by(8)
        // SAFETY: the pages were grown just now, are this memory's own, and nobody else knows of them.
        .map(|at| unsafe { std::ptr::with_exposed_provenance::<u64>(at).read_volatile() })
        .fold(0, u64::wrapping_add);
    see(sights, "fresh pages", sum);
    let layout = Layout::array::<u8>(300_000).expect("the size is small");
    // SAFETY: the layout has a size. What is read was written by nobody since the allocator had it; any byte is a u8,
    // and it is read as a guest that forgot to write would read it.
    let seen = unsafe {
        let room = std::alloc::alloc(layout);
        let seen = (0..300_000).fold(0_u64, |sum, at| sum * 31 + u64::from(room.add(at).read_volatile()));
        std::alloc::dealloc(room, layout);
        seen
    };
    see(sights, "memory that was not written", seen);
}

fn surroundings(sights: &mut Vec<Sight>) {
    see(sights, "variables", std::env::vars().collect::<Vec<_>>());
    see(sights, "arguments", std::env::args().collect::<Vec<_>>());
    see(sights, "current folder", std::env::current_dir().map_err(|error| error.to_string()));
    see(sights, "root", std::fs::read_dir("/").map(Iterator::count).map_err(|error| error.to_string()));
    see(sights, "processes", std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string()));
    see(sights, "executable", std::env::current_exe().map_err(|error| error.to_string()));
    see(sights, "thread", std::thread::current().id());
    see(sights, "cores", std::thread::available_parallelism().map_err(|error| error.to_string()));
    see(sights, "another thread", std::thread::Builder::new().spawn(|| ()).map(drop).is_ok());
    see(sights, "terminal", (std::io::stdin().is_terminal(), std::io::stdout().is_terminal()));
    let mut input = String::new();
    see(sights, "input", std::io::stdin().read_to_string(&mut input).map_err(|error| error.to_string()));
    see(sights, "input text", input);
    see(sights, "floats in words", (1.0_f64 / 3.0, 1e300_f64.sqrt(), 0.1_f32 + 0.2_f32, 2.0_f64.powf(0.5)));
    see(sights, "sine", (1e6_f64.sin().to_bits(), 0.5_f64.exp().to_bits(), 3.0_f64.ln().to_bits()));
}

export!(Purity);
