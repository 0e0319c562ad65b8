use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::profile::SampleParams;
use crate::profile::fixture::{fitted, lines, sampling};
use crate::vectors::EmbeddingMatrix;

static PROFILE: LazyLock<Profile> = LazyLock::new(|| fitted(&lines(80, 21), 6, &sampling(12)));
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| PROFILE.to_bytes().unwrap());

fn read(bytes: &[u8]) -> Result<Profile> {
    Profile::from_bytes(bytes, "a.semcov")
}

/// What the header of a file says.
fn head_of(bytes: &[u8]) -> String {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    metadata.metadata().as_ref().unwrap()[KEY].clone()
}

#[test]
fn reads_what_it_wrote() {
    let mut profile = PROFILE.clone();
    assert_eq!(read(&BYTES).unwrap(), profile);
    profile.sample.as_mut().unwrap().texts = None;
    assert_eq!(read(&profile.to_bytes().unwrap()).unwrap(), profile);
    // A sample without groups is written as before there were any.
    let groups = &mut profile.sample.as_mut().unwrap().groups;
    assert!(groups.contains(&0) && groups.iter().any(|&group| group > 0));
    groups.fill(0);
    let bytes = profile.to_bytes().unwrap();
    assert!(!bytes.windows(13).any(|name| name == b"sample.groups"));
    assert_eq!(read(&bytes).unwrap(), profile);
    profile.census = None;
    assert_eq!(read(&profile.to_bytes().unwrap()).unwrap(), profile);
    profile.sample = None;
    profile.prototypes = None;
    profile.observed.sources.clear();
    // Licences are written where there are some.
    assert!(!profile.observed.licences.is_empty() && head_of(&BYTES).contains("licences"));
    profile.observed.licences.clear();
    assert!(!head_of(&profile.to_bytes().unwrap()).contains("licences"));
    assert_eq!(read(&profile.to_bytes().unwrap()).unwrap(), profile);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), &*BYTES).unwrap();
    assert_eq!(Profile::read(file.path()).unwrap(), *PROFILE);
}

/// A profile of `leaves` leaves of twice `rows` rows each, 384 components, and `texts` texts, of which `sampled` have
/// ids of ten bytes. The numbers are the largest that so many rows may have.
fn large(leaves: usize, rows: u64, texts: usize, sampled: usize) -> Profile {
    let dim = 384;
    let unit: Vec<f32> = (0..dim).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let mut profile = PROFILE.clone();
    profile.encoder.dim = dim;
    profile.codebook = Codebook {
        dim,
        leaves: unit.repeat(leaves),
        region_of_leaf: (0..leaves as u32).map(|leaf| leaf.min(49)).collect(),
        regions: unit.repeat(leaves.min(50)),
    };
    profile.leaf_names = (0..leaves).map(|leaf| format!("a name of usual length, {leaf}")).collect();
    profile.region_names = profile.leaf_names[..leaves.min(50)].to_vec();
    // The mean of a leaf's unit vectors has no component as large as this in practice.
    let sum = (0.5 * (2 * rows) as f64) as i64 * 65_536;
    let held_out = DistanceSums {
        rows,
        distance: rows as i64 * LARGEST,
        squares: rows as i64 * LARGEST * LARGEST,
        histogram: std::array::from_fn(|bin| if bin == 0 { rows } else { 0 }),
    };
    let leaf = LeafSums {
        rows: [rows; 2],
        distance: [rows as i64 * LARGEST; 2],
        squares: [rows as i64 * LARGEST * LARGEST; 2],
        histogram: std::array::from_fn(|_| std::array::from_fn(|bin| if bin == 0 { rows } else { 0 })),
        sum: vec![sum; dim],
    };
    // Three prototypes a leaf, as for 100 distinct texts, with the held-out rows of the leaf at one of them.
    let sums = |i: usize| if i.is_multiple_of(3) { held_out.clone() } else { DistanceSums::default() };
    let prototypes = profile.prototypes.as_mut().unwrap();
    (prototypes.dim, prototypes.centroids, prototypes.sums) =
        (dim, unit.repeat(3 * leaves), (0..3 * leaves).map(sums).collect());
    let all = 2 * rows * leaves as u64;
    let sum = leaf.sum.iter().map(|x| x * leaves as i64).collect();
    profile.observed = Observed {
        rows: all,
        empty: 0,
        bad_rows: 0,
        synthetic: 3,
        moments: Moments::from_units(all, sum, &vec![1 << 32; dim * (dim + 1) / 2]).unwrap(),
        leaves: vec![leaf; leaves],
        sources: BTreeMap::new(),
        labels: BTreeMap::new(),
        licences: BTreeMap::new(),
    };
    let of_leaves = (0..texts).map(|text| (text % leaves) as u32).collect();
    let census = Census::from_parts((0..texts as u64).map(|i| i << 40).collect(), of_leaves);
    profile.census = census.filter(|census| !census.is_empty());
    profile.sample = Some(Sample {
        limit: sampled.max(1),
        hashes: (0..sampled as u64).map(|i| i << 40).collect(),
        ids: (0..sampled).map(|i| format!("id{i:08}")).collect(),
        groups: vec![u64::MAX; sampled],
        rows: vec![3; sampled],
        leaves: vec![0; sampled],
        vectors: vec![127; sampled * dim],
        texts: None,
    });
    profile
}

