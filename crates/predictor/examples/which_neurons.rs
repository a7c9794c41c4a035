//! Which neurons of a layer a vector needs, by a copy of the layer's rows in four bits, beside the truth.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_geometry::UnitSet;
use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::{
    Activity, GateRows, HalfStates, Predictor, QuantizedGate, QuantizedGateLayer, ThresholdLayer,
    calibrate,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (width, neurons, compute) = (64, 256, Compute::new(Isa::best(), 2)?);
    let number = |index: usize| ((index * index * 31 + index * 17) % 257) as f32 / 128.0 - 1.2;
    let rows: Vec<u8> = (0..neurons * width).flat_map(|i| number(i).to_le_bytes()).collect();
    let rows = MatrixView::new(DType::F32, neurons, width, &rows)?;
    let deciding = GateRows::new(rows, None, Activation::Relu);
    // Inputs of 300 tokens: which neurons are truly active, and a threshold that finds 99 % of them.
    let mut states = HalfStates::new(width);
    states.extend(&(0..300 * width).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>());
    let activity = Activity::observe(&compute, &deciding, &mut states)?;
    let mut group = QuantizedGateLayer::copy(&compute, &deciding, 4);
    let found = calibrate(&compute, &mut group, &mut states, &activity, 0..300, 0.99)?;
    println!("recall {:.3}", found.score.recall());

    let mut predictor = QuantizedGate::from_blobs(width, neurons, [Some(group.to_bytes())])?;
    let input: Vec<f32> = (0..width).map(|i| (i as f32 * 0.37 + 5.0).sin()).collect();
    let mut sets = vec![UnitSet::new()];
    predictor.predict(&compute, 0, &input, &mut sets)?;
    println!("{} of {neurons} neurons: {:?}", sets[0].len(), sets[0].as_slice());
    Ok(())
}
