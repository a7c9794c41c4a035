//! Time and memory of training the predictor of one layer of a given size, on states made up to be low rank
//! plus noise: what a large model will take, without the model.

use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::train::{FineTuning, Regression, fine_tune};
use flint_predictor::{Activity, GateRows, HalfStates, LowRankGroup, calibrate};
use half::f16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::ops::ControlFlow;
use std::time::Instant;

/// Size of the layer.
#[derive(Debug, clap::Args)]
pub struct TrainLayerArgs {
    /// Width of the hidden state
    #[arg(long, default_value_t = 4096)]
    width: usize,
    /// Neurons
    #[arg(long, default_value_t = 16384)]
    neurons: usize,
    /// Tokens of calibration text
    #[arg(long, default_value_t = 32768)]
    tokens: usize,
    /// Rank of the predictor
    #[arg(long, default_value_t = 256)]
    rank: usize,
    /// Passes over the tokens
    #[arg(long, default_value_t = 4)]
    epochs: usize,
    /// Layers of the model, for the forecast
    #[arg(long, default_value_t = 32)]
    layers: usize,
}

/// Directions in which the made-up states vary most.
const DIRECTIONS: usize = 64;

/// Trains one layer and returns what it took, as lines of text.
///
/// # Errors
/// When training fails.
pub fn train_layer(args: &TrainLayerArgs) -> anyhow::Result<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let compute = Compute::new(Isa::best(), threads)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let rows: Vec<u8> = (0..args.neurons * args.width)
        .flat_map(|_| f16::from_f32(next(&mut random) / (args.width as f32).sqrt()).to_le_bytes())
        .collect();
    // A negative bias leaves a few percent active, as in OPT.
    let bias = vec![-1.2; args.neurons];
    let view = MatrixView::new(DType::F16, args.neurons, args.width, &rows)?;
    let deciding = GateRows::new(view, Some(&bias), Activation::Relu);
    let mut states = made_up_states(args, &mut random);

    let mut took = Vec::new();
    let mut clock = Instant::now();
    let mut lap = |what: &str| {
        took.push(format!("{what:<12} {:.1} s", clock.elapsed().as_secs_f64()));
        clock = Instant::now();
    };
    let started = Instant::now();
    let activity = Activity::observe(&compute, &deciding, &mut states)?;
    lap("observe");
    let (train, held) = (0..args.tokens * 8 / 10, args.tokens * 8 / 10..args.tokens * 9 / 10);
    let regression =
        Regression::fit(&compute, &deciding, &mut states, train.clone(), args.rank, 0)?;
    lap("regression");
    let how = FineTuning { epochs: args.epochs, ..FineTuning::default() };
    let start = regression.factors(args.rank.min(regression.rank()));
    let each = &mut |_| ControlFlow::Continue(());
    let trained = fine_tune(&compute, &start, &mut states, &activity, train, held, &how, each)?;
    lap(&format!("{} epochs", args.epochs));
    let mut group = LowRankGroup::quantise(&trained.factors);
    let rest = args.tokens * 9 / 10..args.tokens;
    let found = calibrate(&compute, &mut group, &mut states, &activity, rest, how.recall)?;
    lap("calibrate");
    let layer = started.elapsed().as_secs_f64();
    took.push(format!(
        "one layer    {layer:.1} s, peak memory {} MB",
        flint_engine::process_memory().peak / 1_000_000
    ));
    took.push(format!("{} layers    {:.0} min", args.layers, layer * args.layers as f64 / 60.0));
    let (recall, over) = (found.score.recall(), found.score.predicted_per_active());
    took.push(format!("made-up states: recall {recall:.3}, {over:.2} predicted per active"));
    Ok(took.join("\n"))
}

/// Tokens x width numbers that vary mostly in a few directions.
fn made_up_states(args: &TrainLayerArgs, random: &mut ChaCha8Rng) -> HalfStates {
    let mut states = HalfStates::new(args.width);
    let directions: Vec<f32> = (0..DIRECTIONS * args.width).map(|_| next(random)).collect();
    let mut row = vec![0.0; args.width];
    for _ in 0..args.tokens {
        row.iter_mut().for_each(|number| *number = next(random) * 0.3);
        for direction in directions.chunks_exact(args.width) {
            let weight = next(random) / (DIRECTIONS as f32).sqrt();
            row.iter_mut().zip(direction).for_each(|(number, d)| *number += weight * d);
        }
        states.extend(&row);
    }
    states
}

/// A number of mean zero and variance one, evenly spread.
fn next(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() as f32 / u32::MAX as f32 - 0.5) * 12f32.sqrt()
}
