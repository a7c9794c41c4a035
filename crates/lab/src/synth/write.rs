//! Writes a synthetic bundle as a stream: layer after layer, each tuned on the states that those before it gave.

use super::SynthArgs;
use super::attention::Block;
use super::dense::DenseMaker;
use super::language::{Language, Text, walk};
use super::mixing::Mixing;
use super::neurons::{LayerNeurons, NeuronMaker};
use super::random::Random;
use super::recipe::{FILE, Recipe};
use super::shapes::Model;
use crate::Refused;
use flint_bundle::{
    Bundle, BundleWriter, Calibration, GroupCalibration, Overwrite, Provenance, replace_predictors,
};
use flint_convert::PredictorKind;
use flint_geometry::{ModelShape, UnitSet};
use flint_kernels::{Compute, DType, Isa};
use flint_model::Residual;
use flint_predictor::{CascadeGroup, LowRankGroup, QuantizedGateLayer};
use std::path::Path;

/// Tokens that each layer is tuned on.
const TUNING_TOKENS: usize = 256;

/// What happens while a bundle is made.
#[derive(Debug, Clone, PartialEq)]
pub enum SynthEvent {
    /// Before anything is written.
    Planned {
        /// Layers.
        layers: usize,
        /// Width of the hidden state.
        hidden: usize,
        /// Neurons of a layer.
        neurons: usize,
        /// Entries of the vocabulary.
        vocabulary: usize,
        /// Bytes of disk that the bundle will take.
        disk_bytes: u64,
        /// Bytes of disk that are free, where the system says so.
        free_bytes: Option<u64>,
    },
    /// Bytes written.
    Written {
        /// So far.
        done: u64,
        /// In all, estimated.
        total: u64,
    },
    /// A layer was tuned: what it does on the tuning text.
    Tuned {
        /// The layer.
        layer: usize,
        /// Share of its neurons that is active.
        activity: f64,
        /// Neurons that the low-rank predictor predicts for each active one.
        over_prediction: f64,
        /// Share of the active neurons that it predicts.
        recall: f64,
        /// Neurons predicted for each active one by both stages of a cascade, the same where there is one stage.
        refined: f64,
    },
    /// All bytes are written; loads are measured for every size of cache.
    Replaying,
    /// Bytes of the finished bundle that were read back and checked.
    Verified {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
}

/// Makes a bundle, then reads everything back and checks it.
///
/// # Errors
/// When there is no room, a bundle is there already, or writing fails.
pub fn synth(args: &SynthArgs, listen: &mut dyn FnMut(SynthEvent)) -> anyhow::Result<Bundle> {
    let model = Model::new(args.shape, args.scale)?;
    let shape = model.architecture.shape(DType::F16)?;
    let predictors = predictor_bytes(&model, args.predictor);
    let disk_bytes = BundleWriter::disk_needed(&shape, dense_bytes(&model)) + predictors;
    let free_bytes = free_bytes(&args.out);
    listen(SynthEvent::Planned {
        layers: model.architecture.layers,
        hidden: model.architecture.hidden,
        neurons: model.architecture.most_neurons(),
        vocabulary: model.architecture.vocabulary,
        disk_bytes,
        free_bytes,
    });
    if let Some(free) = free_bytes.filter(|&free| free < disk_bytes) {
        let (out, gb) = (args.out.display(), |bytes: u64| bytes as f64 / 1e9);
        let text = format!(
            "{out}: needs {:.2} GB of disk, {:.2} GB are free: try a smaller --scale",
            gb(disk_bytes),
            gb(free)
        );
        return Err(Refused(text).into());
    }
    let recipe = Recipe { shape: args.shape, scale: args.scale, seed: args.seed };
    let mut writer = create(args, &model, shape, recipe)?;
    let maker =
        Maker { model: &model, random: &Random::new(args.seed), kind: args.predictor, disk_bytes };
    let made = maker.write(&mut writer, listen)?;
    // Of the bundle that was there before.
    flint_engine::remove_stored_copies(&args.out)?;
    writer.commit()?;
    listen(SynthEvent::Replaying);
    let loads_per_token = flint_convert::load_curve(&made.predicted, shape.neurons)?;
    let calibration = Calibration {
        tokens: TUNING_TOKENS as u64,
        groups: made.found,
        perplexity_exact: None,
        perplexity_sparse: None,
        loads_per_token,
    };
    let bundle =
        replace_predictors(&args.out, args.predictor.name(), made.blobs, Some(calibration))?;
    bundle.verify(&mut |done, total| listen(SynthEvent::Verified { done, total }))?;
    Ok(bundle)
}

fn create(
    args: &SynthArgs,
    model: &Model,
    shape: ModelShape,
    recipe: Recipe,
) -> anyhow::Result<BundleWriter> {
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    let source = Provenance {
        family: model.architecture.family.clone(),
        converter: concat!("flint synth ", env!("CARGO_PKG_VERSION")).to_owned(),
        fingerprint: format!(
            "synthetic {} scale {} seed {}",
            args.shape.name(),
            args.scale,
            args.seed
        ),
    };
    let architecture = model.architecture.to_json();
    let mut writer = BundleWriter::create(&args.out, overwrite, shape, source, architecture)?;
    writer.text("config.json", model.config.to_string().as_bytes())?;
    writer.text(FILE, recipe.to_json().as_bytes())?;
    Ok(writer)
}

/// What is kept of all layers until the end.
#[derive(Default)]
struct Made {
    blobs: Vec<Option<Vec<u8>>>,
    found: Vec<GroupCalibration>,
    predicted: Vec<Vec<UnitSet>>,
}

struct Maker<'a> {
    model: &'a Model,
    random: &'a Random,
    kind: PredictorKind,
    disk_bytes: u64,
}

