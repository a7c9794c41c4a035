//! Files from strangers, given to the program itself: each attack is one line on stderr and exit status 2, takes
//! at most 64 MiB more memory than a good file, and leaves nothing written.

mod bundles;
mod child;
mod downloads;
mod gguf;
mod gguf_file;
mod index;
mod pytorch;
mod safetensors;
mod texts;
mod tokenizers;
mod weights;

use child::{Ended, flint};
use flint_fixtures::oracle;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What an attack may take beyond what a good file takes, in bytes.
const ROOM: u64 = 64 << 20;

/// A checkpoint directory to spoil.
struct Victim {
    home: TempDir,
}

impl Victim {
    /// A copy of the reference checkpoint `name`.
    fn of(name: &str) -> Victim {
        let home = tempfile::tempdir().unwrap();
        let victim = Victim { home };
        fs::create_dir(victim.dir()).unwrap();
        super::checkpoints::copy(&oracle(name), &victim.dir());
        victim
    }

    fn small() -> Victim {
        Victim::of("opt-post-ln-free")
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("checkpoint")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file of the checkpoint.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Victim {
        fs::write(self.file(name), bytes).unwrap();
        self
    }

    fn remove(&self, name: &str) -> &Victim {
        fs::remove_file(self.file(name)).unwrap();
        self
    }

    fn out(&self) -> PathBuf {
        self.home.path().join("model.flint")
    }

    fn convert(&self) -> Ended {
        let (dir, out) = (self.dir(), self.out());
        let out = out.to_str().unwrap();
        flint(&["convert", dir.to_str().unwrap(), "--out", out, "--no-predictor"])
    }

    /// Converts, and checks that it is refused in one line that holds `parts`, before anything is written.
    fn refused(&self, attack: &str, parts: &[&str]) {
        let ended = self.convert();
        ended.refused(attack, parts);
        assert_eq!(ended.lines.len(), 1, "{attack}: {:?}", ended.lines);
        assert!(!self.out().exists(), "{attack}: something is left");
        self.bounded(attack, &ended);
    }

    /// The same for what is found while writing: a note may come first, and the directory may stay, but empty.
    fn refused_late(&self, attack: &str, parts: &[&str]) {
        let ended = self.convert();
        ended.refused(attack, parts);
        let left =
            fs::read_dir(self.out()).into_iter().flatten().map(|entry| entry.unwrap().path());
        assert_eq!(left.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "{attack}");
        self.bounded(attack, &ended);
    }

    fn bounded(&self, attack: &str, ended: &Ended) {
        let (peak, most) = (ended.peak, good_convert() + ROOM);
        assert!(peak <= most, "{attack}: {peak} bytes of memory, at most {most}");
    }
}

/// Peak memory of converting a good checkpoint, in bytes.
fn good_convert() -> u64 {
    static PEAK: OnceLock<u64> = OnceLock::new();
    *PEAK.get_or_init(|| {
        let victim = Victim::small();
        let ended = victim.convert();
        assert_eq!(ended.status, Some(0), "{:?}", ended.lines);
        assert!(victim.out().join("manifest.bin").exists());
        ended.peak
    })
}

/// A file of `bytes` bytes, none of which is on disk.
fn hole(path: &Path, bytes: u64) {
    fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

/// Something that no file of weights should be, in place of `path`.
fn replace_by(path: &Path, thing: &str) {
    let _ = fs::remove_file(path);
    match thing {
        "directory" => fs::create_dir(path).unwrap(),
        "pipe" => {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success(), "mkfifo");
        }
        "loop" => std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap(),
        target => std::os::unix::fs::symlink(target, path).unwrap(),
    }
}

#[test]
fn the_checkpoints_that_are_attacked_are_good() {
    // Also the first to be measured: what others are compared with.
    assert!(good_convert() > 0);
}
