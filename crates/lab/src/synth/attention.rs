//! The attention block over the tuning text, layer by layer, as the decoder computes it: its bits come from the
//! same kernels.

use super::dense::Dense;
use anyhow::{Context, bail};
use flint_kernels::{
    AttentionSpec, Compute, DType, KvElement, KvRow, KvShape, KvStore, MatrixView, PagedKv, Rotary,
    RotaryScaling, attention, layer_norm, matmul, rms_norm,
};
use flint_model::{Affine, Architecture, LayerPart, NormKind, TensorRole};

/// What one layer's attention works with.
pub(super) struct Block<'a> {
    pub(super) compute: &'a Compute,
    pub(super) architecture: &'a Architecture,
    pub(super) layer: usize,
    pub(super) dense: &'a [Dense],
}

impl Block<'_> {
    /// The norm before a block; all of its weights are one and its biases zero.
    pub(super) fn norm(&self, x: &[f32]) -> Vec<f32> {
        self.norm_rows(self.architecture.norm, self.architecture.hidden, x)
    }

    fn norm_rows(&self, kind: NormKind, width: usize, x: &[f32]) -> Vec<f32> {
        let (ones, mut out) = (vec![1.0; width], vec![0.0; x.len()]);
        match kind {
            NormKind::Layer { epsilon, .. } => {
                layer_norm(self.compute, x, width, Some(&ones), None, epsilon, &mut out);
            }
            NormKind::Rms { epsilon } => rms_norm(self.compute, x, &ones, epsilon, &mut out),
        }
        out
    }

    /// What attention adds to each state, given its normed input from position 0 on.
    ///
    /// # Errors
    /// When a tensor is missing, or there is no memory for keys and values.
    pub(super) fn attend(&self, input: &[f32]) -> anyhow::Result<Vec<f32>> {
        let shape = &self.architecture.attention;
        let mut query = self.project(LayerPart::Query(Affine::Weight), input)?;
        let mut key = self.project(LayerPart::Key(Affine::Weight), input)?;
        let value = self.project(LayerPart::Value(Affine::Weight), input)?;
        if let Some(norm) = shape.head_norm {
            query = self.norm_rows(norm.kind, shape.head_dim, &query);
            key = self.norm_rows(norm.kind, shape.head_dim, &key);
        }
        let tokens = input.len() / self.architecture.hidden;
        if let Some(rotary) = self.rotary()? {
            rotary.rotate(&mut query, shape.heads, 0..tokens);
            rotary.rotate(&mut key, shape.kv_heads, 0..tokens);
        }
        let (kv_heads, head_dim) = (shape.kv_heads, shape.head_dim);
        let kv = KvShape { layers: 1, kv_heads, head_dim, element: KvElement::F32 };
        let mut store = PagedKv::new(kv, tokens.max(1), 1);
        let seq = store.sequence();
        let rows: Vec<KvRow> = (0..tokens).map(|position| KvRow { seq, position }).collect();
        store.append(0, &rows, &key, &value)?;
        let spec = AttentionSpec {
            heads: shape.heads,
            kv_heads,
            head_dim,
            scale: 1.0 / (head_dim as f32).sqrt(),
            softcap: None,
            window: self.architecture.window(self.layer),
            sinks: None,
        };
        let mut mixed = vec![0.0; query.len()];
        attention(self.compute, &spec, &query, &store, 0, &rows, &mut mixed);
        self.project(LayerPart::Output(Affine::Weight), &mixed)
    }

    /// Biases are all zero.
    fn project(&self, part: LayerPart, input: &[f32]) -> anyhow::Result<Vec<f32>> {
        let role = TensorRole::Layer(self.layer, part);
        let found = self.dense.iter().find(|dense| dense.spec.role == role);
        let dense = found.with_context(|| format!("no tensor {role}"))?;
        let [rows, columns] = dense.spec.dims[..] else { bail!("{role} is not a matrix") };
        let view = MatrixView::new(DType::F16, rows, columns, &dense.bytes)?;
        let mut out = vec![0.0; input.len() / columns * rows];
        matmul(self.compute, view, input, None, &mut out);
        Ok(out)
    }

    fn rotary(&self) -> anyhow::Result<Option<Rotary>> {
        let shape = &self.architecture.attention;
        let Some(positions) = &shape.rotary else { return Ok(None) };
        if positions.scale != RotaryScaling::None {
            bail!("no shape stretches its positions");
        }
        let scaling = RotaryScaling::None;
        Ok(Some(Rotary::new(shape.head_dim, positions.dims, positions.theta, scaling)))
    }
}
