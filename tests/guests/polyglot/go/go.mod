module task

go 1.25

require go.bytecodealliance.org/pkg v0.2.2

// The build writes the runtime of the bindings too, so that it needs no module proxy.
replace go.bytecodealliance.org/pkg => ./bindings/runtime
