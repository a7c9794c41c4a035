//! One decoder for every dense family: embeds, runs a layer, turns the last hidden state into logits.

mod attention;

use crate::architecture::{Architecture, NormKind, NormPlace, Residual};
use crate::{Affine, FeedForward, LayerPart, ModelError, Role, Weights};
use candle_core::Tensor;
use flint_kernels::{Compute, KvCache, Rotary, ops};

/// The computation of a model; weights, neurons and the KV cache belong to the caller.
#[derive(Debug)]
pub struct Decoder {
    architecture: Architecture,
    compute: Compute,
    rotary: Option<Rotary>,
}

/// What one forward pass over consecutive tokens works with.
pub struct Pass<'a> {
    /// Embeddings, attention matrices, norms.
    pub weights: &'a mut dyn Weights,
    /// The neurons.
    pub feed_forward: &'a mut dyn FeedForward,
    /// Keys and values of earlier positions; those of this pass are added.
    pub cache: &'a mut KvCache,
    /// Position of the first token of this pass.
    pub first_position: usize,
}

impl Decoder {
    /// A decoder for `architecture`, computing with `compute`.
    pub fn new(architecture: Architecture, compute: Compute) -> Decoder {
        let rotary = attention::rotary(&architecture);
        Decoder { architecture, compute, rotary }
    }

    /// What is being decoded.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The hidden state before the first layer: (tokens x hidden).
    ///
    /// # Errors
    /// When a table is missing.
    ///
    /// # Panics
    /// When a token is outside the vocabulary or a position outside a learned table.
    pub fn embed(&self, pass: &mut Pass<'_>, tokens: &[u32]) -> Result<Tensor, ModelError> {
        let embedding = &self.architecture.embedding;
        let mut hidden = pass.weights.embed(Role::TokenEmbedding, tokens)?;
        if embedding.width != self.architecture.hidden {
            hidden = pass.weights.linear(Role::ProjectIn, None, &hidden)?;
        }
        if let Some(learned) = &embedding.learned_positions {
            let first = pass.first_position + learned.offset;
            let rows: Vec<u32> = (first..first + tokens.len()).map(|row| row as u32).collect();
            hidden = (hidden + pass.weights.embed(Role::Positions, &rows)?)?;
        }
        Ok(hidden)
    }

    /// Runs one layer over `hidden` (tokens x hidden).
    ///
    /// # Errors
    /// When a tensor is missing or the feed-forward fails.
    pub fn layer(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        hidden: Tensor,
    ) -> Result<Tensor, ModelError> {
        match self.architecture.residual {
            Residual::Serial => self.serial_layer(pass, layer, hidden),
            Residual::ParallelOneNorm | Residual::ParallelTwoNorms => {
                self.parallel_layer(pass, layer, hidden)
            }
        }
    }

    fn serial_layer(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        hidden: Tensor,
    ) -> Result<Tensor, ModelError> {
        let before = self.architecture.norm_place == NormPlace::Before;
        let attention_norm = |x| Role::Layer(layer, LayerPart::AttentionNorm(x));
        let feed_forward_norm = |x| Role::Layer(layer, LayerPart::FeedForwardNorm(x));

        if before && pass.feed_forward.foresees(hidden.dim(0)?) {
            let guess = self.norm(pass, feed_forward_norm, &hidden)?;
            pass.feed_forward.foresee(layer, &guess)?;
        }
        let input = if before { self.norm(pass, attention_norm, &hidden)? } else { hidden.clone() };
        let mut hidden = (hidden + self.attention(pass, layer, &input)?)?;
        if !before {
            hidden = self.norm(pass, attention_norm, &hidden)?;
        }
        let input =
            if before { self.norm(pass, feed_forward_norm, &hidden)? } else { hidden.clone() };
        pass.feed_forward.begin(layer, &input)?;
        let mut hidden = (hidden + self.feed_forward(pass, layer, &input)?)?;
        if !before {
            hidden = self.norm(pass, feed_forward_norm, &hidden)?;
        }
        Ok(hidden)
    }

