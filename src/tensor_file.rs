//! Named tensors in one safetensors file, with a checksum over all of it.

use crate::error::Mistake;
use crate::files;
use anyhow::{Result, anyhow};
use safetensors::{Dtype, SafeTensors, View};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tch::{Kind, Tensor};

/// The key of the file's metadata under which the facts stand.
const FACTS: &str = "polytask";
/// The key under which the checksum stands.
const CHECKSUM: &str = "sha256";

/// Named tensors and the facts about them.
#[derive(Debug)]
pub struct TensorFile {
    /// In the order of the file.
    pub tensors: Vec<(String, Tensor)>,
    /// What Polytask wrote about them; `None` in a file from elsewhere.
    pub facts: Option<serde_json::Value>,
}

impl TensorFile {
    /// The model's weights by name: of a checkpoint those under `model.`, of any other file all tensors.
    pub fn weights(self) -> Vec<(String, Tensor)> {
        if self.facts.is_none_or(|facts| facts["kind"] != "checkpoint") {
            return self.tensors;
        }
        let of_model = |(name, tensor): (String, Tensor)| Some((name.strip_prefix("model.")?.to_string(), tensor));
        self.tensors.into_iter().filter_map(of_model).collect()
    }
}

/// Writes tensors (copied to the CPU, compactly) and facts, whole or not at all.
///
/// # Errors
/// The file cannot be written, or a tensor is of a kind that safetensors does not know.
pub fn write(path: &Path, tensors: &[(String, Tensor)], facts: &serde_json::Value) -> Result<()> {
    let pieces = pieces(tensors)?;
    let facts = facts.to_string();
    let views =
        pieces.iter().map(|(name, piece)| (name.as_str(), piece.dtype, piece.shape.as_slice(), piece.bytes.as_slice()));
    let metadata = HashMap::from([(CHECKSUM.to_string(), checksum(&facts, views)), (FACTS.to_string(), facts)]);
    let bytes = safetensors::serialize(pieces, Some(metadata))?;
    files::replace_with(path, &bytes)
}

/// Writes tensors as any program would: no facts, no checksum.
///
/// # Errors
/// As [`write()`].
pub fn write_plain(path: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    files::replace_with(path, &safetensors::serialize(pieces(tensors)?, None)?)
}

/// Reads a file that Polytask wrote as `kind`, such as `checkpoint`.
///
/// # Errors
/// As [`read`]; it has no checksum, as after another program saved it, or is of another kind.
pub fn read_own(path: &Path, kind: &str) -> Result<TensorFile> {
    let file = read(path)?;
    let refuse = |what: String| {
        let remedy = "bring back the file that Polytask wrote, or another copy of it";
        Err(Mistake::new(path.display(), what).remedy(remedy).into())
    };
    match file.facts.as_ref().map(|facts| &facts["kind"]) {
        None => refuse("has no checksum: another program saved it, and what it holds is not what was written".into()),
        Some(found) if found != kind => refuse(format!("is of kind {found}, not \"{kind}\"")),
        Some(_) => Ok(file),
    }
}

/// Reads a safetensors file. What Polytask wrote has a checksum, which is verified.
///
/// # Errors
/// Missing, truncated, damaged (the checksum differs, or is missing beside Polytask's facts), or no safetensors at all.
pub fn read(path: &Path) -> Result<TensorFile> {
    let bytes = files::read(path)?;
    let damaged = |what: String| Mistake::new(path.display(), what).remedy("use another copy: this one is damaged");
    if bytes.is_empty() {
        return Err(damaged("is empty".into()).into());
    }
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| damaged(format!("is no whole safetensors file ({error}; {} bytes)", bytes.len())))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let mut infos: Vec<_> = file.iter().collect();
    infos.sort_by_key(|(_, view)| view.data().as_ptr());
    let texts = metadata.metadata().as_ref();
    let facts = texts.and_then(|texts| texts.get(FACTS));
    if let Some(facts) = facts {
        let views = infos.iter().map(|(name, view)| (*name, view.dtype(), view.shape(), view.data()));
        match texts.and_then(|texts| texts.get(CHECKSUM)) {
            None => return Err(damaged("its checksum is missing".into()).into()),
            Some(expected) if checksum(facts, views) != *expected => {
                return Err(damaged("its checksum differs from its content".into()).into());
            }
            Some(_) => {}
        }
    }
    let tensors = infos
        .iter()
        .map(|(name, view)| {
            let kind = kind(view.dtype())
                .ok_or_else(|| damaged(format!("{name} is of an unknown type {:?}", view.dtype())))?;
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            Ok((name.to_string(), Tensor::f_from_data_size(view.data(), &shape, kind)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let facts = facts
        .map(|facts| serde_json::from_str(facts))
        .transpose()
        .map_err(|e| damaged(format!("its facts do not parse: {e}")))?;
    Ok(TensorFile { tensors, facts })
}

/// What Polytask wrote about the tensors of a file, of which only the head is read; `None` of a file from elsewhere.
///
/// # Errors
/// The file is missing, or its head is no safetensors file's.
pub fn facts(path: &Path) -> Result<Option<serde_json::Value>> {
    let damaged = || Mistake::new(path.display(), "is no whole safetensors file").remedy("use another copy");
    let mut file = File::open(path).map_err(|error| files::unreadable(path, &error))?;
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| damaged())?;
    let size = u64::from_le_bytes(size);
    if size > file.metadata()?.len() {
        return Err(damaged().into());
    }
    let mut head = Vec::new();
    file.take(size).read_to_end(&mut head)?;
    let head: serde_json::Value = serde_json::from_slice(&head).map_err(|_| damaged())?;
    let facts = head["__metadata__"][FACTS].as_str();
    Ok(facts.map(serde_json::from_str).transpose().map_err(|_| damaged())?)
}

/// So many misfits are told.
const MOST_MISFITS: usize = 8;

/// In what `found` differs from `needed`: names that are missing or too many, kinds and shapes.
pub fn misfits(found: &[(String, Tensor)], needed: &[(String, Tensor)]) -> Vec<String> {
    let described = |tensor: &Tensor| format!("{:?} {:?}", tensor.kind(), tensor.size());
    let by_name: HashMap<&str, &Tensor> = found.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let names: HashSet<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
    let mut misfits = Vec::new();
    for (name, needed) in needed {
        match by_name.get(name.as_str()).map(|found| (described(found), described(needed))) {
            None => misfits.push(format!("{name} is missing, {} is needed", described(needed))),
            Some((found, needed)) if found != needed => misfits.push(format!("{name} is {found}, {needed} is needed")),
            Some(_) => {}
        }
    }
    let strange = found.iter().filter(|(name, _)| !names.contains(name.as_str()));
    misfits.extend(strange.map(|(name, tensor)| format!("{name} ({}) is not known", described(tensor))));
    let more = misfits.len().saturating_sub(MOST_MISFITS);
    if more > 0 {
        misfits.truncate(MOST_MISFITS);
        misfits.push(format!("and {more} more"));
    }
    misfits
}

fn pieces(tensors: &[(String, Tensor)]) -> Result<Vec<(String, Piece)>> {
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), Piece::of(tensor)?))).collect()
}

