//! Files made to harm: each is refused with the fault that it has, before memory is taken for it.

use crate::writer::{Gguf, Tensor, array, flag, i32, i32s, raw, read, string, text, u32};
use flint_checkpoint::gguf::{Counted, GgufError, HeaderFault, KeyFault, TensorFault};

/// The fault in the header.
fn header(file: &Gguf) -> HeaderFault {
    match file.read() {
        Err(GgufError::Header { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

/// The fault of a tensor, with its name.
fn tensor(file: &Gguf) -> (String, TensorFault) {
    match file.read() {
        Err(GgufError::Tensor { name, fault, .. }) => (name, fault),
        other => panic!("{other:?}"),
    }
}

fn small(change: impl FnOnce(&mut Gguf)) -> Gguf {
    Gguf::small().change(change)
}

/// The small file with its second tensor changed.
fn second(change: impl FnOnce(&mut Tensor)) -> Gguf {
    small(|file| change(&mut file.tensors[1]))
}

const HUGE: [u64; 5] = [1 << 32, u32::MAX as u64, 1 << 62, 1 << 63, u64::MAX];

#[test]
fn versions_that_are_not_read_are_refused_by_number() {
    for version in [0, 1, 4, 5, 1000, u32::MAX] {
        assert_eq!(header(&small(|file| file.version = version)), HeaderFault::Version(version));
    }
}

#[test]
fn big_endian_files_are_refused_by_name() {
    for version in [2u32, 3] {
        let file = small(|file| file.version = version.swap_bytes());
        assert_eq!(header(&file), HeaderFault::BigEndian);
        assert!(file.read().unwrap_err().to_string().contains("big-endian"));
    }
}

#[test]
fn counts_of_tensors_and_keys_that_cannot_be_true_are_refused() {
    for count in HUGE {
        let fault = header(&small(|file| file.tensor_count = Some(count)));
        assert_eq!(fault, HeaderFault::TooMany { what: Counted::Tensors, count, most: 1 << 16 });
        let fault = header(&small(|file| file.key_count = Some(count)));
        assert_eq!(fault, HeaderFault::TooMany { what: Counted::Keys, count, most: 1 << 16 });
    }
    // Within the limits, and still more than the file has room for.
    for change in [
        |file: &mut Gguf| file.tensor_count = Some(60_000),
        |file: &mut Gguf| {
            file.key_count = Some(60_000);
        },
    ] {
        let fault = header(&small(change));
        assert!(
            matches!(fault, HeaderFault::CutShort { needed, .. } if needed > 60_000),
            "{fault:?}"
        );
    }
}

#[test]
fn one_key_or_tensor_more_than_there_is_is_refused() {
    assert!(small(|file| file.key_count = Some(3)).read().is_err());
    assert!(small(|file| file.tensor_count = Some(4)).read().is_err());
}

#[test]
fn lengths_of_names_that_cannot_be_true_are_refused() {
    for len in HUGE {
        let mut bytes = Gguf::default().change(|file| file.key_count = Some(1)).bytes();
        bytes.extend(len.to_le_bytes());
        bytes.extend([b'a'; 64]);
        let error = read(&bytes).unwrap_err();
        assert!(matches!(
            error,
            GgufError::Header { fault: HeaderFault::BadName(Counted::Keys), .. }
        ));
    }
}

#[test]
fn lengths_of_strings_that_cannot_be_true_are_refused() {
    for len in HUGE {
        let value = raw(8, [&len.to_le_bytes()[..], b"short"].concat());
        let fault = header(&small(|file| file.keys.push((b"a.b".to_vec(), value))));
        assert!(
            matches!(fault, HeaderFault::CutShort { needed, .. } if needed == len),
            "{fault:?}"
        );
    }
}

#[test]
fn lengths_of_arrays_that_cannot_be_true_are_refused_for_every_type() {
    for kind in [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12] {
        for count in HUGE {
            let value = array(kind, count, [0; 16]);
            let fault = header(&small(|file| file.keys.push((b"a.b".to_vec(), value))));
            assert!(matches!(fault, HeaderFault::CutShort { .. }), "{kind} {count} {fault:?}");
        }
    }
}

#[test]
fn a_string_in_an_array_is_as_long_as_there_are_bytes() {
    for len in HUGE {
        let value = array(8, 1, len.to_le_bytes());
        let fault = header(&small(|file| file.keys.push((b"a.b".to_vec(), value))));
        assert!(matches!(fault, HeaderFault::CutShort { needed, .. } if needed == len));
    }
}

#[test]
fn metadata_of_gigabytes_is_refused_although_the_file_is_as_long() {
    // A file of a terabyte that takes no room: what is announced is there.
    let path = tempfile::NamedTempFile::new().unwrap();
    for (value, most) in [
        (raw(8, (1u64 << 36).to_le_bytes()), 1u64 << 26),
        (array(0, 1 << 36, []), 1 << 26),
        (array(8, 1 << 33, []), 1 << 26),
    ] {
        let file = Gguf::default().key("tokenizer.ggml.tokens", value);
        std::fs::write(path.path(), file.bytes()).unwrap();
        path.as_file().set_len(1 << 40).unwrap();
        let error = flint_checkpoint::gguf::GgufFile::open(path.path()).unwrap_err();
        let GgufError::Header { fault, .. } = error else { panic!("{error}") };
        let HeaderFault::TooMany { what: Counted::HeaderBytes, most: said, .. } = fault else {
            panic!("{fault}")
        };
        assert_eq!(said, most);
    }
}

#[test]
fn types_of_values_that_nobody_knows_are_refused() {
    for kind in [13, 14, 255, 1 << 16, u32::MAX] {
        let value = raw(kind, [0; 8]);
        let file = small(|file| file.keys.push((b"a.b".to_vec(), value)));
        assert_eq!(header(&file), HeaderFault::UnknownKind(kind));
        let value = array(kind, 1, [0; 8]);
        let file = small(|file| file.keys.push((b"a.b".to_vec(), value)));
        assert_eq!(header(&file), HeaderFault::UnknownKind(kind));
    }
}

#[test]
fn arrays_of_arrays_are_refused() {
    let inner = array(4, 1, [1, 0, 0, 0]);
    let value = array(9, 1, &inner.0[4..]);
    let file = small(|file| file.keys.push((b"a.b".to_vec(), value)));
    assert_eq!(header(&file), HeaderFault::NestedArray);
}

#[test]
fn flags_are_zero_or_one() {
    for byte in [2, 128, 255] {
        let file = small(|file| file.keys.push((b"a.b".to_vec(), flag(byte))));
        assert_eq!(header(&file), HeaderFault::BadFlag(byte));
        let value = array(7, 3, [0, 1, byte]);
        let file = small(|file| file.keys.push((b"a.b".to_vec(), value)));
        assert_eq!(header(&file), HeaderFault::BadFlag(byte));
    }
}

#[test]
fn names_are_text_of_a_sensible_length() {
    let long = vec![b'a'; 256];
    for name in [&b""[..], b"a\0b", b"a\nb", b"\x1b[31m", b"\xff\xfe", b"\xc2\x85", &long] {
        let file = small(|file| file.keys.push((name.to_vec(), u32(1))));
        assert_eq!(header(&file), HeaderFault::BadName(Counted::Keys), "{name:?}");
        let file = second(|tensor| tensor.name = name.to_vec());
        assert_eq!(header(&file), HeaderFault::BadName(Counted::Tensors), "{name:?}");
    }
    assert!(second(|tensor| tensor.name = vec![b'a'; 255]).read().is_ok());
}

#[test]
fn a_key_comes_once() {
    let file = small(|file| file.keys.push((b"llama.block_count".to_vec(), u32(3))));
    assert_eq!(header(&file), HeaderFault::KeyTwice("llama.block_count".to_owned()));
}

#[test]
fn alignments_that_are_no_powers_of_two_are_refused() {
    for alignment in [0, 1, 2, 3, 4, 7, 12, 33, 48, 1 << 17, 1 << 31, u32::MAX] {
        let file = small(|file| file.keys.push((b"general.alignment".to_vec(), u32(alignment))));
        assert_eq!(header(&file), HeaderFault::Alignment(alignment.into()));
    }
    let wide = raw(10, (1u64 << 63).to_le_bytes());
    let file = small(|file| file.keys.push((b"general.alignment".to_vec(), wide)));
    assert_eq!(header(&file), HeaderFault::Alignment(1 << 63));
}

#[test]
fn alignments_of_another_type_are_refused() {
    for value in [string("32"), crate::writer::f32(32.0), flag(1), i32(-32), i32s(&[32])] {
        let file = small(|file| file.keys.push((b"general.alignment".to_vec(), value)));
        let error = file.read().unwrap_err();
        let GgufError::Key { key, fault, .. } = error else { panic!("{error}") };
        assert_eq!(key, "general.alignment");
        assert!(
            matches!(fault, KeyFault::WrongType { .. } | KeyFault::OutOfRange { .. }),
            "{fault:?}"
        );
    }
}

#[test]
fn a_tensor_comes_once() {
    let file = second(|tensor| tensor.name = b"token_embd.weight".to_vec());
    assert_eq!(tensor(&file), ("token_embd.weight".to_owned(), TensorFault::Twice));
}

#[test]
fn tensors_have_one_to_four_dimensions() {
    for count in [0, 5, 6, 1000, u32::MAX] {
        let file = second(|tensor| tensor.dim_count = Some(count));
        assert_eq!(tensor(&file).1, TensorFault::Dimensions(count));
    }
}

#[test]
fn dimensions_of_zero_are_refused() {
    for dims in [&[0, 2, 2][..], &[4, 0, 2], &[4, 2, 0], &[0]] {
        let file = second(|tensor| tensor.dims = dims.to_vec());
        assert_eq!(tensor(&file).1, TensorFault::Empty, "{dims:?}");
    }
}

#[test]
fn products_of_dimensions_do_not_wrap() {
    for dims in [
        &[1 << 32, 1 << 32][..],
        &[1 << 62, 4],
        &[1 << 63],
        &[u64::MAX],
        &[1 << 16, 1 << 16, 1 << 16, 1 << 16],
        // The product of all is 16 again.
        &[(1 << 63) + 4, 2, 2],
        // Elements fit, bytes do not.
        &[1 << 62],
    ] {
        let file = second(|tensor| tensor.dims = dims.to_vec());
        assert_eq!(tensor(&file).1, TensorFault::TooLarge, "{dims:?}");
    }
    // As many bytes as elements.
    for dims in [&[1 << 63][..], &[u64::MAX], &[1 << 32, 1 << 31]] {
        let file = second(|tensor| (tensor.kind, tensor.dims) = (24, dims.to_vec()));
        assert_eq!(tensor(&file).1, TensorFault::TooLarge, "{dims:?}");
    }
}

#[test]
fn tensors_past_the_end_are_refused_as_what_they_mostly_are_a_cut_download() {
    let file = small(|file| file.cut = 1);
    let (name, fault) = tensor(&file);
    assert_eq!(name, "output_norm.weight");
    let TensorFault::PastEnd { end, file: len } = fault else { panic!("{fault:?}") };
    assert_eq!((end, len), (file.bytes().len() as u64 + 1, file.bytes().len() as u64));
    assert!(file.read().unwrap_err().to_string().contains("download is incomplete"));
    // Large ones, whose end does not wrap.
    for dims in [&[1 << 40][..], &[1 << 60], &[(1 << 61) - 1]] {
        let fault = tensor(&second(|tensor| tensor.dims = dims.to_vec())).1;
        assert!(matches!(fault, TensorFault::PastEnd { .. } | TensorFault::TooLarge), "{fault:?}");
    }
}

#[test]
fn types_that_nobody_knows_are_refused_by_number() {
    for kind in [4, 5, 31, 32, 33, 36, 37, 38, 43, 97, 137, 399, u32::MAX] {
        let file = second(|tensor| tensor.kind = kind);
        assert_eq!(tensor(&file).1, TensorFault::UnknownType(kind));
        assert!(file.read().unwrap_err().to_string().contains(&format!("type {kind},")));
    }
}

#[test]
fn rows_are_whole_blocks() {
    for (kind, row, block) in
        [(8, 33, 32), (12, 288, 256), (2, 16, 32), (39, 40, 32), (16, 128, 256)]
    {
        let file = second(|tensor| (tensor.kind, tensor.dims) = (kind, vec![row, 2]));
        let fault = tensor(&file).1;
        assert!(
            matches!(fault, TensorFault::PartialBlock { row: got, block: known, .. } if (got, known) == (row, block)),
            "{fault:?}"
        );
    }
}

#[test]
fn tensors_lie_one_after_the_other_without_gaps_and_overlaps() {
    // The first one takes 102 bytes, so the second begins at 128.
    for offset in [0, 1, 32, 96, 127, 129, 160, 1 << 40, u64::MAX, u64::MAX - 31] {
        let file = second(|tensor| tensor.offset = Some(offset));
        assert_eq!(tensor(&file).1, TensorFault::Misplaced { expected: 128, got: offset });
    }
    let file = small(|file| file.tensors.swap(0, 2)).change(|file| {
        file.tensors[0].offset = Some(192);
        file.tensors[2].offset = Some(0);
    });
    assert!(matches!(tensor(&file).1, TensorFault::Misplaced { expected: 0, got: 192 }));
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let whole = Gguf::small().bytes();
    assert!(read(&whole).is_ok());
    for len in 0..whole.len() {
        let error = read(&whole[..len]).unwrap_err();
        // A message without a control character, on one line.
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

#[test]
fn short_files_of_reports_against_other_readers_are_refused() {
    // 4 bytes, 36 bytes with a long string, 43 bytes that say they have keys.
    assert!(read(b"GGUF").is_err());
    let mut file = Gguf::default().change(|file| file.key_count = Some(1)).bytes();
    file.extend(u64::MAX.to_le_bytes());
    file.extend([0; 4]);
    assert_eq!(file.len(), 36);
    assert!(read(&file).is_err());
    let mut file = Gguf::default().change(|file| file.key_count = Some(u64::MAX)).bytes();
    file.extend([0; 19]);
    assert_eq!(file.len(), 43);
    assert!(read(&file).is_err());
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_refused() {
    let bytes = Gguf::small().bytes();
    let path = std::path::Path::new("test.gguf");
    let read =
        flint_checkpoint::gguf::GgufFile::from_reader(path, &bytes[..40], bytes.len() as u64);
    assert!(matches!(read, Err(GgufError::Header { fault: HeaderFault::CutShort { .. }, .. })));
}

#[test]
fn names_in_messages_cannot_move_the_cursor() {
    let name = "a\u{202e}\u{200b}b";
    let file = second(|tensor| (tensor.name, tensor.kind) = (text(name)[8..].to_vec(), 99));
    let said = file.read().unwrap_err().to_string();
    assert!(said.contains("a\\u{202e}\\u{200b}b"), "{said}");
}
