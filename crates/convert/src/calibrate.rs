//! Predictors for a bundle: collects what each layer sees over a text, trains, calibrates, measures, stores.
//!
//! Each stage takes a number of tokens that ends in bounded time, which is said before.
//!
//! Everything is kept per layer in a work directory beside the bundle, so that memory stays bounded by one
//! layer and all predictors, and an interrupted run goes on where it stopped. The weights are never rewritten.

mod amounts;
mod collect;
mod contribution;
mod error;
mod forecast;
mod harm;
mod layer;
mod measure;
mod quality;
mod states;
mod train;
mod work;

pub use error::CalibrateError;
pub use measure::load_curve;

use amounts::Amounts;
use flint_bundle::{Bundle, replace_predictors};
use flint_engine::{CancelToken, EngineError, OpenModel, Sparsity};
use flint_kernels::{Compute, Isa};
use flint_predictor::{
    CascadeGroup, ContributionGroup, LowRankGroup, QuantizedGateLayer, ThresholdLayer,
};
use std::ops::Range;
use std::path::PathBuf;
use train::Training;
use work::WorkDirectory;

/// How predictors are made.
#[derive(Debug, Clone)]
pub struct CalibrateOptions {
    /// The bundle; its predictors are replaced.
    pub bundle: PathBuf,
    /// Which kind.
    pub kind: PredictorKind,
    /// Tokens of the text that are collected, at most: [`CALIBRATION_TOKENS`] when `None`, or for thresholds as many as a
    /// bounded amount of arithmetic allows (1024 to 8192).
    pub tokens: Option<usize>,
    /// Tokens that each measurement of quality foresees, at most; when `None` as many as a bounded amount of arithmetic
    /// allows (512 to 16384).
    pub quality_tokens: Option<usize>,
    /// Compute threads; one per core that this process may use when `None`.
    pub threads: Option<usize>,
    /// Predictors take at most this share of the bytes of the neurons; the copy of a cascade comes on top, an eighth of
    /// them, or a twelfth in gated models.
    pub share: f64,
    /// Share of the active neurons that each layer must find, on text it was not trained on.
    pub recall: f64,
    /// For models whose activations are never zero: the shares of neurons to make thresholds for, ascending.
    pub sparsities: Vec<f32>,
    /// Ends it early when asked: what was collected and trained until then stays for the next time.
    pub cancel: CancelToken,
}

/// Tokens that are collected unless asked otherwise: a compromise, for twice as many take twice the time. (On one
/// layer of tiny-opt, 73 k tokens predicted 2.25 neurons per active one where 32 k predicted 2.49.)
pub const CALIBRATION_TOKENS: usize = 32_768;

impl CalibrateOptions {
    /// What convert does unless asked otherwise.
    pub fn new(bundle: PathBuf) -> CalibrateOptions {
        CalibrateOptions {
            bundle,
            kind: PredictorKind::default(),
            tokens: None,
            quality_tokens: None,
            threads: None,
            // On tiny-opt, at 99 % recall, 6 % predict 2.4 neurons per active one, 8 % 1.6, 12 % 1.2.
            share: 0.08,
            recall: 0.99,
            sparsities: Vec::new(),
            cancel: CancelToken::default(),
        }
    }
}

/// What predictors take.
struct Sizes {
    /// Share of the bytes of the neurons that is trained.
    trained: f64,
    /// Bytes of all predictors, at most.
    bytes: f64,
}

impl CalibrateOptions {
    fn sizes(&self, files: &OpenModel) -> Result<Sizes, CalibrateError> {
        let shape = files.bundle()?.shape();
        let (width, neurons) = (shape.record.width(), shape.neurons as usize);
        if !self.sparsities.is_empty() {
            let gated = shape.record.is_gated();
            let copies = ContributionGroup::bytes_of(width, neurons, gated);
            return Ok(Sizes { trained: 0.0, bytes: (copies * u64::from(shape.layers)) as f64 });
        }
        let (trained, copy) = match self.kind {
            PredictorKind::Cascade => {
                let copy = QuantizedGateLayer::bytes_of(width, neurons, CascadeGroup::BITS);
                (self.share * train::FIRST_STAGE, copy * u64::from(shape.layers))
            }
            PredictorKind::LowRank | PredictorKind::QuantizedGate => (self.share, 0),
        };
        Ok(Sizes { trained, bytes: shape.neuron_bytes() as f64 * trained + copy as f64 })
    }
}

