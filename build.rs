//! Compiles the CUDA kernels to PTX where the feature `cuda` is on. Without it there is nothing to build.
//!
//! nvcc is the one of `NVCC`, or of the toolkit in `CUDA_HOME` or `CUDA_PATH`, or the first on the path.

use std::path::PathBuf;
use std::process::Command;

const KERNELS: &str = "src/embed/gpu/cuda/packed.cu";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo::rerun-if-changed={KERNELS}");
    for name in ["NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let toolkit = || ["CUDA_HOME", "CUDA_PATH"].into_iter().find_map(std::env::var_os);
    let nvcc = std::env::var_os("NVCC")
        .or_else(|| toolkit().map(|root| PathBuf::from(root).join("bin/nvcc").into_os_string()))
        .unwrap_or_else(|| "nvcc".into());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("packed.ptx");
    // The oldest GPUs with the instructions that the kernels use: the driver compiles PTX for the one it finds.
    let options = ["--ptx", "-O3", "-std=c++17", "-arch=compute_80", "-o"];
    let status = Command::new(&nvcc).args(options).arg(out).arg(KERNELS).status();
    let problem = match status {
        Ok(status) if status.success() => return,
        Ok(status) => format!("{}: {status}", nvcc.display()),
        Err(error) => format!("{}: {error}", nvcc.display()),
    };
    println!("cargo::error=the feature `cuda` needs nvcc of the CUDA toolkit (set CUDA_HOME, or NVCC): {problem}");
}