#[test]
fn small_enough() {
    const MB: usize = 1_000_000;
    for (leaves, rows, texts, sampled, most) in [
        (100, 30_000, 0, 0, MB),
        (100, 30_000, 40_000, 10_000, MB),
        (250, 30_000, 1_000, 1_000, 3 * MB),
        (1_000, 30_000, 0, 0, 10 * MB),
        (100, 1_000_000, CENSUS_TEXTS, 10_000, MB + MB / 10),
        (4_096, 30_000, 0, 0, 41 * MB),
        (1_000, 250_000, 10_000, 10_000, 10 * MB),
    ] {
        let profile = large(leaves, rows, texts, sampled);
        let bytes = profile.to_bytes().unwrap();
        assert_eq!(read(&bytes).unwrap(), profile);
        let most = most + 10 * texts + sampled * (410 + 10) + 3 * leaves * if rows < 65_536 { 1_040 } else { 1_300 };
        assert!(bytes.len() <= most, "{leaves} leaves, {sampled} texts: {} > {most} bytes", bytes.len());
    }
}

fn message(result: Result<Profile>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Profile { .. }) && error.help().is_some());
    error.to_string()
}

#[test]
fn other_files() {
    for other in [&b""[..], b"{\"text\": \"not a profile\"}\n", &[0; 100], &u64::MAX.to_le_bytes()] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), other).unwrap();
        let message = message(Profile::read(file.path()));
        assert!(message.ends_with("expected a profile, got a file of another kind"), "{message}");
    }
    let tensors = PROFILE.to_tensors();
    let plain = serialize(tensors.iter(), None).unwrap();
    assert_eq!(message(read(&plain)), "profile a.semcov: expected a profile, got other tensors");
    assert!(matches!(Profile::read(Path::new("no-such-file.semcov")), Err(Error::Io(_))));
    assert!(message(read(&BYTES[..BYTES.len() - 1])).contains("the file is cut off"));
    let newer = with_head(|head| head.version = 2);
    let expected = "profile a.semcov: expected format version 1, got 2, which is newer";
    assert_eq!(message(read(&newer)), expected);
}

/// The file with another head, and the digest that belongs to it.
fn with_head(change: impl FnOnce(&mut Head)) -> Vec<u8> {
    let mut head = PROFILE.to_head();
    change(&mut head);
    let tensors = PROFILE.to_tensors();
    head.digest = digest(&mut head, &tensors).unwrap();
    let json = serde_json::to_string(&head).unwrap();
    serialize(tensors.iter(), Some(HashMap::from([(KEY.to_owned(), json)]))).unwrap()
}

