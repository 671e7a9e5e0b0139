//! Selection of the cases of a benchmark: those that the command line names, or all.
//! The benchmarks define the cases.

/// Runs the cases that the command line names, or all: `cargo bench -p cascade-host --features internals --bench NAME
/// -- CASE…`.
pub(crate) fn run_chosen(cases: &[(&str, fn())]) {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let unknown = chosen.iter().find(|word| !cases.iter().any(|(name, _)| name == word));
    assert!(unknown.is_none(), "there is no case {unknown:?}");
    for (name, run) in cases {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            run();
        }
    }
}
