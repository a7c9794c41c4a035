//! Devices and file systems that are not the best: widened reads, padding, tmpfs. Same output, and the
//! report says which path was taken.

use crate::model::{Twin, greedy, load, options, oracle, request, unseen_prompt};
use flint_convert::{ConvertOptions, convert};
use flint_engine::{Controls, EngineError, Generated, Mode, OpenModel, RunOptions, generate};
use flint_fixtures::{oracle as oracle_checkpoint, tiny_opt_bundle};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Copies a bundle.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_device_that_wants_four_kibibytes_gets_widened_reads() {
    let prompt = unseen_prompt();
    let context = prompt.len() + 6;
    let expected = Twin::open(&tiny_opt_bundle()).greedy(&prompt, 6);
    let wide = RunOptions { io_alignment: Some(4096), ..options(75.0) };
    let mut engine = load(&tiny_opt_bundle(), &wide, context, None);
    let generated = greedy(&mut engine, &prompt, 6);
    assert_eq!(generated.tokens, expected);
    assert!(generated.stats.widened);

    let wide = RunOptions { io_alignment: Some(4096), mode: Some(Mode::Sparse), ..options(120.0) };
    let predictor = oracle(&tiny_opt_bundle());
    let mut engine = load(&tiny_opt_bundle(), &wide, context, Some(predictor));
    let generated = greedy(&mut engine, &prompt, 6);
    assert_eq!(generated.tokens, expected);
    assert!(generated.stats.per_token.neurons_loaded > 0.0);
}

