//! Says which neurons of a feed-forward the next token needs.
//!
//! A [`Predictor`] looks at the vector that the up projection is about to multiply and names the neurons
//! whose activation will not be zero. What it leaves out is not computed, so a predictor is also a
//! statement about quality: see [`Score`].
//!
//! ```
//! use flint_geometry::NeuronSet;
//! use flint_kernels::{Compute, Isa};
//! use flint_predictor::{Everything, Predictor};
//!
//! let compute = Compute::new(Isa::best(), 1).unwrap();
//! let mut sets = vec![NeuronSet::new()];
//! Everything::new(vec![3]).predict(&compute, 0, &[0.5, -0.5], &mut sets).unwrap();
//! assert_eq!(sets[0].as_slice(), [0, 1, 2]);
//! ```

mod everything;
mod oracle;
mod score;
mod seam;

pub use everything::Everything;
pub use oracle::{Oracle, OracleGroup};
pub use score::Score;
pub use seam::{Predictor, PredictorError};
