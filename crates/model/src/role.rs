//! Canonical names of dense tensors: what a tensor is for, whatever its family calls it.

use crate::{Architecture, NormKind, NormPlace, Residual};
use std::fmt;

/// What a dense tensor is for. Its `Display` is the name under which a bundle stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// vocabulary x embedding width.
    TokenEmbedding,
    /// rows x hidden.
    Positions,
    /// hidden x embedding width.
    ProjectIn,
    /// embedding width x hidden.
    ProjectOut,
    /// The norm after the last layer.
    FinalNorm(Affine),
    /// vocabulary x embedding width, where the head is not tied.
    Head,
    /// One number per vocabulary entry.
    HeadBias,
    /// A tensor of one decoder layer.
    Layer(usize, LayerPart),
}

/// What a dense tensor of a layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerPart {
    /// The norm of the attention block.
    AttentionNorm(Affine),
    /// The norm of the feed-forward block.
    FeedForwardNorm(Affine),
    /// The norm of what the attention block gives, where there is one.
    AttentionOutputNorm(Affine),
    /// The norm of what the feed-forward gives, where there is one.
    FeedForwardOutputNorm(Affine),
    /// heads x head size rows.
    Query(Affine),
    /// KV heads x head size rows.
    Key(Affine),
    /// KV heads x head size rows.
    Value(Affine),
    /// hidden rows.
    Output(Affine),
    /// Norm over each query head.
    QueryNorm(Affine),
    /// Norm over each key head.
    KeyNorm(Affine),
    /// neurons x hidden, where the feed-forward is held as matrices.
    Gate(Affine),
    /// neurons x hidden, where the feed-forward is held as matrices.
    Up(Affine),
    /// hidden x neurons, where the feed-forward is held as matrices.
    Down,
    /// Added to the sum of the down projection.
    DownBias,
}

/// The two tensors of a linear map or a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Affine {
    /// The matrix of a linear map, the scale of a norm.
    Weight,
    /// What is added.
    Bias,
}

impl LayerPart {
    /// Which of the two tensors of its map or norm it is.
    pub fn affine(self) -> Affine {
        match self {
            LayerPart::AttentionNorm(affine)
            | LayerPart::FeedForwardNorm(affine)
            | LayerPart::AttentionOutputNorm(affine)
            | LayerPart::FeedForwardOutputNorm(affine)
            | LayerPart::Query(affine)
            | LayerPart::Key(affine)
            | LayerPart::Value(affine)
            | LayerPart::Output(affine)
            | LayerPart::QueryNorm(affine)
            | LayerPart::KeyNorm(affine)
            | LayerPart::Gate(affine)
            | LayerPart::Up(affine) => affine,
            LayerPart::Down => Affine::Weight,
            LayerPart::DownBias => Affine::Bias,
        }
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Affine::Weight => "weight",
            Affine::Bias => "bias",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::TokenEmbedding => write!(f, "embedding.tokens"),
            Role::Positions => write!(f, "embedding.positions"),
            Role::ProjectIn => write!(f, "embedding.project_in"),
            Role::ProjectOut => write!(f, "head.project_out"),
            Role::FinalNorm(affine) => write!(f, "final_norm.{affine}"),
            Role::Head => write!(f, "head.weight"),
            Role::HeadBias => write!(f, "head.bias"),
            Role::Layer(layer, part) => write!(f, "layers.{layer}.{part}"),
        }
    }
}

impl fmt::Display for LayerPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerPart::AttentionNorm(affine) => write!(f, "attention_norm.{affine}"),
            LayerPart::FeedForwardNorm(affine) => write!(f, "feed_forward_norm.{affine}"),
            LayerPart::AttentionOutputNorm(affine) => write!(f, "attention_output_norm.{affine}"),
            LayerPart::FeedForwardOutputNorm(affine) => {
                write!(f, "feed_forward_output_norm.{affine}")
            }
            LayerPart::Query(affine) => write!(f, "query.{affine}"),
            LayerPart::Key(affine) => write!(f, "key.{affine}"),
            LayerPart::Value(affine) => write!(f, "value.{affine}"),
            LayerPart::Output(affine) => write!(f, "output.{affine}"),
            LayerPart::QueryNorm(affine) => write!(f, "query_norm.{affine}"),
            LayerPart::KeyNorm(affine) => write!(f, "key_norm.{affine}"),
            LayerPart::Gate(affine) => write!(f, "gate.{affine}"),
            LayerPart::Up(affine) => write!(f, "up.{affine}"),
            LayerPart::Down => write!(f, "down.weight"),
            LayerPart::DownBias => write!(f, "down.bias"),
        }
    }
}

/// A dense tensor and its sizes: one for a vector, two (rows, columns) for a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// What it is for.
    pub role: Role,
    /// Sizes, outermost first.
    pub dims: Vec<usize>,
}

/// Lists the dense tensors of an architecture in the order of a forward pass.
pub(crate) fn dense_tensors(a: &Architecture, with_feed_forward: bool) -> Vec<TensorSpec> {
    let mut list = List(Vec::new());
    list.add(Role::TokenEmbedding, &[a.vocabulary, a.embedding.width]);
    if let Some(positions) = &a.embedding.learned_positions {
        list.add(Role::Positions, &[positions.rows, a.hidden]);
    }
    if a.embedding.width != a.hidden {
        list.add(Role::ProjectIn, &[a.hidden, a.embedding.width]);
    }
    for layer in 0..a.layers {
        list.layer(a, layer, with_feed_forward);
    }
    if a.final_norm {
        list.norm(a.norm, a.hidden, Role::FinalNorm);
    }
    if a.embedding.width != a.hidden {
        list.add(Role::ProjectOut, &[a.embedding.width, a.hidden]);
    }
    if !a.head.tied {
        list.add(Role::Head, &[a.vocabulary, a.embedding.width]);
    }
    if a.head.bias {
        list.add(Role::HeadBias, &[a.vocabulary]);
    }
    list.0
}

struct List(Vec<TensorSpec>);

impl List {
    fn add(&mut self, role: Role, dims: &[usize]) {
        self.0.push(TensorSpec { role, dims: dims.to_vec() });
    }

    fn norm(&mut self, kind: NormKind, width: usize, role: impl Fn(Affine) -> Role) {
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

    fn linear(&mut self, rows: usize, columns: usize, bias: bool, role: impl Fn(Affine) -> Role) {
        self.add(role(Affine::Weight), &[rows, columns]);
        if bias {
            self.add(role(Affine::Bias), &[rows]);
        }
    }

    fn layer(&mut self, a: &Architecture, layer: usize, with_feed_forward: bool) {
        let part = |part| Role::Layer(layer, part);
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
        let part = |part| Role::Layer(layer, part);
        let (neurons, bias) = (a.neurons(layer), a.feed_forward.biases.into);
        if a.feed_forward.gated {
            self.linear(neurons, a.hidden, bias, |x| part(LayerPart::Gate(x)));
        }
        self.linear(neurons, a.hidden, bias, |x| part(LayerPart::Up(x)));
        self.add(part(LayerPart::Down), &[a.hidden, neurons]);
    }
}
