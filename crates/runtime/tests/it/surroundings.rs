//! Surroundings that are not the usual ones: each works on a fallback, with the same tokens, or says in one line
//! what to change.

use crate::program::{ended, flint, limited, mounted};
use flint_fixtures::tiny_opt_bundle;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// A short greedy run that streams.
fn run(model: &Path) -> Vec<String> {
    let model = model.to_str().unwrap();
    let run = ["generate", "-m", model, "--tokens", "0,5", "-n", "6", "--temp", "0"];
    let run = run.iter().chain(&["--ignore-eos", "--memory", "60%", "--json"]);
    run.map(|&part| part.to_owned()).collect()
}

fn object(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the run gives where nothing is unusual.
fn expected() -> Value {
    let run = run(&tiny_opt_bundle());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    object(&flint(&run).output().unwrap())["tokens"].clone()
}

#[test]
fn a_full_table_of_descriptors_is_survived_or_said() {
    let expected = expected();
    let run = run(&tiny_opt_bundle());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let (mut refused, mut threads, mut uring) = (0, 0, 0);
    for most in 3..24 {
        let output = limited(&format!("-n {most}"), &run).output().unwrap();
        if output.status.success() {
            let object = object(&output);
            assert_eq!(object["tokens"], expected, "{most}");
            match object["stats"]["io_backend"].as_str() {
                Some("uring") => uring += 1,
                _ => {
                    threads += 1;
                    let why = object["stats"]["io_reasons"].to_string();
                    assert!(why.contains("io_uring") || why.contains("page cache"), "{why}");
                }
            }
            continue;
        }
        refused += 1;
        let line = String::from_utf8(output.stderr).unwrap();
        // Below a handful not even the libraries of the program can be opened.
        if output.status.code() == Some(127) {
            continue;
        }
        assert_eq!(line.lines().count(), 1, "{most}: {line}");
        let said = line.contains("Too many open files") && line.contains("ulimit -n");
        assert!(said && !line.contains("bug"), "{most}: {line}");
    }
    assert!(refused > 0 && uring + threads > 0, "{refused} {threads} {uring}");
}

#[test]
fn without_locked_memory_it_runs() {
    let run = run(&tiny_opt_bundle());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let output = limited("-l 0", &run).output().unwrap();
    assert_eq!(object(&output)["tokens"], expected());
    if !rustix::process::getuid().is_root() {
        return;
    }
    // Root is above that limit; nobody is not.
    let nobody = 65_534;
    match limited("-l 0", &run).uid(nobody).gid(nobody).output() {
        Ok(output) if output.status.code() != Some(126) => {
            assert_eq!(object(&output)["tokens"], expected());
        }
        other => {
            flint_fixtures::skip(format_args!("nobody may not run the program here ({other:?})"))
        }
    }
}

/// `$1` is an empty directory, `$2` the bundle, then the command line after the name of the bundle.
const ON_TMPFS: &str = "mount -t tmpfs none \"$1\" && cp -r \"$2\" \"$1/m.flint\" || exit 77
    dir=$1; shift 2; exec $FLINT \"$@\" -m \"$dir/m.flint\"";
const ON_OVERLAY: &str =
    "mount -t tmpfs none \"$1\" && mkdir \"$1/up\" \"$1/work\" \"$1/m\" || exit 77
    mount -t overlay overlay -o \"lowerdir=$2,upperdir=$1/up,workdir=$1/work\" \"$1/m\" || exit 77
    touch \"$1/m/written\" || exit 77
    dir=$1; shift 2; exec $FLINT \"$@\" -m \"$dir/m\"";
const READ_ONLY: &str = "mount --bind \"$2\" \"$1\" && mount -o remount,ro,bind \"$1\" || exit 77
    touch \"$1/x\" 2> /dev/null && exit 77
    dir=$1; shift 2; exec $FLINT \"$@\" -m \"$dir\"";

fn runs_on(script: &str) -> Option<Value> {
    let home = tempfile::tempdir().unwrap();
    let model = tiny_opt_bundle();
    let run = ["generate", "--tokens", "0,5", "-n", "6", "--temp", "0", "--ignore-eos"];
    let run = run.iter().chain(&["--memory", "60%", "--json"]).map(Path::new);
    let arguments: Vec<&Path> = [home.path(), &model].into_iter().chain(run).collect();
    let object = object(&mounted(script, &arguments)?);
    assert_eq!(object["tokens"], expected());
    let direct = object["stats"]["direct_io"] == true;
    let said = object["stats"]["io_reasons"].as_array().unwrap();
    assert!(direct || !said.is_empty(), "buffered without a reason");
    Some(object)
}

#[test]
fn a_bundle_on_tmpfs_runs_through_the_page_cache() {
    let Some(object) = runs_on(ON_TMPFS) else { return };
    assert_eq!(object["stats"]["direct_io"], false);
    assert!(object["stats"]["io_reasons"].to_string().contains("memory"));
}

#[test]
fn a_bundle_on_overlayfs_runs() {
    runs_on(ON_OVERLAY);
}

#[test]
fn a_bundle_on_a_read_only_mount_runs_as_well_as_any() {
    let Some(object) = runs_on(READ_ONLY) else { return };
    let run = run(&tiny_opt_bundle());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let usual = self::object(&flint(&run).output().unwrap());
    assert_eq!(object["stats"]["direct_io"], usual["stats"]["direct_io"]);
}

#[test]
fn two_processes_share_one_bundle() {
    let expected = expected();
    let run = run(&tiny_opt_bundle());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let pair: Vec<_> = (0..2).map(|_| flint(&run).spawn().unwrap()).collect();
    for child in pair {
        let (status, _, stdout, stderr) = ended(child, Duration::from_secs(60));
        assert!(status.success(), "{stderr}");
        let object: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(object["tokens"], expected);
    }
}

#[test]
fn a_bundle_replaced_while_it_is_opened_is_the_old_or_the_new_one() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("m.flint");
    crate::device::copy(&tiny_opt_bundle(), &out);
    let (expected, from) = (expected(), flint_fixtures::tiny_opt());
    let run = run(&out);
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let (from, to) = (from.to_str().unwrap(), out.to_str().unwrap());
    let replace = ["convert", from, "--out", to, "--no-predictor", "--force"];
    for _ in 0..4 {
        let writer = flint(&replace).spawn().unwrap();
        let readers: Vec<_> = (0..3).map(|_| flint(&run).spawn().unwrap()).collect();
        assert!(ended(writer, Duration::from_secs(60)).0.success());
        for reader in readers {
            let (status, _, stdout, stderr) = ended(reader, Duration::from_secs(60));
            assert!(status.success(), "{stderr}");
            let object: Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!(object["tokens"], expected);
        }
    }
}

