//! Finds libtorch through torch-sys, compiles the shim, and sets the rpath of binaries, tests and benches.

use std::path::{Path, PathBuf};

fn main() {
    // torch-sys has `links = "tch"`: a direct dependency gives us where it found libtorch.
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys reports the folder of libtorch");
    let lib = Path::new(&lib).canonicalize().unwrap_or_else(|_| PathBuf::from(&lib));
    // LIBTORCH_INCLUDE, as for torch-sys, names a folder whose headers are not beside the libraries.
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let root = std::env::var("LIBTORCH_INCLUDE").map_or_else(|_| lib.join(".."), PathBuf::from);
    let include = root.join("include");

    let shim = Path::new("src/libtorch/shim");
    println!("cargo:rerun-if-changed={}", shim.display());
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        // libtorch's headers are full of warnings.
        .warnings(false)
        .files(["context.cpp", "module.cpp", "pickle.cpp"].map(|file| shim.join(file)))
        .compile("polytask_shim");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
