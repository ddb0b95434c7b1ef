//! Which device a run uses, and CUDA libraries that are loaded only when one asks for them.

use super::ffi;
use crate::error::Mistake;
use anyhow::Result;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;
use tch::{Cuda, Device};

/// Where a run computes: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeviceChoice {
    /// The first CUDA device where there is one, else the CPU.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device by its number, from 0.
    Cuda(usize),
    /// The GPU of an Apple computer. Untested.
    Mps,
}

/// What a device may be called, for messages.
const ALLOWED: &str = "auto, cpu, cuda, cuda:N (such as cuda:1) or mps";
/// The library that brings CUDA.
const LIBRARY: &str = "libtorch_cuda.so";

impl DeviceChoice {
    /// The device itself. CUDA's libraries are loaded here, and only when this choice can need them.
    ///
    /// Nothing may ask `tch` about CUDA before: libtorch remembers that there was none.
    ///
    /// # Errors
    /// The device is not there; the error says what was found.
    pub fn resolve(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if !driver_is_present() => Ok(Device::Cpu),
            Self::Auto => Ok(match load_cuda() {
                Ok(()) if Cuda::device_count() > 0 => Device::Cuda(0),
                _ => Device::Cpu,
            }),
            Self::Cuda(index) => self.resolve_cuda(index),
            Self::Mps => self.resolve_mps(),
        }
    }

    fn resolve_cuda(self, index: usize) -> Result<Device> {
        load_cuda().map_err(|what| {
            let driver = if driver_is_present() { "" } else { "; no NVIDIA driver was found either" };
            let remedy = "fetch the CUDA libraries with scripts/libtorch --cuda, or choose the device cpu";
            Mistake::new(self, format!("CUDA cannot be used: {what}{driver}")).remedy(remedy)
        })?;
        let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
        if index < count {
            return Ok(Device::Cuda(index));
        }
        let mistake = match count {
            0 if driver_is_present() => {
                Mistake::new(self, "the NVIDIA driver is there, but libtorch finds no CUDA device")
                    .remedy("check nvidia-smi and CUDA_VISIBLE_DEVICES: the driver may be too old for this libtorch")
            }
            0 => Mistake::new(self, "there is no CUDA device: no NVIDIA driver was found")
                .remedy("install the driver, or choose the device cpu"),
            1 => Mistake::new(self, "there is 1 CUDA device, number 0").remedy("choose cuda:0"),
            _ => Mistake::new(self, format!("there are {count} CUDA devices, numbers 0 to {}", count - 1))
                .remedy("choose one of them"),
        };
        Err(mistake.into())
    }

    fn resolve_mps(self) -> Result<Device> {
        let mistake = if !cfg!(target_os = "macos") {
            Mistake::new(
                self,
                format!("there is no MPS device on {}: it belongs to Apple computers", std::env::consts::OS),
            )
        } else if !tch::utils::has_mps() {
            Mistake::new(self, "this libtorch finds no MPS device")
        } else {
            return Ok(Device::Mps);
        };
        Err(mistake.remedy("choose the device cpu, cuda or auto").into())
    }
}

/// The choice that gives a device again, for a configuration that is stored resolved.
///
/// # Panics
/// The device is Vulkan, which no choice gives.
impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(index) => Self::Cuda(index),
            Device::Mps => Self::Mps,
            Device::Vulkan => panic!("no device choice gives Vulkan"),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(index) => f.pad(&format!("cuda:{index}")),
            Self::Mps => f.pad("mps"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let number = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "mps" => Ok(Self::Mps),
            _ => text.strip_prefix("cuda:").and_then(number).filter(|index| *index <= 127).map(Self::Cuda).ok_or_else(
                || Mistake::new("device", format!("\"{text}\" is no device")).remedy(format!("choose {ALLOWED}")),
            ),
        }
    }
}

impl Serialize for DeviceChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("invalid value: string \"{text}\", expected {ALLOWED}")))
    }
}

impl JsonSchema for DeviceChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DeviceChoice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a run computes: auto (the first CUDA device where there is one, else the CPU), cpu, cuda, \
                            cuda:N (from 0) or mps (an Apple computer's GPU; untested).",
            "type": "string",
            "pattern": "^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        })
    }
}

static CUDA: OnceLock<Result<(), String>> = OnceLock::new();

/// How many CUDA devices there are, 0 as long as no run asked for one.
pub(super) fn cuda_devices_in_use() -> i64 {
    if matches!(CUDA.get(), Some(Ok(()))) { Cuda::device_count() } else { 0 }
}

/// Whether this machine has an NVIDIA driver: cheap, unlike loading CUDA. WSL's stands behind /dev/dxg.
fn driver_is_present() -> bool {
    ["/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia/version", "/dev/dxg"]
        .iter()
        .any(|path| Path::new(path).exists())
}

