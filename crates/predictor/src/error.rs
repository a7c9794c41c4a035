//! Everything a predictor can refuse: what it is asked, what it is made of, what it is trained on.

use std::io;

/// Why a predictor cannot be made or cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictorError {
    /// There is no such group.
    #[error("the predictor knows {known} groups, asked for group {group}")]
    UnknownGroup {
        /// The group asked for.
        group: usize,
        /// How many it knows.
        known: usize,
    },
    /// The input has another size than the positions asked for.
    #[error("the predictor got {got} numbers for {positions} positions of width {width}")]
    InputSize {
        /// Numbers given.
        got: usize,
        /// Positions asked for.
        positions: usize,
        /// Width of one position.
        width: usize,
    },
    /// What neurons add that were not named was asked for where they had not been named before.
    #[error(
        "group {group} of the predictor was not asked about these {positions} positions before"
    )]
    OtherPositions {
        /// The group asked for.
        group: usize,
        /// Positions asked for.
        positions: usize,
    },
    /// Rows that are not a matrix.
    #[error("the rows of a predictor are not a matrix: {cause}")]
    Rows {
        /// What is wrong with them.
        cause: String,
    },
    /// A stored predictor is malformed.
    #[error("the predictor of group {group}: {fault}: retrain with --predictors-only")]
    Blob {
        /// The group it is for.
        group: usize,
        /// What is wrong with it.
        fault: BlobFault,
    },
    /// A sparsity that a group was not calibrated for.
    #[error("the predictor of group {group} has no threshold for sparsity {sparsity}")]
    NoLevel {
        /// The group.
        group: usize,
        /// The sparsity asked for.
        sparsity: f32,
    },
    /// Groups that say different things about the whole model.
    #[error("the predictor of group {group} tells another perplexity than those before it")]
    LevelsDisagree {
        /// The first group that does.
        group: usize,
    },
    /// The caller cannot give back the states that it collected.
    #[error("cannot read the collected states at token {token}: {cause}")]
    States {
        /// First token asked for.
        token: usize,
        /// What the system said.
        cause: io::Error,
    },
    /// The training framework refused.
    #[error("training a predictor: {0}")]
    Training(Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(feature = "train")]
impl From<candle_core::Error> for PredictorError {
    fn from(error: candle_core::Error) -> PredictorError {
        PredictorError::Training(Box::new(error))
    }
}

/// What is wrong with the bytes of a stored predictor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobFault {
    /// It is too short for its fixed part.
    #[error("{got} bytes are too few for a header of {expected}")]
    Header {
        /// Bytes of the fixed part.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// It starts with other bytes.
    #[error("it starts with {got:02x?}, expected {expected:02x?}")]
    Magic {
        /// What such a blob starts with.
        expected: [u8; 4],
        /// What this one starts with.
        got: [u8; 4],
    },
    /// A later version wrote it.
    #[error("it has version {got}, this program reads version {expected}")]
    Version {
        /// The version that is read.
        expected: u32,
        /// The version it has.
        got: u32,
    },
    /// A size that does not fit the model, or that no predictor has.
    #[error("{field} is {got}, expected {least} to {most}")]
    Size {
        /// Which size.
        field: &'static str,
        /// The smallest that is possible here.
        least: u32,
        /// The largest that is possible here.
        most: u32,
        /// What it says.
        got: u32,
    },
    /// Its length is not what its sizes ask for.
    #[error("it has {got} bytes, its sizes ask for {expected}")]
    Length {
        /// Bytes that the sizes ask for.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// Levels of sparsity that cannot be.
    #[error(
        "its levels do not ascend between 0 and 1, or hold what no threshold, share or perplexity is"
    )]
    Levels,
    /// A number that is infinite or none.
    #[error("number {index} of {field} is not finite")]
    NotFinite {
        /// Which list of numbers.
        field: &'static str,
        /// Place in the list.
        index: usize,
    },
}
