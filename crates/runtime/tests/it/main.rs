//! Behaviour of the runtime as a whole: the models, the grid, the device, the command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ablation;
mod agreement;
mod calibrate;
mod chat;
mod chat_prompts;
mod checkpoints;
mod command_line;
mod conversions;
mod convert;
mod device;
mod draft_model;
mod experts;
mod families;
mod faults;
mod grid;
mod growth;
mod hostile;
mod manners;
mod memory_group;
mod model;
mod program;
mod reference;
mod seal;
mod serve;
mod sparse;
mod sparsity;
mod stand_in;
mod stops;
mod storage_count;
mod surroundings;
mod teacher;
mod twin;
mod verify;
