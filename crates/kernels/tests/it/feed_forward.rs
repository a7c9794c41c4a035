//! The sparse feed-forward: against its definition, in the order of the contract, on every path.

use crate::blocks::{self, QUANTISED, stored};
use crate::twin::{ELEMENTS, assert_close, bits, contract_dot, decode, encode, every, numbers};
use crate::twin::{dot, scalar};
use flint_kernels::{Activation, Compute, DType, RecordLayout, accumulate_down, activate};
use proptest::prelude::*;

const ACTIVATIONS: [Activation; 4] =
    [Activation::Relu, Activation::SquaredRelu, Activation::FatRelu(0.1), Activation::Silu];

/// Some neurons, scattered in memory, and tokens to run through them.
struct Case {
    layout: RecordLayout,
    activation: Activation,
    memory: Vec<Vec<u8>>,
    gate_bias: Option<Vec<f32>>,
    up_bias: Option<Vec<f32>>,
    x: Vec<f32>,
}

impl Case {
    fn new(layout: RecordLayout, activation: Activation, records: usize, tokens: usize) -> Case {
        let memory = |record: usize| {
            let numbers = numbers(layout.rows() * layout.width(), record as u64 + 10);
            encode(layout.element(), &numbers)
        };
        let biased = records.is_multiple_of(2);
        Case {
            layout,
            activation,
            memory: (0..records).map(memory).collect(),
            gate_bias: (biased && layout.is_gated()).then(|| numbers(records, 1)),
            up_bias: biased.then(|| numbers(records, 2)),
            x: numbers(tokens * layout.width(), 3),
        }
    }

    fn records(&self) -> Vec<&[u8]> {
        self.memory.iter().map(Vec::as_slice).collect()
    }

    fn tokens(&self) -> usize {
        self.x.len() / self.layout.width()
    }

    fn activate(&self, c: &Compute) -> Vec<f32> {
        let mut acts = vec![f32::NAN; self.tokens() * self.memory.len()];
        let (gate_bias, up_bias) = (self.gate_bias.as_deref(), self.up_bias.as_deref());
        let (records, x) = (self.records(), &self.x);
        let layout = &self.layout;
        activate(c, layout, self.activation, &records, gate_bias, up_bias, x, &mut acts);
        acts
    }

    fn accumulate(&self, c: &Compute, acts: &[f32]) -> Vec<f32> {
        let mut out = numbers(self.x.len(), 4);
        accumulate_down(c, &self.layout, &self.records(), acts, &mut out);
        out
    }

    /// The part of a record at `part`, as numbers.
    fn part(&self, record: usize, part: std::ops::Range<usize>) -> Vec<f32> {
        decode(self.layout.element(), &self.memory[record][part])
    }

    /// One neuron for one token by the words of the contract.
    fn neuron(&self, record: usize, x: &[f32]) -> f32 {
        let bias = |bias: &Option<Vec<f32>>| bias.as_ref().map_or(0.0, |bias| bias[record]);
        let up = contract_dot(&self.part(record, self.layout.up()), x) + bias(&self.up_bias);
        let apply = |value: f32| {
            let mut value = [value];
            self.activation.apply_slice(scalar(), &mut value);
            value[0]
        };
        let Some(gate) = self.layout.gate() else { return apply(up) };
        let gate = apply(contract_dot(&self.part(record, gate), x) + bias(&self.gate_bias));
        if gate == 0.0 { 0.0 } else { gate * up }
    }

    fn check(&self) {
        let acts = self.activate(scalar());
        let neuron = |x| (0..self.memory.len()).map(move |record| self.neuron(record, x));
        let want: Vec<f32> = self.x.chunks(self.layout.width()).flat_map(neuron).collect();
        assert_eq!(bits(&acts), bits(&want), "activations");
        let out = self.accumulate(scalar(), &acts);
        assert_eq!(bits(&out), bits(&self.ordered_sum(&acts)), "down projection");
        for c in every() {
            assert_eq!(bits(&self.activate(c)), bits(&acts), "{c:?}");
            assert_eq!(bits(&self.accumulate(c, &acts)), bits(&out), "{c:?}");
        }
    }

    /// The down projection by the words of the contract: ascending, fused, zeros skipped.
    fn ordered_sum(&self, acts: &[f32]) -> Vec<f32> {
        let mut out = numbers(self.x.len(), 4);
        let width = self.layout.width();
        for (out, acts) in out.chunks_mut(width).zip(acts.chunks(self.memory.len())) {
            for (record, &act) in acts.iter().enumerate().filter(|(_, act)| **act != 0.0) {
                let down = self.part(record, self.layout.down());
                for (out, down) in out.iter_mut().zip(down) {
                    *out = act.mul_add(down, *out);
                }
            }
        }
        out
    }
}

