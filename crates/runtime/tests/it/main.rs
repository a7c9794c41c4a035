//! Behaviour of the runtime as a whole: the models, the grid, the device, the command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ablation;
mod calibrate;
mod checkpoints;
mod command_line;
mod convert;
mod device;
mod families;
mod grid;
mod hostile;
mod model;
mod reference;
mod sparse;
mod sparsity;
mod storage_count;
mod teacher;
mod twin;
