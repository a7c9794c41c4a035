//! What all interfaces share: reading requests and saying what is wrong with them.

mod body;
mod fields;
mod guard;
mod paths;
mod problem;

pub(crate) use body::{Bodies, LONGEST as LONGEST_BODY};
pub(crate) use fields::Fields;
pub(crate) use guard::Guard;
pub(crate) use paths::tidied;
pub(crate) use problem::{Problem, ok};
