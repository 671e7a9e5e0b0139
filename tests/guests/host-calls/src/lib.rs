//! Responsible for calling what the host offers beside WASI: context, progress, logging.
//! Leaves everything that needs none of them to the guest `basic`.

wit_bindgen::generate!({
    path: ["../../../wit/deps/cascade-task", "../../../wit/deps/wasi-logging", "wit"],
    world: "test:host-calls/host-calls",
    generate_all,
});

use cascade::task::context;
use cascade::task::progress;
use wasi::logging::logging;

struct HostCalls;

impl Guest for HostCalls {
    fn log_it(text: String) {
        use logging::Level;
        for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical] {
            logging::log(level, "guest", &text);
        }
    }

    fn progress_steps(n: u32) -> u32 {
        for step in 1..=n {
            progress::report(f64::from(step) / f64::from(n), &format!("step {step} of {n}"));
        }
        n
    }

    fn progress_at(fraction: f64, message: String) {
        progress::report(fraction, &message);
    }

    fn attempt_info() -> Attempt {
        context::current()
    }

    fn flaky(until: u32) -> Result<u32, String> {
        let attempt = context::current().attempt;
        if attempt >= until { Ok(attempt) } else { Err(format!("attempt {attempt} of {until}")) }
    }

    fn flaky_trap(until: u32) -> u32 {
        let attempt = context::current().attempt;
        assert!(attempt >= until, "attempt {attempt} of {until}");
        attempt
    }

    fn is_cancelled() -> bool {
        context::cancelled()
    }

    fn until_cancelled() -> u64 {
        let mut asked = 1;
        while !context::cancelled() {
            std::thread::sleep(std::time::Duration::from_millis(1));
            asked += 1;
        }
        asked
    }
}

export!(HostCalls);