#[test]
fn without_a_thread_to_spare_only_what_needs_one_ends_and_says_so() {
    let model = tiny_opt_bundle();
    let model = model.to_str().unwrap();
    let verified = without_threads(&["verify", model]);
    assert!(verified.status.success(), "{verified:?}");
    let run = run(&tiny_opt_bundle());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    for arguments in [&run[..], &["logits", "-m", model, "--tokens", "0,5", "--json"]] {
        let refused = without_threads(arguments);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let line = String::from_utf8(refused.stderr).unwrap();
        assert!(line.lines().count() == 1 && line.contains("cannot start"), "{line}");
        assert!(!line.contains("bug"), "{line}");
    }
}

/// Runs flint under a filter that refuses new threads, as a full table of processes does.
fn without_threads(arguments: &[&str]) -> Output {
    let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
    let run = move || {
        let is_thread = SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64),
            libc::CLONE_THREAD as u64,
        );
        let clone = SeccompRule::new(vec![is_thread.unwrap()]).unwrap();
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let deny = |rules, errno| {
            let action = SeccompAction::Errno(errno as u32);
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).unwrap();
            let program: BpfProgram = filter.try_into().unwrap();
            seccompiler::apply_filter(&program).unwrap();
        };
        // The library then falls back to the older call, whose flags can be looked at.
        deny([(libc::SYS_clone3, vec![])].into_iter().collect(), libc::ENOSYS);
        deny([(libc::SYS_clone, vec![clone])].into_iter().collect(), libc::EAGAIN);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        flint(&arguments).output().unwrap()
    };
    std::thread::spawn(run).join().unwrap()
}
