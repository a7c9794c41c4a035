//! First inputs for the fuzz targets, made of the fixtures, beside those in fuzz/seeds.

use anyhow::Context;
use flint_kernels::{Activation, Compute, DType, Isa, MatrixView};
use flint_predictor::{
    CascadeGroup, ContributionGroup, Factors, GateRows, Level, LowRankGroup, NeuronRows,
    QuantizedGateLayer, ThresholdLayer,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a manifest before its payload.
const MANIFEST_HEADER: usize = 32;

/// Writes the seeds of `target` to `corpus`, a directory that is made where it is not there.
///
/// # Errors
/// When a fixture cannot be read, or a seed not be written.
pub fn write(target: &str, corpus: &Path) -> anyhow::Result<()> {
    let root = root();
    fs::create_dir_all(corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let kept = files(&root.join("fuzz/seeds").join(target), |_| true)?;
    let mut seeds = kept.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    seeds.extend(of_fixtures(root, target)?);
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

/// The directory of the workspace that this was built in.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// The bytes of a file; an error names it.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn of_fixtures(root: &Path, target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let fixtures = root.join("fixtures");
    let named = |name: &'static str| all(&fixtures, move |path| path.ends_with(name));
    match target {
        "manifest" => {
            let shipped = fixtures.join("tiny-opt.flint/manifest.bin");
            let first = root.join("crates/bundle/tests/fixtures/v1.flint/manifest.bin");
            let payload = |path: PathBuf| Ok(read(&path)?.split_off(MANIFEST_HEADER));
            [shipped, first].into_iter().map(payload).collect()
        }
        "architecture" => {
            let bundle = flint_bundle(&fixtures)?;
            Ok(vec![bundle.into_bytes()])
        }
        "safetensors" => named("model.safetensors")?.iter().map(|path| header(path)).collect(),
        "index" => all(&fixtures, |path| path.to_string_lossy().ends_with(".index.json"))?
            .iter()
            .map(|path| read(path))
            .collect(),
        "config" => named("config.json")?.iter().map(|path| settings(path)).collect(),
        "pytorch" => torch(&fixtures),
        "pickle" => Ok(torch(&fixtures)?.iter().filter_map(|file| program(file)).collect()),
        "sentencepiece" => named("tokenizer.model")?.iter().map(|path| read(path)).collect(),
        "byte_level" => named("vocab.json")?
            .iter()
            .map(|path| {
                let merges = read(&path.with_file_name("merges.txt"))?;
                let settings = read(&path.with_file_name("tokenizer_config.json"));
                let settings = settings.unwrap_or_else(|_| b"{}".to_vec());
                Ok([read(path)?, merges, settings].join(&0))
            })
            .collect(),
        "gguf" => all(&fixtures, |path| path.extension().is_some_and(|ending| ending == "gguf"))?
            .iter()
            .map(|path| gguf(path))
            .collect(),
        "predictor" => predictors(),
        _ => Ok(Vec::new()),
    }
}

/// Files below `directory` that are `wanted`.
fn all(directory: &Path, wanted: impl Fn(&Path) -> bool + Copy) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = files(directory, wanted)?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, wanted)?);
            for inner in fs::read_dir(&path)? {
                let inner = inner?.path();
                if inner.is_dir() {
                    found.extend(files(&inner, wanted)?);
                }
            }
        }
    }
    Ok(found)
}

