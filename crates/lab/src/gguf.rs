//! A GGUF file of random weights: what llama.cpp needs to be measured on the shape of a model.

mod file_type;
mod layout;
mod metadata;
mod named;
mod routers;
mod vocabulary;
mod weights;

pub use file_type::FileType;

use crate::Refused;
use anyhow::Context;
use flint_checkpoint::gguf::{self, NewTensor};
use flint_engine::OpenModel;
use flint_model::Architecture;
use layout::Tensor;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Which model to write, and where.
#[derive(Debug, clap::Args)]
pub struct GgufArgs {
    /// llama-2-7b, llama-3.2-3b, smollm2-1.7b, smollm2-135m, falcon-7b, phi-2, qwen3-30b-a3b, olmoe-1b-7b or gpt-oss-20b; or a
    /// bundle or checkpoint directory, whose shape is taken
    #[arg(value_name = "SHAPE|DIR")]
    shape: String,
    /// The file
    #[arg(long, value_name = "FILE.gguf")]
    out: PathBuf,
    /// Share of the layers to keep, at least one: for small disks
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Data types of the matrices, as files are published
    #[arg(long = "type", alias = "dtype", value_name = "TYPE", value_enum, default_value_t = FileType::F16)]
    file_type: FileType,
    /// Start of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// What happens while a file is written.
#[derive(Debug, Clone, Copy)]
pub enum GgufEvent<'a> {
    /// Nothing is written yet: what the file will take, and what is free, where that is known.
    Need {
        /// In words: model, tensors.
        what: &'a str,
        /// Bytes of the file.
        bytes: u64,
        /// Bytes that are free there.
        free: Option<u64>,
    },
    /// `done` of `total` bytes are written.
    Written {
        /// Bytes so far.
        done: u64,
        /// Bytes of the file.
        total: u64,
    },
}

/// Writes the file and returns its length in bytes. Stopped before its end it leaves `FILE.partial`.
///
/// # Errors
/// [`Refused`] for a shape that is unknown or that llama.cpp does not run, a file that is there, or a disk
/// that is too small; when the file cannot be written.
pub fn gguf(args: &GgufArgs, tell: &mut dyn FnMut(GgufEvent<'_>)) -> anyhow::Result<u64> {
    let (name, mut architecture) = shape(&args.shape)?;
    architecture.layers = ((architecture.layers as f64 * args.scale).round() as usize).max(1);
    let tensors = layout::tensors(&architecture, args.file_type)?;
    let head = head(&name, &architecture, &tensors, args.file_type)?;
    let total = gguf::length(&head, &stored(&tensors));
    if args.out.exists() && !args.force {
        let path = args.out.display();
        return Err(Refused(format!("{path} is there already: --force writes over it")).into());
    }
    let what = format!("{name}, {} layers, {} tensors", architecture.layers, tensors.len());
    let free = free_space(&args.out);
    tell(GgufEvent::Need { what: &what, bytes: total, free });
    if let Some(free) = free.filter(|&free| free < total) {
        let path = args.out.display();
        return Err(Refused(format!("{path} takes {total} bytes, and {free} are free")).into());
    }
    let mut partial = args.out.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let cannot = || format!("cannot write {}", partial.display());
    let mut file = BufWriter::new(File::create(&partial).with_context(cannot)?);
    let written = write(&mut file, &head, &tensors, args.seed, &mut |done| {
        tell(GgufEvent::Written { done, total });
    });
    let file = written.and_then(|()| Ok(file.into_inner().map_err(std::io::Error::from)?));
    file.and_then(|file| Ok(file.sync_all()?)).with_context(cannot)?;
    fs::rename(&partial, &args.out)
        .with_context(|| format!("cannot name {}", args.out.display()))?;
    Ok(total)
}

/// All before the data.
fn head(
    name: &str,
    architecture: &Architecture,
    tensors: &[Tensor],
    file_type: FileType,
) -> anyhow::Result<Vec<u8>> {
    let mut entries = metadata::entries(name, architecture, file_type)?;
    entries.extend(vocabulary::entries(architecture.vocabulary));
    Ok(gguf::head(&entries, &stored(tensors)))
}

fn stored(tensors: &[Tensor]) -> Vec<NewTensor> {
    tensors.iter().map(Tensor::stored).collect()
}

/// Tensor after tensor, nothing larger than a block in memory.
fn write(
    out: &mut impl Write,
    head: &[u8],
    tensors: &[Tensor],
    seed: u64,
    written: &mut dyn FnMut(u64),
) -> anyhow::Result<()> {
    out.write_all(head)?;
    let mut done = head.len() as u64;
    for (number, tensor) in (0..).zip(tensors) {
        weights::write(out, tensor, seed, number, &mut |bytes| {
            done += bytes;
            written(done);
        })?;
        let padding = tensor.stored().padding();
        out.write_all(padding)?;
        done += padding.len() as u64;
    }
    written(done);
    Ok(())
}

/// A shape by name, or that of a bundle or of a checkpoint, of which `config.json` is enough.
fn shape(shape: &str) -> anyhow::Result<(String, Architecture)> {
    let path = Path::new(shape);
    if !path.is_dir() {
        return Ok((shape.to_owned(), named::architecture(shape)?));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let architecture = match fs::read(path.join("config.json")) {
        Ok(config) => flint_model::describe(&config).map_err(|error| Refused(error.to_string()))?.1,
        Err(_) => OpenModel::open(path)?.architecture().clone(),
    };
    Ok((name, architecture))
}

/// Bytes free where the file will be.
fn free_space(path: &Path) -> Option<u64> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let found = rustix::fs::statvfs(directory.unwrap_or(Path::new("."))).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse().ok().filter(|scale| *scale > 0.0 && *scale <= 1.0);
    scale.ok_or_else(|| "expected a number above 0 and at most 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in all tensors.
    fn parameters(name: &str) -> usize {
        let tensors = layout::tensors(&named::architecture(name).unwrap(), FileType::F16).unwrap();
        tensors.iter().map(|tensor| tensor.dims().iter().product::<usize>()).sum()
    }

    #[test]
    fn named_shapes_have_the_parameters_of_the_published_models() {
        assert_eq!(parameters("llama-2-7b"), 6_738_415_616);
        assert_eq!(parameters("falcon-7b"), 6_921_720_704);
        assert_eq!(parameters("phi-2"), 2_779_683_840);
    }

    #[test]
    fn shapes_that_llama_cpp_lacks_are_refused() {
        for (name, said) in [("opt-6.7b", "does not run"), ("gpt-9", "known shape")] {
            let error = named::architecture(name).unwrap_err();
            assert!(error.is::<Refused>() && error.to_string().contains(said), "{error}");
        }
    }
}
