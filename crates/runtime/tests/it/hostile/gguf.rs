//! GGUF files made to harm, given to `generate`: each is one line that names the file, exit status 2, and no more memory
//! than a good file and some room.

use super::ROOM;
use super::child::{Ended, flint};
use super::gguf_file::{ARRAY, F32, GgufParts, I32, TEXT, U32};
use crate::families::gguf_file as good;
use std::fs;
use std::path::Path;

fn generate(path: &Path) -> Ended {
    let path = path.to_str().unwrap();
    flint(&["generate", "-m", path, "--tokens", "3,4", "-n", "1", "--temp", "0", "-q"])
}

/// What is spoiled, by its name.
type Attack = (&'static str, fn(&mut GgufParts));

/// Counts, lengths and versions of the header.
const HEADER: &[Attack] = &[
    ("version 0", |it| it.version = 0),
    ("version 1", |it| it.version = 1),
    ("version 4", |it| it.version = 4),
    ("big-endian", |it| it.version = 3u32.swap_bytes()),
    ("no tensors said", |it| it.counts.0 = Some(0)),
    ("a tensor more", |it| it.counts.0 = Some(it.tensors.len() as u64 + 1)),
    ("tensors beyond memory", |it| it.counts.0 = Some(u64::MAX)),
    ("tensors that wrap", |it| it.counts.0 = Some(1 << 61)),
    ("a key more", |it| it.counts.1 = Some(it.keys.len() as u64 + 1)),
    ("a key less", |it| it.counts.1 = Some(it.keys.len() as u64 - 1)),
    ("keys beyond memory", |it| it.counts.1 = Some(u64::MAX)),
    ("a name of gigabytes", |it| it.set("general.name", TEXT, (1u64 << 40).to_le_bytes())),
    ("a name that wraps", |it| it.set("general.name", TEXT, u64::MAX.to_le_bytes())),
    ("an unknown kind of value", |it| it.set("general.name", 13, [0; 8])),
    ("a flag that is 2", |it| it.set("x.flag", 7, [2])),
    ("an array of arrays", |it| it.set("x.array", ARRAY, nested(2))),
    ("arrays 1000 deep", |it| it.set("x.array", ARRAY, nested(1000))),
    ("an array beyond memory", |it| it.set("x.array", ARRAY, array(U32, u64::MAX, &[]))),
    ("an array that wraps", |it| it.set("x.array", ARRAY, array(12, 1 << 61, &[]))),
    ("a key twice", |it| it.keys.push(it.keys[2].clone())),
    ("a key of no characters", |it| it.keys.push((Vec::new(), U32, vec![0; 4]))),
    ("a key that is not text", |it| it.keys.push((vec![0xff, 0xfe], U32, vec![0; 4]))),
    ("alignment 0", |it| it.set_u32("general.alignment", 0)),
    ("alignment 3", |it| it.set_u32("general.alignment", 3)),
    ("alignment of 2 GiB", |it| it.set_u32("general.alignment", 1 << 31)),
    ("alignment as text", |it| it.set_text("general.alignment", "32")),
];

/// The table of tensors.
const TENSORS: &[Attack] = &[
    ("a tensor twice", |it| it.tensors.push(it.tensors[3].clone())),
    ("a tensor of no dimensions", |it| it.tensor("output_norm.weight").dims.clear()),
    ("a tensor of nine dimensions", |it| it.tensor("output_norm.weight").dims = vec![1; 9]),
    ("a dimension of 0", |it| it.tensor("output_norm.weight").dims = vec![0]),
    ("dimensions that wrap", |it| it.tensor("token_embd.weight").dims = vec![1 << 32, 1 << 32]),
    ("dimensions below zero", |it| it.tensor("token_embd.weight").dims = vec![u64::MAX, 1]),
    ("a type that nobody knows", |it| it.tensor("blk.0.attn_k.weight").kind = 99),
    ("a type that was removed", |it| it.tensor("blk.0.attn_k.weight").kind = 4),
    ("a type that is not read", |it| it.tensor("blk.0.attn_k.weight").kind = 16),
    ("half a block", |it| it.tensor("blk.0.attn_k.weight").dims = vec![16, 512]),
    ("past the end", |it| it.tensor("blk.0.attn_k.weight").offset = 1 << 40),
    ("an offset that wraps", |it| it.tensor("blk.0.attn_k.weight").offset = u64::MAX - 31),
    ("between two blocks of 32", |it| it.tensor("blk.0.attn_k.weight").offset += 1),
    ("over another one", |it| it.tensor("blk.0.attn_k.weight").offset = 0),
    ("cut in the middle", |it| it.data.truncate(100_000)),
    ("no data at all", |it| it.data.clear()),
    ("a name with a line break", |it| it.tensor("blk.0.attn_k.weight").name = b"a\nb".to_vec()),
    ("no embedding", |it| it.without("token_embd.weight")),
    ("no norm", |it| it.without("output_norm.weight")),
    ("no down projection", |it| it.without("blk.1.ffn_down.weight")),
    ("an embedding the other way", |it| it.tensor("token_embd.weight").dims.reverse()),
    ("a norm of another width", |it| it.tensor("output_norm.weight").dims = vec![64]),
    ("fewer rows of a matrix", |it| it.tensor("blk.0.attn_q.weight").dims = vec![128, 96]),
];

/// Values that a model is built from.
const MODEL: &[Attack] = &[
    ("no architecture", |it| it.remove("general.architecture")),
    ("an architecture that nobody knows", |it| it.set_text("general.architecture", "kangaroo")),
    ("an architecture with a bell", |it| it.set_text("general.architecture", "\u{7}\u{1b}[2J")),
    ("an architecture that is a number", |it| it.set_u32("general.architecture", 7)),
    ("no layers", |it| it.set_u32("llama.block_count", 0)),
    ("layers by the billion", |it| it.set_u32("llama.block_count", u32::MAX)),
    ("layers as text", |it| it.set_text("llama.block_count", "2")),
    ("no width", |it| it.set_u32("llama.embedding_length", 0)),
    ("width by the billion", |it| it.set_u32("llama.embedding_length", u32::MAX)),
    ("no heads", |it| it.set_u32("llama.attention.head_count", 0)),
    ("heads that do not divide", |it| it.set_u32("llama.attention.head_count_kv", 3)),
    ("no keys", |it| it.set_u32("llama.attention.head_count_kv", 0)),
    ("more keys than heads", |it| it.set_u32("llama.attention.head_count_kv", 8)),
    ("an odd head", |it| it.set_u32("llama.attention.key_length", 31)),
    ("more turned than there is", |it| it.set_u32("llama.rope.dimension_count", 4096)),
    ("a base of 0", |it| it.set_f32("llama.rope.freq_base", 0.0)),
    ("a base that is no number", |it| it.set_f32("llama.rope.freq_base", f32::NAN)),
    ("an epsilon below 0", |it| it.set_f32("llama.attention.layer_norm_rms_epsilon", -1.0)),
    ("an epsilon that is no number", |it| {
        it.set_f32("llama.attention.layer_norm_rms_epsilon", f32::NAN);
    }),
    ("no context", |it| it.set_u32("llama.context_length", 0)),
    ("no epsilon", |it| it.remove("llama.attention.layer_norm_rms_epsilon")),
    ("a scaling that nobody knows", |it| it.set_text("llama.rope.scaling.type", "spiral")),
];

/// What a mixture of experts is built from.
const EXPERTS: &[Attack] = &[
    ("experts by the billion", |it| it.set_u32("qwen3moe.expert_count", u32::MAX)),
    ("more experts than there are", |it| it.set_u32("qwen3moe.expert_count", 17)),
    ("no experts said", |it| it.set_u32("qwen3moe.expert_count", 0)),
    ("none of them used", |it| it.set_u32("qwen3moe.expert_used_count", 0)),
    ("more used than there are", |it| it.set_u32("qwen3moe.expert_used_count", 17)),
    ("nothing said of use", |it| it.remove("qwen3moe.expert_used_count")),
    ("experts of no neurons", |it| it.set_u32("qwen3moe.expert_feed_forward_length", 0)),
    ("experts of other sizes", |it| it.set_u32("qwen3moe.expert_feed_forward_length", 48)),
    ("a router of other sizes", |it| it.tensor("blk.0.ffn_gate_inp.weight").dims = vec![64, 8]),
    ("no router", |it| it.without("blk.1.ffn_gate_inp.weight")),
    ("no experts of a layer", |it| it.without("blk.1.ffn_up_exps.weight")),
    ("all layers without", |it| it.set_u32("qwen3moe.leading_dense_block_count", 2)),
];

/// What latent attention is built from.
const LATENT: &[Attack] = &[
    ("no latent part", |it| it.set_u32("deepseek2.attention.kv_lora_rank", 0)),
    ("all of it latent", |it| it.set_u32("deepseek2.attention.kv_lora_rank", 40)),
    ("an older form", |it| it.remove("deepseek2.attention.key_length_mla")),
    ("keys of the turned part alone", |it| it.set_u32("deepseek2.attention.key_length_mla", 8)),
    ("values of nothing", |it| it.set_u32("deepseek2.attention.value_length_mla", 0)),
    ("heads by the million", |it| it.set_u32("deepseek2.attention.head_count", 1 << 22)),
    ("scores that nobody knows", |it| it.set_u32("deepseek2.expert_gating_func", 9)),
    ("groups that do not divide", |it| {
        it.set_u32("deepseek2.expert_group_count", 3);
        it.set_u32("deepseek2.expert_group_used_count", 1);
    }),
    ("shared experts by the billion", |it| {
        it.set_u32("deepseek2.expert_shared_count", u32::MAX);
    }),
];

/// The tokenizer.
const TOKENIZER: &[Attack] = &[
    ("a tokenizer that nobody knows", |it| it.set_text("tokenizer.ggml.model", "abacus")),
    ("a splitting that nobody knows", |it| it.set_text("tokenizer.ggml.pre", "kangaroo")),
    ("tokens that are numbers", |it| {
        it.set("tokenizer.ggml.tokens", ARRAY, array(U32, 400, &[0; 1600]));
    }),
    ("one token", |it| it.set("tokenizer.ggml.tokens", ARRAY, texts(&["a"]))),
    ("types of fewer tokens", |it| {
        it.set("tokenizer.ggml.token_type", ARRAY, array(I32, 3, &[0; 12]));
    }),
    ("types that are fractions", |it| {
        it.set("tokenizer.ggml.token_type", ARRAY, array(F32, 400, &[0; 1600]));
    }),
    ("merges of nothing", |it| it.set("tokenizer.ggml.merges", ARRAY, texts(&["lonely"]))),
    ("merges of tokens that are not", |it| {
        it.set("tokenizer.ggml.merges", ARRAY, texts(&["\u{1f600} \u{1f601}"]));
    }),
    ("no merges", |it| it.remove("tokenizer.ggml.merges")),
    ("a begin past the end", |it| it.set_u32("tokenizer.ggml.bos_token_id", 400)),
    ("an end past the end", |it| it.set_u32("tokenizer.ggml.eos_token_id", u32::MAX)),
];

fn array(kind: u32, items: u64, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &items.to_le_bytes(), bytes].concat()
}