/// What is read from the file with other values in one tensor, and the digest that belongs to it.
fn with_tensor(name: &str, values: &[u64]) -> Result<Profile> {
    let mut tensors = PROFILE.to_tensors();
    tensors.put_unsigned(name, &[values.len()], values);
    let mut head = PROFILE.to_head();
    head.digest = digest(&mut head, &tensors).unwrap();
    let json = serde_json::to_string(&head).unwrap();
    read(&serialize(tensors.iter(), Some(HashMap::from([(KEY.to_owned(), json)]))).unwrap())
}

fn prototypes(profile: &mut Profile) -> &mut Prototypes {
    profile.prototypes.as_mut().unwrap()
}

/// Prototypes are optional, but not in parts.
#[test]
fn half_of_the_prototypes() {
    let head = PROFILE.to_head();
    let bytes = PROFILE.to_bytes().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["centroids", "halved", "rows", "distance", "squares", "histogram"] {
        let mut tensors = Tensors::of(&file);
        tensors.put_unsigned(&format!("prototypes.{name}"), &[1, 1], &[2]);
        assert!(assemble(PROFILE.to_head(), &tensors).is_err(), "{name}");
    }
    assert_eq!(assemble(head, &Tensors::of(&file)).unwrap(), *PROFILE);
}

#[test]
fn what_contradicts_itself() {
    let heads: [fn(&mut Head); 10] = [
        |head| head.encoder.dim = 7,
        |head| drop(head.leaf_names.pop()),
        |head| drop(head.region_names.pop()),
        |head| head.counts.rows += 1,
        |head| head.counts.empty = u64::MAX,
        |head| head.sources.extend([("x".to_owned(), u64::MAX)]),
        |head| head.licences.extend([("MIT".to_owned(), u64::MAX)]),
        |head| head.sample = Some(SampleHead { limit: 11, texts: true }),
        |head| head.sample = Some(SampleHead { limit: 0, texts: false }),
        |head| head.counts.rows = MOST_ROWS + 1,
    ];
    for (i, change) in heads.into_iter().enumerate() {
        let message = message(read(&with_head(change)));
        assert!(message.contains("its content is not what semcov writes"), "{i}: {message}");
    }
    let profiles: [fn(&mut Profile); 24] = [
        |profile| profile.codebook.leaves[0] = f32::NAN,
        |profile| profile.codebook.regions.fill(0.0),
        |profile| profile.codebook.region_of_leaf[0] = 1,
        |profile| profile.codebook.region_of_leaf[5] = u32::MAX,
        |profile| profile.codebook.region_of_leaf.fill(0),
        |profile| profile.observed.leaves[0].rows[0] += 1,
        |profile| profile.observed.leaves[1].rows = [u64::MAX; 2],
        |profile| profile.observed.leaves[0].distance[0] = -1,
        |profile| profile.observed.leaves[0].squares[1] = i64::MAX,
        |profile| profile.observed.leaves[0].histogram[0][0] += 1,
        |profile| profile.observed.leaves[0].sum[0] += 1,
        |profile| profile.observed.leaves[0].sum[0] = i64::MIN,
        |profile| prototypes(profile).centroids[0] = f32::NAN,
        |profile| prototypes(profile).centroids.fill(0.5),
        |profile| prototypes(profile).halved = false,
        |profile| prototypes(profile).sums[0].rows += 1,
        |profile| prototypes(profile).sums[0].distance = i64::MAX,
        |profile| prototypes(profile).sums[0].squares = -1,
        |profile| prototypes(profile).sums[0].histogram[5] += 1,
        |profile| {
            let prototypes = prototypes(profile);
            (prototypes.centroids, prototypes.sums) = (vec![], vec![]);
        },
        |profile| profile.sample.as_mut().unwrap().leaves[3] = 6,
        |profile| profile.sample.as_mut().unwrap().hashes.swap(0, 1),
        |profile| profile.sample.as_mut().unwrap().rows[0] = u32::MAX,
        |profile| profile.sample.as_mut().unwrap().rows[0] = 0,
    ];
    for (i, change) in profiles.into_iter().enumerate() {
        let mut profile = PROFILE.clone();
        change(&mut profile);
        let message = message(read(&profile.to_bytes().unwrap()));
        assert!(message.contains("its content is not what semcov writes"), "{i}: {message}");
    }
    for groups in [&[1; 11][..], &[0; 12]] {
        assert!(message(with_tensor("sample.groups", groups)).contains("its content is not what semcov writes"));
    }
    // The sample has 12 of the texts.
    let census = PROFILE.census.as_ref().unwrap().hashes();
    let largest = *census.last().unwrap();
    assert!(census.len() > 12 && largest < u64::MAX);
    for hashes in [
        vec![],
        census[1..].to_vec(),
        census[..11].to_vec(),
        [&census[..3], &census[4..]].concat(),
        [&[census[0] - 1], census].concat(),
        [census, &[largest]].concat(),
        [&[census[1], census[0]], &census[2..]].concat(),
        (0..=PROFILE.rows_with_text() - census.len() as u64).fold(census.to_vec(), |mut more, i| {
            more.push(largest + 1 + i);
            more
        }),
    ] {
        let message = message(with_tensor("census.hashes", &hashes));
        assert!(message.contains("the census is not"), "{message}");
    }
    let mut all_sampled = PROFILE.clone();
    all_sampled.sample.as_mut().unwrap().limit = 13;
    assert!(message(read(&all_sampled.to_bytes().unwrap())).contains("the census is not that of the sampled texts"));

    let mut no_leaf = PROFILE.clone();
    let codebook = &mut no_leaf.codebook;
    (codebook.leaves, codebook.regions, codebook.region_of_leaf) = (vec![], vec![], vec![]);
    no_leaf.observed.leaves.clear();
    assert!(message(read(&no_leaf.to_bytes().unwrap())).contains("there is no leaf"));
}

