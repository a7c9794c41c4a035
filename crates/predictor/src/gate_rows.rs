//! The rows that decide which neurons of a group are active: the gate projection of gated models, else up.

use flint_kernels::{Activation, Compute, MatrixView, gather_rows, matmul};

/// The true rows of one group, as stored: what training learns from and a low-bit copy is made of.
#[derive(Debug, Clone, Copy)]
pub struct GateRows<'a> {
    rows: MatrixView<'a>,
    bias: Option<&'a [f32]>,
    activation: Activation,
}

impl<'a> GateRows<'a> {
    /// `rows` is neurons x width, `bias` one number per neuron.
    ///
    /// # Panics
    /// When the bias has another length.
    pub fn new(
        rows: MatrixView<'a>,
        bias: Option<&'a [f32]>,
        activation: Activation,
    ) -> GateRows<'a> {
        assert!(bias.is_none_or(|bias| bias.len() == rows.row_count()), "one bias per neuron");
        GateRows { rows, bias, activation }
    }

    /// Numbers per row.
    pub fn width(&self) -> usize {
        self.rows.cols()
    }

    /// Rows.
    pub fn neurons(&self) -> usize {
        self.rows.row_count()
    }

    /// What is applied to the products.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// The rows.
    pub(crate) fn rows(&self) -> MatrixView<'a> {
        self.rows
    }

    /// Writes one row as f32.
    pub(crate) fn row(&self, compute: &Compute, neuron: usize, row: &mut [f32]) {
        gather_rows(compute, self.rows, &[neuron as u32], row);
    }

    /// What is added to a neuron's product, so that above zero means active.
    pub(crate) fn offset(&self, neuron: usize) -> f32 {
        let on = if let Activation::FatRelu(threshold) = self.activation { threshold } else { 0.0 };
        self.bias.map_or(0.0, |bias| bias[neuron]) - on
    }

    /// Writes tokens x neurons products, biases added.
    pub(crate) fn products(&self, compute: &Compute, input: &[f32], products: &mut [f32]) {
        matmul(compute, self.rows, input, self.bias, products);
    }

    /// Writes tokens x neurons activations (of the gate, in gated models): not zero means active.
    pub(crate) fn activations(&self, compute: &Compute, input: &[f32], activations: &mut [f32]) {
        self.products(compute, input, activations);
        self.activation.apply_slice(compute, activations);
    }
}
