//! Runs a model within a memory plan: opens it, steps through tokens, samples, reports.
//!
//! The only crate that composes the others. A run is: [`ModelFiles::open`], [`Prepared::new`] (the plan, before
//! anything is loaded), [`Prepared::load`], then [`generate()`] or a [`Session`].
//!
//! ```no_run
//! use flint_engine::{ModelFiles, Prepared, Request, RunOptions, Sampling, generate};
//! use std::ops::ControlFlow;
//!
//! let files = ModelFiles::open("model.flint".as_ref())?;
//! let codec = files.codec()?;
//! let mut engine = Prepared::new(files, RunOptions::default(), None)?.load(&mut |_, _| {})?;
//! let request = Request {
//!     prompt: vec![0],
//!     max_tokens: 20,
//!     sampling: Sampling::greedy(),
//!     stop: None,
//!     ignore_end: false,
//! };
//! let result = generate(&mut engine, codec.as_ref(), &request, &mut |_| ControlFlow::Continue(()))?;
//! assert!(result.tokens.len() <= 20);
//! # Ok::<(), runtime::EngineError>(())
//! ```

mod dense;
mod devices;
mod engine;
mod error;
mod feed_forward;
mod forecast;
mod forecast_report;
mod generate;
mod generated;
mod halt;
mod live;
mod memory;
mod model_files;
mod options;
mod perplexity;
mod plan;
mod predictors;
mod read_ahead;
mod records;
mod sample;
mod session;
mod stats;
mod step;
mod stop;
mod teacher;
mod tensors;
mod text;

pub use devices::{Devices, SystemFiles};
pub use engine::{Engine, Prepared, Progress, available_threads, read_bias};
pub use error::EngineError;
pub use forecast::{Choices, DiskRates, LayerWork, PromptWork, Rates, Work};
pub use forecast_report::{Forecast, ForecastReport};
pub use generate::{Event, Request, generate, generate_live};
pub use generated::{Finish, Generated};
pub use halt::Halt;
pub use live::Live;
pub use memory::{
    Allowance, BadBudget, MemoryBudget, ProcessMemory, allowance, process_memory,
    storage_bytes_read,
};
pub use model_files::{ModelFiles, describe_checkpoint};
pub use options::{Ablation, Guessing, Mode, RunOptions};
pub use perplexity::{Perplexity, perplexity};
pub use plan::{
    Block, BlockLayout, Costs, DenseCosts, DensePlan, DenseTensor, ExactPlan, NeuronPlan, Plan,
    StreamPlan, Widths,
};
pub use predictors::{
    Sparsity, bundled_first_stage, bundled_predictor, read_predictor, sparsities,
};
pub use sample::{Sampler, Sampling};
pub use session::Session;
pub use stats::{PerToken, Stats};
pub use teacher::{Lesson, teacher_force};
pub use tensors::SourceKind;
pub use text::{TextCodec, TextStream};
