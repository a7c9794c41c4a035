//! Runs a model within a memory plan: opens it, steps through tokens, samples, reports.
#![doc = include_str!("../README.md")]

mod cancel;
mod chat_texts;
mod checksum;
mod dense;
mod devices;
mod draft;
mod drafting;
mod engine;
mod error;
mod expert_units;
mod feed;
mod feed_forward;
mod forecast;
mod forecast_report;
mod generate;
mod generated;
mod live;
mod memory;
mod meter;
mod model_files;
mod observe;
mod observed;
mod options;
mod pages;
mod perplexity;
mod plan;
mod predictors;
mod read_ahead;
mod reads;
mod records;
mod sample;
mod seal;
mod sequence;
mod sequences;
mod stats;
mod step;
mod stop;
mod substitute;
mod teacher;
mod tensors;
mod text;
mod threads;
mod touch;
mod unused;

pub use cancel::CancelToken;
pub use chat_texts::ChatTexts;
pub use devices::{Devices, SystemFiles};
pub use draft::{Choose, DraftChoice, DraftRequest, DraftState, MOST_DRAFTED};
pub use drafting::DraftedPass;
pub use engine::{Engine, Needs, PlannedEngine, Progress, needs, read_bias};
pub use error::EngineError;
pub use forecast::{Choices, DiskRates, LayerWork, PromptWork, Rates, Work};
pub use forecast_report::{Forecast, ForecastReport};
pub use generate::{Controls, Event, Request, generate, generate_on};
pub use generated::{Finish, Generated};
pub use live::ProgressHandle;
pub use memory::{
    Allowance, BadBudget, MemoryBudget, ProcessMemory, allowance, process_memory,
    storage_bytes_read,
};
pub use model_files::{
    GGUF_TOKENIZER, OpenModel, checkpoint_tokenizer, describe_checkpoint, describe_gguf_file,
};
pub use observed::{Counts, LayerHeld, LayerPass};
pub use options::{Ablation, DEFAULT_ARITHMETIC, Mode, Prefetching, RunOptions};
pub use perplexity::{Perplexity, RunningMean, each_foreseen, negative_log_likelihood, perplexity};
pub use plan::{
    Block, BlockLayout, Costs, DenseCosts, DensePlan, DenseTensor, ExactPlan, ExpertClass,
    ExpertCosts, ExpertPlan, NeuronPlan, NoSubstitute, Plan, StreamPlan, SubstitutePlan, Widths,
};
pub use predictors::{
    Sparsity, bundled_first_stage, bundled_predictor, read_predictor, sparsities,
};
pub use sample::{Sampler, Sampling};
pub use sequence::Sequence;
pub use stats::{DraftStats, PerToken, Stats};
pub use step::StepOutput;
pub use stop::StopTexts;
pub use substitute::store_copies;
pub use teacher::{ForcedDecode, ForcedDrafts, teacher_force};
pub use tensors::{STORED_COPIES, SourceKind, remove_stored_copies};
pub use text::{PromptPart, TextStream, Tokenizer};
pub use threads::available_threads;
pub use unused::UnusedTensors;
