//! Pickles written by hand, byte by byte: those of PyTorch, and hostile ones.

use super::*;

/// Assembles a pickle.
#[derive(Default, Clone)]
struct Program(Vec<u8>);

impl Program {
    fn new() -> Program {
        Program(vec![0x80, 2])
    }

    fn code(mut self, bytes: &[u8]) -> Program {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Program {
        self.code(b"X").code(&(text.len() as u32).to_le_bytes()).code(text.as_bytes())
    }

    fn global(self, module: &str, name: &str) -> Program {
        self.code(format!("c{module}\n{name}\n").as_bytes())
    }

    fn int(self, value: i32) -> Program {
        self.code(b"J").code(&value.to_le_bytes())
    }

    fn ints(self, values: &[i32]) -> Program {
        let all = values.iter().fold(self.code(b"("), |program, &value| program.int(value));
        all.code(b"t")
    }

    /// A tensor of the storage "7", as PyTorch writes one.
    fn tensor(self, first: i32, dims: &[i32], strides: &[i32]) -> Program {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .code(b"((")
            .text("storage")
            .global("torch", "HalfStorage")
            .text("7")
            .text("cpu")
            .int(6)
            .code(b"tQ")
            .int(first)
            .ints(dims)
            .ints(strides)
            .code(b"\x89")
            .global("collections", "OrderedDict")
            .code(b")RtR")
    }

    fn read(&self) -> Result<Vec<(String, Tensor)>, PickleError> {
        read(&self.0)
    }
}

fn one_tensor() -> Program {
    Program::new().code(b"}q\x00(").text("w").tensor(1, &[2, 3], &[3, 1]).code(b"u.")
}

#[test]
fn a_state_dictionary_gives_its_tensors() {
    let read = one_tensor().read().unwrap();
    let kind = Kind { name: "F16", bytes: 2 };
    let storage = Storage { kind, key: "7".into() };
    let expected = Tensor { storage, first: 1, dims: vec![2, 3], strides: vec![3, 1] };
    assert_eq!(read, [("w".to_owned(), expected)]);
}

#[test]
fn metadata_parameters_and_other_values_are_passed_over() {
    let program = Program::new()
        .global("collections", "OrderedDict")
        .code(b")R(")
        .text("epoch")
        .code(b"K\x05")
        .text("loss")
        .code(b"G\0\0\0\0\0\0\0\0")
        .text("w")
        .global("torch._utils", "_rebuild_parameter")
        .code(b"(")
        .tensor(0, &[4], &[1])
        .code(b"\x88")
        .global("collections", "OrderedDict")
        .code(b")RtRu}")
        .text("_metadata")
        .code(b"}sb.");
    let names: Vec<String> = program.read().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["w"]);
}

/// A tensor that had attributes when it was saved: wrapped with its class and what they were.
fn wrapped(how: (&str, &str), class: (&str, &str)) -> Program {
    Program::new()
        .code(b"}(")
        .text("w")
        .global("torch._tensor", "_rebuild_from_type_v2")
        .code(b"(")
        .global(how.0, how.1)
        .global(class.0, class.1)
        .code(b"((")
        .text("storage")
        .global("torch", "FloatStorage")
        .text("3")
        .text("cpu")
        .int(6)
        .code(b"tQ")
        .int(1)
        .ints(&[2, 3])
        .ints(&[3, 1])
        .code(b"\x89")
        .global("collections", "OrderedDict")
        .code(b")Rt}tRu.")
}

#[test]
fn a_tensor_with_attributes_is_a_tensor() {
    let (how, class) = (("torch._utils", "_rebuild_tensor_v2"), ("torch", "Tensor"));
    let read = wrapped(how, class).read().unwrap();
    let storage = Storage { kind: Kind { name: "F32", bytes: 4 }, key: "3".into() };
    let expected = Tensor { storage, first: 1, dims: vec![2, 3], strides: vec![3, 1] };
    assert_eq!(read, [("w".to_owned(), expected)]);
    // Neither another class nor a wrapping in a wrapping.
    assert!(wrapped(how, ("torch", "FloatStorage")).read().is_err());
    let again = ("torch._tensor", "_rebuild_from_type_v2");
    assert!(wrapped(again, class).read().is_err());
}

#[test]
fn every_cut_of_a_pickle_is_an_error() {
    let whole = one_tensor().0;
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "cut to {len} of {}", whole.len());
    }
}

#[test]
fn changed_bytes_never_panic() {
    let whole = one_tensor().0;
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[at] = byte;
            // Either is fine; what counts is that it returns.
            let _ = read(&changed);
        }
    }
}

