//! The first half of the feed-forward: what each listed neuron gives for each token.

use crate::encoding::{Encoding, Quantised, dispatch};
use crate::lanes::{Kernel, Lanes};
use crate::shares::rows_per_share;
use crate::split::{Block, blocks};
use crate::tile::PackedInputs;
use crate::{Activation, Compute, RecordLayout};

/// Writes the activation of each listed neuron for each token, in the order of the list.
///
/// Plain records give `act(up . x + up_bias)`, gated ones
/// `act(gate . x + gate_bias) * (up . x + up_bias)`; where a sparse activation makes the gate zero
/// the result is zero, whatever `up` is.
///
/// `records` are payloads of `layout`, `x` is tokens x `layout.width()`, `acts` tokens x
/// `records.len()`; a bias has one number per listed record, and a plain layout no gate bias.
///
/// # Panics
/// When the sizes do not agree.
#[expect(clippy::too_many_arguments, reason = "one sentence of the design: every part is an input")]
pub fn activate(
    c: &Compute,
    layout: &RecordLayout,
    activation: Activation,
    records: &[&[u8]],
    gate_bias: Option<&[f32]>,
    up_bias: Option<&[f32]>,
    x: &[f32],
    acts: &mut [f32],
) {
    let count = records.len();
    let dtype = layout.element();
    let x = PackedInputs::new(x, layout.width(), dtype.is_quantised());
    assert_eq!(acts.len(), x.tokens() * count, "activate writes one number per token and record");
    for bias in [gate_bias, up_bias].into_iter().flatten() {
        assert_eq!(bias.len(), count, "activate takes one bias per record");
    }
    assert!(layout.is_gated() || gate_bias.is_none(), "a plain record has no gate to bias");
    let touched = count * (layout.rows() - 1) * layout.row_bytes();
    let share = rows_per_share(c, count, touched, touched);
    c.share(touched * x.tokens(), blocks(acts, count, share), |block| {
        let neurons = Neurons {
            layout,
            activation,
            records: &records[block.first..][..block.len()],
            gate_bias: gate_bias.map(|bias| &bias[block.first..]),
            up_bias: up_bias.map(|bias| &bias[block.first..]),
            x: &x,
            block,
        };
        let path = c.path();
        dispatch!(
            dtype,
            number encoding => path.run(Encoded { encoding, neurons }),
            block blocks => path.run(Encoded { encoding: Quantised(blocks), neurons }),
        );
    });
}

/// A block of neurons against all tokens.
struct Neurons<'a, 'b> {
    layout: &'a RecordLayout,
    activation: Activation,
    records: &'a [&'a [u8]],
    gate_bias: Option<&'a [f32]>,
    up_bias: Option<&'a [f32]>,
    x: &'a PackedInputs<'a>,
    block: Block<'b>,
}

/// Neurons whose rows have this encoding.
struct Encoded<'a, 'b, E> {
    #[expect(dead_code, reason = "its type is what counts")]
    encoding: E,
    neurons: Neurons<'a, 'b>,
}

impl<E: Encoding> Kernel for Encoded<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        self.neurons.run_on::<L, E>(lanes);
    }
}

impl Neurons<'_, '_> {
    #[inline(always)]
    fn run_on<L: Lanes, E: Encoding>(mut self, lanes: L) {
        let records = self.records;
        // The row that the activation is applied to: the gate where there is one.
        let first = self.layout.gate().unwrap_or(self.layout.up());
        let first_bias = if self.layout.is_gated() { self.gate_bias } else { self.up_bias };
        let tokens = &mut self.block.tokens;
        let row = |index: usize| &records[index][first.clone()];
        E::dot_all(lanes, records.len(), row, self.x, |row, token, dot| {
            tokens[token][row] = dot + first_bias.map_or(0.0, |bias| bias[row]);
        });
        for token in self.block.tokens.iter_mut() {
            self.activation.apply(token);
        }
        if self.layout.is_gated() {
            self.multiply_up::<L, E>(lanes);
        }
    }

    /// Multiplies the activated gates with the up row's product, where any token needs it.
    #[inline(always)]
    fn multiply_up<L: Lanes, E: Encoding>(mut self, lanes: L) {
        let (records, up, up_bias) = (self.records, self.layout.up(), self.up_bias);
        let tokens = &mut self.block.tokens;
        let needed: Vec<usize> = (0..records.len())
            .filter(|&index| tokens.iter().any(|token| token[index] != 0.0))
            .collect();
        let row = |index: usize| &records[needed[index]][up.clone()];
        E::dot_all(lanes, needed.len(), row, self.x, |index, token, dot| {
            let index = needed[index];
            let gate = &mut tokens[token][index];
            // A zero stays a positive zero, whether or not another token needed the row.
            if *gate != 0.0 {
                *gate *= dot + up_bias.map_or(0.0, |bias| bias[index]);
            }
        });
    }
}
