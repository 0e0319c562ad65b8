//! Named tensors of numbers, as the file of a profile holds them.
//!
//! Integers take the narrowest of 16, 32 and 64 bits (signed: 32 and 64) that holds all values of the tensor. That is a
//! function of the values, so equal profiles have equal bytes. All numbers are little-endian.

use std::borrow::Cow;
use std::collections::BTreeMap;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, View};

/// Tensors by name.
#[derive(Default)]
pub(super) struct Tensors<'a>(BTreeMap<String, Tensor<'a>>);

pub(super) struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &Tensor<'_> {
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

impl<'a> Tensors<'a> {
    /// The tensors of a file.
    pub(super) fn of(file: &SafeTensors<'a>) -> Self {
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'a>)| {
            let (dtype, shape) = (view.dtype(), view.shape().to_vec());
            (name, Tensor { dtype, shape, bytes: Cow::Borrowed(view.data()) })
        };
        Self(file.tensors().into_iter().map(tensor).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<'a>)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Adds every tensor's name, type, shape and bytes to a digest.
    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) {
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for (name, tensor) in &self.0 {
            field(name.as_bytes());
            field(format!("{:?} {:?}", tensor.dtype, tensor.shape).as_bytes());
            field(&tensor.bytes);
        }
    }

    fn put(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        let tensor = Tensor { dtype, shape: shape.to_vec(), bytes: Cow::Owned(bytes) };
        self.0.insert(name.to_owned(), tensor);
    }

    pub(super) fn put_unsigned(&mut self, name: &str, shape: &[usize], values: &[u64]) {
        let largest = values.iter().copied().max().unwrap_or(0);
        let (dtype, width) = match largest {
            0..=0xffff => (Dtype::U16, 2),
            0x1_0000..=0xffff_ffff => (Dtype::U32, 4),
            _ => (Dtype::U64, 8),
        };
        let bytes = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect();
        self.put(name, dtype, shape, bytes);
    }

    pub(super) fn put_signed(&mut self, name: &str, shape: &[usize], values: &[i64]) {
        let narrow = values.iter().all(|&value| i32::try_from(value).is_ok());
        let (dtype, width) = if narrow { (Dtype::I32, 4) } else { (Dtype::I64, 8) };
        // The low bytes of a value that fits are the value.
        let bytes = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect();
        self.put(name, dtype, shape, bytes);
    }

    pub(super) fn put_i8(&mut self, name: &str, shape: &[usize], values: &[i8]) {
        self.put(name, Dtype::I8, shape, bytemuck::cast_slice(values).to_vec());
    }

    pub(super) fn put_halves(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        self.put(name, Dtype::F16, shape, bytes);
    }

    /// Strings, as their bytes one after the other in tensor `name` and their lengths in bytes in `lengths`.
    pub(super) fn put_strings(&mut self, name: &str, lengths: &str, strings: &[String]) {
        let bytes = strings.concat().into_bytes();
        let of_strings: Vec<u64> = strings.iter().map(|string| string.len() as u64).collect();
        self.put(name, Dtype::U8, &[bytes.len()], bytes);
        self.put_unsigned(lengths, &[of_strings.len()], &of_strings);
    }

