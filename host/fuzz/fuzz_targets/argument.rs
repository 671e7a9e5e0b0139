//! Fuzz target: any bytes as an argument of a function are an error, or a value that the guest gets unchanged.
//! `sandbox::fuzzing` in the host checks the property.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(violation) = cascade_host::internals::sandbox::fuzzing::argument(input) {
        panic!("{violation}");
    }
});