/// The kinds of predictors that convert makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PredictorKind {
    /// Two small matrices per layer, trained.
    LowRank,
    /// The rows that decide, in few bits; not trained.
    QuantizedGate,
    /// A smaller low-rank predictor names candidates, a copy in four bits tells which of them are active: the fastest at
    /// the same quality (docs/results/predictors-tiny-opt.md, docs/results/paper-scale.md).
    #[default]
    Cascade,
}

impl PredictorKind {
    /// All of them.
    pub const ALL: [PredictorKind; 3] =
        [PredictorKind::LowRank, PredictorKind::QuantizedGate, PredictorKind::Cascade];

    /// Its name on the command line and in a bundle.
    pub fn name(self) -> &'static str {
        match self {
            PredictorKind::LowRank => LowRankGroup::KIND,
            PredictorKind::QuantizedGate => QuantizedGateLayer::KIND,
            PredictorKind::Cascade => CascadeGroup::KIND,
        }
    }
}

impl std::str::FromStr for PredictorKind {
    type Err = String;

    fn from_str(text: &str) -> Result<PredictorKind, String> {
        let found = PredictorKind::ALL.into_iter().find(|kind| kind.name() == text);
        let names = PredictorKind::ALL.map(PredictorKind::name).join(", ");
        found.ok_or_else(|| format!("unknown predictor '{text}': expected one of {names}"))
    }
}

/// The stages of a calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What each layer sees over the text.
    Collect,
    /// What each layer's neurons weigh beside those of others, where thresholds are set.
    Weigh,
    /// Predictors are trained, or thresholds judged.
    Train,
    /// Quality is measured.
    Measure,
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CalibrateEvent {
    /// Before anything is written.
    Planned {
        /// Tokens that will be collected.
        tokens: usize,
        /// Tokens that each measurement of quality will foresee.
        quality_tokens: usize,
        /// Bytes of disk that the work directory will take.
        disk_bytes: u64,
        /// Bytes of memory that training one layer takes, about.
        memory_bytes: u64,
        /// Seconds that each stage will take at the measured rate of this machine, about.
        stages: Vec<(Stage, f64)>,
    },
    /// Work of a stage was done.
    Progress {
        /// Which.
        stage: Stage,
        /// Tokens done, over all layers or measurements.
        done: u64,
        /// In all.
        total: u64,
    },
    /// A layer's states were collected, or found from an earlier run.
    Collected {
        /// Layers done.
        done: usize,
        /// Layers in all.
        layers: usize,
    },
    /// A layer's predictor was trained and calibrated.
    Trained {
        /// Layers done.
        done: usize,
        /// Layers in all.
        layers: usize,
        /// What it predicts on text it was not trained on.
        report: LayerReport,
    },
    /// Perplexity was measured in one mode.
    Measured {
        /// `exact` or `sparse`.
        mode: &'static str,
        /// The perplexity.
        perplexity: f64,
        /// Half of the interval of 95 % confidence of its logarithm.
        margin: f64,
        /// Tokens that were foreseen.
        tokens: usize,
    },
    /// Perplexity was measured with a share of the neurons left out.
    Cost(Sparsity),
}

/// What the predictor of a layer does on text that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerReport {
    /// The layer.
    pub layer: usize,
    /// Its rank, or bits; 0 when the layer is read whole.
    pub size: usize,
    /// Bytes of the predictor.
    pub bytes: u64,
    /// Share of the active neurons that was predicted.
    pub recall: f64,
    /// Neurons predicted for each active one.
    pub predicted_per_active: f64,
}

/// Which tokens serve what.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    train: Range<usize>,
    held_out: Range<usize>,
    calibration: Range<usize>,
}

impl Split {
    /// Four fifths to train on, the others to compare on and to set thresholds on.
    fn of(tokens: usize) -> Split {
        let (train, held_out) = (tokens * 8 / 10, tokens * 9 / 10);
        Split { train: 0..train, held_out: train..held_out, calibration: held_out..tokens }
    }

    /// Half to set thresholds on, half to judge them: nothing is trained.
    fn for_thresholds(tokens: usize) -> Split {
        let half = tokens / 2;
        Split { train: 0..half, held_out: half..tokens, calibration: tokens..tokens }
    }

