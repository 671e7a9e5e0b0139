//! Fuzz target: a result in any guest memory, at any address, is an error, or a value of its type.
//! `sandbox::fuzzing` in the host checks the property.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(violation) = cascade_host::internals::sandbox::fuzzing::memory(input) {
        panic!("{violation}");
    }
});