/// Loads CUDA's libraries once; later calls repeat the first answer.
fn load_cuda() -> Result<(), String> {
    CUDA.get_or_init(|| {
        // cuBLAS reads it when it starts; without it the same product may differ from run to run. What a person set wins.
        const WORKSPACE: &str = "CUBLAS_WORKSPACE_CONFIG";
        if std::env::var_os(WORKSPACE).is_none() {
            // SAFETY: a device is chosen at the start of a process, before it has threads that read the environment.
            unsafe { std::env::set_var(WORKSPACE, ":4096:8") };
        }
        open_first(&candidates(), LIBRARY)
    })
    .clone()
}

/// Where libtorch_cuda may lie: beside the loaded libtorch_cpu, or where scripts/libtorch --cuda puts it.
fn candidates() -> Vec<PathBuf> {
    let mut texts = ffi::Texts::default();
    // SAFETY: `texts` outlives the call.
    let found = ffi::call(|error| unsafe { ffi::polytask_library(ffi::Texts::SINK, texts.context(), error) });
    let library = found.ok().and_then(|_| texts.0.pop()).map(PathBuf::from);
    let library = library.and_then(|path| path.canonicalize().ok());
    let Some(folder) = library.as_deref().and_then(Path::parent) else { return Vec::new() };
    let fetched = folder.ancestors().nth(2).map(|home| home.join("cuda/lib"));
    [Some(folder.to_path_buf()), fetched].into_iter().flatten().map(|folder| folder.join(LIBRARY)).collect()
}

/// Opens the first that exists, else what the loader finds under the name `library`.
fn open_first(candidates: &[PathBuf], library: &str) -> Result<(), String> {
    let existing = candidates.iter().find(|path| path.exists()).map(|path| path.display().to_string());
    let name = existing.clone().unwrap_or_else(|| library.to_string());
    let path = ffi::text(&name)?;
    // SAFETY: the library is libtorch's own, made for the libtorch that is loaded; its initialisers register CUDA.
    let opened = ffi::call(|error| unsafe { ffi::polytask_open_library(path.as_ptr(), error) });
    opened.map(|_| ()).map_err(|reason| match existing {
        Some(_) => format!("{name} does not load ({})", ffi::gist(&reason)),
        None => {
            let places: Vec<String> =
                candidates.iter().filter_map(|path| path.parent()).map(|p| p.display().to_string()).collect();
            format!("{library} is not in {} nor on the loader's path", places.join(" nor in "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_pytorch_writes_them_and_come_back() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda:0", DeviceChoice::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3)),
            ("mps", DeviceChoice::Mps),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
            let yaml = serde_yaml::to_string(&choice).expect("a string");
            assert_eq!(serde_yaml::from_str::<DeviceChoice>(&yaml).expect("its own text"), choice);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
    }

    #[test]
    fn a_wrong_name_is_a_mistake_that_lists_the_right_ones() {
        for text in ["gpu", "", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda:99999", "CPU"] {
            let mistake = text.parse::<DeviceChoice>().expect_err(text);
            assert!(mistake.remedy.expect("a remedy").contains("cuda:N"));
        }
        let error = serde_yaml::from_str::<DeviceChoice>("gpu").expect_err("no device").to_string();
        assert!(error.contains("expected auto, cpu, cuda"), "{error}");
    }

    #[test]
    fn the_processor_is_always_there_and_the_far_device_is_not() {
        assert_eq!(DeviceChoice::Cpu.resolve().expect("the CPU"), Device::Cpu);
        assert!(DeviceChoice::Auto.resolve().is_ok());
        let error = DeviceChoice::Cuda(99).resolve().expect_err("nobody has a hundred");
        let mistake = error.downcast_ref::<Mistake>().expect("a mistake");
        assert!(mistake.place == "cuda:99" && mistake.remedy.is_some(), "{mistake:?}");
        if !cfg!(target_os = "macos") {
            assert!(DeviceChoice::Mps.resolve().is_err());
        }
    }

    #[test]
    fn a_missing_library_is_named_with_the_places_searched() {
        // Another name than libtorch_cuda.so, which another test may have loaded.
        let candidates = [PathBuf::from("/nonexistent/libno_such_thing.so")];
        let error = open_first(&candidates, "libno_such_thing.so").expect_err("nothing is there");
        assert!(error.contains("/nonexistent"), "{error}");
    }

    #[test]
    fn cuda_is_sought_beside_the_libtorch_that_is_loaded() {
        let places = candidates();
        assert!(places[0].with_file_name("libtorch_cpu.so").exists(), "{places:?}");
    }
}
