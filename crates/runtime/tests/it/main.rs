//! Behaviour of the runtime as a whole: the models, the grid, the device, the command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calibrate;
mod checkpoints;
mod command_line;
mod conversions;
mod convert;
mod device;
mod families;
mod grid;
mod growth;
mod manners;
mod memory_group;
mod model;
mod program;
mod reference;
mod sparse;
mod storage_count;
mod surroundings;
mod twin;
mod verify;