#[test]
fn names_off_the_list_are_refused_before_anything_is_built() {
    let named = Program::new().global("posix", "system").text("true").code(b"\x85R.");
    let forbidden = |at| Err(PickleError::Forbidden { at, name: "posix.system".to_owned() });
    assert_eq!(named.read(), forbidden(2));
    let stacked = Program::new().text("posix").text("system").code(b"\x93.");
    assert_eq!(stacked.read(), forbidden(23));
    let storage = Program::new().global("torch", "load").code(b".");
    assert!(matches!(storage.read(), Err(PickleError::Forbidden { .. })));
}

#[test]
fn instructions_that_call_or_extend_are_refused() {
    for code in [b'i', b'o', 0x81, 0x92, 0x82, b'P', b'I', b'S', b'2', b'0'] {
        let program = Program::new().code(&[code, b'.']);
        assert_eq!(program.read(), Err(PickleError::Instruction { at: 2, code }));
    }
}

#[test]
fn lengths_past_the_end_are_not_allocated() {
    let text = Program::new().code(b"X\xff\xff\xff\xff.");
    assert_eq!(text.read(), Err(PickleError::Truncated { at: 8 }));
}

#[test]
fn a_pickle_that_pushes_without_end_is_stopped() {
    for each in [&b"N"[..], b"}", b")", b"("] {
        let endless = Program::new().code(&each.repeat(2 << 20));
        assert!(matches!(endless.read(), Err(PickleError::TooMuch { .. })), "{each:?}");
    }
}

#[test]
fn nesting_does_not_recurse() {
    let deep = Program::new().code(b"N").code(&b"\x85".repeat(200_000)).code(b".");
    assert!(matches!(deep.read(), Err(PickleError::Malformed { .. })));
}

#[test]
fn one_long_name_cannot_be_copied_again_and_again() {
    let long = Program::new().code(b"}(").text(&"n".repeat(600)).tensor(0, &[1], &[1]).code(b"u.");
    assert!(matches!(long.read(), Err(PickleError::Malformed { .. })));
}

#[test]
fn a_storage_of_a_long_name_is_refused() {
    let storage = Program::new().code(b"((").text("storage").global("torch", "HalfStorage");
    let long = storage.text(&"7".repeat(65)).code(b"tQ.");
    assert!(matches!(long.read(), Err(PickleError::Malformed { .. })));
}

#[test]
fn a_tensor_that_is_there_twice_is_refused() {
    let once = Program::new().code(b"}(").text("w").tensor(0, &[1], &[1]);
    let twice = once.text("w").tensor(1, &[1], &[1]).code(b"u.");
    assert_eq!(twice.read(), Err(PickleError::Twice { name: "w".to_owned() }));
}

#[test]
fn texts_that_are_not_utf_8_are_refused() {
    let name = Program::new().code(b"}X\x01\0\0\0\xff").tensor(0, &[1], &[1]).code(b"s.");
    assert!(matches!(name.read(), Err(PickleError::Malformed { .. })));
    let global = Program::new().code(b"c\xff\nload\n.");
    assert!(matches!(global.read(), Err(PickleError::Malformed { .. })));
}

#[test]
fn sizes_that_are_none_are_refused() {
    let one = |first, dims: &[i32], strides: &[i32]| {
        Program::new().code(b"}").text("w").tensor(first, dims, strides).code(b"s.").read()
    };
    one(0, &[], &[]).unwrap();
    for bad in [one(-1, &[1], &[1]), one(0, &[-2], &[1]), one(0, &[2, 2], &[1])] {
        assert!(matches!(bad, Err(PickleError::Malformed { .. })), "{bad:?}");
    }
    assert!(one(0, &[1; 9], &[1; 9]).is_err());
}

#[test]
fn a_pickle_of_something_else_is_none_of_tensors() {
    assert!(Program::new().code(b"N.").read().is_err());
    assert!(Program::new().code(b"(.").read().is_err());
    assert!(Program::new().code(b"}N\x85s.").read().is_err());
}

#[test]
fn only_whole_strides_are_contiguous() {
    let tensor = |dims: &[u64], strides: &[u64]| {
        let kind = Kind { name: "F32", bytes: 4 };
        let storage = Storage { kind, key: "0".into() };
        Tensor { storage, first: 0, dims: dims.to_vec(), strides: strides.to_vec() }
    };
    assert!(tensor(&[2, 3], &[3, 1]).is_contiguous());
    assert!(tensor(&[1, 3], &[77, 1]).is_contiguous());
    assert!(tensor(&[], &[]).is_contiguous());
    assert!(!tensor(&[2, 3], &[1, 2]).is_contiguous());
    assert!(!tensor(&[2, 3], &[6, 2]).is_contiguous());
    assert!(!tensor(&[2, 3], &[0, 1]).is_contiguous());
    assert!(!tensor(&[2, u64::MAX, 2], &[2, 2, 1]).is_contiguous());
}
