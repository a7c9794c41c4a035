//! Which tensors llama.cpp looks for in a model of an architecture, by its names and in file order.

use crate::Refused;
use flint_model::{Architecture, Residual};

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Element {
    /// 32-bit floats: norms and biases.
    #[value(skip)]
    F32,
    /// 16-bit floats.
    F16,
    /// The upper halves of 32-bit floats.
    Bf16,
}

impl Element {
    /// As the table of tensors names it.
    pub(super) fn number(self) -> u32 {
        match self {
            Element::F32 => 0,
            Element::F16 => 1,
            Element::Bf16 => 30,
        }
    }

    fn bytes(self) -> u64 {
        if self == Element::F32 { 4 } else { 2 }
    }
}

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Absent for a vector.
    pub(super) rows: Option<usize>,
    pub(super) columns: usize,
    pub(super) element: Element,
}

impl Tensor {
    /// Sizes, the outermost first.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.rows.into_iter().chain([self.columns]).collect()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.dims().iter().map(|&dim| dim as u64).product::<u64>() * self.element.bytes()
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

/// The tensors of a model, matrices of type `element`.
pub(super) fn tensors(
    architecture: &Architecture,
    element: Element,
) -> Result<Vec<Tensor>, Refused> {
    let kind = Kind::of(architecture)?;
    let mut list = List { tensors: Vec::new(), element };
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
    if !architecture.head.tied {
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
    element: Element,
}

impl List {
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) {
        let (name, element) = (name.to_owned(), self.element);
        self.tensors.push(Tensor { name, rows: Some(rows), columns, element });
    }

    /// llama.cpp adds and multiplies vectors in 32 bits only.
    fn vector(&mut self, name: &str, columns: usize) {
        let (name, element) = (name.to_owned(), Element::F32);
        self.tensors.push(Tensor { name, rows: None, columns, element });
    }
}
