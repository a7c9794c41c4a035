//! The GGUF file, read back by a reader of others.

use candle_core::Device;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, Value};
use clap::Parser;
use flint_engine::OpenModel;
use flint_geometry::DType;
use flint_lab::Refused;
use flint_lab::gguf::{GgufArgs, GgufEvent, gguf};
use std::fs::{self, File};
use std::path::Path;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: GgufArgs,
}

fn write(shape: &Path, out: &Path, more: &[&str]) -> anyhow::Result<u64> {
    let line = ["gguf", shape.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let line = line.iter().chain(more);
    gguf(&Line::try_parse_from(line)?.args, &mut |_| {})
}

fn number(content: &Content, key: &str) -> u32 {
    content.metadata.get(key).unwrap_or_else(|| panic!("no {key}")).to_u32().unwrap()
}

#[test]
fn a_llama_file_has_the_sizes_of_its_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.gguf");
    let length = write(&flint_fixtures::oracle("llama-gqa-sharded"), &path, &[]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
    assert!(!directory.path().join("a.gguf.partial").exists());
    let mut file = File::open(&path).unwrap();
    let content = Content::read(&mut file).unwrap();
    let config = fs::read(flint_fixtures::oracle("llama-gqa-sharded").join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let size = |key: &str| config[key].as_u64().unwrap() as usize;
    let (hidden, neurons) = (size("hidden_size"), size("intermediate_size"));
    let (vocabulary, layers) = (size("vocab_size"), size("num_hidden_layers"));
    let kv = hidden / size("num_attention_heads") * size("num_key_value_heads");
    for (key, expected) in [
        ("embedding_length", hidden),
        ("block_count", layers),
        ("feed_forward_length", neurons),
        ("attention.head_count_kv", size("num_key_value_heads")),
        ("vocab_size", vocabulary),
    ] {
        assert_eq!(number(&content, &format!("llama.{key}")) as usize, expected, "{key}");
    }
    let Value::Array(words) = &content.metadata["tokenizer.ggml.tokens"] else { panic!() };
    assert_eq!(words.len(), vocabulary);
    let dims = |name: &str| content.tensor_infos[name].shape.dims().to_vec();
    assert_eq!(dims("token_embd.weight"), [vocabulary, hidden]);
    assert_eq!(dims("blk.0.attn_k.weight"), [kv, hidden]);
    assert_eq!(dims(&format!("blk.{}.ffn_down.weight", layers - 1)), [hidden, neurons]);
    assert!(content.tensor_infos.contains_key("output.weight"));
    assert_eq!(content.tensor_infos["blk.0.ffn_up.weight"].ggml_dtype, GgmlDType::F16);
    // The last one can only be right if all before it are.
    let device = Device::Cpu;
    let last = content.tensor(&mut file, "output_norm.weight", &device).unwrap();
    let last = last.dequantize(&device).unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(last, vec![1.0; hidden]);
    let up = content.tensor(&mut file, "blk.1.ffn_up.weight", &device).unwrap();
    let up = up.dequantize(&device).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let size = (up.iter().map(|x| x * x).sum::<f32>() / up.len() as f32).sqrt();
    let ideal = 1.0 / (hidden as f32).sqrt();
    assert!(size > ideal / 2.0 && size < ideal * 2.0, "{size}");
}

#[test]
fn falcon_and_phi_have_their_own_tensors() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("falcon-7b-relu", "falcon", "blk.0.attn_qkv.weight", "output.weight"),
        ("falcon-40b-relu", "falcon", "blk.0.attn_norm_2.bias", "output.weight"),
        ("phi-2-gelu", "phi2", "output.bias", "blk.0.ffn_gate.weight"),
    ];
    for (oracle, architecture, has, lacks) in cases {
        let path = directory.path().join(format!("{oracle}.gguf"));
        write(&flint_fixtures::oracle(oracle), &path, &["--dtype", "bf16"]).unwrap();
        let content = Content::read(&mut File::open(&path).unwrap()).unwrap();
        let name = content.metadata["general.architecture"].to_string().unwrap();
        assert_eq!(name, architecture);
        assert!(content.tensor_infos.contains_key(has), "{oracle} lacks {has}");
        assert!(!content.tensor_infos.contains_key(lacks), "{oracle} has {lacks}");
        assert_eq!(content.tensor_infos["token_embd.weight"].ggml_dtype, GgmlDType::BF16);
    }
}

#[test]
fn a_seed_gives_the_same_file_and_a_scale_fewer_layers() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let llama = flint_fixtures::oracle("llama-2");
    for (name, more) in [
        ("a", &["--seed", "5"][..]),
        ("b", &["--seed", "5"]),
        ("c", &["--seed", "6"]),
        ("half", &["--scale", "0.5"]),
    ] {
        write(&llama, &path(name), more).unwrap();
    }
    let bytes = |name: &str| fs::read(path(name)).unwrap();
    assert!(bytes("a") == bytes("b") && bytes("a") != bytes("c"));
    let half = Content::read(&mut File::open(path("half")).unwrap()).unwrap();
    assert_eq!(number(&half, "llama.block_count"), 2);
    assert!(!half.tensor_infos.contains_key("blk.2.ffn_up.weight"));
}

#[test]
fn the_need_is_said_first_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.gguf");
    let line = ["gguf", "x", "--out", path.to_str().unwrap()].map(str::to_owned);
    let llama = flint_fixtures::oracle("llama-2").display().to_string();
    let args = Line::try_parse_from([&line[0], &llama, &line[2], &line[3]]).unwrap().args;
    let (mut need, mut last) = (0, 0);
    let length = gguf(&args, &mut |event| match event {
        GgufEvent::Need { bytes, free, .. } => {
            assert!(!path.exists() && free.unwrap() > bytes);
            need = bytes;
        }
        GgufEvent::Written { done, total } => {
            assert!(done > last || done == total);
            assert_eq!(total, need);
            last = done;
        }
    });
    assert_eq!((need, last), (length.unwrap(), need));
    let refused = write(Path::new(&llama), &path, &[]).unwrap_err();
    assert!(refused.is::<Refused>() && refused.to_string().contains("--force"), "{refused}");
    write(Path::new(&llama), &path, &["--force"]).unwrap();
}

#[test]
fn a_family_that_llama_cpp_lacks_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.gguf");
    let refused = write(&flint_fixtures::tiny_opt_bundle(), &path, &[]).unwrap_err();
    assert!(refused.is::<Refused>() && refused.to_string().contains("family opt"), "{refused}");
    assert!(!path.exists());
}

#[test]
fn quantised_files_open_with_the_types_of_their_matrices() {
    let directory = tempfile::tempdir().unwrap();
    let config = fs::read(flint_fixtures::oracle("llama-2").join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    // Rows of whole blocks of 256, but for those of the down projection.
    config["hidden_size"] = 256.into();
    config["intermediate_size"] = 352.into();
    fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    for (name, expected) in [
        ("q8_0", &[DType::Q8_0, DType::F32][..]),
        ("q4_k_m", &[DType::Q4K, DType::Q5_0, DType::Q6K, DType::Q8_0, DType::F32]),
    ] {
        let path = directory.path().join(format!("{name}.gguf"));
        write(directory.path(), &path, &["--type", name]).unwrap();
        let files = OpenModel::open(&path).unwrap();
        let mut found: Vec<DType> = files.bytes_by_dtype().iter().map(|found| found.0).collect();
        found.sort_by_key(|dtype| expected.iter().position(|one| one == dtype));
        assert_eq!(found, expected, "{name}");
    }
}