impl Maker<'_> {
    fn write(
        &self,
        writer: &mut BundleWriter,
        listen: &mut dyn FnMut(SynthEvent),
    ) -> anyhow::Result<Made> {
        let (architecture, random) = (&self.model.architecture, self.random);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let compute = Compute::new(Isa::best(), threads)?;
        let mixing = Mixing::new(random, architecture.hidden);
        let biased = architecture.feed_forward.biases.into;
        let language = Language::new(random, &mixing, architecture.vocabulary, biased);
        let dense = DenseMaker { random, language: &language, architecture, threads };
        let neurons = NeuronMaker {
            random,
            mixing: &mixing,
            language: &language,
            architecture,
            published: self.model.shape.published(),
            compute: &compute,
            layout: architecture.shape(DType::F16)?.record,
            kind: self.kind,
        };
        let total = self.disk_bytes;
        let mut written = |writer: &BundleWriter| {
            listen(SynthEvent::Written { done: writer.bytes_written(), total });
        };
        dense.write_outer(writer, &mut written)?;
        let tokens = walk(random, architecture.vocabulary, Text::Tuning, TUNING_TOKENS);
        let mut hidden = dense.embed(&tokens);
        let mut made = Made::default();
        for layer in 0..architecture.layers {
            let one = self.layer(layer, &dense, &neurons, &mut hidden, writer)?;
            let found = &one.found;
            listen(SynthEvent::Tuned {
                layer,
                activity: f64::from(found.active_mean) / architecture.most_neurons() as f64,
                over_prediction: one.first.predicted_per_active(),
                recall: one.first.recall(),
                refined: f64::from(found.predicted_mean / found.active_mean),
            });
            listen(SynthEvent::Written { done: writer.bytes_written(), total });
            made.blobs.push(one.blob);
            made.found.push(one.found);
            made.predicted.push(one.predicted);
        }
        Ok(made)
    }

    /// Makes and writes a layer, and moves the hidden states past it.
    fn layer(
        &self,
        layer: usize,
        dense: &DenseMaker<'_>,
        neurons: &NeuronMaker<'_>,
        hidden: &mut [f32],
        writer: &mut BundleWriter,
    ) -> anyhow::Result<LayerNeurons> {
        let architecture = &self.model.architecture;
        let tensors = dense.layer(layer);
        tensors.iter().try_for_each(|tensor| tensor.write(writer))?;
        let block = Block { compute: neurons.compute, architecture, layer, dense: &tensors };
        let mut states = block.norm(hidden);
        add(hidden, &block.attend(&states)?);
        if architecture.residual == Residual::Serial {
            states = block.norm(hidden);
        }
        drop(tensors);
        let one = neurons.make(layer, &self.model.layers[layer], &states)?;
        add(hidden, &one.output);
        let count = architecture.most_neurons() as u32;
        writer.begin_group(count, None, one.up_bias.as_deref())?;
        let payload = neurons.layout.payload_bytes();
        for record in one.records.chunks_exact(neurons.layout.stride() as usize) {
            writer.record(&[&record[..payload]])?;
        }
        writer.finish_group()?;
        Ok(LayerNeurons { records: Vec::new(), output: Vec::new(), ..one })
    }
}

fn add(hidden: &mut [f32], added: &[f32]) {
    hidden.iter_mut().zip(added).for_each(|(x, added)| *x += added);
}

fn dense_bytes(model: &Model) -> u64 {
    let tensors = model.architecture.dense_tensors();
    let numbers =
        tensors.iter().map(|spec| spec.dims.iter().map(|&dim| dim as u64).product::<u64>());
    let biases = model.architecture.most_neurons() * model.architecture.layers * 4;
    numbers.sum::<u64>() * 2 + biases as u64
}

fn predictor_bytes(model: &Model, kind: PredictorKind) -> u64 {
    let (width, neurons) = (model.architecture.hidden, model.architecture.most_neurons());
    let copy = match kind {
        PredictorKind::Cascade => QuantizedGateLayer::bytes_of(width, neurons, CascadeGroup::BITS),
        _ => 0,
    };
    let ranks = model.layers.iter().filter_map(|layer| layer.rank);
    ranks.map(|rank| LowRankGroup::bytes_of(width, neurons, rank) + copy + 4096).sum()
}

/// Bytes free for this user where `path` is or will be; `None` where the system does not say.
fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|path| path.exists());
    let existing = existing.unwrap_or(Path::new("."));
    let found = rustix::fs::statvfs(existing).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}
