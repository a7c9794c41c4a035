//! Says which neurons of a feed-forward the next token needs: a statement about memory and about quality.
#![doc = include_str!("../README.md")]

mod activity;
mod all_neurons;
mod blob;
mod calibrate;
mod cascade;
mod cats;
mod contribution;
mod error;
mod factors;
mod gate_rows;
mod group;
mod integer;
mod levels;
mod low_rank;
mod oracle;
mod precision;
mod quantized_gate;
mod rank_plan;
mod score;
mod seam;
mod states;
pub mod train;

pub use activity::Activity;
pub use all_neurons::AllNeurons;
pub use blob::BLOB_HEADER;
pub use calibrate::{Calibrated, Curve, calibrate, evaluate};
pub use cascade::{Cascade, CascadeGroup};
pub use cats::{Cats, CatsGroup};
pub use contribution::{
    Contribution, ContributionGroup, Judged, NeuronRows, Strengths, thresholds,
};
pub use error::{BlobFault, PredictorError};
pub use factors::Factors;
pub use gate_rows::GateRows;
pub use group::{ThresholdLayer, ThresholdPredictor};
pub use levels::{Level, LevelledLayer};
pub use low_rank::{LowRank, LowRankGroup};
pub use oracle::{Oracle, OracleGroup};
pub use precision::Precision;
pub use quantized_gate::{QuantizedGate, QuantizedGateLayer};
pub use rank_plan::{DENSE_SHARE, RankPlan, Rung};
pub use score::Score;
pub use seam::Predictor;
pub use states::{HalfStates, States};
