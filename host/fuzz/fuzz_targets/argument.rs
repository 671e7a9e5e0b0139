//! Any bytes as a function's argument: refused or handed over as what they are, whatever they are.
//! The property is checked by the host, in `sandbox::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = cascade_host::internals::sandbox::fuzzing::argument(input) {
        panic!("{broken}");
    }
});
