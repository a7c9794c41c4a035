//! Making a low-rank predictor: a regression of the rows that decide, then training on what is active.

mod eigen;
mod fine_tune;
mod linear;
mod loss;
mod random;
mod regression;

pub use eigen::{Eigen, symmetric_eigen};
pub use fine_tune::{Epoch, FineTuning, Trained, fine_tune};
pub use loss::BalancedLoss;
pub use regression::Regression;
