//! PyTorch's zip archives: what kind of file this is, whether it is whole, and its records.

use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// `torch.jit.save`.
    TorchScript,
    /// `torch.save` since PyTorch 1.6: a state_dict, a checkpoint or a whole pickled module.
    Pickle,
    /// `torch.save` before PyTorch 1.6, or any other bare pickle.
    LegacyPickle,
    /// `torch.export.save`, or a compiled AOTInductor package.
    Exported,
    /// `safetensors`.
    Safetensors,
    /// NumPy's `.npz` or `.npy`.
    Numpy,
    /// Nothing that Polytask knows.
    Unknown,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TorchScript => "a TorchScript module (torch.jit.save)",
            Self::Pickle => "a state_dict or another pickle (torch.save)",
            Self::LegacyPickle => "a pickle in the form of before PyTorch 1.6",
            Self::Exported => "an exported program (torch.export or AOTInductor)",
            Self::Safetensors => "a safetensors file",
            Self::Numpy => "a NumPy array",
            Self::Unknown => "of an unknown kind",
        })
    }
}

/// Tells what a file is.
///
/// # Errors
/// It cannot be read, is empty, or is a damaged zip archive.
pub fn recognise(path: &Path) -> Result<Content> {
    Ok(Archive::open(path)?.content())
}

/// The text of an extra file (Python's `_extra_files`) of a TorchScript file, of which nothing is run.
///
/// # Errors
/// As [`recognise`].
pub fn extra_file(path: &Path, name: &str) -> Result<Option<String>> {
    let extra = Archive::open(path)?.extra()?;
    let found = extra.into_iter().find(|(key, _)| key == name);
    Ok(found.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()))
}

/// One file of the archive.
#[derive(Debug)]
struct Record {
    /// Without the archive's own top folder.
    name: String,
    compressed: bool,
    crc: u32,
    /// Where its local header stands.
    header: usize,
    stored_size: usize,
    size: usize,
}

/// A file in memory, recognised and, if it is a zip archive, checked against its checksums.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    bytes: Vec<u8>,
    content: Content,
    records: Vec<Record>,
}

impl Archive {
    /// Reads and recognises a file.
    ///
    /// # Errors
    /// It cannot be read, is empty, or is a damaged zip archive.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        if bytes.is_empty() {
            return Err(Mistake::new(path.display(), "is empty").remedy("save or copy it again").into());
        }
        let mut archive = Self { path: path.to_path_buf(), bytes, content: Content::Unknown, records: Vec::new() };
        if archive.bytes.starts_with(b"PK") {
            archive.records =
                directory(&archive.bytes).ok_or_else(|| archive.damaged("its table of contents is missing"))?;
            archive.check()?;
        }
        archive.content = archive.recognise();
        Ok(archive)
    }

    /// The file as it is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the file is.
    pub fn content(&self) -> Content {
        self.content
    }

    /// The extra files of a TorchScript module, by name.
    ///
    /// # Errors
    /// The archive is damaged.
    pub fn extra(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let records = self.records.iter().filter_map(|record| Some((record.name.strip_prefix("extra/")?, record)));
        records.map(|(name, record)| Ok((name.to_string(), self.contents(record)?.into_owned()))).collect()
    }

    /// The record `name`.
    ///
    /// # Errors
    /// There is none, or the archive is damaged.
    pub fn read(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        let record = self.records.iter().find(|record| record.name == name);
        self.contents(record.ok_or_else(|| self.damaged(&format!("its record {name} is missing")))?)
    }

    /// Whether there is a record `name`.
    pub fn has(&self, name: &str) -> bool {
        self.records.iter().any(|record| record.name == name)
    }

    /// A mistake about this file.
    pub fn mistake(&self, what: impl Into<String>) -> Mistake {
        Mistake::new(self.path.display(), what)
    }

    /// The mistake of a file that is not whole.
    pub fn damaged(&self, what: &str) -> Mistake {
        self.mistake(format!("the file is damaged or cut short: {what}")).remedy("save or copy it again")
    }

    /// Refuses any other kind of file, and says what this one is.
    ///
    /// # Errors
    /// The content is not `wanted`.
    pub fn expect(&self, wanted: Content) -> Result<()> {
        if self.content == wanted {
            return Ok(());
        }
        let remedy = match (wanted, self.content) {
            (Content::TorchScript, Content::Pickle | Content::LegacyPickle) => {
                "in Python, load it into its class and save torch.jit.script(model).save(FILE)"
            }
            (Content::TorchScript, Content::Safetensors) => {
                "it holds weights without a model: in Python, load them into its class and save torch.jit.script(model).save(FILE)"
            }
            (Content::TorchScript, _) => "save the model in Python with torch.jit.script(model).save(FILE)",
            (_, Content::LegacyPickle) => {
                "in Python: torch.save(torch.load(FILE, weights_only=True), FILE), with PyTorch 1.13 or newer"
            }
            (_, Content::TorchScript) => "name it where a TorchScript module is asked for, or save model.state_dict()",
            _ => "save the weights in Python with torch.save(model.state_dict(), FILE)",
        };
        let wanted = if wanted == Content::TorchScript { "a TorchScript module" } else { "a state_dict" };
        Err(self.mistake(format!("is not {wanted} but {}", self.content)).remedy(remedy).into())
    }

    fn recognise(&self) -> Content {
        let any = |test: &dyn Fn(&str) -> bool| self.records.iter().any(|record| test(&record.name));
        if !self.records.is_empty() {
            return if self.has("constants.pkl") && any(&|name| name.starts_with("code/")) {
                Content::TorchScript
            } else if self.has("data.pkl") {
                Content::Pickle
            } else if self.has("archive_format")
                || any(&|name| name.starts_with("models/") || name.contains("aotinductor"))
            {
                Content::Exported
            } else if any(&|name| name.ends_with(".npy")) {
                Content::Numpy
            } else {
                Content::Unknown
            };
        }
        let bytes = &self.bytes;
        let header = bytes.get(..8).map(|length| u64::from_le_bytes(length.try_into().expect("8 bytes")));
        if bytes.starts_with(b"\x93NUMPY") {
            Content::Numpy
        } else if bytes[0] == 0x80 && bytes.get(1).is_some_and(|protocol| (2..=5).contains(protocol)) {
            Content::LegacyPickle
        } else if header.is_some_and(|length| length <= bytes.len() as u64) && bytes.get(8) == Some(&b'{') {
            Content::Safetensors
        } else {
            Content::Unknown
        }
    }

    /// libtorch itself reads records without looking at their checksums: a flipped bit would become a wrong weight.
    fn check(&self) -> Result<()> {
        for record in &self.records {
            let contents = self.contents(record)?;
            let mut crc = Crc::new();
            crc.update(&contents);
            // PyTorch writes 0 where checksums were switched off.
            if record.crc != 0 && crc.sum() != record.crc {
                return Err(self.damaged(&format!("its record {} does not match its checksum", record.name)).into());
            }
        }
        Ok(())
    }

    fn contents(&self, record: &Record) -> Result<Cow<'_, [u8]>> {
        let cut = || self.damaged(&format!("its record {} is cut", record.name));
        let stored = stored(&self.bytes, record).ok_or_else(cut)?;
        if !record.compressed {
            return Ok(Cow::Borrowed(stored));
        }
        let mut contents = Vec::new();
        let limit = record.size as u64 + 1;
        DeflateDecoder::new(stored).take(limit).read_to_end(&mut contents).map_err(|_| cut())?;
        if contents.len() == record.size { Ok(Cow::Owned(contents)) } else { Err(cut().into()) }
    }
}

