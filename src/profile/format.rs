//! The file of a profile.
//!
//! One safetensors file (<https://github.com/huggingface/safetensors>), which `numpy` and every tensor library open. Its
//! only metadata key, `semcov`, holds JSON: format, version, encoder, provenance, counts, names, sources, labels,
//! licences and a digest; one key, because several would come out in random order. The digest is BLAKE3 over that JSON without it and
//! over every tensor's name, type, shape and bytes.
//!
//! | tensor | shape | content |
//! |---|---|---|
//! | `leaves.centroids`, `regions.centroids` | leaves, regions x dim | unit vectors, f16 |
//! | `leaves.region` | leaves | the region of each leaf |
//! | `leaves.rows`, `.distance`, `.squares` | leaves x 2 | sums, by half |
//! | `leaves.histogram` | leaves x 2 x 32 | rows by distance, by half |
//! | `leaves.sum` | leaves x dim | sums of vectors, units of 2^-16 |
//! | `moments.sum`, `moments.outer` | dim; dim (dim + 1) / 2 | sums of x; of x x^T, its upper triangle |
//! | `prototypes.centroids` | K x dim | unit vectors, f16 |
//! | `prototypes.rows`, `.distance`, `.squares` | K | sums of held-out rows |
//! | `prototypes.histogram` | K x 128 | held-out rows by distance |
//! | `prototypes.halved` | 1 | whether half 1 was held out: 1, or 0 where all rows are summed |
//! | `census.hashes`, `.leaves` | texts | the smallest 64-bit hashes, ascending; the texts' leaves |
//! | `sample.hashes`, `.rows`, `.leaves` | n | of the sampled texts |
//! | `sample.groups` | n | hashes of their groups, 0 without; missing where none has one |
//! | `sample.vectors` | n x dim | in 8 bits a component |
//! | `sample.ids`, `.texts` | bytes | UTF-8, one after the other; `.id_lengths`, `.text_lengths` part them |
//!
//! All tensors `prototypes.*` are there or none; `census.*` may be missing: the first files of version 1 have
//! neither.
//!
//! At 384 components a file takes at most 1 MB per started 100 leaves (and a tenth more of the first where leaves have
//! 100,000 rows), 1,300 bytes per prototype (1,040 where no bin has more than 65,535 rows), 10 bytes per distinct text,
//! 8 MB at most, and 410 bytes per sampled text, and its id.
//!
//! A file is read whole, and not trusted: every shape, index, order and bound that other code builds on is checked.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use super::sums::{FRACTION_BITS, LARGEST};
use super::tensors::Tensors;
use super::{
    BINS, CENSUS_TEXTS, Census, DISTANCE_BINS, DistanceSums, HELD_OUT, LeafSums, MOST_ROWS, Observed, Profile,
    Prototypes, Provenance, Sample,
};
use crate::cluster::Codebook;
use crate::embed::EncoderId;
use crate::vectors::moments::Moments;
use crate::{Error, Result};

/// What the JSON calls the format; no other file has it in its header.
const FORMAT: &str = "semcov-profile";

/// The version written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

/// The metadata key.
const KEY: &str = "semcov";

/// Bytes that a header may have: safetensors' own limit.
const MOST_HEADER_BYTES: u64 = 100_000_000;

const MAKE_ONE: &str = "make one with `semcov profile fit CORPUS -o NAME.semcov`";
const MAKE_AGAIN: &str = "copy the file again from where it came from, or make it again with `semcov profile`";

/// The JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    version: u32,
    encoder: EncoderId,
    provenance: Provenance,
    counts: Counts,
    region_names: Vec<String>,
    leaf_names: Vec<String>,
    sources: BTreeMap<String, u64>,
    labels: BTreeMap<String, u64>,
    /// Absent where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    licences: BTreeMap<String, u64>,
    sample: Option<SampleHead>,
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    rows: u64,
    empty: u64,
    bad_rows: u64,
    /// Absent where it is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    synthetic: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleHead {
    limit: usize,
    texts: bool,
}

/// What every version of the JSON has.
#[derive(Deserialize)]
struct AnyHead {
    format: String,
    version: u32,
}

/// Why a file is not a profile that can be used, and what to do.
struct Defect {
    problem: String,
    help: &'static str,
}

