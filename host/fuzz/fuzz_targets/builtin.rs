//! Fuzz target: any bytes as the arguments of any built-in task are an error, or give what its plain reading gives.
//! `builtin::fuzzing` in the host checks the property.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(violation) = cascade_host::internals::builtin::fuzzing::call(input) {
        panic!("{violation}");
    }
});
