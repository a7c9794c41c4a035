//! A device that stops answering: a block device whose control group allows one byte a second from then on.

use super::SOON;
use crate::program::{ended, signal, wait_until};
use flint_fixtures::tiny_opt_bundle;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A block control group (v1) that hardly lets its processes read from one device.
struct Throttle {
    directory: PathBuf,
    device: String,
}

impl Throttle {
    /// `None`, said aloud, where that cannot be had.
    fn on(device: &str) -> Option<Throttle> {
        let parent = Path::new("/sys/fs/cgroup/blkio");
        let directory = parent.join(format!("flint-stall-{}", std::process::id()));
        let throttle = Throttle { directory, device: device.to_owned() };
        let made = fs::create_dir(&throttle.directory).and_then(|()| throttle.limit(0));
        if let Err(error) = made {
            flint_fixtures::skip(format_args!("no block device can be throttled here ({error})"));
            return None;
        }
        Some(throttle)
    }

    fn limit(&self, bytes_per_second: u64) -> std::io::Result<()> {
        let line = format!("{} {bytes_per_second}", self.device);
        fs::write(self.directory.join("blkio.throttle.read_bps_device"), line)
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        // What still waits is let through.
        let _ = self.limit(0);
        for _ in 0..100 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The disk that a file lies on, as `major:minor`: of a partition, the disk that it is part of.
fn disk_of(file: &Path) -> Option<String> {
    let device = fs::metadata(file).ok()?.dev();
    let id = |device| format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let block = PathBuf::from(format!("/sys/dev/block/{}", id(device)));
    let whole = if block.join("partition").exists() { block.join("..") } else { block };
    Some(fs::read_to_string(whole.join("dev")).ok()?.trim().to_owned())
}

#[test]
fn a_device_that_never_answers_does_not_hold_up_the_end() {
    let model = tiny_opt_bundle();
    let Some(disk) = disk_of(&model.join("manifest.bin")) else {
        flint_fixtures::skip("the fixtures lie on no block device");
        return;
    };
    let Some(throttle) = Throttle::on(&disk) else { return };
    let home = tempfile::tempdir().unwrap();
    let trace = home.path().join("trace.jsonl");
    let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(&throttle.directory)
        .arg(env!("CARGO_BIN_EXE_flint"))
        .args(["generate", "--tokens", "0,5", "-n", "250", "--ignore-eos", "--json"])
        .args(["--memory", "40%", "-t", "1", "--simd", "scalar", "--io", "uring", "-m"])
        .arg(&model)
        .arg("--trace")
        .arg(&trace)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let tokens = || fs::read_to_string(&trace).unwrap_or_default().lines().count();
    wait_until("some tokens came", || tokens() >= 3);
    throttle.limit(1).unwrap();
    let mut seen = 0;
    wait_until("nothing comes any more", || {
        let before = std::mem::replace(&mut seen, tokens());
        std::thread::sleep(Duration::from_millis(300));
        before == tokens()
    });
    signal(&child, Signal::TERM);
    let (status, took, stdout, stderr) = ended(child, SOON);
    if status.code() == Some(0) {
        flint_fixtures::skip("the throttle does not hold reads back here");
        return;
    }
    assert_eq!(status.code(), Some(143), "{stderr}");
    let object: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(object["finish"], "stop", "{took:?}");
    // Every token that was shown is in the object, though the run itself never came back.
    assert_eq!(object["tokens"].as_array().unwrap().len(), tokens());
    assert_eq!(object["prompt_tokens"], serde_json::json!([0, 5]));
    assert!(object["stats"]["per_token"]["bytes_read"].as_f64().unwrap() > 0.0, "{stdout}");
}
