//! Responsible for steps that a task repeats, fed by their own results.
//! Leaves to the host how often that happens.

wit_bindgen::generate!({
    path: ["../../../wit/deps/cascade-task", "wit"],
    world: "test:repeat/repeat",
    generate_all,
});

struct Repeat;

impl Guest for Repeat {
    fn step(tally: Tally, until: u32, held: Option<u32>) -> Stepped {
        let stepped = next(tally, until);
        println!("step {}", stepped.count);
        if held == Some(stepped.count) {
            let gate = held.unwrap_or_default().to_string();
            while std::fs::read(&gate).is_err() {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        stepped
    }

    fn fail_at(tally: Tally, at: u32) -> Result<Stepped, String> {
        let stepped = next(tally, u32::MAX);
        if stepped.count == at { Err(format!("no step {at}")) } else { Ok(stepped) }
    }

    fn careful(tally: Tally, until: u32) -> Result<Stepped, String> {
        let attempt = cascade::task::context::current();
        if attempt.attempt == 1 {
            return Err("not at the first attempt".to_owned());
        }
        let mut stepped = next(tally, until);
        stepped.words.push(attempt.idempotency_key);
        Ok(stepped)
    }

    fn halve(
        state: Halving,
        until: u32,
        attempts: Option<u32>,
        refused: Option<u32>,
    ) -> Result<Halved, String> {
        if attempts.is_some_and(|attempts| cascade::task::context::current().attempt < attempts) {
            return Err("not at this attempt".to_owned());
        }
        if refused == Some(state.number % 8) {
            return Err(format!("{} is refused", state.number));
        }
        let number = state.number / 2;
        Ok(Halved { number, steps: state.steps + 1, done: number <= until })
    }

    fn double(text: String) -> String {
        text.repeat(2)
    }
}

fn next(tally: Tally, until: u32) -> Stepped {
    let count = tally.count + 1;
    Stepped { count, words: tally.words, done: count >= until }
}

export!(Repeat);
