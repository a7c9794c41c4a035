//! What was measured when the predictors were calibrated. Numbers are kept as they were measured.

/// Results of a calibration run.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Tokens measured.
    pub tokens: u64,
    /// One result per group.
    pub groups: Vec<GroupCalibration>,
    /// Perplexity on the held-out text in exact mode; `None` when it was not measured.
    pub perplexity_exact: Option<f64>,
    /// Perplexity on the same text in sparse mode; `None` when it was not measured.
    pub perplexity_sparse: Option<f64>,
    /// Neurons loaded per token, at several cache sizes.
    pub loads_per_token: Vec<LoadsPerToken>,
}

/// Results of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupCalibration {
    /// Truly active neurons per token, on average.
    pub active_mean: f32,
    /// Predicted neurons per token, on average.
    pub predicted_mean: f32,
    /// Share of the active neurons that were predicted, 0 to 1.
    pub recall: f32,
    /// Share of the predicted neurons that were active, 0 to 1.
    pub precision: f32,
    /// The neurons active most often, hottest first; none twice.
    pub hot: Vec<u32>,
}

/// Loads measured at one cache size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadsPerToken {
    /// Slots of the cache.
    pub slots: u64,
    /// Neurons loaded per token, on average.
    pub loads: f64,
}