fn nested(depth: usize) -> Vec<u8> {
    let inner = array(U32, 1, &[0; 4]);
    (1..depth).fold(inner, |inner, _| array(ARRAY, 1, &inner))
}

fn texts(texts: &[&str]) -> Vec<u8> {
    let one = |text: &&str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    array(TEXT, texts.len() as u64, &texts.iter().flat_map(one).collect::<Vec<u8>>())
}

/// Gives each spoiled form of the fixture `file` to the program.
fn all_refused(file: &str, attacks: &[Attack]) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.gguf");
    let whole = GgufParts::read(&good(file));
    fs::write(&path, whole.bytes()).unwrap();
    let ended = generate(&path);
    assert_eq!(ended.status, Some(0), "{:?}", ended.lines);
    let most = ended.peak + ROOM;
    for (attack, spoil) in attacks {
        let mut parts = whole.clone();
        spoil(&mut parts);
        fs::write(&path, parts.bytes()).unwrap();
        let ended = generate(&path);
        ended.refused(attack, &["model.gguf"]);
        assert_eq!(ended.lines.len(), 1, "{attack}: {:?}", ended.lines);
        assert!(!ended.lines[0].contains(char::is_control), "{attack}: {:?}", ended.lines);
        assert!(ended.peak <= most, "{attack}: {} bytes of memory, at most {most}", ended.peak);
    }
}

