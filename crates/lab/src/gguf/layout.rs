//! Which tensors llama.cpp looks for in a model of an architecture, by its names and in file order.

use super::file_type::FileType;
use crate::Refused;
use flint_geometry::DType;
use flint_model::{Architecture, Residual};

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Absent for a vector.
    pub(super) rows: Option<usize>,
    pub(super) columns: usize,
    pub(super) dtype: DType,
}

impl Tensor {
    /// Sizes, the outermost first.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.rows.into_iter().chain([self.columns]).collect()
    }

    pub(super) fn bytes(&self) -> u64 {
        let numbers = self.rows.unwrap_or(1) as u64 * self.columns as u64;
        numbers / self.dtype.block_len() as u64 * self.dtype.block_bytes() as u64
    }
}

/// Which of llama.cpp's architectures runs a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Llama,
    Falcon,
    Phi,
}

impl Kind {
    pub(super) fn of(architecture: &Architecture) -> Result<Kind, Refused> {
        match architecture.family.as_str() {
            "llama" | "mistral" => Ok(Kind::Llama),
            "falcon" if architecture.residual != Residual::Serial => Ok(Kind::Falcon),
            "phi" => Ok(Kind::Phi),
            other => Err(Refused(format!(
                "no GGUF of family {other}: known are llama, mistral, falcon (parallel attention) and phi"
            ))),
        }
    }

    /// As the file names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Llama => "llama",
            Kind::Falcon => "falcon",
            Kind::Phi => "phi2",
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
    let mut list = List { tensors: Vec::new(), file_type, layers, tied };
    let (hidden, vocabulary) = (architecture.hidden, architecture.vocabulary);
    list.matrix("token_embd.weight", vocabulary, hidden);
    for layer in 0..architecture.layers {
        match kind {
            Kind::Llama => llama_layer(&mut list, architecture, layer),
            Kind::Falcon => falcon_layer(&mut list, architecture, layer),
            Kind::Phi => phi_layer(&mut list, architecture, layer),
        }
    }
    list.vector("output_norm.weight", hidden);
    if kind != Kind::Llama {
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
}

impl List {
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) {
        let dtype = self.file_type.of_matrix(name, columns, self.layers, self.tied);
        let name = name.to_owned();
        self.tensors.push(Tensor { name, rows: Some(rows), columns, dtype });
    }

    /// llama.cpp adds and multiplies vectors in 32 bits only.
    fn vector(&mut self, name: &str, columns: usize) {
        let (name, dtype) = (name.to_owned(), DType::F32);
        self.tensors.push(Tensor { name, rows: None, columns, dtype });
    }
}
