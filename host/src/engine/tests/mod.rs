//! Tests of the engine from outside: plans built by hand, a scripted invoker, the memory ledger, paused time.
//! Parsing, typing and sandboxes have tests of their own beside them.

mod draft;
mod fixture;
mod flow;
mod skipping;
mod for_each;
mod repeating;
mod retries;
mod deadlines;
mod reserving;
mod resources;
mod caching;
mod commands;
mod updating;
mod verifying;
mod stopping;
mod sharing;
mod backends;
mod properties;
