//! GGUF files of every family and data type, used as they lie there: reference logits, greedy tokens, and the same bits
//! however they are run.

use super::grid::{MORE, PROMPT, plain, run};
use super::model_meets;
use crate::model::options;
use flint_convert::{ConvertOptions, convert};
use flint_engine::{DEFAULT_ARITHMETIC, Mode, OpenModel, RunOptions};
use flint_fixtures::{OracleReference, gguf};
use flint_geometry::DType;
use flint_kernels::Arithmetic;
use std::path::{Path, PathBuf};

/// The file of a model, or the first part of one that is split.
pub(super) fn file(name: &str) -> PathBuf {
    let whole = gguf(name).join("model.gguf");
    if whole.exists() { whole } else { gguf(name).join("model-00001-of-00003.gguf") }
}

fn holds(name: &str) {
    let reference = OracleReference::read(&gguf(name)).unwrap();
    let model = file(name);
    model_meets(&model, &reference);
    let ids = &reference.prompts.last().unwrap().ids[..PROMPT + MORE];
    let quantised = OpenModel::open(&model)
        .unwrap()
        .bytes_by_dtype()
        .iter()
        .any(|(dtype, _)| dtype.is_quantised());
    let all = if quantised { &Arithmetic::ALL[..] } else { &[Arithmetic::F32] };
    for &arithmetic in all {
        let exact =
            RunOptions { mode: Some(Mode::Exact), arithmetic: Some(arithmetic), ..options(2000.0) };
        let expected = plain(&model, ids, &exact);
        run(&model, ids, &exact, &|_| None, &expected);
    }
}

/// A float bundle from a file: the same logits within the tolerance, the same text.
#[test]
fn bundles_made_from_files_meet_their_references() {
    for name in ["llama-q4_k_m", "llama-split3-q8_0", "phi3-f16", "gemma3-f16", "falcon-f16"] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("model.flint");
        let made = ConvertOptions {
            checkpoint: file(name),
            out: out.clone(),
            element: Some(DType::F32),
            force: false,
            cancel: flint_engine::CancelToken::default(),
        };
        convert(&made, &mut |_| {}).unwrap();
        model_meets(&out, &OracleReference::read(&gguf(name)).unwrap());
        let text = "A dog, a cat.";
        let ids = |path: &Path| {
            let codec = OpenModel::open(path).unwrap().codec().unwrap().unwrap();
            codec.encode(text, true).unwrap()
        };
        assert_eq!(ids(&out), ids(&file(name)), "{name}");
    }
}

#[test]
fn a_bundle_of_quantised_weights_is_refused_with_the_option_to_give() {
    let dir = tempfile::tempdir().unwrap();
    let made = ConvertOptions {
        checkpoint: file("llama-q4_k_m"),
        out: dir.path().join("model.flint"),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    let error = convert(&made, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("--dtype f16"), "{error}");
    assert!(!made.out.exists());
}

#[test]
fn quantised_weights_are_multiplied_in_int16_unless_another_arithmetic_is_named() {
    let bits = |name: &str, arithmetic| {
        let ids = &OracleReference::read(&gguf(name)).unwrap().prompts[0].ids;
        let ids = &ids.repeat(PROMPT + MORE)[..PROMPT + MORE];
        plain(&file(name), ids, &RunOptions { arithmetic, ..options(2000.0) })
    };
    let named = |name, arithmetic| bits(name, Some(arithmetic));
    assert!(bits("llama-q4_0", None) == named("llama-q4_0", DEFAULT_ARITHMETIC));
    assert!(bits("llama-q4_0", None) != named("llama-q4_0", Arithmetic::F32));
    assert!(bits("qwen2-f16", None) == named("qwen2-f16", Arithmetic::F32));
}

#[test]
fn the_context_of_a_run_decides_between_short_and_long_factors() {
    let name = "phi3-longrope-q8_0";
    let ids = &OracleReference::read(&gguf(name)).unwrap().prompts[1].ids;
    let ids = &ids.repeat(PROMPT + MORE)[..PROMPT + MORE];
    let bits = |context| {
        plain(&file(name), ids, &RunOptions { context: Some(context), ..options(20_000.0) })
    };
    assert!(bits(4096) == bits(100));
    assert!(bits(4097) != bits(4096));
    assert!(bits(4097) == bits(8000));
}

macro_rules! files {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            holds($name);
        })*
    };
}

files! {
    bf16: "llama-bf16",
    q8_0_in_three_parts: "llama-split3-q8_0",
    q4_0: "llama-q4_0",
    q4_1: "llama-q4_1",
    q5_0: "llama-q5_0",
    q5_1: "llama-q5_1",
    q2_k: "llama-q2_k",
    q3_k_m: "llama-q3_k_m",
    q4_k_m: "llama-q4_k_m",
    q5_k_m: "llama-q5_k_m",
    q6_k: "llama-q6_k",
    iq4_nl: "llama-iq4_nl",
    iq4_xs: "llama-iq4_xs",
    falcon: "falcon-f16",
    gemma2: "gemma2-f16",
    gemma3: "gemma3-f16",
    mistral: "mistral-f16",
    phi2: "phi2-f16",
    phi3: "phi3-f16",
    phi3_for_long_contexts: "phi3-longrope-q8_0",
    qwen2: "qwen2-f16",
    qwen3: "qwen3-f16",
    qwen3moe: "qwen3moe-f16",
    qwen3moe_in_mixed_types: "qwen3moe-q4_k_m",
    olmoe: "olmoe-f16",
    mixtral: "mixtral-f16",
    granitemoe: "granitemoe-f16",
    gpt_oss_in_mxfp4: "gpt-oss-mxfp4",
    deepseek2: "deepseek2-f16",
    deepseek2_in_mixed_types: "deepseek2-q4_k_m",
}