impl Defect {
    fn not_a_profile(got: &str) -> Self {
        Self { problem: format!("expected a profile, got {got}"), help: MAKE_ONE }
    }
}

/// What contradicts itself.
impl From<String> for Defect {
    fn from(problem: String) -> Self {
        Self { problem: format!("its content is not what semcov writes: {problem}"), help: MAKE_AGAIN }
    }
}

impl Profile {
    /// The profile as a file.
    ///
    /// # Errors
    /// [`Error::Profile`] if there are so many names of sources, labels and licences that the file's header would exceed 100 MB.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let tensors = self.to_tensors();
        let mut head = self.to_head();
        head.digest = digest(&mut head, &tensors)?;
        let failed = |problem: String| Error::Profile {
            path: "to write".to_owned(),
            problem,
            help: "name columns with fewer different values, by `--source`, `--label` and `--licence`".to_owned(),
        };
        let json = serde_json::to_string(&head).map_err(|error| failed(error.to_string()))?;
        serialize(tensors.iter(), Some(HashMap::from([(KEY.to_owned(), json)])))
            .map_err(|error| failed(error.to_string()))
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Profile`] if it is not a profile, is cut off, was altered, is
    /// of a newer version, or contradicts itself.
    pub fn read(path: &Path) -> Result<Self> {
        let mut file = fs_err::File::open(path)?;
        // Anything may be given for a profile, however large: nothing is read in before the header names the format.
        let mut bytes = header(&mut file)?;
        if names_format(&bytes) {
            file.read_to_end(&mut bytes)?;
        }
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Whether a file is a profile, of any version and in any state; a path that is no file is none.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read.
    pub fn is_profile(path: &Path) -> Result<bool> {
        Ok(path.is_file() && names_format(&header(&mut fs_err::File::open(path)?)?))
    }

    /// The profile that a file holds; `path` names it in errors.
    ///
    /// # Errors
    /// Like [`Profile::read`].
    pub fn from_bytes(bytes: &[u8], path: &str) -> Result<Self> {
        parse(bytes).map_err(|Defect { problem, help }| Error::Profile {
            path: path.to_owned(),
            problem,
            help: help.to_owned(),
        })
    }

    fn to_head(&self) -> Head {
        let Observed { rows, empty, bad_rows, synthetic, sources, labels, licences, .. } = self.observed.clone();
        let sample = self.sample.as_ref();
        Head {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            encoder: self.encoder.clone(),
            provenance: self.provenance.clone(),
            counts: Counts { rows, empty, bad_rows, synthetic },
            region_names: self.region_names.clone(),
            leaf_names: self.leaf_names.clone(),
            sources,
            labels,
            licences,
            sample: sample.map(|sample| SampleHead { limit: sample.limit, texts: sample.texts.is_some() }),
            digest: String::new(),
        }
    }

    fn to_tensors(&self) -> Tensors<'static> {
        let Self { codebook, observed, .. } = self;
        let (leaves, dim) = (codebook.n_leaves(), codebook.dim);
        let unsigned = |of: fn(&LeafSums) -> Vec<u64>| observed.leaves.iter().flat_map(of).collect::<Vec<_>>();
        let signed = |of: fn(&LeafSums) -> Vec<i64>| observed.leaves.iter().flat_map(of).collect::<Vec<_>>();
        let widened = |values: &[u32]| values.iter().map(|&value| u64::from(value)).collect::<Vec<_>>();
        let mut tensors = Tensors::default();
        tensors.put_halves("leaves.centroids", &[leaves, dim], &codebook.leaves);
        tensors.put_halves("regions.centroids", &[codebook.n_regions(), dim], &codebook.regions);
        tensors.put_unsigned("leaves.region", &[leaves], &widened(&codebook.region_of_leaf));
        tensors.put_unsigned("leaves.rows", &[leaves, 2], &unsigned(|leaf| leaf.rows.to_vec()));
        tensors.put_signed("leaves.distance", &[leaves, 2], &signed(|leaf| leaf.distance.to_vec()));
        tensors.put_signed("leaves.squares", &[leaves, 2], &signed(|leaf| leaf.squares.to_vec()));
        tensors.put_unsigned("leaves.histogram", &[leaves, 2, BINS], &unsigned(|leaf| leaf.histogram.concat()));
        tensors.put_signed("leaves.sum", &[leaves, dim], &signed(|leaf| leaf.sum.clone()));
        tensors.put_signed("moments.sum", &[dim], observed.moments.sum_units());
        let upper: Vec<i64> = observed.moments.upper_units().collect();
        tensors.put_signed("moments.outer", &[upper.len()], &upper);
        if let Some(prototypes) = &self.prototypes {
            let (k, sums) = (prototypes.len(), &prototypes.sums);
            let unsigned = |of: fn(&DistanceSums) -> &[u64]| sums.iter().flat_map(of).copied().collect::<Vec<_>>();
            let signed = |of: fn(&DistanceSums) -> i64| sums.iter().map(of).collect::<Vec<_>>();
            tensors.put_halves("prototypes.centroids", &[k, dim], &prototypes.centroids);
            tensors.put_unsigned("prototypes.halved", &[1], &[u64::from(prototypes.halved)]);
            tensors.put_unsigned("prototypes.rows", &[k], &unsigned(|sums| std::slice::from_ref(&sums.rows)));
            tensors.put_signed("prototypes.distance", &[k], &signed(|sums| sums.distance));
            tensors.put_signed("prototypes.squares", &[k], &signed(|sums| sums.squares));
            tensors.put_unsigned("prototypes.histogram", &[k, DISTANCE_BINS], &unsigned(|sums| &sums.histogram));
        }
        if let Some(census) = &self.census {
            tensors.put_unsigned("census.hashes", &[census.len()], census.hashes());
            let leaves: Vec<u64> = census.leaves().iter().map(|&leaf| u64::from(leaf)).collect();
            tensors.put_unsigned("census.leaves", &[census.len()], &leaves);
        }
        if let Some(sample) = &self.sample {
            let n = sample.len();
            tensors.put_unsigned("sample.hashes", &[n], &sample.hashes);
            tensors.put_unsigned("sample.rows", &[n], &widened(&sample.rows));
            tensors.put_unsigned("sample.leaves", &[n], &widened(&sample.leaves));
            tensors.put_i8("sample.vectors", &[n, dim], &sample.vectors);
            tensors.put_strings("sample.ids", "sample.id_lengths", &sample.ids);
            if sample.groups.iter().any(|&group| group > 0) {
                tensors.put_unsigned("sample.groups", &[n], &sample.groups);
            }
            if let Some(texts) = &sample.texts {
                tensors.put_strings("sample.texts", "sample.text_lengths", texts);
            }
        }
        tensors
    }
}

/// The digest of a file's content; leaves `head` without one.
fn digest(head: &mut Head, tensors: &Tensors<'_>) -> Result<String> {
    head.digest.clear();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(head).map_err(std::io::Error::from)?);
    tensors.digest(&mut hasher);
    Ok(hasher.finalize().to_hex().to_string())
}

/// The length of a safetensors header and the header, as far as they are there and not too long.
fn header(file: &mut fs_err::File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes)?;
    let announced = bytes.first_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
    if announced <= MOST_HEADER_BYTES {
        file.by_ref().take(announced).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn names_format(header: &[u8]) -> bool {
    header.windows(FORMAT.len()).any(|window| window == FORMAT.as_bytes())
}

fn parse(bytes: &[u8]) -> Result<Profile, Defect> {
    let cut_off = || Defect { problem: "the file is cut off, or was altered".to_owned(), help: MAKE_AGAIN };
    let file = match SafeTensors::deserialize(bytes) {
        Ok(file) => file,
        Err(_) if names_format(bytes) => return Err(cut_off()),
        Err(_) => return Err(Defect::not_a_profile("a file of another kind")),
    };
    // The borrow of the metadata ends before the tensors are taken.
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|_| cut_off())?;
    let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let Some(json) = json else { return Err(Defect::not_a_profile("other tensors")) };
    let altered = |problem: String| Defect { problem: format!("the file was altered: {problem}"), help: MAKE_AGAIN };
    let any: AnyHead = serde_json::from_str(json).map_err(|error| altered(error.to_string()))?;
    if any.format != FORMAT {
        return Err(Defect::not_a_profile(&format!("format {:?}", any.format)));
    }
    if any.version > FORMAT_VERSION {
        return Err(Defect {
            problem: format!("expected format version {FORMAT_VERSION}, got {}, which is newer", any.version),
            help: "update semcov, or make the profile with this version of it",
        });
    }
    let mut head: Head = serde_json::from_str(json).map_err(|error| altered(error.to_string()))?;
    let tensors = Tensors::of(&file);
    let written = std::mem::take(&mut head.digest);
    let found = digest(&mut head, &tensors).map_err(|error| altered(error.to_string()))?;
    if found != written {
        return Err(altered("its digest is not that of its content".to_owned()));
    }
    Ok(assemble(head, &tensors)?)
}

/// Fails with a message unless something holds.
fn ensure(holds: bool, problem: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

/// Integers that fit an index.
fn narrowed(values: Vec<u64>) -> Result<Vec<u32>, String> {
    values.into_iter().map(u32::try_from).collect::<Result<_, _>>().map_err(|_| "a number is too large".to_owned())
}

fn assemble(head: Head, tensors: &Tensors<'_>) -> Result<Profile, String> {
    let Head { encoder, provenance, counts, region_names, leaf_names, sources, labels, licences, sample, .. } = head;
    let codebook = codebook(tensors)?;
    ensure(encoder.dim == codebook.dim, "the encoder's dim is not that of the centroids")?;
    ensure(leaf_names.len() == codebook.n_leaves(), "there is not one name per leaf")?;
    ensure(region_names.len() == codebook.n_regions(), "there is not one name per region")?;

    let Counts { rows, empty, bad_rows, synthetic } = counts;
    ensure(rows <= MOST_ROWS && empty <= rows, "its counts cannot be")?;
    let with_text = rows - empty;
    for names in [&sources, &labels, &licences] {
        let sum: u128 = names.values().map(|&rows| u128::from(rows)).sum();
        ensure(sum <= u128::from(with_text), "more rows have a source, a label or a licence than there are")?;
    }
    let leaves = leaf_sums(tensors, &codebook)?;
    let sum: u128 = leaves.iter().map(|leaf| u128::from(leaf.rows[0]) + u128::from(leaf.rows[1])).sum();
    ensure(sum == u128::from(with_text), "the leaves' rows do not add up")?;
    let moments = moments(tensors, &codebook, with_text, &leaves)?;
    let prototypes =
        tensors.contains("prototypes.").then(|| read_prototypes(tensors, codebook.dim, &leaves)).transpose()?;
    let sample = sample.map(|head| read_sample(tensors, &head, &codebook, &leaves)).transpose()?;
    let census = tensors.contains("census.").then(|| read_census(tensors, &leaves, sample.as_ref())).transpose()?;
    let observed = Observed { rows, empty, bad_rows, synthetic, leaves, moments, sources, labels, licences };
    Ok(Profile { encoder, codebook, leaf_names, region_names, observed, prototypes, census, sample, provenance })
}

fn codebook(tensors: &Tensors<'_>) -> Result<Codebook, String> {
    let [n_leaves, dim] = tensors.shape2("leaves.centroids")?;
    let [n_regions, _] = tensors.shape2("regions.centroids")?;
    ensure(n_leaves > 0 && n_regions > 0 && dim > 0, "there is no leaf")?;
    let leaves = tensors.halves("leaves.centroids", &[n_leaves, dim])?;
    let regions = tensors.halves("regions.centroids", &[n_regions, dim])?;
    let region_of_leaf = narrowed(tensors.unsigned("leaves.region", &[n_leaves])?)?;
    ensure(leaves.chunks_exact(dim).chain(regions.chunks_exact(dim)).all(is_unit), "a centroid is no unit vector")?;
    ensure(region_of_leaf[0] == 0, "the first leaf is not of the first region")?;
    let steps = region_of_leaf.windows(2).all(|pair| pair[1] == pair[0] || pair[0].checked_add(1) == Some(pair[1]));
    let last = region_of_leaf.last().map(|&region| region as usize + 1);
    ensure(steps && last == Some(n_regions), "the leaves are not in the order of their regions")?;
    Ok(Codebook { dim, leaves, region_of_leaf, regions })
}

fn is_unit(centroid: &[f32]) -> bool {
    let square: f64 = centroid.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (square - 1.0).abs() < 0.01
}

fn leaf_sums(tensors: &Tensors<'_>, codebook: &Codebook) -> Result<Vec<LeafSums>, String> {
    let (n, dim) = (codebook.n_leaves(), codebook.dim);
    let rows = tensors.unsigned("leaves.rows", &[n, 2])?;
    let distance = tensors.signed("leaves.distance", &[n, 2])?;
    let squares = tensors.signed("leaves.squares", &[n, 2])?;
    let histogram = tensors.unsigned("leaves.histogram", &[n, 2, BINS])?;
    let sum = tensors.signed("leaves.sum", &[n, dim])?;
    ensure(rows.iter().all(|&rows| rows <= MOST_ROWS), "a leaf has too many rows")?;
    let mut leaves = Vec::with_capacity(n);
    for leaf in 0..n {
        let mut sums = LeafSums { sum: sum[leaf * dim..][..dim].to_vec(), ..LeafSums::new(0) };
        for half in 0..2 {
            let i = 2 * leaf + half;
            sums.rows[half] = rows[i];
            sums.distance[half] = distance[i];
            sums.squares[half] = squares[i];
            sums.histogram[half].copy_from_slice(&histogram[i * BINS..][..BINS]);
            let holds = could_be_distances(rows[i], distance[i], squares[i], &sums.histogram[half]);
            ensure(holds, "a leaf's distances cannot be those of its rows")?;
        }
        let most = sums.all_rows() << FRACTION_BITS;
        ensure(sums.sum.iter().all(|x| x.unsigned_abs() <= most), "a leaf's vectors are too long")?;
        leaves.push(sums);
    }
    Ok(leaves)
}

fn moments(tensors: &Tensors<'_>, codebook: &Codebook, rows: u64, leaves: &[LeafSums]) -> Result<Moments, String> {
    let sum = tensors.signed("moments.sum", &[codebook.dim])?;
    let upper = tensors.signed("moments.outer", &[tensors.len("moments.outer")?])?;
    for (i, &x) in sum.iter().enumerate() {
        let of_leaves: i128 = leaves.iter().map(|leaf| i128::from(leaf.sum[i])).sum();
        ensure(of_leaves == i128::from(x), "the leaves' vectors do not add up")?;
    }
    let most = rows << (2 * FRACTION_BITS);
    ensure(upper.iter().all(|x| x.unsigned_abs() <= most), "its second moments are too large")?;
    Moments::from_units(rows, sum, &upper)
        .ok_or_else(|| "its second moments are not those of dim components".to_owned())
}

fn read_prototypes(tensors: &Tensors<'_>, dim: usize, leaves: &[LeafSums]) -> Result<Prototypes, String> {
    let [k, _] = tensors.shape2("prototypes.centroids")?;
    ensure(k > 0, "there is no prototype")?;
    let centroids = tensors.halves("prototypes.centroids", &[k, dim])?;
    ensure(centroids.chunks_exact(dim).all(is_unit), "a prototype is no unit vector")?;
    let halved = match tensors.unsigned("prototypes.halved", &[1])?.as_slice() {
        [0] => false,
        [1] => true,
        _ => return Err("the prototypes are halved neither 0 nor 1 times".to_owned()),
    };
    let rows = tensors.unsigned("prototypes.rows", &[k])?;
    let distance = tensors.signed("prototypes.distance", &[k])?;
    let squares = tensors.signed("prototypes.squares", &[k])?;
    let histogram = tensors.unsigned("prototypes.histogram", &[k, DISTANCE_BINS])?;
    let mut sums = Vec::with_capacity(k);
    for (i, bins) in histogram.chunks_exact(DISTANCE_BINS).enumerate() {
        ensure(
            could_be_distances(rows[i], distance[i], squares[i], bins),
            "a prototype's distances cannot be those of its rows",
        )?;
        let mut of_prototype =
            DistanceSums { rows: rows[i], distance: distance[i], squares: squares[i], ..DistanceSums::default() };
        of_prototype.histogram.copy_from_slice(bins);
        sums.push(of_prototype);
    }
    let held_out: u64 = leaves.iter().map(|leaf| if halved { leaf.rows[HELD_OUT] } else { leaf.all_rows() }).sum();
    let sum: u128 = rows.iter().map(|&rows| u128::from(rows)).sum();
    ensure(sum == u128::from(held_out), "the prototypes' rows do not add up")?;
    Ok(Prototypes { dim, centroids, halved, sums })
}

/// Whether so many rows may have these sums of distances and of their squares, and this histogram.
fn could_be_distances(rows: u64, distance: i64, squares: i64, histogram: &[u64]) -> bool {
    let binned: u128 = histogram.iter().map(|&rows| u128::from(rows)).sum();
    let most = i128::from(rows) * i128::from(LARGEST);
    (0..=most).contains(&i128::from(distance))
        && (0..=most * i128::from(LARGEST)).contains(&i128::from(squares))
        && binned == u128::from(rows)
}

fn read_sample(
    tensors: &Tensors<'_>,
    head: &SampleHead,
    codebook: &Codebook,
    leaves: &[LeafSums],
) -> Result<Sample, String> {
    let n = tensors.len("sample.hashes")?;
    let grouped = tensors.contains("sample.groups");
    let sample = Sample {
        limit: head.limit,
        hashes: tensors.unsigned("sample.hashes", &[n])?,
        ids: tensors.strings("sample.ids", "sample.id_lengths", n)?,
        groups: if grouped { tensors.unsigned("sample.groups", &[n])? } else { vec![0; n] },
        rows: narrowed(tensors.unsigned("sample.rows", &[n])?)?,
        leaves: narrowed(tensors.unsigned("sample.leaves", &[n])?)?,
        vectors: tensors.i8("sample.vectors", &[n, codebook.dim])?,
        texts: head.texts.then(|| tensors.strings("sample.texts", "sample.text_lengths", n)).transpose()?,
    };
    ensure(n <= sample.limit && sample.limit > 0, "the sample has more texts than it may have")?;
    ensure(sample.hashes.is_sorted_by(|a, b| a < b), "the sample is not in order")?;
    ensure(!grouped || sample.groups.iter().any(|&group| group > 0), "the groups of the sample are those of no row")?;
    let mut rows = vec![[0_u64; 2]; leaves.len()];
    for i in 0..n {
        let of_leaf = rows.get_mut(sample.leaves[i] as usize).ok_or("a sampled text is in a leaf that there is not")?;
        ensure(sample.rows[i] > 0, "a sampled text has no rows")?;
        of_leaf[sample.half(i)] += u64::from(sample.rows[i]);
    }
    let within = rows.iter().zip(leaves).all(|(rows, leaf)| (0..2).all(|half| rows[half] <= leaf.rows[half]));
    ensure(within, "a leaf's sampled texts have more rows than the leaf")?;
    Ok(sample)
}

fn read_census(tensors: &Tensors<'_>, leaves: &[LeafSums], sample: Option<&Sample>) -> Result<Census, String> {
    let hashes = tensors.unsigned("census.hashes", &[tensors.len("census.hashes")?])?;
    let of_texts = narrowed(tensors.unsigned("census.leaves", &[tensors.len("census.leaves")?])?)?;
    ensure(of_texts.iter().all(|&leaf| (leaf as usize) < leaves.len()), "the census is not of leaves that there are")?;
    let census = Census::from_parts(hashes, of_texts).ok_or("the census is not in order, or too long")?;
    let texts = census.texts_per_leaf(leaves.len(), &census);
    let fits = |(&texts, leaf): (&u64, &LeafSums)| {
        let rows = leaf.all_rows();
        texts <= rows && (!census.is_complete() || (texts == 0) == (rows == 0))
    };
    ensure(texts.iter().zip(leaves).all(fits), "the census is not that of its rows")?;
    // Both have the smallest hashes of the same texts, as many as they may.
    if let Some(sample) = sample {
        let (ours, sampled) = (census.hashes(), sample.hashes.as_slice());
        let common = ours.len().min(sampled.len());
        let holds = ours[..common] == sampled[..common]
            && ours.len() >= sampled.len().min(CENSUS_TEXTS)
            && (sample.is_full() || ours.len() <= sampled.len());
        ensure(holds, "the census is not that of the sampled texts")?;
    }
    Ok(census)
}

#[cfg(test)]
mod tests;
