//! Packs the description of the API: it is served as it is, and takes less room like this.

use std::{env, error::Error, fs, path::Path};

const DESCRIPTION: &str = "src/http/openapi.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DESCRIPTION}");
    println!("cargo::rerun-if-changed=build.rs");
    let packed = lz4_flex::block::compress_prepend_size(&fs::read(DESCRIPTION)?);
    let out = env::var_os("OUT_DIR").ok_or("cargo says where it goes")?;
    fs::write(Path::new(&out).join("openapi.lz4"), packed)?;
    Ok(())
}
