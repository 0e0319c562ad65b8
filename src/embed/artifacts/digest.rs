//! Digests of files, in bounded memory.

use std::io::{self, Read};
use std::path::Path;

use fs_err::File;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Weights;

/// BLAKE3 (hex) of everything an encoder is made of: of each part its length, then its bytes.
pub(super) fn of_encoder(weights: &Weights, tokenizer: &[u8], config: &str) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    match weights {
        Weights::Embedded(bytes) => update(&mut hasher, bytes),
        Weights::Files(files) => {
            for path in files {
                let file = File::open(path)?;
                hasher.update(&file.metadata()?.len().to_le_bytes());
                hasher.update_reader(file)?;
            }
        }
    }
    update(&mut hasher, tokenizer);
    update(&mut hasher, config.as_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}

fn update(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

/// SHA-256 (hex) of a file: what the hub calls a large file by.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for_each_block(File::open(path)?, |block| hasher.update(block))?;
    Ok(hex(&hasher.finalize()))
}

/// The git object id (hex) of a file: what the hub calls a small file by. SHA-1 of the word `blob`, the length, a NUL
/// and the bytes.
pub(super) fn git_object_id(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", file.metadata()?.len()));
    for_each_block(file, |block| hasher.update(block))?;
    Ok(hex(&hasher.finalize()))
}

fn for_each_block(mut reader: impl Read, mut use_block: impl FnMut(&[u8])) -> io::Result<()> {
    let mut block = vec![0; 1 << 17];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(()),
            n => use_block(&block[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs_err::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1; `printf abc | git hash-object --stdin`.
        assert_eq!(sha256(&path).unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(git_object_id(&path).unwrap(), "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
        let digest = |weights, config| of_encoder(&weights, b"de", config).unwrap();
        assert_eq!(digest(Weights::Files(vec![path]), "f"), digest(Weights::Embedded(b"abc"), "f"));
        // A byte that moves from one part to the next changes the digest.
        assert_ne!(digest(Weights::Embedded(b"abc"), "f"), digest(Weights::Embedded(b"abcd"), "f"));
        assert_ne!(of_encoder(&Weights::Embedded(b"abcd"), b"e", "f").unwrap(), digest(Weights::Embedded(b"abc"), "f"));
    }
}
