//! Good files: written by llama.cpp, and by the writer of these tests.

use crate::writer::Gguf;
use flint_checkpoint::gguf::{GgufError, GgufFile, TensorFault};
use flint_geometry::DType;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn model(name: &str) -> PathBuf {
    flint_fixtures::gguf(name).join("model.gguf")
}

#[test]
fn a_model_that_llama_cpp_quantised_is_listed() {
    let file = GgufFile::open(&model("llama-q4_k_m")).unwrap();
    let mut types = BTreeMap::new();
    for tensor in file.tensors() {
        *types.entry(tensor.kind().name()).or_insert(0) += 1;
        assert!(tensor.extent().offset() % file.shards()[0].alignment() == 0);
        assert!(tensor.extent().end() <= file.shards()[0].bytes());
    }
    assert_eq!(types, BTreeMap::from([("F32", 6), ("Q4_K", 13), ("Q6_K", 3)]));
    let metadata = file.metadata();
    assert_eq!(metadata.architecture().unwrap(), "llama");
    assert_eq!(metadata.file_type().unwrap(), Some("Q4_K_M"));
    let layers: u32 = metadata.require(&metadata.architecture_key("block_count").unwrap()).unwrap();
    let width: u64 = metadata.require("llama.embedding_length").unwrap();
    let q = file.tensor(&format!("blk.{}.attn_q.weight", layers - 1)).unwrap();
    assert_eq!((q.dims()[0], file.dtype(q).unwrap()), (width, DType::Q4K));
    assert_eq!(q.extent().len(), width / 256 * 144 * q.rows());
    assert_eq!(metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap().len(), 400);
}

#[test]
fn the_last_tensor_ends_where_the_file_does() {
    for name in ["llama-q4_k_m", "qwen2-f16"] {
        let file = GgufFile::open(&model(name)).unwrap();
        let end = file.tensors().last().unwrap().extent().end();
        assert_eq!(end.next_multiple_of(32), file.shards()[0].bytes(), "{name}");
    }
}

#[test]
fn tensors_are_found_by_name() {
    let file = Gguf::small().read().unwrap();
    assert_eq!(file.find("output_norm.weight").unwrap().dims(), [5]);
    assert_eq!(file.tensor("blk.0.attn_q.weight").unwrap().rows(), 4);
    assert!(file.find("output.weight").is_none());
    let error = file.tensor("output.weight").unwrap_err();
    assert_eq!(error.to_string(), "test.gguf: tensor 'output.weight' is not there");
}

#[test]
fn types_without_arithmetic_are_listed_and_refused_when_they_are_needed() {
    let others = [
        (9, "Q8_1", 32, 36),
        (15, "Q8_K", 256, 292),
        (16, "IQ2_XXS", 256, 66),
        (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98),
        (19, "IQ1_S", 256, 50),
        (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82),
        (24, "I8", 1, 1),
        (25, "I16", 1, 2),
        (26, "I32", 1, 4),
        (27, "I64", 1, 8),
        (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56),
        (34, "TQ1_0", 256, 54),
        (35, "TQ2_0", 256, 66),
        (40, "NVFP4", 64, 36),
        (41, "Q1_0", 128, 18),
        (42, "Q2_0", 64, 18),
    ];
    let mut file = Gguf::default();
    for (id, name, row, bytes) in others {
        file = file.tensor(name, &[row, 3], id, bytes * 3);
    }
    let file = file.tensor("last", &[1], 0, 4).read().unwrap();
    for (id, name, _, bytes) in others {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.kind().id(), tensor.kind().name()), (id, name));
        assert_eq!(tensor.extent().len(), bytes as u64 * 3);
        let error = file.dtype(tensor).unwrap_err();
        let fault = TensorFault::UnsupportedType(tensor.kind());
        assert!(matches!(&error, GgufError::Tensor { fault: found, .. } if *found == fault));
        assert!(
            error.to_string().ends_with(&format!("is stored as {name}, which is not supported"))
        );
    }
    assert_eq!(file.dtype(file.tensor("last").unwrap()).unwrap(), DType::F32);
}

#[test]
fn both_versions_and_files_without_tensors_are_read() {
    for version in [2, 3] {
        let file = Gguf::small().change(|file| file.version = version).read().unwrap();
        assert_eq!((file.shards()[0].version(), file.tensors().len()), (version, 3));
    }
    assert!(Gguf::default().read().unwrap().tensors().is_empty());
}
