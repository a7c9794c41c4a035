//! Attacks by `config.json` and the small files beside it.

use super::{Victim, hole, replace_by};
use std::fs;

const CONFIG: &str = "config.json";
const BESIDE: [&str; 4] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// A checkpoint with a vocabulary, so that the settings of the tokenizer are read.
fn with_tokenizer() -> Victim {
    let victim = Victim::small();
    for file in ["vocab.json", "merges.txt"] {
        fs::copy(flint_fixtures::tokenizer("opt").join(file), victim.file(file)).unwrap();
    }
    victim
}

#[test]
fn texts_that_are_no_objects_are_refused() {
    let victim = with_tokenizer();
    for (attack, text) in [
        ("an array", b"[]".to_vec()),
        ("not UTF-8", b"{\"model_type\": \"\xff\"}".to_vec()),
        ("nested arrays", format!("{{\"a\": {}", "[".repeat(500_000)).into_bytes()),
        ("nested objects", "{\"a\":".repeat(100_000).into_bytes()),
        ("two values", b"{}{}".to_vec()),
    ] {
        let good = fs::read(victim.file(CONFIG)).unwrap();
        victim.write(CONFIG, &text).refused(attack, &["config.json is not a JSON object"]);
        victim.write(CONFIG, good);
        for file in BESIDE {
            victim.write(file, &text).refused(attack, &[file, "JSON object"]);
            victim.remove(file);
        }
    }
}

#[test]
fn a_setting_that_comes_twice_is_refused() {
    let victim = with_tokenizer();
    let good = fs::read_to_string(victim.file(CONFIG)).unwrap();
    let twice = good.replacen('{', "{\"hidden_size\": 1, ", 1);
    victim.write(CONFIG, twice).refused("twice", &[CONFIG, "names 'hidden_size' twice"]);
    victim.write(CONFIG, &good);
    for file in BESIDE {
        let text = "{\"a\": {\"b\": 1, \"b\": 2}}";
        victim.write(file, text).refused("twice", &[file, "names 'b' twice"]);
        victim.remove(file);
    }
}

#[test]
fn texts_that_take_memory_are_bounded() {
    let victim = with_tokenizer();
    let good = fs::read_to_string(victim.file(CONFIG)).unwrap();
    // As many values as may be, in the forms that grow most when they are parsed.
    for (attack, fill) in [("numbers", "0,"), ("lists", "[0],"), ("objects", "{\"\":0},")] {
        let list = fill.repeat(30_000);
        let large = good.replacen('{', &format!("{{\"more\": [{list}0], "), 1);
        // Not of use, so not wrong; but the size of the vocabulary is.
        let large = large.replace("\"vocab_size\": ", "\"vocab_size\": 9");
        victim.write(CONFIG, large).refused(attack, &["config.json says"]);
        let list = fill.repeat(100_000);
        let larger = good.replacen('{', &format!("{{\"more\": [{list}0], "), 1);
        victim.write(CONFIG, larger).refused(attack, &[CONFIG, "more than 65536 values"]);
    }
    let list = "0,".repeat(1 << 19);
    victim.write(CONFIG, good.replacen('{', &format!("{{\"more\": [{list}0], "), 1));
    victim.refused("a megabyte", &[CONFIG, "at most 1048576 are read"]);
    hole(&victim.file(CONFIG), 1 << 40);
    victim.refused("a terabyte", &[CONFIG, "1099511627776 bytes"]);
    victim.remove(CONFIG).write(CONFIG, good);
    for file in BESIDE {
        hole(&victim.file(file), 1 << 40);
        victim.refused("a terabyte", &[file, "1099511627776 bytes"]);
        victim.remove(file);
    }
    let settings = format!("{{\"a\": [{list}0], \"add_bos_token\": 3}}");
    victim.write("tokenizer_config.json", settings);
    victim.refused("settings", &["tokenizer_config.json", "more than 65536 values"]);
}

#[test]
fn sizes_that_would_take_terabytes_are_refused_by_name() {
    let victim = Victim::small();
    let good = fs::read_to_string(victim.file(CONFIG)).unwrap();
    for (setting, value, said) in [
        ("vocab_size", "18446744073709551615", "'vocab_size' is 18446744073709551615"),
        ("vocab_size", "268435456", "config.json says [268435456"),
        ("hidden_size", "1e300", "'hidden_size' is 1e+300"),
        ("num_hidden_layers", "4294967296", "'num_hidden_layers' is 4294967296"),
        ("num_hidden_layers", "16384", "has no tensor 'model.decoder.layers."),
        ("num_attention_heads", "268435456", "'num_attention_heads'"),
        ("max_position_embeddings", "9223372036854775807", "'max_position_embeddings'"),
        ("ffn_dim", "-9223372036854775808", "'ffn_dim' is -9223372036854775808"),
        ("ffn_dim", "NaN", "not a JSON object"),
        ("ffn_dim", "\"256\"", "'ffn_dim' is \"256\""),
        ("model_type", "\"\\u001b[2J\"", "is not supported"),
    ] {
        let start = good.find(&format!("\"{setting}\": ")).unwrap() + setting.len() + 4;
        let end = start + good[start..].find([',', '\n']).unwrap();
        let text = format!("{}{value}{}", &good[..start], &good[end..]);
        victim.write(CONFIG, text).refused(setting, &[said]);
        let ended = victim.convert();
        assert!(!ended.lines[0].contains('\u{1b}'), "{:?}", ended.lines);
    }
}

#[test]
fn a_text_that_is_no_file_is_refused() {
    for (thing, said) in [
        ("directory", "not a regular file"),
        ("pipe", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("loop", "cannot read"),
    ] {
        for file in [CONFIG, "generation_config.json", "tokenizer.json", "merges.txt"] {
            let victim = with_tokenizer();
            replace_by(&victim.file(file), thing);
            victim.refused(thing, &[file, said]);
        }
    }
}
