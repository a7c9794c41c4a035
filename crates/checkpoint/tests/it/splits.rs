//! Models in several files: found by name, and checked to belong together.

use crate::writer::{Gguf, i32, raw, string, u32};
use flint_checkpoint::gguf::{GgufError, GgufFile, KeyFault, SplitFault, TensorFault};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// Three parts in a directory, the first without tensors.
struct Split {
    home: TempDir,
    parts: Vec<Gguf>,
}

impl Split {
    fn new() -> Split {
        let part = |no: u16| {
            let file = Gguf::default().key("split.no", raw(2, no.to_le_bytes()));
            let file = file.key("split.count", raw(2, 3u16.to_le_bytes()));
            let file = file.key("split.tensors.count", i32(3));
            if no == 0 { file.key("general.architecture", string("llama")) } else { file }
        };
        let second = part(1).tensor("a", &[4], 0, 16).tensor("b", &[2], 1, 4);
        let third = part(2).tensor("c", &[8, 2], 1, 32);
        Split { home: tempfile::tempdir().unwrap(), parts: vec![part(0), second, third] }
    }

    fn path(&self, no: usize) -> PathBuf {
        self.home.path().join(format!("tiny-{:05}-of-00003.gguf", no + 1))
    }

    fn write(&self) -> &Split {
        for (no, part) in self.parts.iter().enumerate() {
            fs::write(self.path(no), part.bytes()).unwrap();
        }
        self
    }

    fn fault(&self) -> (PathBuf, SplitFault) {
        match GgufFile::open(&self.path(0)) {
            Err(GgufError::Split { path, fault }) => (path, fault),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_model_that_llama_cpp_split_is_read_from_its_first_part() {
    let home = flint_fixtures::gguf("llama-split3-q8_0");
    let file = GgufFile::open(&home.join("model-00001-of-00003.gguf")).unwrap();
    assert_eq!((file.shards().len(), file.tensors().len()), (3, 22));
    assert_eq!(file.metadata().architecture().unwrap(), "llama");
    let shards: Vec<usize> = file.tensors().iter().map(|tensor| tensor.shard()).collect();
    assert!(shards.is_sorted() && shards.first() == Some(&0) && shards.last() == Some(&2));
    for tensor in file.tensors() {
        assert!(tensor.extent().end() <= file.shards()[tensor.shard()].bytes());
    }
}

#[test]
fn a_first_part_without_tensors_is_fine() {
    let split = Split::new();
    let file = GgufFile::open(&split.write().path(0)).unwrap();
    let found: Vec<_> = file.tensors().iter().map(|t| (t.name(), t.shard())).collect();
    assert_eq!(found, [("a", 1), ("b", 1), ("c", 2)]);
    assert_eq!(file.shards()[2].path(), split.path(2));
    assert_eq!(file.tensor("c").unwrap().extent().end(), file.shards()[2].bytes());
}

#[test]
fn another_part_than_the_first_is_refused_with_the_name_of_the_first() {
    let split = Split::new();
    let error = GgufFile::open(&split.write().path(1)).unwrap_err();
    let GgufError::Split { fault, .. } = error else { panic!("{error}") };
    let first = "tiny-00001-of-00003.gguf".to_owned();
    assert_eq!(fault, SplitFault::NotFirst { no: 1, count: 3, first });
}

#[test]
fn a_missing_part_is_named() {
    let split = Split::new();
    fs::remove_file(split.write().path(2)).unwrap();
    assert_eq!(split.fault(), (split.path(2), SplitFault::Missing { count: 3 }));
    std::os::unix::fs::symlink(split.home.path().join("gone"), split.path(2)).unwrap();
    assert!(matches!(GgufFile::open(&split.path(0)), Err(GgufError::DeadLink { .. })));
}

#[test]
fn parts_in_the_wrong_order_or_of_another_model_are_refused() {
    let mut split = Split::new();
    split.parts.swap(1, 2);
    let fault = SplitFault::Mismatch { key: "split.no", expected: 1, got: 2 };
    assert_eq!(split.write().fault(), (split.path(1), fault));
    split.parts.swap(1, 2);
    split.parts[2].keys[1].1 = u32(4);
    let fault = SplitFault::Mismatch { key: "split.count", expected: 3, got: 4 };
    assert_eq!(split.write().fault(), (split.path(2), fault));
    split.parts[2].keys[1].1 = u32(3);
    split.parts[2].keys[2].1 = u32(4);
    let fault = SplitFault::Mismatch { key: "split.tensors.count", expected: 3, got: 4 };
    assert_eq!(split.write().fault(), (split.path(2), fault));
}

#[test]
fn parts_together_have_the_tensors_that_they_announce() {
    let mut split = Split::new();
    split.parts[2].tensors.clear();
    assert_eq!(split.write().fault().1, SplitFault::TensorCount { expected: 3, got: 2 });
    let mut split = Split::new();
    split.parts[2] = split.parts[2].clone().tensor("d", &[1], 0, 4);
    assert_eq!(split.write().fault().1, SplitFault::TensorCount { expected: 3, got: 4 });
}

#[test]
fn a_tensor_is_in_one_part_alone() {
    let mut split = Split::new();
    split.parts[2].tensors[0].name = b"a".to_vec();
    let error = GgufFile::open(&split.write().path(0)).unwrap_err();
    let GgufError::Tensor { path, name, fault } = error else { panic!("{error}") };
    assert_eq!((path, name.as_str(), fault), (split.path(2), "a", TensorFault::Twice));
}

#[test]
fn a_part_cut_short_is_refused_by_its_own_name() {
    let mut split = Split::new();
    split.parts[1].cut = 2;
    let error = GgufFile::open(&split.write().path(0)).unwrap_err();
    let GgufError::Tensor { path, fault, .. } = error else { panic!("{error}") };
    assert!(path == split.path(1) && matches!(fault, TensorFault::PastEnd { .. }));
}

#[test]
fn parts_whose_names_say_nothing_are_refused_with_the_name_they_need() {
    let split = Split::new();
    let other = split.home.path().join("model.gguf");
    fs::copy(split.write().path(0), &other).unwrap();
    let error = GgufFile::open(&other).unwrap_err();
    assert!(error.to_string().contains("'-00001-of-00003.gguf'"), "{error}");
}

#[test]
fn numbers_of_parts_that_cannot_be_true_are_refused() {
    for count in [1025, 65535, u32::MAX] {
        let mut split = Split::new();
        split.parts[0].keys[1].1 = u32(count);
        assert_eq!(split.write().fault().1, SplitFault::TooMany { count, most: 1024 });
    }
    let mut split = Split::new();
    split.parts[0].keys[1].1 = i32(-3);
    let error = GgufFile::open(&split.write().path(0)).unwrap_err();
    assert!(matches!(error, GgufError::Key { fault: KeyFault::OutOfRange { .. }, .. }), "{error}");
    let mut split = Split::new();
    split.parts[1].keys.remove(0);
    let error = GgufFile::open(&split.write().path(0)).unwrap_err();
    assert!(matches!(error, GgufError::Key { fault: KeyFault::Missing, .. }), "{error}");
}

#[test]
fn a_count_of_one_is_no_split() {
    let file = Gguf::small().key("split.count", u32(1)).key("split.no", u32(0));
    assert_eq!(file.read().unwrap().shards().len(), 1);
    let file = Gguf::small().key("split.count", u32(0));
    assert_eq!(file.read().unwrap().shards().len(), 1);
    // Parts are looked for beside a file, not beside bytes in memory.
    let split = Split::new();
    assert!(matches!(split.parts[0].read(), Err(GgufError::Split { .. })));
}
