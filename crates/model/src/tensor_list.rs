//! Which tensors a model computes with, in the order of a forward pass.

use crate::{
    Affine, Architecture, Experts, LatentAttention, LayerPart, NormKind, NormPlace, Projection,
    Residual, TensorRole, TensorSpec,
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

    /// The matrices of all experts, layer after layer, expert after expert.
    pub fn expert_tensors(&self) -> Vec<TensorSpec> {
        let mut list = List(Vec::new());
        for layer in 0..self.layers {
            let Some(experts) = self.experts(layer) else { continue };
            for expert in 0..experts.count as u32 {
                for matrix in Projection::ALL {
                    let role = TensorRole::Layer(layer, LayerPart::Expert(expert, matrix));
                    list.add(role, &sizes(matrix, experts.neurons, self.hidden));
                }
            }
        }
        list.0
    }
}

/// Sizes of a matrix of a gated feed-forward.
fn sizes(matrix: Projection, neurons: usize, hidden: usize) -> [usize; 2] {
    match matrix {
        Projection::Gate | Projection::Up => [neurons, hidden],
        Projection::Down => [hidden, neurons],
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
        match a.attention.latent {
            Some(latent) => self.latent(a, layer, latent),
            None => {
                self.linear(query, a.hidden, biases.into, |x| part(LayerPart::Query(x)));
                self.linear(kv, a.hidden, biases.into, |x| part(LayerPart::Key(x)));
                self.linear(kv, a.hidden, biases.into, |x| part(LayerPart::Value(x)));
            }
        }
        if let Some(norm) = a.attention.head_norm {
            let width = |all| if norm.whole { all } else { a.attention.head_dim };
            self.norm(norm.kind, width(query), |x| part(LayerPart::QueryNorm(x)));
            self.norm(norm.kind, width(kv), |x| part(LayerPart::KeyNorm(x)));
        }
        if a.attention.sinks {
            self.add(part(LayerPart::Sinks), &[a.attention.heads]);
        }
        let mixed = a.attention.heads * a.attention.value_width();
        self.linear(a.hidden, mixed, biases.out, |x| part(LayerPart::Output(x)));
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

    /// In the order in which latent attention multiplies.
    fn latent(&mut self, a: &Architecture, layer: usize, latent: LatentAttention) {
        let part = |part| TensorRole::Layer(layer, part);
        let LatentAttention { query, width, unrotated, value } = latent;
        let rotated = a.attention.head_dim - width;
        if let Some(query) = query {
            self.add(part(LayerPart::QueryDown), &[query, a.hidden]);
            self.add(part(LayerPart::QueryDownNorm), &[query]);
        }
        let queries = a.attention.heads * (unrotated + rotated);
        let from = query.unwrap_or(a.hidden);
        self.add(part(LayerPart::Query(Affine::Weight)), &[queries, from]);
        let heads = 0..a.attention.heads as u32;
        heads.clone().for_each(|head| self.add(part(LayerPart::KeyUp(head)), &[width, unrotated]));
        self.add(part(LayerPart::Latent), &[a.attention.head_dim, a.hidden]);
        self.add(part(LayerPart::LatentNorm), &[width]);
        heads.for_each(|head| self.add(part(LayerPart::ValueUp(head)), &[value, width]));
    }

    fn experts(&mut self, a: &Architecture, layer: usize, experts: &Experts) {
        let part = |part| TensorRole::Layer(layer, part);
        let router = |x| part(LayerPart::Router(x));
        self.linear(experts.count, a.hidden, experts.router_bias, router);
        if experts.selection_bias {
            self.add(part(LayerPart::SelectionBias), &[experts.count]);
        }
        for matrix in Projection::ALL.into_iter().filter(|_| experts.shared > 0) {
            let dims = sizes(matrix, experts.shared, a.hidden);
            self.add(part(LayerPart::Shared(matrix)), &dims);
        }
        for matrix in Projection::ALL.into_iter().filter(|_| experts.biases) {
            let [rows, _] = sizes(matrix, experts.neurons, a.hidden);
            self.add(part(LayerPart::ExpertBias(matrix)), &[experts.count, rows]);
        }
    }

    fn feed_forward(&mut self, a: &Architecture, layer: usize) {
        if let Some(experts) = a.experts(layer) {
            return self.experts(a, layer, experts);
        }
        let part = |part| TensorRole::Layer(layer, part);
        let (neurons, bias) = (a.neurons(layer), a.feed_forward.biases.into);
        if a.feed_forward.gated {
            self.linear(neurons, a.hidden, bias, |x| part(LayerPart::Gate(x)));
        }
        self.linear(neurons, a.hidden, bias, |x| part(LayerPart::Up(x)));
        self.add(part(LayerPart::Down), &[a.hidden, neurons]);
    }
}
