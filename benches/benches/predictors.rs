//! Predictions of a few layers as wide as those of opt-6.7b, one token: the first stage of a cascade alone, both, and
//! both where a quarter of the neurons is asked about, as a guess does: about that share of opt-6.7b at half of its memory
//! is not there.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use flint_geometry::UnitSet;
use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::Factors;
use flint_predictor::{
    Activity, Cascade, CascadeGroup, GateRows, HalfStates, LowRankGroup, Predictor,
    QuantizedGateLayer, ThresholdLayer,
};

const WIDTH: usize = 4096;
const NEURONS: usize = 16384;
const RANK: usize = 256;

/// Together more than caches hold.
const LAYERS: usize = 8;

/// Tokens that thresholds are set on.
const TOKENS: usize = 8;

/// Sums of [`RANK`] products of numbers in -1..1 have a standard deviation of sqrt(RANK) / 3; a tenth of them is above this.
const ACTIVE_ABOVE: f32 = 1.28 * 16.0 / 3.0;

/// Numbers in -1..1 that look random.
fn numbers(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A layer whose neurons look at the first numbers of a vector alone, so that its first stage knows all of them.
fn layer(compute: &Compute) -> CascadeGroup {
    let outer = numbers(NEURONS * RANK, 1);
    let mut rows = vec![0; NEURONS * WIDTH * 4];
    for (row, outer) in rows.chunks_exact_mut(WIDTH * 4).zip(outer.chunks_exact(RANK)) {
        let (bytes, _) = row.as_chunks_mut::<4>();
        bytes.iter_mut().zip(outer).for_each(|(bytes, number)| *bytes = number.to_le_bytes());
    }
    let view = MatrixView::new(DType::F32, NEURONS, WIDTH, &rows).expect("the sizes agree");
    let deciding = GateRows::new(view, None, Activation::FatRelu(ACTIVE_ABOVE));
    let mut inner = vec![0.0; RANK * WIDTH];
    (0..RANK).for_each(|index| inner[index * WIDTH + index] = 1.0);
    let factors = Factors::new(RANK, inner, outer, vec![0.0; NEURONS]);
    let copy = QuantizedGateLayer::copy(compute, &deciding, CascadeGroup::BITS);
    let mut group = CascadeGroup::new(LowRankGroup::quantise(&factors), copy);
    let mut states = HalfStates::new(WIDTH);
    states.extend(&numbers(TOKENS * WIDTH, 2));
    let activity = Activity::observe(compute, &deciding, &mut states).expect("states in memory");
    group.calibrate(compute, &mut states, &activity, 0..TOKENS, 0.95).expect("states in memory");
    group
}

fn predictions(criterion: &mut Criterion) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let compute = Compute::new(Isa::best(), threads).expect("this machine's own");
    let blob = layer(&compute).to_bytes();
    let blobs = || (0..LAYERS).map(|_| Some(&blob));
    let mut both = Cascade::from_blobs(WIDTH, NEURONS, blobs()).expect("as it was written");
    let mut first = Cascade::first_stage(WIDTH, NEURONS, blobs()).expect("as it was written");
    let mut group = criterion.benchmark_group(format!("prediction of {LAYERS} layers"));
    let mut seed = 3;
    let mut token = || {
        seed += 1;
        numbers(WIDTH, seed)
    };
    let mut sets = [UnitSet::new()];
    let predictors: [(&str, &mut dyn Predictor); 2] =
        [("first stage", &mut first), ("both stages", &mut both)];
    for (name, predictor) in predictors {
        group.bench_function(name, |bencher| {
            let all = |x: Vec<f32>| {
                for layer in 0..LAYERS {
                    predictor
                        .predict(&compute, layer, &x, &mut sets)
                        .expect("a layer of the model");
                }
            };
            bencher.iter_batched(&mut token, all, BatchSize::LargeInput);
        });
    }
    group.bench_function("both stages, a quarter is asked about", |bencher| {
        let some = |x: Vec<f32>| {
            for layer in 0..LAYERS {
                let asked = |neuron: u32| neuron.is_multiple_of(4);
                both.predict_among(&compute, layer, &x, &asked, &mut sets[0])
                    .expect("a layer of the model");
            }
        };
        bencher.iter_batched(&mut token, some, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, predictions);
criterion_main!(benches);
