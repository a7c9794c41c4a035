//! What a pool promises to threads that share it, seen from outside.

mod interleavings;
mod threads;
