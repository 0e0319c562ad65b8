//! Where forward passes run.

use std::fmt;
use std::str::FromStr;

use super::gpu;
use crate::{Error, Result};

/// The device that a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The best one that this build and this machine have.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// NVIDIA GPUs, by their indices: at least one, and none twice. Each takes whole batches.
    Cuda(Vec<usize>),
    /// The GPU of an Apple machine.
    Metal,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let cuda = |name: &str| {
            let indices: Vec<usize> =
                name.strip_prefix("cuda:")?.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
            let is_new = |i: usize| !indices[..i].contains(&indices[i]);
            (0..indices.len()).all(is_new).then_some(Self::Cuda(indices))
        };
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(vec![0])),
            "metal" => Ok(Self::Metal),
            _ => cuda(name).ok_or_else(|| Error::Setting {
                setting: "device",
                expected: "auto, cpu, cuda, cuda:N[,M...] or metal".to_owned(),
                got: name.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(indices) => {
                let indices: Vec<String> = indices.iter().map(ToString::to_string).collect();
                write!(f, "cuda:{}", indices.join(","))
            }
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl Device {
    /// Opens the device. [`Device::Auto`] tries the GPU that this build supports, and falls back to the processor; the
    /// result says which it is, and why it is no GPU where one could have been expected.
    ///
    /// # Errors
    /// If the device was asked for by name, and this build does not support it or this machine does not have it.
    pub fn open(&self) -> Result<OpenDevice> {
        match self {
            Self::Auto => Ok(Self::best()),
            named => named.try_open().map_err(|reason| Error::Setting {
                setting: "device",
                expected: "a device that can be used here, or auto".to_owned(),
                got: format!("{named}: {reason}"),
            }),
        }
    }

    fn best() -> OpenDevice {
        let gpu = if cfg!(feature = "metal") { Self::Metal } else { Self::Cuda(vec![0]) };
        gpu.try_open().unwrap_or_else(|reason| OpenDevice {
            warning: cfg!(any(feature = "cuda", feature = "metal"))
                .then(|| format!("running on the processor, as {gpu} cannot be used: {reason}")),
            ..OpenDevice::cpu()
        })
    }

    fn try_open(&self) -> Result<OpenDevice, String> {
        let built_in = |feature: &str, present: bool| {
            if present { Ok(()) } else { Err(format!("this build has no feature `{feature}`")) }
        };
        let opened = match self {
            Self::Auto | Self::Cpu => return Ok(OpenDevice::cpu()),
            Self::Cuda(indices) => {
                built_in("cuda", cfg!(feature = "cuda"))?;
                indices.iter().map(|&index| gpu::open(index)).collect()
            }
            Self::Metal => {
                built_in("metal", cfg!(feature = "metal"))?;
                candle_core::Device::new_metal(0).map(|device| vec![device])
            }
        };
        let candle = opened.map_err(|error: candle_core::Error| error.to_string())?;
        Ok(OpenDevice { device: self.clone(), candle, warning: None })
    }
}

/// A device that is ready for use.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// Which one it is; never [`Device::Auto`].
    pub device: Device,
    /// What the user should know: why it is the processor though this build supports a GPU.
    pub warning: Option<String>,
    /// One, or several GPUs.
    pub(crate) candle: Vec<candle_core::Device>,
}

impl OpenDevice {
    /// The processor.
    #[must_use]
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, warning: None, candle: vec![candle_core::Device::Cpu] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for name in ["auto", "cpu", "cuda:0", "cuda:3", "cuda:2,0,1", "metal"] {
            assert_eq!(name.parse::<Device>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(vec![0]));
        for name in ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda0", "cuda:0,", "cuda:1,1", "cuda:0, 1"] {
            assert!(name.parse::<Device>().is_err(), "{name}");
        }
    }

    #[test]
    fn auto_always_finds_a_device() {
        let open = Device::Auto.open().unwrap();
        assert_ne!(open.device, Device::Auto);
        if open.device == Device::Cpu {
            assert_eq!(open.warning.is_some(), cfg!(any(feature = "cuda", feature = "metal")));
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_asked_for_by_name_is_never_replaced() {
        let error = Device::Cuda(vec![0]).open().unwrap_err().to_string();
        assert!(error.contains("cuda:0") && error.contains("feature `cuda`"), "{error}");
    }
}
