//! Behaviour of the runtime as a whole: the models, the grid, the faults, the command line.

mod families;
