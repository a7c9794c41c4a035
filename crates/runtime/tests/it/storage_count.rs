//! The report's bytes agree with the kernel's own count.

use flint_fixtures::tiny_opt_bundle;
use serde_json::Value;
use std::process::Command;

/// Enough that whatever else the process reads does not count.
const LEAST_BYTES: f64 = 256e6;

/// In a process of its own: the kernel counts per process, and other tests read too.
#[test]
fn bytes_per_token_are_those_that_the_kernel_counts() {
    for (io, memory) in [("uring", "63%"), ("threads", "63%"), ("uring", "25%")] {
        let output = Command::new(env!("CARGO_BIN_EXE_flint"))
            .args([
                "generate",
                "--tokens",
                "0,4,2116",
                "-n",
                "100",
                "--temp",
                "0",
                "--ignore-eos",
                "--draft",
                "off",
            ])
            .args(["--memory", memory, "--json", "--io", io, "-m"])
            .arg(tiny_opt_bundle())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let stats = &report["stats"];
        if stats["direct_io"] != true {
            flint_fixtures::skip("no direct I/O here, the page cache hides reads");
            return;
        }
        let tokens = stats["decode_tokens"].as_f64().unwrap();
        let ours = stats["per_token"]["bytes_read"].as_f64().unwrap() * tokens;
        let kernel = stats["decode_storage_bytes"].as_f64().unwrap();
        assert!(kernel >= LEAST_BYTES, "{kernel} bytes are too few to compare");
        assert!((ours / kernel - 1.0).abs() < 0.02, "{io} at {memory}: {ours} against {kernel}");
    }
}