#[test]
fn records_with_padding_run_by_every_path() {
    // 64 wide in f16: records of 256 bytes, one every 512.
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("padded.flint");
    let options_of = ConvertOptions {
        checkpoint: oracle_checkpoint("opt-post-ln-free"),
        out: out.clone(),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    let bundle = convert(&options_of, &mut |_| {}).unwrap();
    let record = bundle.shape().record;
    assert!(record.stride() > record.payload_bytes() as u64, "{record:?} has no padding");
    let prompt = [57, 301, 18, 344, 129, 301, 76];
    let expected = Twin::open(&out).greedy(&prompt, 8);
    for io_alignment in [None, Some(4096)] {
        for percent in [100.0, 1000.0] {
            let exact = RunOptions { io_alignment, ..options(percent) };
            let mut engine = load(&out, &exact, 16, None);
            assert_eq!(greedy(&mut engine, &prompt, 8).tokens, expected);
        }
        let sparse = RunOptions { io_alignment, mode: Some(Mode::Sparse), ..options(250.0) };
        let mut engine = load(&out, &sparse, 16, Some(oracle(&out)));
        assert_eq!(greedy(&mut engine, &prompt, 8).tokens, expected);
    }
}

#[test]
fn a_file_system_in_memory_works_and_the_report_says_how() {
    let shm = Path::new("/dev/shm");
    let Ok(directory) = tempfile::tempdir_in(shm) else {
        flint_fixtures::skip("no tmpfs at /dev/shm");
        return;
    };
    let bundle = directory.path().join("tiny.flint");
    copy(&tiny_opt_bundle(), &bundle);
    let prompt = unseen_prompt();
    let expected = Twin::open(&bundle).greedy(&prompt, 4);
    let mut engine = load(&bundle, &options(75.0), prompt.len() + 4, None);
    let generated = greedy(&mut engine, &prompt, 4);
    assert_eq!(generated.tokens, expected);
    let stats = generated.stats;
    assert!(stats.direct_io || !stats.io_reasons.is_empty(), "buffered without a reason");
}

#[test]
fn a_machine_that_denies_io_uring_gets_threads_and_is_told_why() {
    let expected = Twin::open(&tiny_opt_bundle()).greedy(&[0, 5], 3);
    for denied in [
        (libc::SYS_io_uring_setup, libc::EPERM),
        // A ring that can be set up and not entered: reads in it would wait for ever.
        (libc::SYS_io_uring_enter, libc::EPERM),
        (libc::SYS_io_uring_enter, libc::EAGAIN),
    ] {
        let output = without(denied, &["--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["stats"]["io_backend"], "threads");
        assert!(report["stats"]["io_reasons"].to_string().contains("io_uring"));
        assert_eq!(report["tokens"], serde_json::json!(expected));

        let output = without(denied, &["--io", "uring"]);
        assert_eq!(output.status.code(), Some(2));
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.lines().count() == 1 && line.contains("io_uring"), "{line}");
    }
}

/// Runs flint under a filter that refuses a system call with an error, as containers do. The filter binds the
/// thread that sets it and the processes it starts.
fn without((call, error): (i64, i32), extra: &[&str]) -> Output {
    let extra: Vec<String> = extra.iter().map(|&argument| argument.to_owned()).collect();
    let run = move || {
        let rules = [(call, vec![])].into_iter().collect();
        let deny = SeccompAction::Errno(error as u32);
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, deny, arch).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
        Command::new(env!("CARGO_BIN_EXE_flint"))
            .args(["generate", "--tokens", "0,5", "-n", "3", "--temp", "0", "--ignore-eos"])
            .args(["--memory", "60%", "-m"])
            .arg(tiny_opt_bundle())
            .args(extra)
            .output()
            .unwrap()
    };
    std::thread::spawn(run).join().unwrap()
}

/// The file of records of a bundle.
fn neurons(bundle: &Path) -> PathBuf {
    OpenModel::open(bundle).unwrap().bundle().unwrap().neurons_path()
}

/// An engine over a copy of the bundle that reads most neurons again and again; then something happens to the file.
fn run_after(happens: impl FnOnce(&Path)) -> Result<Generated, EngineError> {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("tiny.flint");
    copy(&tiny_opt_bundle(), &bundle);
    let prompt = unseen_prompt();
    let mut engine = load(&bundle, &options(60.0), prompt.len() + 4, None);
    happens(&neurons(&bundle));
    generate(&mut engine, None, &request(&prompt, 4), &Controls::default(), &mut |_| {
        ControlFlow::Continue(())
    })
}

#[test]
fn a_file_renamed_over_while_in_use_keeps_running_right() {
    let expected = Twin::open(&tiny_opt_bundle()).greedy(&unseen_prompt(), 4);
    let generated = run_after(|file| {
        let other = file.with_extension("other");
        fs::write(&other, vec![7; fs::metadata(file).unwrap().len() as usize]).unwrap();
        fs::rename(&other, file).unwrap();
    });
    assert_eq!(generated.unwrap().tokens, expected);
}

#[test]
fn a_file_truncated_in_place_is_an_error_that_says_where() {
    let ended = run_after(|file| {
        File::options().write(true).open(file).unwrap().set_len(4096).unwrap();
    });
    let text = ended.unwrap_err().to_string();
    assert!(text.contains("the file ends inside") && text.contains("offset"), "{text}");
}

#[test]
fn a_file_overwritten_in_place_is_an_error_that_says_where() {
    let ended = run_after(|file| {
        let bytes = vec![7; fs::metadata(file).unwrap().len() as usize];
        File::options().write(true).open(file).unwrap().write_all(&bytes).unwrap();
    });
    let text = ended.unwrap_err().to_string();
    assert!(text.contains("checksum") && text.contains("offset"), "{text}");
}

#[test]
fn a_bundle_removed_while_in_use_keeps_running() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("tiny.flint");
    copy(&tiny_opt_bundle(), &bundle);
    let prompt = unseen_prompt();
    let expected = Twin::open(&bundle).greedy(&prompt, 4);
    let mut engine = load(&bundle, &options(60.0), prompt.len() + 4, None);
    fs::remove_dir_all(&bundle).unwrap();
    assert_eq!(greedy(&mut engine, &prompt, 4).tokens, expected);
}
