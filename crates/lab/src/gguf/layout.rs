//! Which tensors llama.cpp looks for in a model of an architecture, by its names and in file order.

use super::file_type::FileType;
use super::routers;
use crate::Refused;
use flint_checkpoint::gguf::NewTensor;
use flint_geometry::DType;
use flint_model::{Architecture, Residual};

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// How many matrices it is, where it is several.
    pub(super) stack: Option<usize>,
    /// Absent for a vector.
    pub(super) rows: Option<usize>,
    pub(super) columns: usize,
    pub(super) dtype: DType,
    /// Whether it is an embedding with a mean, or a router that reads hidden states that have it.
    pub(super) has_mean: bool,
    /// What its weights are multiplied by, beside those that keep the size of what they multiply.
    pub(super) gain: f64,
}

impl Tensor {
    /// Sizes, the outermost first.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.stack.into_iter().chain(self.rows).chain([self.columns]).collect()
    }

    /// As the file has it.
    pub(super) fn stored(&self) -> NewTensor {
        let dims = self.dims().into_iter().map(|dim| dim as u64).collect();
        NewTensor { name: self.name.clone(), dims, dtype: self.dtype }
    }
}

/// Which of llama.cpp's architectures runs a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Llama,
    Falcon,
    Phi,
    Qwen3Moe,
    Olmoe,
    GptOss,
}

impl Kind {
    pub(super) fn of(architecture: &Architecture) -> Result<Kind, Refused> {
        match architecture.family.as_str() {
            "llama" | "mistral" => Ok(Kind::Llama),
            "falcon" if architecture.residual != Residual::Serial => Ok(Kind::Falcon),
            "phi" => Ok(Kind::Phi),
            "qwen3_moe" => Ok(Kind::Qwen3Moe),
            "olmoe" => Ok(Kind::Olmoe),
            "gpt-oss" => Ok(Kind::GptOss),
            other => Err(Refused(format!(
                "no GGUF of family {other}: known are llama, mistral, falcon (parallel attention), phi, qwen3_moe, olmoe and gpt-oss"
            ))),
        }
    }

    /// As the file names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Llama => "llama",
            Kind::Falcon => "falcon",
            Kind::Phi => "phi2",
            Kind::Qwen3Moe => "qwen3moe",
            Kind::Olmoe => "olmoe",
            Kind::GptOss => "gpt-oss",
        }
    }
}

/// The tensors of a model in a file of this type.
pub(super) fn tensors(
    architecture: &Architecture,
    file_type: FileType,
) -> Result<Vec<Tensor>, Refused> {
    let kind = Kind::of(architecture)?;
    let (layers, tied) = (architecture.layers, architecture.head.tied);
    let has_mean = architecture.experts.as_ref().is_some_and(|experts| !experts.router_bias);
    if has_mean && file_type != FileType::Q4KM {
        let why = "routers without a bias are made for embeddings of type q4_k: --type q4_k_m";
        return Err(Refused(why.to_owned()));
    }
    let experts = architecture.experts.is_some();
    let mut list = List { tensors: Vec::new(), file_type, layers, tied, has_mean, experts };
    let (hidden, vocabulary) = (architecture.hidden, architecture.vocabulary);
    list.matrix("token_embd.weight", vocabulary, hidden);
    for layer in 0..architecture.layers {
        match kind {
            Kind::Llama => llama_layer(&mut list, architecture, layer),
            Kind::Falcon => falcon_layer(&mut list, architecture, layer),
            Kind::Phi => phi_layer(&mut list, architecture, layer),
            Kind::Qwen3Moe | Kind::Olmoe | Kind::GptOss => {
                expert_layer(&mut list, architecture, layer);
            }
        }
    }
    list.vector("output_norm.weight", hidden);
    if matches!(kind, Kind::Falcon | Kind::Phi) {
        list.vector("output_norm.bias", hidden);
    }
    if !tied {
        list.matrix("output.weight", vocabulary, hidden);
    }
    if kind == Kind::Phi {
        list.vector("output.bias", vocabulary);
    }
    Ok(list.tensors)
}

fn llama_layer(list: &mut List, architecture: &Architecture, layer: usize) {
    let (hidden, neurons) = (architecture.hidden, architecture.most_neurons());
    let (query, kv) = (architecture.query_width(), architecture.kv_width());
    let name = |what: &str| format!("blk.{layer}.{what}.weight");
    list.vector(&name("attn_norm"), hidden);
    list.matrix(&name("attn_q"), query, hidden);
    list.matrix(&name("attn_k"), kv, hidden);
    list.matrix(&name("attn_v"), kv, hidden);
    list.matrix(&name("attn_output"), hidden, query);
    list.vector(&name("ffn_norm"), hidden);
    list.matrix(&name("ffn_gate"), neurons, hidden);
    list.matrix(&name("ffn_down"), hidden, neurons);
    list.matrix(&name("ffn_up"), neurons, hidden);
}