/// A tensor's numbers as bytes, row by row, from any device.
pub fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(tch::Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

/// A tensor on the host.
struct Piece {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Piece {
    fn of(tensor: &Tensor) -> Result<Self> {
        let dtype = dtype(tensor.kind()).ok_or_else(|| anyhow!("tensors of {:?} cannot be stored", tensor.kind()))?;
        let shape = tensor.size().iter().map(|&size| size as usize).collect();
        Ok(Self { dtype, shape, bytes: bytes(tensor) })
    }
}

impl View for Piece {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn checksum<'a>(facts: &str, views: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>) -> String {
    let mut views: Vec<_> = views.collect();
    views.sort_by_key(|view| view.0);
    let mut hash = Sha256::new();
    hash.update(facts);
    for (name, dtype, shape, bytes) in views {
        hash.update(format!("\n{name} {dtype:?} {shape:?}\n"));
        hash.update(bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

const KINDS: [(Dtype, Kind); 10] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::I16, Kind::Int16),
    (Dtype::I8, Kind::Int8),
    (Dtype::U8, Kind::Uint8),
    (Dtype::BOOL, Kind::Bool),
];

fn dtype(kind: Kind) -> Option<Dtype> {
    KINDS.iter().find(|(_, k)| *k == kind).map(|(dtype, _)| *dtype)
}

fn kind(dtype: Dtype) -> Option<Kind> {
    KINDS.iter().find(|(d, _)| *d == dtype).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn example() -> Vec<(String, Tensor)> {
        let whole = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0]);
        vec![
            ("b.view".into(), whole.narrow(0, 1, 2)),
            ("a.step".into(), Tensor::from_slice(&[7i64])),
            ("c".into(), Tensor::from_slice(&[0.1f64]).view([1, 1])),
        ]
    }

    #[test]
    fn what_is_written_reads_back_bit_for_bit() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.safetensors");
        write(&path, &example(), &serde_json::json!({"step": 3}))?;
        let archive = read(&path)?;
        assert_eq!(archive.facts, Some(serde_json::json!({"step": 3})));
        for (name, tensor) in example() {
            let (_, found) = archive.tensors.iter().find(|(n, _)| *n == name).expect("stored");
            assert_eq!((found, found.kind(), found.size()), (&tensor, tensor.kind(), tensor.size()));
        }
        Ok(())
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.safetensors");
        write(&path, &example(), &serde_json::json!({"step": 3}))?;
        let good = fs::read(&path)?;
        for at in 0..good.len() {
            fs::write(&path, &good[..at])?;
            assert!(read(&path).is_err(), "cut at {at}");
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad)?;
            // A flip may only go unnoticed where it changes nothing: in the padding or the names of the metadata's keys.
            if let Ok(archive) = read(&path) {
                let header = u64::from_le_bytes(good[..8].try_into().expect("eight bytes")) as usize + 8;
                assert!(at < header, "a flipped byte of data at {at} was not noticed");
                assert!(archive.facts.is_none() || archive.tensors.len() == 3, "a flip at {at} lost tensors");
            }
        }
        Ok(())
    }
}
