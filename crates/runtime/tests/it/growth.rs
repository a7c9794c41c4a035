//! Memory over thousands of tokens: what the keys and values of the plan come to, and nothing else.

use crate::families::converted;
use crate::program::flint;
use flint_fixtures::oracle;
use serde_json::Value;

/// Pages that allocators and stacks may differ by between two runs.
const NOISE: u64 = 1 << 20;

/// Peak and statistics of a run of `tokens` tokens with room for all of them.
fn run(model: &str, tokens: usize) -> (u64, Value) {
    let number = (tokens - 1).to_string();
    let run = ["generate", "-m", model, "--tokens", "7", "-n", &number, "-c", "4096"];
    let rest = ["--temp", "0", "--ignore-eos", "--memory", "3000%", "-t", "1", "--json"];
    let output = flint(&[&run[..], &rest].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["tokens"].as_array().unwrap().len(), tokens - 1);
    (object["stats"]["peak_rss_bytes"].as_u64().unwrap(), object["stats"].clone())
}

#[test]
fn four_thousand_tokens_on_a_rotary_shape_take_no_memory_but_their_keys_and_values() {
    let home = tempfile::tempdir().unwrap();
    let model = converted(&oracle("llama-2"), home.path());
    let model = model.to_str().unwrap();
    let (short, _) = run(model, 512);
    let (long, stats) = run(model, 4096);
    let kv = stats["kv_bytes"].as_u64().unwrap();
    let keys_and_values = kv / 4096 * (4096 - 512);
    let growth = long.saturating_sub(short);
    eprintln!(
        "peak {short} after 512 tokens, {long} after 4096: {keys_and_values} of keys and values"
    );
    assert!(growth <= keys_and_values + NOISE, "{growth} bytes of growth");
    // The plan counted them from the start.
    let bytes = |field: &str| stats[field].as_u64().unwrap();
    assert!(long <= bytes("memory_budget_bytes") + bytes("process_bytes"), "{stats}");
}