proptest! {
    /// A changed file is refused, unless the change is one of white space in the header; it never panics.
    #[test]
    fn altered(place: prop::sample::Index, bit in 0_u8..8, cut: prop::sample::Index) {
        let mut bytes = BYTES.clone();
        bytes[place.index(BYTES.len())] ^= 1 << bit;
        if let Ok(profile) = read(&bytes) {
            prop_assert_eq!(&profile, &*PROFILE);
        }
        prop_assert!(read(&BYTES[..cut.index(BYTES.len())]).is_err());
    }

    /// A file altered by somebody who knows how to make the digest may be refused or not; it never panics, nor does
    /// what is done with the profile.
    #[test]
    fn altered_with_a_digest(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let start = 8 + u64::from_le_bytes(BYTES[..8].try_into().unwrap()) as usize;
        let mut bytes = BYTES.clone();
        for (place, byte) in places {
            let place = start + place.index(BYTES.len() - start);
            bytes[place] = byte;
        }
        let file = SafeTensors::deserialize(&bytes).unwrap();
        if let Ok(profile) = assemble(PROFILE.to_head(), &Tensors::of(&file)) {
            let _ = (profile.summary(), crate::profile::diff(&PROFILE, &profile));
            let texts = profile.texts_per_leaf();
            prop_assert!(texts.iter().zip(profile.rows_per_leaf()).all(|(&texts, rows)| texts <= rows));
            if let Some((score, calibration)) = profile.centroid_score() {
                let rows = EmbeddingMatrix::from_f32(6, &[0.5; 12]);
                let p_values = score.score((&rows).into()).into_iter().map(|score| calibration.p_value(score));
                prop_assert!(p_values.into_iter().all(|p| p > 0.0 && p <= 1.0));
            }
            let _ = profile.mahalanobis_score();
            let _ = profile.sample.as_ref().map(|sample| sample.matrix(profile.codebook.dim));
            if let Ok(merged) = profile.merge(PROFILE.clone()) {
                prop_assert_eq!(merged.rows_with_text(), 2 * PROFILE.rows_with_text());
            }
        }
    }
}

#[test]
fn compact_and_full_differ_only_in_single_texts() {
    let compact = fitted(&lines(80, 21), 6, &SampleParams { limit: None, texts: false });
    assert_eq!(compact, Profile { census: None, sample: None, ..PROFILE.clone() });
}