#[test]
fn spoiled_headers_are_refused() {
    all_refused("llama-q4_0", HEADER);
}

#[test]
fn spoiled_tables_of_tensors_are_refused() {
    all_refused("llama-q4_0", TENSORS);
}

#[test]
fn models_that_cannot_be_are_refused() {
    all_refused("llama-q4_0", MODEL);
}

#[test]
fn experts_that_cannot_be_are_refused() {
    all_refused("qwen3moe-f16", EXPERTS);
    all_refused("deepseek2-f16", LATENT);
}

#[test]
fn spoiled_tokenizers_are_refused() {
    all_refused("llama-q4_0", TOKENIZER);
}

#[test]
fn the_list_is_as_long_as_was_promised() {
    let all = [HEADER, TENSORS, MODEL, EXPERTS, LATENT, TOKENIZER].concat();
    let names: std::collections::BTreeSet<&str> = all.iter().map(|(name, _)| *name).collect();
    assert!(names.len() >= 60 && names.len() == all.len(), "{} attacks", names.len());
}

#[test]
fn what_is_no_gguf_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.gguf");
    let starts: [(&str, Vec<u8>); 8] = [
        ("empty", Vec::new()),
        ("four bytes", b"GGUF".to_vec()),
        (
            "36 bytes",
            [&b"GGUF"[..], &[3, 0, 0, 0], &[0; 8], &[1, 0, 0, 0, 0, 0, 0, 0], &[0xff; 12]].concat(),
        ),
        ("zeros", vec![0; 4096]),
        ("a page of an error", b"<!DOCTYPE html><html>404</html>".to_vec()),
        ("a pointer to large storage", b"version https://git-lfs.github.com/spec/v1\n".to_vec()),
        ("the older format", b"ggjt\x03\0\0\0".to_vec()),
        ("an archive", b"PK\x03\x04".repeat(100)),
    ];
    for (attack, bytes) in starts {
        fs::write(&path, bytes).unwrap();
        let ended = generate(&path);
        ended.refused(attack, &["model.gguf"]);
        assert_eq!(ended.lines.len(), 1, "{attack}: {:?}", ended.lines);
    }
}
