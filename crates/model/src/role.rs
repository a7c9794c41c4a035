//! Canonical names of dense tensors: what a tensor is for, whatever its family calls it.

use std::fmt;

/// What a dense tensor is for. Its `Display` is the name under which a bundle stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TensorRole {
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
    /// experts x hidden: what chooses experts.
    Router(Affine),
    /// One number per expert: added where experts are chosen, and never to their weights.
    SelectionBias,
    /// A matrix of one expert. These are not among the dense tensors.
    Expert(u32, Projection),
    /// experts x numbers: the biases of a matrix of all experts.
    ExpertBias(Projection),
    /// A matrix of the expert that every row goes through.
    Shared(Projection),
    /// One score per query head that takes part in its softmax and has no value.
    Sinks,
    /// latent query width x hidden, where queries are made from a narrower vector.
    QueryDown,
    /// The norm of that vector.
    QueryDownNorm,
    /// (latent + rotated) x hidden: what is stored of a token in latent attention.
    Latent,
    /// The norm of the latent part.
    LatentNorm,
    /// latent x unrotated key size: turns a head's query into one over latent vectors.
    KeyUp(u32),
    /// value size x latent: turns what a head mixed of latent vectors into its value.
    ValueUp(u32),
}

/// The three matrices of a gated feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Projection {
    /// neurons x hidden, into the activation.
    Gate,
    /// neurons x hidden, multiplied with it.
    Up,
    /// hidden x neurons.
    Down,
}

impl Projection {
    /// All three, in the order in which they are used.
    pub const ALL: [Projection; 3] = [Projection::Gate, Projection::Up, Projection::Down];

    /// The name used for tensors: `gate`, `up` or `down`.
    pub const fn name(self) -> &'static str {
        match self {
            Projection::Gate => "gate",
            Projection::Up => "up",
            Projection::Down => "down",
        }
    }
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
            | LayerPart::Up(affine)
            | LayerPart::Router(affine) => affine,
            LayerPart::DownBias | LayerPart::SelectionBias | LayerPart::ExpertBias(_) => {
                Affine::Bias
            }
            _ => Affine::Weight,
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

impl fmt::Display for TensorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TensorRole::TokenEmbedding => write!(f, "embedding.tokens"),
            TensorRole::Positions => write!(f, "embedding.positions"),
            TensorRole::ProjectIn => write!(f, "embedding.project_in"),
            TensorRole::ProjectOut => write!(f, "head.project_out"),
            TensorRole::FinalNorm(affine) => write!(f, "final_norm.{affine}"),
            TensorRole::Head => write!(f, "head.weight"),
            TensorRole::HeadBias => write!(f, "head.bias"),
            TensorRole::Layer(layer, part) => write!(f, "layers.{layer}.{part}"),
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
            LayerPart::Router(affine) => write!(f, "router.{affine}"),
            LayerPart::SelectionBias => write!(f, "router.selection_bias"),
            LayerPart::Expert(expert, matrix) => {
                write!(f, "experts.{expert}.{}.weight", matrix.name())
            }
            LayerPart::ExpertBias(matrix) => write!(f, "experts.{}.bias", matrix.name()),
            LayerPart::Shared(matrix) => write!(f, "shared_expert.{}.weight", matrix.name()),
            LayerPart::Sinks => write!(f, "sinks"),
            LayerPart::QueryDown => write!(f, "query_down.weight"),
            LayerPart::QueryDownNorm => write!(f, "query_down_norm.weight"),
            LayerPart::Latent => write!(f, "latent.weight"),
            LayerPart::LatentNorm => write!(f, "latent_norm.weight"),
            LayerPart::KeyUp(head) => write!(f, "key_up.{head}.weight"),
            LayerPart::ValueUp(head) => write!(f, "value_up.{head}.weight"),
        }
    }
}

/// A dense tensor and its sizes: one for a vector, two (rows, columns) for a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// What it is for.
    pub role: TensorRole,
    /// Sizes, outermost first.
    pub dims: Vec<usize>,
}
