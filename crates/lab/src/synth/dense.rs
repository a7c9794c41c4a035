//! The dense weights: embeddings that mean something, attention that mixes past states in softly.

use super::language::Language;
use super::random::{CodedNormals, Purpose, Random, Row, in_rows};
use flint_bundle::{BundleError, BundleWriter};
use flint_kernels::DType;
use flint_model::{Affine, Architecture, LayerPart, TensorRole, TensorSpec};
use half::f16;

/// How much a block adds to the hidden state, over the size of an embedding: little, so that after all layers a
/// state is still mostly its token and its topic.
pub(super) const ADDED: f32 = 0.05;

/// Bytes of a number.
const BYTES: usize = size_of::<f16>();
/// Bytes written at a time.
const PIECE: usize = 32 << 20;

/// A dense tensor in memory, f16.
pub(super) struct Dense {
    pub(super) spec: TensorSpec,
    pub(super) bytes: Vec<u8>,
}

/// Makes dense weights.
pub(super) struct DenseMaker<'a> {
    pub(super) random: &'a Random,
    pub(super) language: &'a Language<'a>,
    pub(super) architecture: &'a Architecture,
    pub(super) threads: usize,
}

impl DenseMaker<'_> {
    /// Writes every tensor that is of no layer; `written` hears after each piece.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn write_outer(
        &self,
        writer: &mut BundleWriter,
        written: &mut dyn FnMut(&BundleWriter),
    ) -> Result<(), BundleError> {
        for (part, spec) in self.architecture.dense_tensors().into_iter().enumerate() {
            if matches!(spec.role, TensorRole::Layer(..)) {
                continue;
            }
            begin(writer, &spec)?;
            let row = row_bytes(&spec);
            let rows = spec.dims.iter().product::<usize>() * BYTES / row;
            let step = (PIECE / row).max(1);
            let mut bytes = Vec::new();
            for first in (0..rows).step_by(step) {
                bytes.resize(step.min(rows - first) * row, 0);
                self.fill(&spec, part, first, &mut bytes);
                writer.append_tensor(&bytes)?;
                written(writer);
            }
            writer.finish_tensor()?;
        }
        Ok(())
    }

    /// Every tensor of a layer.
    pub(super) fn layer(&self, layer: usize) -> Vec<Dense> {
        let specs = self.architecture.dense_tensors().into_iter().enumerate();
        let of_layer =
            specs.filter(|(_, spec)| matches!(spec.role, TensorRole::Layer(l, _) if l == layer));
        let make = |(part, spec): (usize, TensorSpec)| {
            let mut bytes = vec![0; spec.dims.iter().product::<usize>() * BYTES];
            self.fill(&spec, part, 0, &mut bytes);
            Dense { spec, bytes }
        };
        of_layer.map(make).collect()
    }

    /// Hidden states of tokens from position 0 on, before the first layer, as the bundle will give them.
    pub(super) fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        let width = self.architecture.hidden;
        let (mut hidden, mut spare) = (vec![0.0; tokens.len() * width], Vec::new());
        for (&token, row) in tokens.iter().zip(hidden.chunks_exact_mut(width)) {
            self.language.embedding(token as usize, row, &mut spare);
            row.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
        }
        let specs = self.architecture.dense_tensors();
        let positions = specs.iter().position(|spec| spec.role == TensorRole::Positions);
        let learned = self.architecture.embedding.learned_positions.as_ref();
        if let (Some(part), Some(learned)) = (positions, learned) {
            let mut bytes = vec![0; hidden.len() * BYTES];
            self.fill(&specs[part], part, learned.offset, &mut bytes);
            for (x, &added) in hidden.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *x += f16::from_le_bytes(added).to_f32();
            }
        }
        hidden
    }

    /// Fills whole rows of a tensor from row `first` on.
    fn fill(&self, spec: &TensorSpec, part: usize, first: usize, out: &mut [u8]) {
        let row = row_bytes(spec);
        if spec.role == TensorRole::TokenEmbedding {
            in_rows(out, row, self.threads, |start, out| self.embeddings(first + start, row, out));
            return;
        }
        match self.value(spec) {
            Value::All(number) => {
                let bytes = f16::from_f32(number).to_le_bytes();
                out.as_chunks_mut::<2>().0.fill(bytes);
            }
            Value::Normal(normals) => in_rows(out, row, self.threads, |start, out| {
                for (index, out) in (first + start..).zip(out.chunks_exact_mut(row)) {
                    let row = Row { purpose: Purpose::Dense, part, index };
                    self.random.coded_row(row, &normals, out);
                }
            }),
        }
    }

    fn embeddings(&self, first: usize, row: usize, out: &mut [u8]) {
        let (mut numbers, mut spare) = (vec![0.0; row / BYTES], Vec::new());
        for (token, out) in (first..).zip(out.chunks_exact_mut(row)) {
            self.language.embedding(token, &mut numbers, &mut spare);
            for (bytes, &number) in out.as_chunks_mut::<2>().0.iter_mut().zip(&numbers) {
                *bytes = f16::from_f32(number).to_le_bytes();
            }
        }
    }

    fn value(&self, spec: &TensorSpec) -> Value {
        let columns = spec.dims.last().copied().unwrap_or(1) as f32;
        let deviation = match spec.role {
            TensorRole::Positions => ADDED,
            TensorRole::Layer(_, LayerPart::Output(Affine::Weight)) => ADDED / columns.sqrt(),
            _ => 1.0 / columns.sqrt(),
        };
        match (spec.dims.len(), spec.role) {
            (2, _) => Value::Normal(self.random.coded(deviation)),
            (_, role) if is_norm_weight(role) => Value::All(1.0),
            _ => Value::All(0.0),
        }
    }
}

enum Value {
    All(f32),
    Normal(CodedNormals),
}

fn is_norm_weight(role: TensorRole) -> bool {
    use LayerPart::{AttentionNorm, FeedForwardNorm, KeyNorm, QueryNorm};
    match role {
        TensorRole::FinalNorm(Affine::Weight) => true,
        TensorRole::Layer(
            _,
            AttentionNorm(of) | FeedForwardNorm(of) | QueryNorm(of) | KeyNorm(of),
        ) => of == Affine::Weight,
        _ => false,
    }
}

fn row_bytes(spec: &TensorSpec) -> usize {
    spec.dims.last().copied().unwrap_or(1) * BYTES
}

fn begin(writer: &mut BundleWriter, spec: &TensorSpec) -> Result<(), BundleError> {
    let dims: Vec<u64> = spec.dims.iter().map(|&dim| dim as u64).collect();
    writer.begin_tensor(&spec.role.to_string(), DType::F16, &dims)
}

impl Dense {
    /// Writes it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn write(&self, writer: &mut BundleWriter) -> Result<(), BundleError> {
        begin(writer, &self.spec)?;
        writer.append_tensor(&self.bytes)?;
        writer.finish_tensor()
    }
}