    fn get(&self, name: &str) -> Result<&Tensor<'a>, String> {
        self.0.get(name).ok_or_else(|| format!("expected a tensor {name}, got none"))
    }

    /// The tensor, if it has that shape and one of these types; with the bytes per value.
    fn with_shape(&self, name: &str, shape: &[usize], types: &[(Dtype, usize)]) -> Result<(&[u8], usize), String> {
        let tensor = self.get(name)?;
        if tensor.shape != shape {
            return Err(format!("tensor {name}: expected shape {shape:?}, got {:?}", tensor.shape));
        }
        match types.iter().find(|(dtype, _)| *dtype == tensor.dtype) {
            Some(&(_, width)) => Ok((&tensor.bytes, width)),
            None => Err(format!("tensor {name}: expected type {:?}, got {:?}", types[0].0, tensor.dtype)),
        }
    }

    /// Whether there is a tensor whose name begins so.
    pub(super) fn contains(&self, prefix: &str) -> bool {
        self.0.keys().any(|name| name.starts_with(prefix))
    }

    /// The sizes of a tensor of two dimensions.
    pub(super) fn shape2(&self, name: &str) -> Result<[usize; 2], String> {
        let shape = &self.get(name)?.shape;
        <[usize; 2]>::try_from(shape.as_slice())
            .map_err(|_| format!("tensor {name}: expected 2 dimensions, got {}", shape.len()))
    }

    /// The size of a tensor of one dimension.
    pub(super) fn len(&self, name: &str) -> Result<usize, String> {
        match self.get(name)?.shape.as_slice() {
            &[len] => Ok(len),
            shape => Err(format!("tensor {name}: expected 1 dimension, got {}", shape.len())),
        }
    }

    pub(super) fn unsigned(&self, name: &str, shape: &[usize]) -> Result<Vec<u64>, String> {
        let types = [(Dtype::U64, 8), (Dtype::U32, 4), (Dtype::U16, 2)];
        let (bytes, width) = self.with_shape(name, shape, &types)?;
        let value = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte));
        Ok(bytes.chunks_exact(width).map(value).collect())
    }

    pub(super) fn signed(&self, name: &str, shape: &[usize]) -> Result<Vec<i64>, String> {
        let (bytes, width) = self.with_shape(name, shape, &[(Dtype::I64, 8), (Dtype::I32, 4)])?;
        let value = |bytes: &[u8]| {
            let low = bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte));
            // Shifted up and down again, the sign comes from the highest bit read.
            let unused = 64 - 8 * width as u32;
            ((low << unused) as i64) >> unused
        };
        Ok(bytes.chunks_exact(width).map(value).collect())
    }

    pub(super) fn i8(&self, name: &str, shape: &[usize]) -> Result<Vec<i8>, String> {
        Ok(bytemuck::cast_slice(self.with_shape(name, shape, &[(Dtype::I8, 1)])?.0).to_vec())
    }

    pub(super) fn halves(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let (bytes, _) = self.with_shape(name, shape, &[(Dtype::F16, 2)])?;
        Ok(bytes.chunks_exact(2).map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()).collect())
    }

    /// `n` strings that [`put_strings`](Self::put_strings) wrote.
    pub(super) fn strings(&self, name: &str, lengths: &str, n: usize) -> Result<Vec<String>, String> {
        let lengths = self.unsigned(lengths, &[n])?;
        let (mut rest, _) = self.with_shape(name, &[self.len(name)?], &[(Dtype::U8, 1)])?;
        let mut strings = Vec::with_capacity(n);
        for length in lengths {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let (bytes, after) =
                rest.split_at_checked(length).ok_or_else(|| format!("tensor {name}: it ends within a string"))?;
            let string = str::from_utf8(bytes).map_err(|error| format!("tensor {name}: {error}"))?;
            strings.push(string.to_owned());
            rest = after;
        }
        if rest.is_empty() { Ok(strings) } else { Err(format!("tensor {name}: it goes on after the last string")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_narrowest_type() {
        let mut tensors = Tensors::default();
        for (values, dtype) in [
            (vec![], Dtype::U16),
            (vec![0, 0xffff], Dtype::U16),
            (vec![1, 0x1_0000], Dtype::U32),
            (vec![1 << 32, u64::MAX], Dtype::U64),
        ] {
            tensors.put_unsigned("a", &[values.len()], &values);
            assert_eq!((tensors.0["a"].dtype, tensors.unsigned("a", &[values.len()])), (dtype, Ok(values)));
        }
        for (values, dtype) in [
            (vec![], Dtype::I32),
            (vec![-1, i64::from(i32::MIN), i64::from(i32::MAX)], Dtype::I32),
            (vec![-1, 1 << 31], Dtype::I64),
            (vec![i64::MIN, i64::MAX], Dtype::I64),
        ] {
            tensors.put_signed("b", &[values.len()], &values);
            assert_eq!((tensors.0["b"].dtype, tensors.signed("b", &[values.len()])), (dtype, Ok(values)));
        }
        assert!(tensors.unsigned("a", &[3]).is_err() && tensors.unsigned("b", &[2]).is_err());
        assert!(tensors.signed("c", &[2]).is_err() && tensors.shape2("b").is_err());
    }

    #[test]
    fn strings_end_where_they_should() {
        let mut tensors = Tensors::default();
        let strings = ["", "é", "two words"].map(str::to_owned);
        tensors.put_strings("s", "n", &strings);
        assert_eq!(tensors.strings("s", "n", 3), Ok(strings.to_vec()));
        for lengths in [[0, 1, 10], [0, 2, 8], [0, 2, 10], [u64::MAX, 1, 1]] {
            tensors.put_unsigned("n", &[3], &lengths);
            assert!(tensors.strings("s", "n", 3).is_err(), "{lengths:?}");
        }
    }
}