    /// How many of the first tokens nothing is to be measured on.
    fn used(&self, for_thresholds: bool) -> usize {
        if for_thresholds { self.train.end } else { self.held_out.end }
    }
}

/// Fewest tokens that say anything about thresholds.
const LEAST_TOKENS: usize = 256;

/// Makes predictors for a bundle over `text` (tokens without marks around them) and stores them in it, with
/// what they cost in quality on the part of the text that nothing was trained on. For a model without exact zeros
/// they are thresholds for the sparsities asked for.
///
/// # Errors
/// When the text is too short, the model has no exact zeros to foresee and no sparsity was asked for (or has them
/// and one was), or a file cannot be read or written. The bundle is then as it was.
pub fn calibrate(
    options: &CalibrateOptions,
    text: &[u32],
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<Bundle, CalibrateError> {
    let files = OpenModel::open(&options.bundle)?;
    let activation = files.architecture().feed_forward.activation;
    let for_thresholds = !options.sparsities.is_empty();
    match (activation.is_sparse(), for_thresholds) {
        (false, false) => {
            return Err(CalibrateError::NothingToPredict { activation: format!("{activation:?}") });
        }
        (true, true) => {
            return Err(
                EngineError::SparsityOfZeros { activation: format!("{activation:?}") }.into()
            );
        }
        _ => {}
    }
    files.check_tokens(text)?;
    let amounts = Amounts::of(options, &files);
    let tokens = &text[..text.len().min(amounts.collected)];
    if tokens.len() < LEAST_TOKENS {
        return Err(EngineError::TextTooShort { tokens: tokens.len(), needed: LEAST_TOKENS }.into());
    }
    let threads = options.threads.unwrap_or_else(flint_engine::available_threads);
    let compute = Compute::new(Isa::best(), threads)?;
    let split = match for_thresholds {
        true => Split::for_thresholds(tokens.len()),
        false => Split::of(tokens.len()),
    };
    let unseen = amounts.unseen(text, split.used(for_thresholds));
    let foreseen = forecast::forecast(options, &files, (tokens.len(), unseen.len()), &compute)?;
    listen(CalibrateEvent::Planned {
        tokens: tokens.len(),
        quality_tokens: unseen.len(),
        disk_bytes: foreseen.disk_bytes,
        memory_bytes: foreseen.memory_bytes,
        stages: foreseen.stages,
    });
    let work = WorkDirectory::open(options, &files, tokens)?;
    collect::collect(&files, &work, tokens, &compute, &options.cancel, listen)?;
    let training =
        Training { options, files: &files, work: &work, split: &split, compute: &compute };
    let bundle = match for_thresholds {
        true => contribution::make(&training, tokens, unseen, listen)?,
        false => predictors(&training, unseen, listen)?,
    };
    work.remove();
    Ok(bundle)
}

/// Trains predictors of exact zeros and stores them.
fn predictors(
    training: &Training<'_>,
    unseen: &[u32],
    listen: &mut dyn FnMut(CalibrateEvent),
) -> Result<Bundle, CalibrateError> {
    let options = training.options;
    let made = training.run(listen)?;
    let mut calibration = training.measure(&made)?;
    let kind = options.kind.name();
    let blobs = || made.iter().map(|layer| layer.blob.as_deref());
    still_the_same(training.files)?;
    replace_predictors(&options.bundle, kind, blobs(), Some(calibration.clone()))?;
    measure::perplexity(options, unseen, &mut calibration, listen)?;
    still_the_same(training.files)?;
    Ok(replace_predictors(&options.bundle, kind, blobs(), Some(calibration))?)
}

/// Refuses to give predictors to a bundle whose weights somebody replaced meanwhile: the name of a data file
/// belongs to its contents.
fn still_the_same(files: &OpenModel) -> Result<(), CalibrateError> {
    let now = OpenModel::open(files.bundle()?.dir())?;
    let (now, then) = (now.bundle()?, files.bundle()?);
    let data = |bundle: &Bundle| [bundle.neurons_path(), bundle.dense_path()];
    if data(now) == data(then) {
        return Ok(());
    }
    Err(CalibrateError::BundleReplaced { path: then.dir().to_owned() })
}
