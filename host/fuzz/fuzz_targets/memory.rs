//! Any memory, any address: what a guest returns that means harm is refused, or it is a value of its type.
//! The property is checked by the host, in `sandbox::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = cascade_host::internals::sandbox::fuzzing::memory(input) {
        panic!("{broken}");
    }
});