    /// The feed-forward's input is known before attention: reads overlap with it.
    fn parallel_layer(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        hidden: Tensor,
    ) -> Result<Tensor, ModelError> {
        let input =
            self.norm(pass, |x| Role::Layer(layer, LayerPart::AttentionNorm(x)), &hidden)?;
        let own_norm = self.architecture.residual == Residual::ParallelTwoNorms;
        let neurons_input = if own_norm {
            self.norm(pass, |x| Role::Layer(layer, LayerPart::FeedForwardNorm(x)), &hidden)?
        } else {
            input.clone()
        };
        pass.feed_forward.begin(layer, &neurons_input)?;
        let attention = self.attention(pass, layer, &input)?;
        let neurons = self.feed_forward(pass, layer, &neurons_input)?;
        Ok((hidden + (attention + neurons)?)?)
    }

    /// Finishes the feed-forward and adds the bias of the down projection.
    fn feed_forward(
        &self,
        pass: &mut Pass<'_>,
        layer: usize,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let sum = pass.feed_forward.finish(layer, input, pass.weights)?;
        if !self.architecture.feed_forward.biases.out {
            return Ok(sum);
        }
        let bias = pass.weights.vector(Role::Layer(layer, LayerPart::DownBias))?;
        add_row(&sum, bias)
    }

    /// Logits of each row of `hidden`, the output of the last layer: (tokens x vocabulary).
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn logits(&self, pass: &mut Pass<'_>, hidden: &Tensor) -> Result<Tensor, ModelError> {
        let architecture = &self.architecture;
        let mut hidden = hidden.clone();
        if architecture.final_norm {
            hidden = self.norm(pass, Role::FinalNorm, &hidden)?;
        }
        if architecture.embedding.width != architecture.hidden {
            hidden = pass.weights.linear(Role::ProjectOut, None, &hidden)?;
        }
        let bias = architecture.head.bias.then_some(Role::HeadBias);
        let logits = pass.weights.linear(architecture.head_matrix(), bias, &hidden)?;
        if architecture.head.scale == 1.0 {
            return Ok(logits);
        }
        Ok((logits * f64::from(architecture.head.scale))?)
    }

    fn norm(
        &self,
        pass: &Pass<'_>,
        role: impl Fn(Affine) -> Role,
        hidden: &Tensor,
    ) -> Result<Tensor, ModelError> {
        self.norm_rows(self.architecture.norm, pass, role, hidden)
    }

    /// Norms each row of `x`, as wide as its last dimension.
    fn norm_rows(
        &self,
        kind: NormKind,
        pass: &Pass<'_>,
        role: impl Fn(Affine) -> Role,
        x: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let compute = &self.compute;
        match kind {
            NormKind::Layer { epsilon, affine: true } => {
                let weight = pass.weights.vector(role(Affine::Weight))?;
                let bias = pass.weights.vector(role(Affine::Bias))?;
                Ok(ops::layer_norm(x, compute, Some(weight), Some(bias), epsilon)?)
            }
            NormKind::Layer { epsilon, affine: false } => {
                Ok(ops::layer_norm(x, compute, None, None, epsilon)?)
            }
            NormKind::Rms { epsilon } => {
                let weight = pass.weights.vector(role(Affine::Weight))?;
                Ok(ops::rms_norm(x, compute, weight, epsilon)?)
            }
        }
    }
}

/// Adds `row` to each row of `x`.
fn add_row(x: &Tensor, row: &[f32]) -> Result<Tensor, ModelError> {
    let sum = ops::with_slice(x, |x| {
        x.chunks_exact(row.len()).flat_map(|x| x.iter().zip(row).map(|(x, b)| x + b)).collect()
    })?;
    Ok(ops::from_vec(sum, x.dims())?)
}