/// Files in `directory` that are `wanted`, by name; none where there is no such directory.
fn files(directory: &Path, wanted: impl Fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() && wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The architecture that the shipped bundle holds.
fn flint_bundle(fixtures: &Path) -> anyhow::Result<String> {
    let files = flint_engine::OpenModel::open(&fixtures.join("tiny-opt.flint"))?;
    Ok(files.architecture().to_json())
}

/// The header of a safetensors file, without its length.
fn header(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = read(path)?;
    let (length, rest) = file.split_first_chunk::<8>().context("no header")?;
    let header = rest.get(..u64::from_le_bytes(*length) as usize).context("no header")?;
    Ok(header.to_vec())
}

/// A configuration and the files beside it.
fn settings(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut seed = read(path)?;
    for name in ["generation_config.json", "tokenizer_config.json"] {
        seed.push(0);
        seed.extend(fs::read(path.with_file_name(name)).unwrap_or_else(|_| b"{}".to_vec()));
    }
    Ok(seed)
}

/// The beginning of a GGUF file: metadata and the table of tensors, which are then found to be cut short.
fn gguf(path: &Path) -> anyhow::Result<Vec<u8>> {
    const HEADER: usize = 24 << 10;
    let mut file = read(path)?;
    file.truncate(HEADER);
    Ok(file)
}

fn torch(fixtures: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let bin = |path: &Path| path.extension().is_some_and(|extension| extension == "bin");
    files(&fixtures.join("pytorch-bin"), bin)?.iter().map(|path| read(path)).collect()
}

/// The pickle in an archive: from its header's mark to the end of the program, or near it.
fn program(file: &[u8]) -> Option<Vec<u8>> {
    let find = |what: &[u8], from: usize| {
        file[from..].windows(what.len()).position(|bytes| bytes == what).map(|at| from + at)
    };
    let start = find(b"\x80\x02}", 0).or_else(|| find(b"\x80\x02c", 0))?;
    let end = find(b"PK", start)?;
    Some(file[start..end].to_vec())
}

/// Small predictors, each with its kind and sizes before it; rows of 128 weights are multiplied as they are packed.
fn predictors() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for (width, neurons) in [(6, 9), (128, 5)] {
        for (kind, blob) in [0, 1, 4, 3].into_iter().zip(blobs(width, neurons)?) {
            seeds.push([vec![kind, width as u8, neurons as u8], blob].concat());
        }
    }
    Ok(seeds)
}

/// A low-rank predictor, a copy, the cascade of both, and thresholds on contributions.
fn blobs(width: usize, neurons: usize) -> anyhow::Result<[Vec<u8>; 4]> {
    const RANK: usize = 2;
    let numbers = |count: usize| (0..count).map(|n| (n % 15) as f32 / 7.0 - 1.0);
    let list = |count| numbers(count).collect::<Vec<f32>>();
    let factors = Factors::new(RANK, list(RANK * width), list(neurons * RANK), list(neurons));
    let first = LowRankGroup::quantise(&factors);
    let rows: Vec<u8> = numbers(neurons * width).flat_map(f32::to_le_bytes).collect();
    let rows = MatrixView::new(DType::F32, neurons, width, &rows)?;
    let compute = Compute::new(Isa::Scalar, 1)?;
    let copy = QuantizedGateLayer::copy(&compute, &GateRows::new(rows, None, Activation::Relu), 4);
    let (silu, lengths) = (GateRows::new(rows, None, Activation::Silu), list(neurons));
    let lengths: Vec<f32> = lengths.iter().map(|length| length.abs()).collect();
    let mut strongest =
        ContributionGroup::copy(&compute, &NeuronRows::new(silu, Some(silu), (rows, &lengths)));
    let (sparsity, threshold, kept, recall) = (0.5, 0.1, 0.5, 0.9);
    let (perplexity, precision) = (None, None);
    strongest.set_levels(vec![Level { sparsity, threshold, kept, recall, perplexity, precision }]);
    let (one, other) = (first.to_bytes(), copy.to_bytes());
    Ok([one, other, CascadeGroup::new(first, copy).to_bytes(), strongest.to_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_has_seeds() {
        for target in [
            "manifest",
            "architecture",
            "safetensors",
            "index",
            "config",
            "pytorch",
            "pickle",
            "sentencepiece",
            "byte_level",
            "gguf",
            "predictor",
            "tokenizer",
        ] {
            let corpus = std::env::temp_dir().join(format!("flint-seeds-{}", std::process::id()));
            write(target, &corpus).unwrap();
            let seeds = files(&corpus, |path| fs::metadata(path).unwrap().len() > 0).unwrap();
            fs::remove_dir_all(&corpus).unwrap();
            assert!(!seeds.is_empty(), "{target}");
        }
    }
}