/// A layer of experts, with the norms, biases and sinks of its family.
fn expert_layer(list: &mut List, architecture: &Architecture, layer: usize) {
    let Some(experts) = &architecture.experts else { return };
    let (hidden, attention) = (architecture.hidden, &architecture.attention);
    let (query, kv) = (architecture.query_width(), architecture.kv_width());
    let name = |what: &str| format!("blk.{layer}.{what}");
    list.vector(&name("attn_norm.weight"), hidden);
    let maps = [
        ("attn_q", query, hidden),
        ("attn_k", kv, hidden),
        ("attn_v", kv, hidden),
        ("attn_output", hidden, query),
    ];
    for (what, rows, columns) in maps {
        list.matrix(&name(&format!("{what}.weight")), rows, columns);
        if attention.biases.into {
            list.vector(&name(&format!("{what}.bias")), rows);
        }
    }
    if let Some(norm) = attention.head_norm {
        let width = |all: usize| if norm.whole { all } else { attention.head_dim };
        list.vector(&name("attn_q_norm.weight"), width(query));
        list.vector(&name("attn_k_norm.weight"), width(kv));
    }
    if attention.sinks {
        list.vector(&name("attn_sinks.weight"), attention.heads);
    }
    let norm = if attention.sinks { "post_attention_norm.weight" } else { "ffn_norm.weight" };
    list.vector(&name(norm), hidden);
    list.router(&name("ffn_gate_inp.weight"), experts.count, hidden);
    if experts.router_bias {
        list.vector(&name("ffn_gate_inp.bias"), experts.count);
    }
    let matrices = [
        ("ffn_gate_exps", experts.neurons, hidden),
        ("ffn_down_exps", hidden, experts.neurons),
        ("ffn_up_exps", experts.neurons, hidden),
    ];
    for (what, rows, columns) in matrices {
        list.experts(&name(&format!("{what}.weight")), experts.count, rows, columns);
        if experts.biases {
            list.table(&name(&format!("{what}.bias")), experts.count, rows);
        }
    }
}

fn falcon_layer(list: &mut List, architecture: &Architecture, layer: usize) {
    let (hidden, neurons) = (architecture.hidden, architecture.most_neurons());
    let (query, kv) = (architecture.query_width(), architecture.kv_width());
    let name = |what: &str| format!("blk.{layer}.{what}");
    let two = architecture.residual == Residual::ParallelTwoNorms;
    for norm in ["attn_norm", "attn_norm_2"].into_iter().take(1 + usize::from(two)) {
        list.vector(&name(&format!("{norm}.weight")), hidden);
        list.vector(&name(&format!("{norm}.bias")), hidden);
    }
    list.matrix(&name("attn_qkv.weight"), query + 2 * kv, hidden);
    list.matrix(&name("attn_output.weight"), hidden, query);
    list.matrix(&name("ffn_up.weight"), neurons, hidden);
    list.matrix(&name("ffn_down.weight"), hidden, neurons);
}

fn phi_layer(list: &mut List, architecture: &Architecture, layer: usize) {
    let (hidden, neurons) = (architecture.hidden, architecture.most_neurons());
    let (query, kv) = (architecture.query_width(), architecture.kv_width());
    let name = |what: &str, part: &str| format!("blk.{layer}.{what}.{part}");
    list.vector(&name("attn_norm", "weight"), hidden);
    list.vector(&name("attn_norm", "bias"), hidden);
    let maps = [
        ("attn_qkv", query + 2 * kv, hidden),
        ("attn_output", hidden, query),
        ("ffn_up", neurons, hidden),
        ("ffn_down", hidden, neurons),
    ];
    for (what, rows, columns) in maps {
        list.matrix(&name(what, "weight"), rows, columns);
        list.vector(&name(what, "bias"), rows);
    }
}

struct List {
    tensors: Vec<Tensor>,
    file_type: FileType,
    layers: usize,
    tied: bool,
    /// Whether embeddings have a mean.
    has_mean: bool,
    /// Whether layers have experts.
    experts: bool,
}

impl List {
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) {
        let dtype = self.file_type.of_matrix(name, columns, self.layers, self.tied);
        let name = name.to_owned();
        let has_mean = self.has_mean && name == "token_embd.weight";
        let gain = match name.as_str() {
            _ if !self.experts => 1.0,
            "token_embd.weight" => routers::EMBEDDED * (columns as f64).sqrt(),
            _ if name.ends_with("attn_output.weight") => routers::ADDED,
            _ => 1.0,
        };
        self.tensors.push(Tensor {
            name,
            stack: None,
            rows: Some(rows),
            columns,
            dtype,
            has_mean,
            gain,
        });
    }

    /// A matrix of all experts of a layer.
    fn experts(&mut self, name: &str, count: usize, rows: usize, columns: usize) {
        let dtype = self.file_type.of_experts(name, columns, self.layers);
        let name = name.to_owned();
        let (stack, rows) = (Some(count), Some(rows));
        let gain = if name.ends_with("ffn_down_exps.weight") { routers::ADDED } else { 1.0 };
        self.tensors.push(Tensor { name, stack, rows, columns, dtype, has_mean: false, gain });
    }

    /// What chooses experts is stored in 32 bits.
    fn router(&mut self, name: &str, rows: usize, columns: usize) {
        let (name, dtype, has_mean, gain) = (name.to_owned(), DType::F32, self.has_mean, 1.0);
        self.tensors.push(Tensor {
            name,
            stack: None,
            rows: Some(rows),
            columns,
            dtype,
            has_mean,
            gain,
        });
    }

    /// A bias of all experts of a layer.
    fn table(&mut self, name: &str, rows: usize, columns: usize) {
        self.router(name, rows, columns);
    }

    /// llama.cpp adds and multiplies vectors in 32 bits only.
    fn vector(&mut self, name: &str, columns: usize) {
        let (name, dtype) = (name.to_owned(), DType::F32);
        let (has_mean, gain) = (false, 1.0);
        self.tensors.push(Tensor { name, stack: None, rows: None, columns, dtype, has_mean, gain });
    }
}
