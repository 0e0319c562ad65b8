//! The names of the arithmetics of the forward pass.

use std::fmt;
use std::str::FromStr;

use super::kernel::Precision;
use crate::{Error, Result};

impl FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::F32, Self::Bf16, Self::Int8].into_iter().find(|precision| precision.to_string() == name).ok_or_else(
            || Error::Setting {
                setting: "precision",
                expected: "auto, f32, bf16 or int8".to_owned(),
                got: name.to_owned(),
            },
        )
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for name in ["f32", "bf16", "int8"] {
            assert_eq!(name.parse::<Precision>().unwrap().to_string(), name);
        }
        for name in ["", "F32", "f16", "auto"] {
            assert!(name.parse::<Precision>().is_err(), "{name}");
        }
    }
}
