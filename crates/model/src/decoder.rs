//! One decoder for every dense family, cut into what a device would do as a whole: [`Decoder::embed`],
//! [`Decoder::attend`], [`Decoder::add`] and [`Decoder::logits`], beside the [`FeedForward`]. [`Decoder::layer`] puts
//! them together.

mod attention;
mod latent;

use crate::architecture::{Architecture, NormKind, NormPlace, Residual};
use crate::{Affine, Batch, FeedForward, LayerPart, ModelError, TensorRole, Weights};
use candle_core::Tensor;
use flint_kernels::{Compute, KvStore, Rotary, math, ops};

/// The computation of a model; weights, neurons, keys and values belong to the caller.
#[derive(Debug)]
pub struct Decoder {
    architecture: Architecture,
    compute: Compute,
    rotary: Option<Rotary>,
    /// Of layers with a window, where they have their own.
    local_rotary: Option<Rotary>,
}

/// What one forward pass over a batch works with.
pub struct Pass<'a> {
    /// Embeddings, attention matrices, norms.
    pub weights: &'a mut dyn Weights,
    /// The neurons.
    pub feed_forward: &'a mut dyn FeedForward,
    /// Keys and values of earlier positions; those of this pass are added.
    pub kv: &'a mut dyn KvStore,
    /// The rows.
    pub batch: &'a Batch,
}

impl Decoder {
    /// A decoder for `architecture`, computing with `compute`, in its whole context.
    pub fn new(architecture: Architecture, compute: Compute) -> Decoder {
        let context = architecture.context;
        let decoder = Decoder { architecture, compute, rotary: None, local_rotary: None };
        decoder.in_context(context)
    }

    /// The same for a run whose sequences have at most `context` tokens: some models rotate by it.
    pub fn in_context(self, context: usize) -> Decoder {
        let attention = &self.architecture.attention;
        let [rotary, local_rotary] = [&attention.rotary, &attention.local_rotary]
            .map(|positions| attention::rotary(attention.head_dim, positions.as_ref(), context));
        Decoder { rotary, local_rotary, ..self }
    }

    /// What is being decoded.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The hidden state before the first layer: (rows x hidden).
    ///
    /// # Errors
    /// When a table is missing.
    ///
    /// # Panics
    /// When a token is outside the vocabulary or a position outside a learned table: [`Batch::check`] tells.
    pub fn embed(&self, weights: &mut dyn Weights, batch: &Batch) -> Result<Tensor, ModelError> {
        let embedding = &self.architecture.embedding;
        let tokens: Vec<u32> = batch.rows().iter().map(|row| row.token).collect();
        let mut hidden = weights.embed(TensorRole::TokenEmbedding, &tokens)?;
        if embedding.width != self.architecture.hidden {
            hidden = weights.linear(TensorRole::ProjectIn, None, &hidden)?;
        }
        if embedding.scale != 1.0 {
            hidden = (hidden * f64::from(embedding.scale))?;
        }
        if let Some(learned) = &embedding.learned_positions {
            let positions = batch.rows().iter().map(|row| (row.position + learned.offset) as u32);
            let rows: Vec<u32> = positions.collect();
            hidden = self.add(hidden, &weights.embed(TensorRole::Positions, &rows)?)?;
        }
        Ok(hidden)
    }

    /// The hidden state with the sum of a block added.
    ///
    /// # Errors
    /// When the two differ in shape.
    pub fn add(&self, hidden: Tensor, sum: &Tensor) -> Result<Tensor, ModelError> {
        Ok((hidden + sum)?)
    }

    /// The same with the sum scaled first, where the family does that.
    fn add_scaled(&self, hidden: Tensor, sum: Tensor) -> Result<Tensor, ModelError> {
        match self.architecture.residual_scale {
            1.0 => self.add(hidden, &sum),
            scale => self.add(hidden, &(sum * f64::from(scale))?),
        }
    }

    /// Runs a whole pass: the logits of the rows that want them, (wanted x vocabulary), in the order of the batch. Whoever
    /// streams weights or may be cancelled goes layer by layer instead.
    ///
    /// # Errors
    /// When a tensor is missing or the feed-forward fails.
    ///
    /// # Panics
    /// As [`Decoder::embed`].
    pub fn run(&self, pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        let mut hidden = self.embed(pass.weights, pass.batch)?;
        for layer in 0..self.architecture.layers {
            hidden = self.layer(pass, layer, hidden)?;
        }
        self.logits(pass.weights, &self.wanted(pass.batch, &hidden)?)
    }

    /// Runs one layer over `hidden` (rows x hidden).
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
        let (before, around) = match self.architecture.norm_place {
            NormPlace::Before => (true, false),
            NormPlace::After => (false, false),
            NormPlace::Around => (true, true),
        };
        let attention_norm = |x| TensorRole::Layer(layer, LayerPart::AttentionNorm(x));
        let feed_forward_norm = |x| TensorRole::Layer(layer, LayerPart::FeedForwardNorm(x));
        let output_norm =
            |part: fn(Affine) -> LayerPart| move |x| TensorRole::Layer(layer, part(x));

