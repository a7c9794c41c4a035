//! Metadata through typed getters: what is accepted, and how a mismatch is named.

use crate::writer::{
    Gguf, Value, array, f32, f32s, flag, i32, i32s, raw, string, strings, u32, u32s,
};
use flint_checkpoint::gguf::{GgufError, GgufFile, Item, KeyFault};

fn with(value: Value) -> GgufFile {
    Gguf::default().key("k", value).read().unwrap()
}

fn fault<T: std::fmt::Debug>(got: Result<T, GgufError>) -> KeyFault {
    match got {
        Err(GgufError::Key { key, fault, .. }) if key == "k" => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn integers_of_every_width_are_read_where_they_fit() {
    let seven = [
        raw(0, [7]),
        raw(1, [7]),
        raw(2, 7u16.to_le_bytes()),
        raw(3, 7i16.to_le_bytes()),
        u32(7),
        i32(7),
        raw(10, 7u64.to_le_bytes()),
        raw(11, 7i64.to_le_bytes()),
    ];
    for value in seven {
        let file = with(value);
        assert_eq!(file.metadata().get::<u32>("k").unwrap(), Some(7));
        assert_eq!(file.metadata().require::<u64>("k").unwrap(), 7);
        assert_eq!(file.metadata().require::<i32>("k").unwrap(), 7);
    }
    for (value, number) in [
        (raw(1, [0x80]), -128),
        (raw(3, (-300i16).to_le_bytes()), -300),
        (i32(-7), -7),
        (raw(11, i64::MIN.to_le_bytes()), i64::MIN),
    ] {
        let file = with(value);
        assert_eq!(file.metadata().require::<i64>("k").unwrap(), number);
        let (value, expected) = (number.to_string(), "integer of 32 bits from zero up");
        let refused = fault(file.metadata().get::<u32>("k"));
        assert_eq!(refused, KeyFault::OutOfRange { value, expected });
    }
    let file = with(raw(10, u64::MAX.to_le_bytes()));
    assert_eq!(file.metadata().require::<u64>("k").unwrap(), u64::MAX);
    assert!(matches!(fault(file.metadata().get::<u32>("k")), KeyFault::OutOfRange { .. }));
}

#[test]
fn floats_are_finite() {
    assert_eq!(with(f32(0.5)).metadata().require::<f32>("k").unwrap(), 0.5);
    assert_eq!(with(raw(12, 1e4f64.to_le_bytes())).metadata().require::<f32>("k").unwrap(), 1e4);
    for value in [f32(f32::NAN), f32(f32::INFINITY), raw(12, 1e300f64.to_le_bytes())] {
        assert!(matches!(
            fault(with(value).metadata().get::<f32>("k")),
            KeyFault::OutOfRange { .. }
        ));
    }
}

#[test]
fn a_mismatch_names_file_key_and_both_types() {
    let file = with(string("7"));
    let said = file.metadata().get::<u32>("k").unwrap_err().to_string();
    assert_eq!(
        said,
        "test.gguf: metadata key 'k' is of type string, not integer of 32 bits from zero up"
    );
    let file = with(u32s(&[1, 2]));
    let said = file.metadata().get::<&str>("k").unwrap_err().to_string();
    assert_eq!(said, "test.gguf: metadata key 'k' is of type array of u32, not string");
    let said = file.metadata().strings("k").map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("'k'"), "{said}");
    let said = file.metadata().require::<bool>("other").unwrap_err().to_string();
    assert_eq!(said, "test.gguf: metadata key 'other' is not there");
    assert!(matches!(fault(with(u32(1)).metadata().get::<bool>("k")), KeyFault::WrongType { .. }));
    assert!(matches!(fault(with(u32(1)).metadata().get::<f32>("k")), KeyFault::WrongType { .. }));
    assert!(matches!(fault(with(u32(1)).metadata().list::<u32>("k")), KeyFault::WrongType { .. }));
    assert!(matches!(fault(with(flag(1)).metadata().get::<u32>("k")), KeyFault::WrongType { .. }));
}

#[test]
fn text_is_utf8_where_it_is_asked_for() {
    let file = with(raw(8, [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat()));
    assert_eq!(fault(file.metadata().get::<&str>("k")), KeyFault::NotUtf8);
    let file = with(strings(&[&b"good"[..], b"\xff"]));
    assert_eq!(fault(file.metadata().strings("k").map(|_| ())), KeyFault::NotUtf8);
    let file = with(string("\u{2581}the"));
    assert_eq!(file.metadata().require::<&str>("k").unwrap(), "\u{2581}the");
}

#[test]
fn lists_are_read_whole() {
    let file = with(i32s(&[1, 2, -3]));
    assert_eq!(file.metadata().list::<i32>("k").unwrap().unwrap(), [1, 2, -3]);
    assert!(matches!(fault(file.metadata().list::<u32>("k")), KeyFault::OutOfRange { .. }));
    let file = with(f32s(&[0.5, -1.0]));
    assert_eq!(file.metadata().list::<f32>("k").unwrap().unwrap(), [0.5, -1.0]);
    let file = with(strings(&["a", "", "cde"]));
    let texts = file.metadata().strings("k").unwrap().unwrap();
    assert_eq!(texts.iter().collect::<Vec<_>>(), ["a", "", "cde"]);
    assert_eq!((texts.get(2), texts.get(3), texts.len()), (Some("cde"), None, 3));
    let file = with(array(7, 2, [1, 0]));
    assert_eq!(file.metadata().list::<bool>("k").unwrap().unwrap(), [true, false]);
    let file = with(array(4, 0, []));
    assert!(file.metadata().array("k").unwrap().unwrap().is_empty());
    assert_eq!(file.metadata().array("k").unwrap().unwrap().get(0), None);
}

#[test]
fn a_value_per_layer_is_one_for_all_or_exactly_as_many() {
    let file = with(u32(8));
    assert_eq!(file.metadata().per_layer::<u32>("k", 3).unwrap().unwrap(), [8, 8, 8]);
    assert!(matches!(
        fault(file.metadata().per_layer::<u32>("k", u32::MAX)),
        KeyFault::OutOfRange { .. }
    ));
    let file = with(i32s(&[8, 0, 8]));
    assert_eq!(file.metadata().per_layer::<u32>("k", 3).unwrap().unwrap(), [8, 0, 8]);
    assert_eq!(
        fault(file.metadata().per_layer::<u32>("k", 4)),
        KeyFault::Length { expected: 4, got: 3 }
    );
    assert_eq!(file.metadata().per_layer::<u32>("other", 4).unwrap(), None);
}

#[test]
fn what_every_model_says_is_read_by_name() {
    let file = Gguf::default()
        .key("general.architecture", string("qwen2"))
        .key("general.file_type", u32(15 | 1024))
        .key("tokenizer.chat_template", string("{{ bos_token }}"))
        .key("tokenizer.chat_template.tool_use", string("{{ tools }}"))
        .read()
        .unwrap();
    let metadata = file.metadata();
    assert_eq!(metadata.architecture().unwrap(), "qwen2");
    assert_eq!(metadata.architecture_key("block_count").unwrap(), "qwen2.block_count");
    assert_eq!(metadata.file_kind().unwrap(), "model");
    assert_eq!(metadata.file_type().unwrap(), Some("Q4_K_M"));
    assert_eq!(metadata.chat_template(None).unwrap(), Some("{{ bos_token }}"));
    assert_eq!(metadata.chat_template(Some("tool_use")).unwrap(), Some("{{ tools }}"));
    assert_eq!(metadata.chat_template_names().collect::<Vec<_>>(), ["tool_use"]);
    let bare = Gguf::default().key("general.type", string("imatrix")).read().unwrap();
    assert!(bare.metadata().architecture().is_err());
    assert_eq!(bare.metadata().file_kind().unwrap(), "imatrix");
    assert_eq!(bare.metadata().file_type().unwrap(), None);
}

#[test]
fn values_are_shown_on_one_line() {
    for (value, shown) in [
        (u32(7), "7"),
        (i32(-7), "-7"),
        (f32(0.1), "0.1"),
        (raw(12, 0.1f64.to_le_bytes()), "0.1"),
        (flag(1), "true"),
        (string("a\nb"), "'a\\nb'"),
        (strings(&["a", "b"]), "2 x string"),
    ] {
        assert_eq!(with(value).metadata().value("k").unwrap().to_string(), shown);
    }
    let long = with(string(&"x".repeat(1000)));
    assert_eq!(long.metadata().value("k").unwrap().to_string().len(), 105);
    assert_eq!(with(u32(7)).metadata().value("k").unwrap().item(), Some(Item::Integer(7)));
}

#[test]
fn a_vocabulary_of_a_million_tokens_takes_a_moment() {
    let tokens: Vec<String> = (0..1_000_000).map(|n| format!("token {n}")).collect();
    let file = with(strings(&tokens));
    let started = std::time::Instant::now();
    let texts = file.metadata().strings("k").unwrap().unwrap();
    assert!(texts.iter().zip(&tokens).all(|(got, wanted)| got == wanted));
    // Far more than it takes, far less than if each looked from the beginning.
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn metadata_that_is_written_is_read_again() {
    for name in ["llama-q4_0", "falcon-f16", "gemma3-f16"] {
        let path = flint_fixtures::gguf(name).join("model.gguf");
        let file = GgufFile::open(&path).unwrap();
        let bytes = file.metadata().to_bytes(|_| true);
        let again = GgufFile::from_reader(&path, &bytes[..], bytes.len() as u64).unwrap();
        assert_eq!(again.metadata(), file.metadata());
        let part = file.metadata().to_bytes(|key| key.starts_with("general."));
        let part = GgufFile::from_reader(&path, &part[..], part.len() as u64).unwrap();
        assert!(part.metadata().iter().all(|(key, _)| key.starts_with("general.")));
        assert!(part.metadata().iter().count() > 0);
    }
}
