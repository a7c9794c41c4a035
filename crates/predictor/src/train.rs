//! Making a low-rank predictor: a regression of the rows that decide, then training on what is active.

mod eigen;
#[cfg(feature = "train")]
mod fine_tune;
mod linear;
#[cfg(feature = "train")]
mod loss;
mod random;
mod regression;

pub use eigen::{Eigen, symmetric_eigen};
#[cfg(feature = "train")]
pub use fine_tune::{Epoch, FineTuning, Trained, fine_tune};
#[cfg(feature = "train")]
pub use loss::BalancedLoss;
pub use regression::Regression;