fn layout(element: DType, width: usize, gated: bool) -> RecordLayout {
    RecordLayout::new(element, width as u32, gated).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_layers_have_the_bits_of_the_contract(
        element in proptest::sample::select(&ELEMENTS),
        activation in proptest::sample::select(&ACTIVATIONS),
        gated: bool,
        width in 1usize..100,
        records in 1usize..30,
        tokens in proptest::sample::select(&[1usize, 2, 7]),
    ) {
        Case::new(layout(element, width, gated), activation, records, tokens).check();
    }
}

#[test]
fn layers_shared_between_threads_have_the_bits_of_the_contract() {
    for (element, gated, tokens) in [
        (DType::F16, false, 1),
        (DType::F16, true, 7),
        (DType::Bf16, true, 1),
        (DType::F32, false, 2),
    ] {
        let layout = layout(element, 515, gated);
        Case::new(layout, Activation::Relu, 700, tokens).check();
    }
}

#[test]
fn a_layer_is_close_to_its_definition() {
    let case = Case::new(layout(DType::F32, 64, true), Activation::Relu, 21, 1);
    let acts = case.activate(scalar());
    let mut truth: Vec<f64> = numbers(64, 4).iter().map(|&x| f64::from(x)).collect();
    for (record, &act) in acts.iter().enumerate() {
        let gate = dot(&case.part(record, case.layout.gate().unwrap()), &case.x).max(0.0);
        let want = gate * dot(&case.part(record, case.layout.up()), &case.x);
        assert!((f64::from(act) - want).abs() < 1e-4, "neuron {record}");
        for (sum, down) in truth.iter_mut().zip(case.part(record, case.layout.down())) {
            *sum += want * f64::from(down);
        }
    }
    assert_close(&case.accumulate(scalar(), &acts), &truth, 1e-3);
}

#[test]
fn the_order_of_the_list_is_the_order_of_the_sum() {
    // 2^24 + 1 rounds back to 2^24, so the order shows.
    let layout = layout(DType::F32, 1, false);
    let downs = [16_777_216.0f32, 1.0, 1.0, -16_777_216.0, 1.0, 1.0];
    let memory: Vec<Vec<u8>> = downs.map(|d| encode(DType::F32, &[0.0, d])).to_vec();
    let records: Vec<&[u8]> = memory.iter().map(Vec::as_slice).collect();
    for c in every() {
        let mut out = [0.0];
        accumulate_down(c, &layout, &records, &[1.0; 6], &mut out);
        assert_eq!(out, [2.0]);
    }
}

#[test]
fn a_zero_activation_touches_nothing() {
    // Not even the sign of a zero, and not a weight that is not a number.
    let layout = layout(DType::F32, 2, false);
    let record = encode(DType::F32, &[0.0, 0.0, f32::NAN, 1.0]);
    for c in every() {
        let mut out = [-0.0, -0.0];
        accumulate_down(c, &layout, &[&record], &[0.0], &mut out);
        assert_eq!(bits(&out), bits(&[-0.0, -0.0]));
    }
}

#[test]
fn a_zero_gate_hides_whatever_up_is() {
    let layout = layout(DType::F32, 1, true);
    let record = encode(DType::F32, &[-1.0, f32::NAN, 1.0]);
    for c in every() {
        // The second token's gate is open: that must not change the first token's zero.
        let mut acts = [9.0; 2];
        let x = [1.0, -1.0];
        activate(c, &layout, Activation::Relu, &[&record], None, None, &x, &mut acts);
        assert_eq!(acts[0].to_bits(), 0);
        assert!(acts[1].is_nan());
    }
}

#[test]
fn rows_of_quantised_records_have_the_bits_of_f32() {
    for dtype in QUANTISED {
        for (gated, tokens) in [(false, 1), (true, 3)] {
            let packed = layout(dtype, 256, gated);
            let plain = layout(DType::F32, 256, gated);
            let stored: Vec<Vec<u8>> =
                (0..7).map(|record| stored(dtype, packed.rows() * 256, record)).collect();
            let widen = |record: &Vec<u8>| encode(DType::F32, &blocks::decode(dtype, record));
            let widened: Vec<Vec<u8>> = stored.iter().map(widen).collect();
            let x = numbers(tokens * 256, 3);
            for c in every() {
                let run = |layout: &RecordLayout, records: &[Vec<u8>]| {
                    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
                    let mut acts = vec![f32::NAN; tokens * records.len()];
                    activate(c, layout, Activation::Silu, &records, None, None, &x, &mut acts);
                    acts
                };
                assert_eq!(bits(&run(&packed, &stored)), bits(&run(&plain, &widened)), "{dtype}");
            }
        }
    }
}

#[test]
fn no_records_give_nothing() {
    let layout = layout(DType::F16, 8, false);
    for c in every() {
        activate(c, &layout, Activation::Relu, &[], None, None, &[1.0; 8], &mut []);
        let mut out = [3.0; 8];
        accumulate_down(c, &layout, &[], &[], &mut out);
        assert_eq!(out, [3.0; 8]);
    }
}
