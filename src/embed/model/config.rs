//! Reading `config.json`, in which one setting has had several names over the years.

use candle_core::{Error, Result};
use candle_nn::Activation;
use serde_json::Value;

/// A model's `config.json`.
#[derive(Clone, Copy)]
pub(super) struct Config<'a>(pub(super) &'a Value);

impl<'a> Config<'a> {
    /// The setting under the first of these names that is there and not null.
    pub(super) fn find(self, names: &[&str]) -> Option<&'a Value> {
        names.iter().map(|name| &self.0[name]).find(|value| !value.is_null())
    }

    pub(super) fn size(self, names: &[&str]) -> Result<usize> {
        let value = self.find(names).and_then(Value::as_u64);
        value.map(|value| value as usize).ok_or_else(|| expected(names, "a whole number"))
    }

    pub(super) fn size_or(self, names: &[&str], default: usize) -> Result<usize> {
        if self.find(names).is_some() { self.size(names) } else { Ok(default) }
    }

    pub(super) fn number_or(self, names: &[&str], default: f64) -> Result<f64> {
        match self.find(names) {
            Some(value) => value.as_f64().ok_or_else(|| expected(names, "a number")),
            None => Ok(default),
        }
    }

    /// A switch, off where it is not there.
    pub(super) fn switch(self, name: &str) -> bool {
        self.0[name] == true
    }

    /// `gelu` is the exact one, by the error function.
    pub(super) fn activation(self, names: &[&str], default: Activation) -> Result<Activation> {
        match self.find(names) {
            Some(name) => serde_json::from_value(name.clone()).map_err(|_| expected(names, "a known activation")),
            None => Ok(default),
        }
    }

    /// The base of rotary positions: in `rope_parameters` (there under `kind`, where layers differ), or under a name of
    /// its own.
    pub(super) fn rope_theta(self, kind: Option<&str>, names: &[&str], default: f64) -> Result<f64> {
        let parameters = kind.map_or(&self.0["rope_parameters"], |kind| &self.0["rope_parameters"][kind]);
        let scaling = [&parameters["rope_type"], &self.0["rope_scaling"]["rope_type"], &self.0["rope_scaling"]["type"]];
        if let Some(other) = scaling.into_iter().find(|kind| !kind.is_null() && *kind != "default") {
            candle_core::bail!("config.json: expected rotary positions without scaling, got {other}");
        }
        match parameters["rope_theta"].as_f64() {
            Some(theta) => Ok(theta),
            None => self.number_or(names, default),
        }
    }
}

fn expected(names: &[&str], what: &str) -> Error {
    Error::Msg(format!("config.json: expected {what} under {}", names.join(" or ")))
}