        if before && pass.feed_forward.wants_prefetch(hidden.dim(0)?) {
            let approximate = self.norm(pass.weights, feed_forward_norm, &hidden)?;
            pass.feed_forward.prefetch(layer, &approximate)?;
        }
        let input = match before {
            true => self.norm(pass.weights, attention_norm, &hidden)?,
            false => hidden.clone(),
        };
        let mut sum = self.attend(pass, layer, &input)?;
        if around {
            sum = self.norm(pass.weights, output_norm(LayerPart::AttentionOutputNorm), &sum)?;
        }
        let mut hidden = self.add_scaled(hidden, sum)?;
        if !before {
            hidden = self.norm(pass.weights, attention_norm, &hidden)?;
        }
        let input = match before {
            true => self.norm(pass.weights, feed_forward_norm, &hidden)?,
            false => hidden.clone(),
        };
        pass.feed_forward.begin(layer, &input)?;
        let mut sum = self.feed_forward(pass, layer, &input)?;
        if around {
            sum = self.norm(pass.weights, output_norm(LayerPart::FeedForwardOutputNorm), &sum)?;
        }
        let mut hidden = self.add_scaled(hidden, sum)?;
        if !before {
            hidden = self.norm(pass.weights, feed_forward_norm, &hidden)?;
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
        let attention_norm = |x| TensorRole::Layer(layer, LayerPart::AttentionNorm(x));
        let feed_forward_norm = |x| TensorRole::Layer(layer, LayerPart::FeedForwardNorm(x));
        let input = self.norm(pass.weights, attention_norm, &hidden)?;
        let neurons_input = match self.architecture.residual {
            Residual::ParallelTwoNorms => self.norm(pass.weights, feed_forward_norm, &hidden)?,
            _ => input.clone(),
        };
        pass.feed_forward.begin(layer, &neurons_input)?;
        let attention = self.attend(pass, layer, &input)?;
        let neurons = self.feed_forward(pass, layer, &neurons_input)?;
        let sum = self.add(attention, &neurons)?;
        self.add(hidden, &sum)
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
        let bias = pass.weights.vector(TensorRole::Layer(layer, LayerPart::DownBias))?;
        add_row(&sum, bias)
    }

    /// The rows of `hidden` whose logits are wanted, in the order of the batch.
    ///
    /// # Errors
    /// When `hidden` is not a contiguous f32 tensor.
    ///
    /// # Panics
    /// When it has fewer rows than the batch.
    pub fn wanted(&self, batch: &Batch, hidden: &Tensor) -> Result<Tensor, ModelError> {
        let width = self.architecture.hidden;
        let rows = ops::with_slice(hidden, |all| {
            batch.wanted().flat_map(|row| all[row * width..][..width].to_vec()).collect()
        });
        Ok(ops::from_vec(rows?, (batch.wanted().count(), width))?)
    }

    /// Logits of each row of `hidden`, the output of the last layer: (rows x vocabulary).
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn logits(&self, weights: &mut dyn Weights, hidden: &Tensor) -> Result<Tensor, ModelError> {
        let architecture = &self.architecture;
        let mut hidden = hidden.clone();
        if architecture.final_norm {
            hidden = self.norm(weights, TensorRole::FinalNorm, &hidden)?;
        }
        if architecture.embedding.width != architecture.hidden {
            hidden = weights.linear(TensorRole::ProjectOut, None, &hidden)?;
        }
        let bias = architecture.head.bias.then_some(TensorRole::HeadBias);
        let logits = weights.linear(architecture.head_matrix(), bias, &hidden)?;
        let logits = match architecture.head.scale {
            1.0 => logits,
            scale => (logits * f64::from(scale))?,
        };
        let Some(cap) = architecture.head.softcap else { return Ok(logits) };
        let mut capped = ops::with_slice(&logits, <[f32]>::to_vec)?;
        math::soft_cap(&mut capped, cap);
        Ok(ops::from_vec(capped, logits.dims())?)
    }

    fn norm(
        &self,
        weights: &dyn Weights,
        role: impl Fn(Affine) -> TensorRole,
        hidden: &Tensor,
    ) -> Result<Tensor, ModelError> {
        self.norm_rows(self.architecture.norm, weights, role, hidden)
    }

    /// Norms each row of `x`, as wide as its last dimension.
    fn norm_rows(
        &self,
        kind: NormKind,
        weights: &dyn Weights,
        role: impl Fn(Affine) -> TensorRole,
        x: &Tensor,
    ) -> Result<Tensor, ModelError> {
        let compute = &self.compute;
        match kind {
            NormKind::Layer { epsilon, affine: true } => {
                let weight = weights.vector(role(Affine::Weight))?;
                let bias = weights.vector(role(Affine::Bias))?;
                Ok(ops::layer_norm(x, compute, Some(weight), Some(bias), epsilon)?)
            }
            NormKind::Layer { epsilon, affine: false } => {
                Ok(ops::layer_norm(x, compute, None, None, epsilon)?)
            }
            NormKind::Rms { epsilon } => {
                let weight = weights.vector(role(Affine::Weight))?;
                if self.architecture.norm_plus_one {
                    let weight: Vec<f32> = weight.iter().map(|weight| 1.0 + weight).collect();
                    return Ok(ops::rms_norm(x, compute, &weight, epsilon)?);
                }
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
