//! Says which neurons of a feed-forward the next token needs: a statement about memory and about quality.
#![doc = include_str!("../README.md")]

mod activity;
mod blob;
mod calibrate;
mod cascade;
mod cats;
mod deciding;
mod error;
mod everything;
mod factors;
mod gate_copy;
mod group;
mod integer;
mod low_rank;
mod oracle;
mod precision;
mod rank_plan;
mod score;
mod seam;
mod states;
pub mod train;

pub use activity::Activity;
pub use blob::BLOB_HEADER;
pub use calibrate::{Calibrated, Curve, calibrate, evaluate};
pub use cascade::{Cascade, CascadeGroup};
pub use cats::{Cats, CatsGroup, Level, Strengths};
pub use deciding::Deciding;
pub use error::{BlobFault, PredictorError};
pub use everything::Everything;
pub use factors::Factors;
pub use gate_copy::{GateCopy, GateCopyGroup};
pub use group::{Scored, ScoredGroup};
pub use low_rank::{LowRank, LowRankGroup};
pub use oracle::{Oracle, OracleGroup};
pub use precision::Precision;
pub use rank_plan::{DENSE_SHARE, RankPlan, Rung};
pub use score::Score;
pub use seam::Predictor;
pub use states::{HalfStates, States};
