//! Which tensors a model computes with, in the order of a forward pass.

use crate::{
    Affine, Architecture, LayerPart, NormKind, NormPlace, Residual, TensorRole, TensorSpec,
};

impl Architecture {
    /// Every dense tensor that the decoder will ask for, with its sizes, in the order of a forward pass.
    pub fn dense_tensors(&self) -> Vec<TensorSpec> {
        dense_tensors(self, false)
    }

    /// The same with the matrices of the feed-forward, for a model whose neurons are held as matrices.
    pub fn all_tensors(&self) -> Vec<TensorSpec> {
        dense_tensors(self, true)
    }
}

/// Lists the dense tensors of an architecture in the order of a forward pass.
fn dense_tensors(a: &Architecture, with_feed_forward: bool) -> Vec<TensorSpec> {
    let mut list = List(Vec::new());
    list.add(TensorRole::TokenEmbedding, &[a.vocabulary, a.embedding.width]);
    if let Some(positions) = &a.embedding.learned_positions {
        list.add(TensorRole::Positions, &[positions.rows, a.hidden]);
    }
    if a.embedding.width != a.hidden {
        list.add(TensorRole::ProjectIn, &[a.hidden, a.embedding.width]);
    }
    for layer in 0..a.layers {
        list.layer(a, layer, with_feed_forward);
    }
    if a.final_norm {
        list.norm(a.norm, a.hidden, TensorRole::FinalNorm);
    }
    if a.embedding.width != a.hidden {
        list.add(TensorRole::ProjectOut, &[a.embedding.width, a.hidden]);
    }
    if !a.head.tied {
        list.add(TensorRole::Head, &[a.vocabulary, a.embedding.width]);
    }
    if a.head.bias {
        list.add(TensorRole::HeadBias, &[a.vocabulary]);
    }
    list.0
}

struct List(Vec<TensorSpec>);

impl List {
    fn add(&mut self, role: TensorRole, dims: &[usize]) {
        self.0.push(TensorSpec { role, dims: dims.to_vec() });
    }

    fn norm(&mut self, kind: NormKind, width: usize, role: impl Fn(Affine) -> TensorRole) {
        let (weight, bias) = match kind {
            NormKind::Layer { affine, .. } => (affine, affine),
            NormKind::Rms { .. } => (true, false),
        };
        if weight {
            self.add(role(Affine::Weight), &[width]);
        }
        if bias {
            self.add(role(Affine::Bias), &[width]);
        }
    }

    fn linear(
        &mut self,
        rows: usize,
        columns: usize,
        bias: bool,
        role: impl Fn(Affine) -> TensorRole,
    ) {
        self.add(role(Affine::Weight), &[rows, columns]);
        if bias {
            self.add(role(Affine::Bias), &[rows]);
        }
    }

    fn layer(&mut self, a: &Architecture, layer: usize, with_feed_forward: bool) {
        let part = |part| TensorRole::Layer(layer, part);
        let (query, kv, biases) = (a.query_width(), a.kv_width(), a.attention.biases);
        self.norm(a.norm, a.hidden, |x| part(LayerPart::AttentionNorm(x)));
        self.linear(query, a.hidden, biases.into, |x| part(LayerPart::Query(x)));
        self.linear(kv, a.hidden, biases.into, |x| part(LayerPart::Key(x)));
        self.linear(kv, a.hidden, biases.into, |x| part(LayerPart::Value(x)));
        if let Some(norm) = a.attention.head_norm {
            self.norm(norm.kind, a.attention.head_dim, |x| part(LayerPart::QueryNorm(x)));
            self.norm(norm.kind, a.attention.head_dim, |x| part(LayerPart::KeyNorm(x)));
        }
        self.linear(a.hidden, query, biases.out, |x| part(LayerPart::Output(x)));
        if a.norm_place == NormPlace::Around {
            self.norm(a.norm, a.hidden, |x| part(LayerPart::AttentionOutputNorm(x)));
        }
        if a.residual != Residual::ParallelOneNorm {
            self.norm(a.norm, a.hidden, |x| part(LayerPart::FeedForwardNorm(x)));
        }
        if with_feed_forward {
            self.feed_forward(a, layer);
        }
        if a.norm_place == NormPlace::Around {
            self.norm(a.norm, a.hidden, |x| part(LayerPart::FeedForwardOutputNorm(x)));
        }
        if a.feed_forward.biases.out {
            self.add(part(LayerPart::DownBias), &[a.hidden]);
        }
    }

    fn feed_forward(&mut self, a: &Architecture, layer: usize) {
        let part = |part| TensorRole::Layer(layer, part);
        let (neurons, bias) = (a.neurons(layer), a.feed_forward.biases.into);
        if a.feed_forward.gated {
            self.linear(neurons, a.hidden, bias, |x| part(LayerPart::Gate(x)));
        }
        self.linear(neurons, a.hidden, bias, |x| part(LayerPart::Up(x)));
        self.add(part(LayerPart::Down), &[a.hidden, neurons]);
    }
}