fn stored<'a>(bytes: &'a [u8], record: &Record) -> Option<&'a [u8]> {
    let header = bytes.get(record.header..)?;
    let start = 30 + usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
    if !header.starts_with(b"PK\x03\x04") || (!record.compressed && record.size != record.stored_size) {
        return None;
    }
    header.get(start..start.checked_add(record.stored_size)?)
}

/// The central directory of a zip archive (APPNOTE 4.3.12 to 4.3.16, zip64 included); `None` if it is not whole.
fn directory(bytes: &[u8]) -> Option<Vec<Record>> {
    let end = (0..=bytes.len().checked_sub(22)?)
        .rev()
        .take(22 + 65_535)
        .find(|at| bytes[*at..].starts_with(b"PK\x05\x06"))?;
    let (mut count, mut at) = (u64::from(u16_at(bytes, end + 10)?), u64::from(u32_at(bytes, end + 16)?));
    if count == 0xffff || at == 0xffff_ffff {
        let locator = end.checked_sub(20).filter(|at| bytes[*at..].starts_with(b"PK\x06\x07"))?;
        let end64 = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        bytes.get(end64..)?.starts_with(b"PK\x06\x06").then_some(())?;
        (count, at) = (u64_at(bytes, end64.checked_add(32)?)?, u64_at(bytes, end64.checked_add(48)?)?);
    }
    let mut at = usize::try_from(at).ok()?;
    let mut records = Vec::new();
    for _ in 0..count {
        let (record, next) = entry(bytes, at)?;
        // A folder is no record.
        if !record.name.is_empty() && !record.name.ends_with('/') {
            records.push(record);
        }
        at = next;
    }
    Some(records)
}

/// One entry of the central directory, and where the next one stands.
fn entry(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let header = bytes.get(at..)?;
    header.starts_with(b"PK\x01\x02").then_some(())?;
    let length = |position| u16_at(header, position).map(usize::from);
    let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let mut sizes = [24, 20, 42].map(|position| u32_at(header, position).map(u64::from));
    let mut wide = zip64(header.get(46 + name..46 + name + extra)?).unwrap_or_default();
    for size in &mut sizes {
        if *size == Some(0xffff_ffff) {
            *size = u64_at(wide, 0);
            wide = wide.get(8..)?;
        }
    }
    let [size, stored_size, place] = sizes.map(|size| size.and_then(|size| usize::try_from(size).ok()));
    let path = String::from_utf8_lossy(&header[46..46 + name]);
    let record = Record {
        name: path.split_once('/').map_or(path.as_ref(), |(_, rest)| rest).to_string(),
        compressed: match u16_at(header, 10)? {
            0 => false,
            8 => true,
            _ => return None,
        },
        crc: u32_at(header, 16)?,
        header: place?,
        stored_size: stored_size?,
        size: size?,
    };
    Some((record, at + 46 + name + extra + comment))
}

/// The zip64 part of an entry's extra fields: the numbers that do not fit into 32 bits.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, size) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let field = extra.get(4..4 + size)?;
        if kind == 1 {
            return Some(field);
        }
        extra = &extra[4 + size..];
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
