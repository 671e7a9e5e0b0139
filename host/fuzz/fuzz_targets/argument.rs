//! Any bytes as a function's argument: refused or handed over as what they are, whatever they are.
//! What must hold stands in the host, in `sandbox::probe`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = cascade_host::sandbox::probe::argument(input) {
        panic!("{broken}");
    }
});
