//! Any bytes as a function's argument: refused or handed over as what they are, whatever they are.
//! What must hold stands in the host, in `sandbox::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = cascade_host::sandbox::fuzzing::argument(input) {
        panic!("{broken}");
    }
});
