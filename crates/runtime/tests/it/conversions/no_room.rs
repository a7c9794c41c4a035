//! Out of room at any point of a conversion: an error that says so, and what was there before.

use super::{convert, names, one_line, whole};
use crate::program::{limited, mounted};
use flint_fixtures::{oracle, tiny_opt};

#[test]
fn a_file_that_may_not_grow_ends_a_convert_in_order_at_every_size() {
    let home = tempfile::tempdir().unwrap();
    let from = oracle("llama-2");
    let mut failures = 0;
    // In blocks of 512 bytes: in the first file, in the second, in the manifest, not at all.
    for blocks in [0, 1, 8, 64, 200, 300, 400, 500, 600, 700, 800, 5000] {
        for force in [false, true] {
            let out = home.path().join(format!("{blocks}-{force}.flint"));
            if force {
                assert!(convert("opt-post-ln-free", &out, &[]).status().unwrap().success());
            }
            let before = whole(&out);
            let (from, to) = (from.to_str().unwrap(), out.to_str().unwrap());
            let run = ["convert", from, "--out", to, "--no-predictor", "--force"];
            let output = limited(&format!("-f {blocks}"), &run).output().unwrap();
            if output.status.success() {
                assert_eq!(whole(&out).unwrap().len(), 4);
                continue;
            }
            failures += 1;
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            one_line(&output, &["cannot", "File too large", "ulimit -f"]);
            assert_eq!(whole(&out), before, "{blocks}");
            assert_eq!(names(&out).len(), before.map_or(0, |files| files.len()));
            assert_eq!(out.exists(), force, "an empty directory was left");
        }
    }
    assert!(failures >= 6, "{failures}");
}

/// `$1` is an empty directory, `$2` a small checkpoint, `$3` a larger one: while the second replaces the first, and
/// after there was enough for it, somebody else takes most of the disk; twelve times.
const FILLING: &str = "mount -t tmpfs -o size=20m none \"$1\" || exit 77
    for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
        $FLINT convert \"$2\" --out \"$1/m.flint\" --no-predictor --force 2> /dev/null || exit 1
        $FLINT convert \"$3\" --out \"$1/m.flint\" --no-predictor --force &
        until [ -e \"$1/m.flint/texts.partial\" ] || ! kill -0 $! 2> /dev/null; do :; done
        fallocate -l 12M \"$1/filler\"
        wait $!
        echo status $?
        rm -f \"$1/filler\"
        $FLINT verify \"$1/m.flint\" || exit 1
        ls \"$1/m.flint\" | wc -l
    done
    $FLINT convert \"$3\" --out \"$1/m.flint\" --no-predictor --force || exit 1
    $FLINT verify \"$1/m.flint\" && ls \"$1/m.flint\" | wc -l";

#[test]
fn a_disk_that_fills_up_costs_no_bundle() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (oracle("opt-post-ln-free"), tiny_opt());
    let Some(output) = mounted(FILLING, &[home.path(), &old, &new]) else { return };
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    // A whole bundle and nothing else, after every round.
    assert_eq!(stdout.lines().filter(|line| *line == "4").count(), 13, "{stdout}");
    let count = |status: &str| stdout.lines().filter(|line| *line == status).count();
    eprintln!("{} of 12 converts met a full disk", count("status 1"));
    assert_eq!(count("status 0") + count("status 1"), 12, "{stdout}{stderr}");
    assert!(count("status 1") > 0, "the disk never was full: {stdout}{stderr}");
    let errors = stderr.lines().filter(|line| line.starts_with("flint:"));
    for error in errors {
        assert!(error.contains("make room on that disk"), "{error}");
    }
}

/// Room for two files and the directory, not for the third: the system refuses in the middle.
const FEW_FILES: &str = "mount -t tmpfs -o size=64m,nr_inodes=4 none \"$1\" || exit 77
    $FLINT convert \"$2\" --out \"$1/m.flint\" --no-predictor
    echo status $?
    ls \"$1\" | wc -l";

#[test]
fn a_disk_without_room_for_another_file_is_an_error_that_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let Some(output) = mounted(FEW_FILES, &[home.path(), &oracle("llama-2")]) else { return };
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, "status 1\n0\n", "{output:?}");
    one_line(&output, &["cannot create", "make room"]);
}
