//! The engine from outside: plans made by hand, a scripted invoker, the memory ledger, paused time.
//! Parsing, typing and sandboxes are tested where they stand.

mod draft;
mod fixture;
mod flow;
mod skipping;
mod for_each;
mod retries;
mod resources;
mod caching;
mod verifying;
mod stopping;
mod sharing;
mod backends;
mod properties;
